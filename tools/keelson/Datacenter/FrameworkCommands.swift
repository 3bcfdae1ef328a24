internal import API
internal import ArgumentParser
internal import KeelsonClient
internal import StateMachine

struct FrameworkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "framework",
        abstract: "Look at the frameworks that launch tasks, and end them.",
        discussion: """
            EXAMPLES:
              keelson framework list
              keelson framework list --all -o json
              keelson framework show 93073543
              keelson framework explain 93073543
            """,
        subcommands: [
            FrameworkListCommand.self, FrameworkShowCommand.self, FrameworkExplainCommand.self,
            FrameworkTeardownCommand.self,
        ])
}

struct FrameworkListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Print the frameworks and how many tasks they run.",
        discussion: """
            EXAMPLES:
              keelson framework list
            """)

    @Flag(help: "Those too that have ended.") var all = false
    @OptionGroup var moment: MomentOptions
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let records = try await cluster.withCluster {
            try await DatacenterRecords.read($0, at: moment.rev)
        }
        let frameworks = records.frameworks.filter { all || $0.phase != .ended }
        var output = Output()
        switch cluster.format {
        case .json: output.line(.array(frameworks.map { Self.json($0, records) }))
        case .text:
            output.table(
                ["ID", "NAME", "STATE", "TASKS", "ROLES", "USER", "SINCE"],
                frameworks.map { row($0, records) })
        }
        output.flush()
    }

    private func row(_ framework: FrameworkRecord, _ records: DatacenterRecords) -> [String] {
        let now = Age.now
        return [
            "\(framework.id)", framework.message.name, framework.stateName,
            "\(records.liveTasks(of: framework.id))",
            framework.roles.map(\.text).joined(separator: ","), framework.message.user,
            Age.text(since: framework.registeredClock, now: now),
        ]
    }

    static func json(_ framework: FrameworkRecord, _ records: DatacenterRecords) -> JSONValue {
        .object([
            ("id", .string("\(framework.id)")), ("name", .string(framework.message.name)),
            ("state", .string(framework.stateName)),
            ("tasks", .integer(Int64(records.liveTasks(of: framework.id)))),
            ("roles", .array(framework.roles.map { .string($0.text) })),
            ("user", .string(framework.message.user)),
            ("failoverMilliseconds", .unsigned(framework.failoverMilliseconds)),
            ("registered", .unsigned(framework.registeredClock)),
            ("ended", .unsigned(framework.endedClock)),
        ])
    }
}
