internal import API
internal import StateMachine

/// The records as the dashboard has them: what it draws, and no more, for there may be many.
/// Times are in milliseconds since 1970.
enum DashboardRecords {
    /// Of a task's command: some are whole scripts, and there may be many tasks.
    private static let commandLettersMax = 1_000

    /// All of a moment.
    static func state(_ snapshot: DatacenterSnapshot) -> [UInt8] {
        let table = snapshot.table
        return JSONWriter.object { writer in
            writer.field("revision", snapshot.revision)
            writer.field("time", latestClock(table))
            writer.array("agents", of: table.agentIDs.compactMap { table.agents[$0]?.record }) {
                write($1, into: &$0)
            }
            let frameworks = table.frameworkIDs.compactMap { table.frameworks[$0]?.record }
            writer.array("frameworks", of: frameworks) { write($1, into: &$0) }
            writer.array("tasks", of: table.tasks.values) { writer, record in
                write(record, launch: snapshot.launches[record.key], into: &writer)
            }
        }
    }

    /// The newest time of day that a record bears: about when the moment was.
    private static func latestClock(_ table: DatacenterTable) -> UInt64 {
        var latest = table.master?.clock ?? 0
        for agent in table.agents.values { latest = max(latest, agent.record.phaseClock) }
        for framework in table.frameworks.values {
            latest = max(latest, framework.record.reregisteredClock)
        }
        for task in table.tasks.values { latest = max(latest, task.steps.last?.clock ?? 0) }
        return latest
    }

    /// - Parameter launch: mesos.v1.TaskInfo, encoded; nil where it is known already.
    static func write(
        _ record: TaskRecord, launch: [UInt8]?, into writer: inout JSONWriter
    ) {
        writer.field("id", record.key.task.description)
        writer.field("framework", record.key.framework.description)
        writer.field("agent", record.agent.description)
        writer.field("state", MesosConversion.taskStateName(record.state))
        writer.field("role", record.role.text)
        writer.field("sandbox", record.sandbox)
        writer.object("resources") { write(record.resources, into: &$0) }
        if record.killIndex > 0 { writer.field("kill_asked", true) }
        writer.array("steps", of: record.steps) { writer, step in
            writer.field("state", MesosConversion.taskStateName(step.state))
            writer.field("time", step.clock)
        }
        if !record.lastStatus.isEmpty {
            let status = MesosConversion.decoded(MesosTaskStatus.self, record.lastStatus)
            if status.hasMessage { writer.field("message", status.message) }
            if status.hasHealthy { writer.field("healthy", status.healthy) }
        }
        guard let launch else { return }
        let info = MesosConversion.decoded(MesosTaskInfo.self, launch)
        writer.field("name", info.name)
        let command = info.command
        let words = command.shell ? [] : command.arguments
        let text = words.isEmpty ? command.value : words.joined(separator: " ")
        if !text.isEmpty { writer.field("command", String(text.prefix(commandLettersMax))) }
    }

    static func write(_ record: AgentRecord, into writer: inout JSONWriter) {
        let info = MesosConversion.decoded(MesosAgentInfo.self, record.info)
        writer.field("id", record.id.description)
        writer.field("hostname", info.hostname)
        writer.field("url", String(decoding: record.url, as: UTF8.self))
        writer.field("phase", name(record.phase))
        writer.field("mode", name(record.mode))
        writer.field("since", record.phaseClock)
        writer.field("registered", record.registeredClock)
        writer.array("attributes", of: info.attributes.map { "\($0.name):\(text($0))" })
        writer.object("resources") { write(record.total, into: &$0) }
    }

    static func write(_ record: FrameworkRecord, into writer: inout JSONWriter) {
        let info = MesosConversion.decoded(MesosFrameworkInfo.self, record.info)
        writer.field("id", record.id.description)
        writer.field("name", info.name)
        writer.field("user", info.user)
        writer.field("principal", ifSet: info.hasPrincipal ? info.principal : nil)
        writer.field("web", ifSet: info.hasWebuiURL ? info.webuiURL : nil)
        writer.field("phase", name(record.phase))
        writer.array("roles", of: record.roles.map(\.text))
        writer.field("failover", record.failoverMilliseconds)
        writer.field("registered", record.registeredClock)
        writer.field("reregistered", record.reregisteredClock)
        writer.field("ended", record.endedClock)
    }

    private static func write(_ resources: Resources, into writer: inout JSONWriter) {
        for (name, thousandths) in [
            ("cpus", resources.cpus), ("mem", resources.mem), ("disk", resources.disk),
            ("gpus", resources.gpus),
        ] where thousandths != 0 {
            writer.field(name, Double(thousandths) / 1_000)
        }
        writer.field("text", "\(resources)")
    }

    private static func name(_ phase: AgentRecord.Phase) -> String {
        switch phase {
        case .reachable: "reachable"
        case .unreachable: "unreachable"
        case .gone: "gone"
        }
    }

    private static func name(_ mode: AgentRecord.Mode) -> String {
        switch mode {
        case .active: "active"
        case .deactivated: "deactivated"
        case .draining: "draining"
        }
    }

    private static func name(_ phase: FrameworkRecord.Phase) -> String {
        switch phase {
        case .connected: "connected"
        case .disconnected: "disconnected"
        case .ended: "ended"
        }
    }

    private static func text(_ attribute: MesosAttribute) -> String {
        switch attribute.type {
        case .text: attribute.text.value
        case .scalar: "\(attribute.scalar.value)"
        case .ranges:
            attribute.ranges.range.map { "\($0.begin)-\($0.end)" }.joined(separator: ",")
        case .set: attribute.set.item.joined(separator: ",")
        }
    }
}
