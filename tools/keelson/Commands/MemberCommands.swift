internal import ArgumentParser
internal import KeelsonClient

struct MemberCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "member",
        abstract: "Look at the cluster's members, and change them.",
        discussion: """
            A member that is added votes by itself once it has caught up, so adding one never takes
            away a majority. Start it with --initial-cluster-state existing and an empty directory.

            EXAMPLES:
              keelson member list
              keelson member add --peer-urls http://10.0.0.4:2380 n4
              keelson member remove 8211f1d0f64f3269
            """,
        subcommands: [
            MemberListCommand.self, MemberAddCommand.self, MemberRemoveCommand.self,
            MemberUpdateCommand.self, MemberPromoteCommand.self,
        ])

    static func print(_ list: MemberList, _ format: OutputFormat) {
        var output = Output()
        switch format {
        case .json:
            let members = list.members.map { json($0) }
            output.line(.object([("header", list.header.json), ("members", .array(members))]))
        case .text:
            for member in list.members {
                let columns = [
                    hex(member.id), member.name.isEmpty ? "unstarted" : "started",
                    member.name, member.peerURLs.joined(separator: ","),
                    member.clientURLs.joined(separator: ","), "\(member.isLearner)",
                ]
                output.line(columns.joined(separator: ", "))
            }
        }
        output.flush()
    }

    static func json(_ member: Member) -> JSONValue {
        JSONValue.object([
            ("ID", .unsigned(member.id)), ("name", .string(member.name)),
            ("peerURLs", .array(member.peerURLs.map { .string($0) })),
            ("clientURLs", .array(member.clientURLs.map { .string($0) })),
            ("isLearner", .bool(member.isLearner)),
        ])
    }

    static func hex(_ id: UInt64) -> String { String(id, radix: 16) }
}

/// A member's id as `member list` prints it.
struct MemberID: ExpressibleByArgument, Sendable {
    let rawValue: UInt64

    init?(argument: String) {
        let digits = argument.hasPrefix("0x") ? argument.dropFirst(2) : argument[...]
        guard let value = UInt64(digits, radix: 16) else { return nil }
        rawValue = value
    }
}

/// Comma-separated URLs.
struct URLList: ExpressibleByArgument, Sendable {
    let urls: [String]

    init?(argument: String) {
        urls = argument.split(separator: ",").map(String.init)
        if urls.isEmpty { return nil }
    }
}

struct MemberListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Print the members: id, state, name, peer URLs, client URLs, learner or not.",
        discussion: """
            EXAMPLES:
              keelson member list
              keelson member list -o json
            """)

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        MemberCommand.print(
            try await cluster.withCluster { try await $0.members() }, cluster.format)
    }
}

struct MemberAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Add a member that is then to be started, and print how.",
        discussion: """
            EXAMPLES:
              keelson member add n4 --peer-urls http://10.0.0.4:2380
              keelson member add n5 --peer-urls http://10.0.0.5:2380 --learner
            """)

    @Argument(help: "What the member is to be called (--name).")
    var name: String

    @Option(
        name: .customLong("peer-urls"),
        help: ArgumentHelp("Where its peers find it.", valueName: "urls"))
    var peerURLs: URLList

    @Flag(help: "It does not vote until it is promoted.")
    var learner = false

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let answer = try await cluster.withCluster {
            try await $0.addMember(peerURLs: peerURLs.urls, isLearner: learner)
        }
        if cluster.format == .json { return printJSON(answer.added, answer.list) }
        var output = Output()
        output.line("member \(MemberCommand.hex(answer.added.id)) added: start it with")
        let known = answer.list.members.filter { $0.id != answer.added.id && !$0.name.isEmpty }
        let others = known.flatMap { member in member.peerURLs.map { "\(member.name)=\($0)" } }
        let own = peerURLs.urls.map { "\(name)=\($0)" }
        output.line("  keelson server --name \(name) --initial-cluster-state existing \\")
        output.line("    --initial-advertise-peer-urls \(peerURLs.urls.joined(separator: ",")) \\")
        output.line("    --initial-cluster \((others + own).joined(separator: ",")) \\")
        output.line("    --data-dir …, and the URLs that it is to listen on")
        output.flush()
    }

    private func printJSON(_ added: Member, _ list: MemberList) {
        var output = Output()
        output.line(
            .object([
                ("header", list.header.json), ("member", MemberCommand.json(added)),
                ("members", .array(list.members.map { MemberCommand.json($0) })),
            ]))
        output.flush()
    }
}

struct MemberRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Remove a member; its process stops by itself.",
        discussion: """
            Refused while it would leave no majority that answers.

            EXAMPLES:
              keelson member remove 8211f1d0f64f3269
            """)

    @Argument(help: "The id, as `keelson member list` prints it.")
    var member: MemberID

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        MemberCommand.print(
            try await cluster.withCluster { try await $0.removeMember(member.rawValue) },
            cluster.format)
    }
}

struct MemberUpdateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "update",
        abstract: "Say where a member's peers find it from now on.",
        discussion: """
            EXAMPLES:
              keelson member update 8211f1d0f64f3269 --peer-urls http://10.0.0.9:2380
            """)

    @Argument(help: "The id, as `keelson member list` prints it.")
    var member: MemberID

    @Option(
        name: .customLong("peer-urls"),
        help: ArgumentHelp("Where its peers find it.", valueName: "urls"))
    var peerURLs: URLList

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        MemberCommand.print(
            try await cluster.withCluster {
                try await $0.updateMember(member.rawValue, peerURLs: peerURLs.urls)
            }, cluster.format)
    }
}

struct MemberPromoteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "promote",
        abstract: "Let a learner vote, once it has caught up.",
        discussion: """
            EXAMPLES:
              keelson member promote 8211f1d0f64f3269
            """)

    @Argument(help: "The id, as `keelson member list` prints it.")
    var member: MemberID

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        MemberCommand.print(
            try await cluster.withCluster { try await $0.promoteMember(member.rawValue) },
            cluster.format)
    }
}

struct MoveLeaderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "move-leader",
        abstract: "Hand leadership to another member that votes.",
        discussion: """
            Finds the leader among the endpoints.

            EXAMPLES:
              keelson move-leader 8211f1d0f64f3269 --endpoints http://n1:2379,http://n2:2379
            """)

    @Argument(help: "The id, as `keelson member list` prints it.")
    var member: MemberID

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let found = try await cluster.each { try await $0.status() }.first { result in
            (try? result.answer.get())?.isLeader == true
        }
        guard let found, let status = try? found.answer.get() else {
            throw Failure(
                .failed, "none of the endpoints is the leader",
                advice: "name all members in --endpoints")
        }
        let client = try cluster.makeCluster(endpoints: ["\(found.endpoint)"])
        do { try await client.moveLeader(to: member.rawValue) } catch {
            await client.shutdown()
            throw error
        }
        await client.shutdown()
        var output = Output()
        output.line(
            "leadership moved from \(MemberCommand.hex(status.leader)) to "
                + MemberCommand.hex(member.rawValue))
        output.flush()
    }
}
