internal import API
internal import ArgumentParser
internal import KeelsonClient
internal import StateMachine

/// Which moment a command looks at.
struct MomentOptions: ParsableArguments {
    @Option(help: "Look at the records as of this revision. (default: now)")
    var rev: Int64 = 0

    func validate() throws {
        if rev < 0 { throw ValidationError("--rev cannot be negative.") }
    }
}

struct AgentListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Print the cluster's agents, and what is used of them.",
        discussion: """
            EXAMPLES:
              keelson agent list
              keelson agent list -o json
            """)

    @Flag(help: "Those too that are gone for good.") var all = false
    @OptionGroup var moment: MomentOptions
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let records = try await cluster.withCluster {
            try await DatacenterRecords.read($0, at: moment.rev)
        }
        let agents = records.agents.filter { all || $0.phase != .gone }
        var output = Output()
        switch cluster.format {
        case .json: output.line(.array(agents.map { AgentView.json($0, records) }))
        case .text:
            output.table(
                ["ID", "HOST", "STATE", "TASKS", "CPUS", "MEM", "ATTRIBUTES"],
                agents.map { AgentView.row($0, records) })
        }
        output.flush()
    }
}

struct AgentShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Print one agent: what it has, and what runs on it.",
        discussion: """
            EXAMPLES:
              keelson agent show 55b320c1
            """)

    @Argument(help: "The id, as `keelson agent list` prints it, or how it begins.")
    var agent: String
    @OptionGroup var moment: MomentOptions
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let records = try await cluster.withCluster {
            try await DatacenterRecords.read($0, at: moment.rev)
        }
        let found = try DatacenterRecords.one(agent, of: records.agents, "agent") { "\($0.id)" }
        let tasks = records.tasks.filter { $0.agent == found.id && $0.holdsResources }
        var output = Output()
        switch cluster.format {
        case .json:
            output.line(
                .object([
                    ("agent", AgentView.json(found, records)),
                    ("tasks", .array(tasks.map { TaskView.json($0) })),
                ]))
        case .text:
            for (name, value) in AgentView.lines(found, records) where !value.isEmpty {
                output.line("\(name):\(String(repeating: " ", count: 13 - name.count))\(value)")
            }
            if !tasks.isEmpty {
                output.line("")
                output.table(TaskView.header, TaskView.rows(tasks, records))
            }
        }
        output.flush()
    }
}

/// How an agent is printed.
enum AgentView {
    static func row(_ agent: AgentRecord, _ records: DatacenterRecords) -> [String] {
        let used = records.used(on: agent.id)
        return [
            "\(agent.id)", agent.message.hostname, agent.stateName,
            "\(records.liveTasks(on: agent.id))", part(used.cpus, of: agent.total.cpus),
            part(used.mem, of: agent.total.mem), attributes(agent),
        ]
    }

    static func lines(
        _ agent: AgentRecord, _ records: DatacenterRecords
    ) -> [(String, String)] {
        let now = Age.now
        return [
            ("id", "\(agent.id)"), ("host", agent.message.hostname),
            ("url", String(decoding: agent.url, as: UTF8.self)),
            ("state", "\(agent.stateName) for \(Age.text(since: agent.phaseClock, now: now))"),
            ("registered", "\(Age.text(since: agent.registeredClock, now: now)) ago"),
            ("attributes", attributes(agent)), ("resources", "\(agent.total)"),
            ("used", "\(records.used(on: agent.id))"),
        ]
    }

    static func json(_ agent: AgentRecord, _ records: DatacenterRecords) -> JSONValue {
        .object([
            ("id", .string("\(agent.id)")), ("hostname", .string(agent.message.hostname)),
            ("url", .string(String(decoding: agent.url, as: UTF8.self))),
            ("state", .string(agent.stateName)),
            ("tasks", .integer(Int64(records.liveTasks(on: agent.id)))),
            ("resources", .string("\(agent.total)")),
            ("used", .string("\(records.used(on: agent.id))")),
            ("attributes", .string(attributes(agent))),
            ("registered", .unsigned(agent.registeredClock)),
            ("reregistered", .unsigned(agent.reregisteredClock)),
        ])
    }

    private static func part(_ used: Int64, of all: Int64) -> String {
        "\(Amount.text(used))/\(Amount.text(all))"
    }

    private static func attributes(_ agent: AgentRecord) -> String {
        agent.message.attributes.map { attribute in
            let value =
                switch attribute.type {
                case .text: attribute.text.value
                case .scalar: "\(attribute.scalar.value)"
                case .ranges:
                    attribute.ranges.range.map { "\($0.begin)-\($0.end)" }.joined(separator: ",")
                case .set: attribute.set.item.joined(separator: ",")
                }
            return "\(attribute.name):\(value)"
        }.joined(separator: ";")
    }
}
