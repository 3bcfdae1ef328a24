internal import ArgumentParser
internal import KeelsonClient

struct EndpointCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "endpoint",
        abstract: "Ask each endpoint how it is: etcdctl's names for health, status and hash.",
        discussion: """
            EXAMPLES:
              keelson endpoint health --cluster
              keelson endpoint status --endpoints http://10.0.0.1:2379,http://10.0.0.2:2379
              keelson endpoint hash --rev 1000
            """,
        subcommands: [HealthCommand.self, StatusCommand.self, HashCommand.self])
}

struct HashCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hash",
        abstract: "Print the hash of what each endpoint stores.",
        discussion: """
            Members that are alike have the same hash at the same revision. Without --rev each
            hashes what it has applied by then, so that under writes the revisions differ.

            EXAMPLES:
              keelson hash --endpoints http://10.0.0.1:2379,http://10.0.0.2:2379
              keelson hash --cluster --rev 1000 -o json
            """,
        aliases: ["hashkv"])

    @Option(name: .customLong("rev"), help: "Up to this revision; 0 for the newest.")
    var revision: Int64 = 0

    @OptionGroup var whom: WhomToAsk
    @OptionGroup var cluster: ClusterOptions

    func validate() throws {
        if revision < 0 { throw ValidationError("A revision is 0 or more.") }
    }

    func run() async throws {
        let revision = self.revision
        let results = try await cluster.each(whom) { try await $0.hash(at: revision) }
        let answers = results.compactMap { result in
            (try? result.answer.get()).map { (result.endpoint, $0) }
        }
        var output = Output()
        switch cluster.format {
        case .json: output.line(.array(answers.map { HashCommand.json($0, $1) }))
        case .text:
            if !answers.isEmpty {
                output.table(
                    ["ENDPOINT", "HASH", "REVISION", "COMPACTED"],
                    answers.map { endpoint, hash in
                        [
                            "\(endpoint)", "\(hash.value)",
                            "\(revision == 0 ? hash.header.revision : revision)",
                            "\(hash.compactedRevision)",
                        ]
                    })
            }
        }
        output.flush()
        try results.throwIfAnyFailed()
    }

    private static func json(_ endpoint: Endpoint, _ hash: StoreHash) -> JSONValue {
        .object([
            ("Endpoint", .string("\(endpoint)")),
            (
                "HashKV",
                .object([
                    ("header", hash.header.json), ("hash", .unsigned(UInt64(hash.value))),
                    ("compact_revision", .integer(hash.compactedRevision)),
                ])
            ),
        ])
    }
}
