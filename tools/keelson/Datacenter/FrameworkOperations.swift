internal import API
internal import ArgumentParser
internal import KeelsonClient
internal import StateMachine

struct FrameworkShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Print one framework: what it said of itself, and its tasks.",
        discussion: "EXAMPLE:\n  keelson framework show 93073543")

    @Argument(help: "The id, as `keelson framework list` prints it, or how it begins.")
    var framework: String
    @OptionGroup var moment: MomentOptions
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let records = try await cluster.withCluster {
            try await DatacenterRecords.read($0, at: moment.rev)
        }
        let found = try DatacenterRecords.one(
            framework, of: records.frameworks, "framework"
        ) { "\($0.id)" }
        let tasks = records.tasks.filter { $0.key.framework == found.id && $0.holdsResources }
        var output = Output()
        switch cluster.format {
        case .json:
            output.line(
                .object([
                    ("framework", FrameworkListCommand.json(found, records)),
                    ("principal", .string(String(decoding: found.principal, as: UTF8.self))),
                    ("capabilities", .array(Self.capabilities(found).map { .string($0) })),
                    ("tasks", .array(tasks.map { TaskView.json($0) })),
                ]))
        case .text:
            for (name, value) in Self.lines(found) where !value.isEmpty {
                output.line("\(name):\(String(repeating: " ", count: 13 - name.count))\(value)")
            }
            if !tasks.isEmpty {
                output.line("")
                output.table(TaskView.header, TaskView.rows(tasks, records))
            }
        }
        output.flush()
    }

    /// As Mesos calls them.
    private static func capabilities(_ framework: FrameworkRecord) -> [String] {
        framework.message.capabilities.map { capability in
            "\(capability.type)".reduce(into: "") { name, letter in
                name += letter.isUppercase ? "_\(letter)" : letter.uppercased()
            }
        }
    }

    private static func lines(_ framework: FrameworkRecord) -> [(String, String)] {
        let now = Age.now
        let message = framework.message
        let suppressed = framework.suppressedRoles.map(\.text).joined(separator: ", ")
        return [
            ("id", "\(framework.id)"), ("name", message.name), ("state", framework.stateName),
            ("principal", String(decoding: framework.principal, as: UTF8.self)),
            ("user", message.user), ("host", message.hostname), ("url", message.webuiURL),
            ("roles", framework.roles.map(\.text).joined(separator: ", ")),
            ("suppressed", suppressed),
            ("failover", "\(Double(framework.failoverMilliseconds) / 1_000)s"),
            ("registered", "\(Age.text(since: framework.registeredClock, now: now)) ago"),
            (
                "ended",
                framework.endedClock == 0
                    ? "" : "\(Age.text(since: framework.endedClock, now: now)) ago"
            ),
            ("able to", capabilities(framework).joined(separator: ", ")),
        ]
    }
}

struct FrameworkTeardownCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "teardown",
        abstract: "End a framework for good, with all of its tasks.",
        discussion: """
            Its tasks and executors are killed, and its id is never taken again. The order is
            committed when this command ends; the tasks end a little later.

            EXAMPLE:
              keelson framework teardown 93073543-b1a5-4d0a-9d0f-0a4e7a2f8c11
            """)

    @Argument(help: "The id, as a whole: nothing brings it back.") var framework: String
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        try await cluster.operate { records, master in
            guard let found = records.framework(FrameworkID(framework)) else {
                throw Failure(
                    .failed, "there is no framework \(framework)",
                    advice: "keelson framework list prints their ids")
            }
            guard found.phase != .ended else {
                throw Failure(.failed, "framework \(framework) has ended already")
            }
            try await master.call(.teardown) {
                $0.teardown.frameworkID.value = "\(found.id)"
            }
            let count = records.liveTasks(of: found.id)
            return "framework \(found.message.name) is ended, and \(count) tasks with it"
        }
    }
}
