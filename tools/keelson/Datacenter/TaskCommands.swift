internal import API
internal import ArgumentParser
internal import KeelsonClient
internal import StateMachine

struct TaskCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "task",
        abstract: "Run tasks, and look at them and at what they print.",
        discussion: """
            EXAMPLES:
              keelson task run -- echo hello
              keelson task list
              keelson task logs run-1
              keelson task logs --follow --stderr run-1
              keelson task kill run-1
            """,
        subcommands: [
            TaskRunCommand.self, TaskListCommand.self, TaskLogsCommand.self, TaskKillCommand.self,
        ])
}

struct TaskListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Print the tasks that have not ended.",
        discussion: """
            EXAMPLES:
              keelson task list
              keelson task list --all --framework 93073543
              keelson task list --rev 4711
            """)

    @Flag(help: "Those too that have ended, as far as they are remembered.") var all = false
    @Option(help: "Of this framework alone: its id, or how it begins.") var framework: String?
    @OptionGroup var moment: MomentOptions
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let records = try await cluster.withCluster {
            try await DatacenterRecords.read($0, at: moment.rev)
        }
        var tasks = records.tasks.filter { all || $0.holdsResources }
        if let framework {
            let found = try DatacenterRecords.one(framework, of: records.frameworks, "framework") {
                "\($0.id)"
            }
            tasks.removeAll { $0.key.framework != found.id }
        }
        var output = Output()
        switch cluster.format {
        case .json: output.line(.array(tasks.map { TaskView.json($0) }))
        case .text: output.table(TaskView.header, TaskView.rows(tasks, records))
        }
        output.flush()
    }
}

struct TaskLogsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs",
        abstract: "Print what a task has written.",
        discussion: """
            Asks the agent that runs the task, at the address that it serves at.

            EXAMPLES:
              keelson task logs run-1
              keelson task logs --follow run-1
            """)

    @Argument(help: "The task's id; with --framework where several have it.") var task: String
    @Option(help: "The framework's id, or how it begins.") var framework: String?
    @Flag(help: "The standard error instead of the standard output.") var stderr = false
    @Flag(name: .shortAndLong, help: "Go on until the task has ended.") var follow = false
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        try await cluster.withCluster { cluster in
            let (record, agent) = try await find(cluster)
            let timeout = self.cluster.timeout.duration
            guard let page = AgentFiles(agent, of: cluster, timeout: timeout) else {
                throw Failure(
                    .failed, "agent \(agent.id) serves no files",
                    advice: "start it with a --listen-url that can be reached from here")
            }
            let path = record.sandbox + (stderr ? "/stderr" : "/stdout")
            var offset: UInt64 = 0
            var isLast = !follow
            while true {
                offset = try await page.print(path, from: offset)
                if isLast { return }
                try await Task.sleep(for: .milliseconds(500))
                // What it wrote at its end is read once more.
                let now = try await find(cluster).task
                isLast = now.state.isTerminal || now.sequence != record.sequence
            }
        }
    }

    private func find(
        _ cluster: Cluster
    ) async throws -> (task: TaskRecord, agent: AgentRecord) {
        let records = try await DatacenterRecords.read(cluster)
        let found = try records.task(task, of: framework)
        guard let agent = records.agent(found.agent) else {
            throw Failure(.failed, "its agent \(found.agent) is not on record any more")
        }
        return (found, agent)
    }
}

extension DatacenterRecords {
    /// - Parameter framework: how its id begins; nil where only one has a task of that name.
    func task(_ task: String, of framework: String?) throws(Failure) -> TaskRecord {
        var found = tasks.filter { "\($0.key.task)" == task }
        if let framework { found.removeAll { !"\($0.key.framework)".hasPrefix(framework) } }
        guard let first = found.first else {
            throw Failure(
                .failed, "there is no task \(task)", advice: "see keelson task list --all")
        }
        guard found.count == 1 else {
            throw Failure(
                .usage, "\(found.count) frameworks have a task \(task)",
                advice: "name one with --framework")
        }
        return first
    }
}

/// How a task is printed.
enum TaskView {
    static let header = ["TASK", "STATE", "FRAMEWORK", "HOST", "CPUS", "MEM", "SINCE"]

    static func rows(_ tasks: [TaskRecord], _ records: DatacenterRecords) -> [[String]] {
        let now = Age.now
        return tasks.map { task in
            let framework = records.framework(task.key.framework)?.message.name ?? ""
            return [
                "\(task.key.task)", task.state.text,
                "\(framework) (\("\(task.key.framework)".prefix(8)))",
                records.agent(task.agent)?.message.hostname ?? "\(task.agent)",
                Amount.text(task.resources.cpus), Amount.text(task.resources.mem),
                Age.text(since: task.steps.last?.clock ?? 0, now: now),
            ]
        }
    }

    static func json(_ task: TaskRecord) -> JSONValue {
        .object([
            ("id", .string("\(task.key.task)")),
            ("framework", .string("\(task.key.framework)")),
            ("agent", .string("\(task.agent)")), ("state", .string("TASK_" + task.state.text)),
            ("resources", .string("\(task.resources)")), ("role", .string(task.role.text)),
            (
                "steps",
                .array(
                    task.steps.map { step in
                        .object([
                            ("state", .string("TASK_" + step.state.text)),
                            ("time", .unsigned(step.clock)),
                        ])
                    })
            ),
        ])
    }
}
