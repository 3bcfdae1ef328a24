internal import ArgumentParser
internal import KeelsonClient

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Print what each endpoint says of itself.",
        discussion: """
            LEVEL is the feature level that the member's build knows, and behind the stroke the
            one that the cluster makes use of: it rises once every member knows the next.

            An endpoint that does not answer is named on standard error; the exit status is then 1,
            or 69 if none answered.

            EXAMPLES:
              keelson status --cluster
              keelson status --endpoints http://10.0.0.1:2379,http://10.0.0.2:2379 -o json
            """)

    @OptionGroup var whom: WhomToAsk
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let results = try await cluster.each(whom) { try await $0.status() }
        let answers = results.compactMap { result in
            (try? result.answer.get()).map { (result.endpoint, $0) }
        }
        var output = Output()
        switch cluster.format {
        case .json: output.line(.array(answers.map { StatusCommand.json($0, $1) }))
        case .text:
            if !answers.isEmpty {
                output.table(
                    [
                        "ENDPOINT", "ID", "VERSION", "LEVEL", "DB SIZE", "ROLE", "TERM", "INDEX",
                        "APPLIED",
                        "REVISION", "ERRORS",
                    ], answers.map { StatusCommand.row($0, $1) })
            }
        }
        output.flush()
        try results.throwIfAnyFailed()
    }

    private static func row(_ endpoint: Endpoint, _ status: MemberStatus) -> [String] {
        [
            "\(endpoint)", String(status.header.memberID, radix: 16), status.version,
            status.featureLevel == 0
                ? "-" : "\(status.featureLevel)/\(status.clusterFeatureLevel)",
            ByteCount.text(status.storageBytes),
            status.isLeader ? "leader" : status.isLearner ? "learner" : "follower",
            "\(status.raftTerm)", "\(status.raftIndex)", "\(status.raftAppliedIndex)",
            "\(status.header.revision)", status.errors.joined(separator: ", "),
        ]
    }

    private static func json(_ endpoint: Endpoint, _ status: MemberStatus) -> JSONValue {
        var members: [(String, JSONValue)] = [
            ("header", status.header.json), ("version", .string(status.version)),
            ("dbSize", .integer(status.storageBytes)), ("leader", .unsigned(status.leader)),
            ("raftIndex", .unsigned(status.raftIndex)), ("raftTerm", .unsigned(status.raftTerm)),
            ("raftAppliedIndex", .unsigned(status.raftAppliedIndex)),
            ("dbSizeInUse", .integer(status.storageBytesInUse)),
        ]
        if status.featureLevel > 0 {
            members.append(("featureLevel", .unsigned(UInt64(status.featureLevel))))
            members.append(
                ("clusterFeatureLevel", .unsigned(UInt64(status.clusterFeatureLevel))))
        }
        if status.isLearner { members.append(("isLearner", .bool(true))) }
        if !status.errors.isEmpty {
            members.append(("errors", .array(status.errors.map { .string($0) })))
        }
        return .object([("Endpoint", .string("\(endpoint)")), ("Status", .object(members))])
    }
}

struct HealthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health",
        abstract: "Ask each endpoint for a linearizable read.",
        discussion: """
            A member that answers is connected to a majority of the cluster and has applied what was
            committed. The exit status is 1 if one is not healthy, 69 if none is.

            EXAMPLES:
              keelson health --cluster
              keelson health --endpoints http://10.0.0.1:2379,http://10.0.0.2:2379
            """)

    @OptionGroup var whom: WhomToAsk
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let results = try await cluster.each(whom) { client in
            let clock = ContinuousClock()
            let start = clock.now
            var options = GetOptions()
            options.limit = 1
            options.keysOnly = true
            do {
                _ = try await client.get(.key("health"), options)
            } catch let error as ClusterError where error.code == .permissionDenied {
                // A member that refuses on account of permissions has done the read all the same.
            }
            return clock.now - start
        }
        var output = Output()
        switch cluster.format {
        case .json:
            output.line(
                .array(
                    results.map { result in
                        var members: [(String, JSONValue)] = [
                            ("endpoint", .string("\(result.endpoint)"))
                        ]
                        switch result.answer {
                        case .success(let took):
                            members.append(("health", .bool(true)))
                            members.append(("took", .string("\(took.milliseconds)ms")))
                        case .failure(let error):
                            members.append(("health", .bool(false)))
                            members.append(("error", .string(error.message)))
                        }
                        return .object(members)
                    }))
        case .text:
            for result in results {
                if case .success(let took) = result.answer {
                    output.line(
                        "\(result.endpoint) is healthy: a linearizable read took"
                            + " \(took.milliseconds)ms")
                }
            }
        }
        output.flush()
        try results.throwIfAnyFailed()
    }
}

/// Sizes for people.
enum ByteCount {
    static func text(_ count: Int64) -> String {
        var value = Double(count)
        for unit in ["B", "KiB", "MiB", "GiB"] {
            if value < 1024 {
                return unit == "B" ? "\(count) B" : "\((value * 10).rounded() / 10) \(unit)"
            }
            value /= 1024
        }
        return "\((value * 10).rounded() / 10) TiB"
    }
}
