import Primitives
import StateMachine

/// What committed entries have said of the datacenter, put down as anybody would: who launched
/// what, how it ended, what was said of it. Nothing is ever forgotten.
struct DatacenterLedger {
    struct LaunchFact {
        var sequence: UInt64
        var agent: AgentID
        /// Whether it ends with others.
        var isOfGroup: Bool
        /// Who runs it, where that is not the agent.
        var executor: ExecutorPlace?
    }

    struct ExecutorPlace: Equatable {
        var executor: ExecutorID
        var agent: AgentID
    }

    private(set) var launched: [TaskKey: LaunchFact] = [:]
    /// In the order of their launches.
    private(set) var order: [TaskKey] = []
    /// The last state that an agent reported.
    private(set) var states: [TaskKey: TaskState] = [:]
    private(set) var ended: Set<TaskKey> = []
    /// What agents said, in order.
    private(set) var statuses: [(key: TaskKey, uuid: [UInt8])] = []
    private(set) var committed: Set<[UInt8]> = []
    /// Statuses of which nothing was to be kept.
    private(set) var moot: Set<[UInt8]> = []
    private(set) var killsAsked: Set<TaskKey> = []
    private(set) var endedFrameworks: Set<FrameworkID> = []
    private(set) var goneAgents: Set<AgentID> = []
    private(set) var subscribedAt: [FrameworkID: Micros] = [:]
    /// When that was decided: from then on its time runs, however long the entry takes.
    private(set) var disconnectedAt: [FrameworkID: Micros] = [:]
    private var leavesAt: [FrameworkID: Micros] = [:]

    func launches(of id: FrameworkID) -> [TaskKey] { order.filter { $0.framework == id } }

    /// Whether nothing that an agent says of this launch counts.
    func isMoot(_ report: StatusReport, from agent: AgentID) -> Bool {
        guard let fact = launched[report.key] else { return true }
        return fact.sequence != report.sequence || fact.agent != agent
            || ended.contains(report.key)
    }

    mutating func launched(_ launch: Launch, at index: LogIndex) {
        for (place, operation) in launch.operations.enumerated() {
            guard case .task(let task) = operation else { continue }
            let key = TaskKey(launch.framework, task.task)
            launched[key] = LaunchFact(
                sequence: index.rawValue << 12 | UInt64(place), agent: launch.agent,
                isOfGroup: task.group != 0,
                executor: task.executor.map {
                    ExecutorPlace(executor: $0.id, agent: launch.agent)
                })
            order.append(key)
        }
    }

    mutating func reported(_ report: StatusReport, _ verdict: StatusVerdict) {
        switch verdict {
        case .committed:
            statuses.append((report.key, report.status.uuid))
            committed.insert(report.status.uuid)
            states[report.key] = report.status.state
            if report.status.state.isTerminal { ended.insert(report.key) }
        case .moot: moot.insert(report.status.uuid)
        case .duplicate, .busy: break
        }
    }

    mutating func killed(_ key: TaskKey) { killsAsked.insert(key) }

    mutating func gone(_ agent: AgentID) {
        goneAgents.insert(agent)
        for key in order where launched[key]?.agent == agent { ended.insert(key) }
    }

    mutating func subscribed(_ id: FrameworkID, at time: Micros) {
        subscribedAt[id] = time
        disconnectedAt[id] = nil
    }

    mutating func leaves(_ id: FrameworkID, at time: Micros) { leavesAt[id] = time }
    mutating func disconnected(_ id: FrameworkID, at time: Micros) {
        disconnectedAt[id] = leavesAt[id] ?? time
    }
    mutating func ended(_ id: FrameworkID) { endedFrameworks.insert(id) }
}

extension SimulatedDatacenter {
    /// An entry of the datacenter's is committed, and this is what the first node made of it.
    func committed(_ entry: LogEntry, _ applied: Applied) {
        guard case .datacenter(let outcome) = applied.outcome else { return }
        let command = entry.payload.withUnsafeBytes { raw -> DatacenterCommand? in
            guard let (_, offset) = try? Command.decodeHeader(raw) else { return nil }
            return try? DatacenterCommand.decode(
                UnsafeRawBufferPointer(rebasing: raw[offset...]))
        }
        guard let command else { return }
        if user != nil, let request = applied.request {
            servicesCommitted(command, entry.index, request, applied)
        }
        switch command {
        case .launch(let launch):
            world.counters.count(CoverageMark.taskLaunched)
            launchCommitted(launch)
            ledger.launched(launch, at: entry.index)
        case .reportStatuses(let agent, _, let reports):
            guard case .statuses(let verdicts) = outcome else { return }
            for (report, verdict) in zip(reports, verdicts) {
                statusCommitted(report, verdict, from: agent)
                ledger.reported(report, verdict)
            }
        case .kill(let key, _): ledger.killed(key)
        case .agentGone(let id, _): ledger.gone(id)
        case .agentUnreachable: world.counters.count(CoverageMark.agentUnreachable)
        case .subscribe(let subscription):
            guard case .framework(let id, _) = outcome, !subscription.isUpdate else { return }
            ledger.subscribed(id, at: world.now)
        case .frameworkDisconnected(let id, _):
            frameworkDisconnected(id, in: entry.term)
            ledger.disconnected(id, at: world.now)
        case .endFramework(let id, let session):
            frameworkEnded(id, session: session)
            ledger.ended(id)
        case .compact: world.counters.count(CoverageMark.recordsCompacted)
        case .registerAgent, .agentMode, .acknowledge, .executorEnded, .role, .master, .time,
            .service, .operate:
            break
        }
    }
}
