internal import ArgumentParser
internal import Foundation
internal import KeelsonClient

struct OfferCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "offer",
        abstract: "Look at what is offered to frameworks at this moment.",
        discussion: """
            EXAMPLES:
              keelson offer list
              keelson offer list -o json
            """, subcommands: [OfferListCommand.self])
}

struct OfferListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Print the offers that are neither answered nor taken back.",
        discussion: """
            Asks the master. Offers are void with the leader that made them, and are taken back
            after two minutes without an answer.

            EXAMPLE:
              keelson offer list
            """)

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let answer = try await cluster.withCluster { cluster in
            try await MasterQuestion(cluster, self.cluster.timeout.duration).get("offers")
        }
        guard cluster.format == .text else { return FrameworkExplainCommand.print(answer) }
        let made = try MasterQuestion.read(Offers.self, answer).offers
        var output = Output()
        output.table(
            ["ID", "FRAMEWORK", "NAME", "AGENT", "ROLE", "FOR", "RESOURCES"],
            made.map { offer in
                [
                    offer.id, String(offer.framework.prefix(8)), offer.frameworkName ?? "",
                    String(offer.agent.prefix(8)), offer.role,
                    "\(offer.forMilliseconds / 1_000)s", offer.resources,
                ]
            })
        output.flush()
    }

    private struct Offers: Decodable {
        struct Offer: Decodable {
            var id: String
            var framework: String
            var frameworkName: String?
            var agent: String
            var role: String
            var resources: String
            var forMilliseconds: UInt64
        }

        var offers: [Offer]
    }
}
