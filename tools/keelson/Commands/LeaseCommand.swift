internal import ArgumentParser
internal import KeelsonClient

struct LeaseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lease",
        abstract: "Make, renew, look at and end leases.",
        discussion: """
            EXAMPLES:
              keelson lease grant 60
              keelson lease keep-alive 694d7a1f0a0c1b02
            """,
        subcommands: [
            LeaseGrantCommand.self, LeaseRevokeCommand.self, LeaseKeepAliveCommand.self,
            LeaseTimeToLiveCommand.self, LeaseListCommand.self,
        ])
}

struct LeaseGrantCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grant",
        abstract: "Make a lease.",
        discussion: """
            EXAMPLES:
              keelson lease grant 60
            """)

    @Argument(help: "How long it lives without a renewal, in seconds.")
    var ttl: Int64

    @OptionGroup var cluster: ClusterOptions

    func validate() throws {
        if ttl <= 0 { throw ValidationError("A lease lives for at least one second.") }
    }

    func run() async throws {
        let grant = try await cluster.withCluster {
            try await $0.grantLease(timeToLiveSeconds: ttl)
        }
        var output = Output()
        switch cluster.format {
        case .json:
            output.line(
                .object([
                    ("header", grant.header.json), ("ID", .integer(grant.id)),
                    ("TTL", .integer(grant.timeToLiveSeconds)),
                ]))
        case .text:
            output.line("lease \(LeaseID(grant.id)) granted with TTL(\(grant.timeToLiveSeconds)s)")
        }
        output.flush()
    }
}

struct LeaseRevokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "End a lease; its keys are deleted.",
        discussion: """
            EXAMPLES:
              keelson lease revoke 694d7a1f0a0c1b02
            """)

    @Argument(help: "The lease's id, in hexadecimal.")
    var id: LeaseID

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let header = try await cluster.withCluster { try await $0.revokeLease(id.rawValue) }
        var output = Output()
        switch cluster.format {
        case .json: output.line(.object([("header", header.json)]))
        case .text: output.line("lease \(id) revoked")
        }
        output.flush()
    }
}

struct LeaseKeepAliveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keep-alive",
        abstract: "Renew a lease until interrupted.",
        discussion: """
            EXAMPLES:
              keelson lease keep-alive 694d7a1f0a0c1b02
              keelson lease keep-alive --once 694d7a1f0a0c1b02
            """)

    @Argument(help: "The lease's id, in hexadecimal.")
    var id: LeaseID

    @Flag(help: "Renew it once.")
    var once = false

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let format = cluster.format
        try await cluster.withCluster { client in
            if once {
                Self.print(try await client.renewLease(id.rawValue), format)
            } else {
                try await client.keepLeaseAlive(id.rawValue) { Self.print($0, format) }
            }
        }
    }

    private static func print(_ renewal: LeaseRenewal, _ format: OutputFormat) {
        var output = Output()
        switch format {
        case .json:
            output.line(
                .object([
                    ("header", renewal.header.json), ("ID", .integer(renewal.id)),
                    ("TTL", .integer(renewal.timeToLiveSeconds)),
                ]))
        case .text:
            output.line(
                "lease \(LeaseID(renewal.id)) keepalived with TTL(\(renewal.timeToLiveSeconds))")
        }
        output.flush()
    }
}

struct LeaseTimeToLiveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "timetolive",
        abstract: "Print how long a lease still lives.",
        discussion: """
            EXAMPLES:
              keelson lease timetolive --keys 694d7a1f0a0c1b02
            """)

    @Argument(help: "The lease's id, in hexadecimal.")
    var id: LeaseID

    @Flag(help: "Print the keys that live with it as well.")
    var keys = false

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let state = try await cluster.withCluster {
            try await $0.leaseState(id.rawValue, keys: keys)
        }
        var output = Output()
        switch cluster.format {
        case .json:
            var members: [(String, JSONValue)] = [
                ("header", state.header.json), ("id", .integer(state.id)),
                ("ttl", .integer(state.remainingSeconds ?? -1)),
                ("granted-ttl", .integer(state.grantedSeconds)),
            ]
            if keys { members.append(("keys", .array(state.keys.map { .base64($0) }))) }
            output.line(.object(members))
        case .text:
            if let remaining = state.remainingSeconds {
                var line = Array("lease \(id) granted with TTL(\(state.grantedSeconds)s)".utf8)
                line += Array(", remaining(\(remaining)s)".utf8)
                if keys {
                    line += Array(", attached keys([".utf8)
                    line += state.keys.joined(separator: Array(" ".utf8))
                    line += Array("])".utf8)
                }
                output.line(line)
            } else {
                output.line("lease \(id) already expired")
            }
        }
        output.flush()
    }
}

struct LeaseListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Print the ids of all leases.",
        discussion: """
            EXAMPLES:
              keelson lease list
            """)

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let ids = try await cluster.withCluster { try await $0.leases() }
        var output = Output()
        switch cluster.format {
        case .json:
            output.line(
                .object([("leases", .array(ids.map { .object([("id", .integer($0))]) }))]))
        case .text:
            output.line("found \(ids.count) leases")
            for id in ids { output.line("\(LeaseID(id))") }
        }
        output.flush()
    }
}
