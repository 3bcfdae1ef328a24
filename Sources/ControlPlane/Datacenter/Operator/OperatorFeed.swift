internal import API
internal import Logging
internal import NIOCore
internal import StateMachine

/// What an operator's stream tells, before it is a message.
enum OperatorNotice: Sendable {
    case subscribed(DatacenterSnapshot)
    case taskAdded(TaskRecord, launch: [UInt8]?)
    case taskUpdated(TaskRecord)
    case agentAdded(DatacenterTable.Agent)
    case agentRemoved(AgentID)
    case frameworkAdded(DatacenterTable.Framework)
    case frameworkUpdated(DatacenterTable.Framework)
    case frameworkRemoved(FrameworkRecord)
    case heartbeat

    /// About what it takes while it waits; a snapshot shares its records with the node.
    var byteCount: Int {
        switch self {
        case .subscribed, .heartbeat, .agentRemoved: 256
        case .taskAdded(let record, let launch):
            512 + record.lastStatus.count + (launch?.count ?? 0)
        case .taskUpdated(let record): 512 + record.lastStatus.count
        case .agentAdded(let agent): 1_024 + agent.record.info.count
        case .frameworkAdded(let framework), .frameworkUpdated(let framework):
            512 + framework.record.info.count
        case .frameworkRemoved(let record): 512 + record.info.count
        }
    }
}

/// Follows what is applied, and tells the operators who have subscribed. Confined to the node's
/// event loop. What it remembers of each record is what it needs to tell news from repetition,
/// and only while somebody listens.
final class OperatorFeed {
    private struct Known: Equatable {
        var sequence: UInt64
        var state: TaskState
        var uuid: [UInt8]
        var steps: Int

        init(_ record: TaskRecord) {
            sequence = record.sequence
            state = record.state
            uuid = record.lastUUID
            steps = record.steps.count
        }
    }

    private let facade: any DatacenterFacade
    private let settings: SurfaceSettings
    private let logger: Logger
    private var outboxes: [String: EventOutbox<OperatorNotice>] = [:]
    private var observer: ChangeObserverID?
    private var tasks: [TaskKey: Known] = [:]
    private var agents: [AgentID: AgentRecord.Phase] = [:]
    private var frameworks: [FrameworkID: FrameworkRecord] = [:]
    private var beatAt = NIODeadline.now()

    init(_ facade: any DatacenterFacade, _ settings: SurfaceSettings, _ logger: Logger) {
        self.facade = facade
        self.settings = settings
        self.logger = logger
    }

    /// - Returns: false where there are too many, or the connection has gone.
    func subscribe(
        _ name: String, _ outbox: EventOutbox<OperatorNotice>
    ) -> Bool {
        guard outboxes.count < settings.streamsMax, !outbox.isEnded else { return false }
        if observer == nil { begin() }
        outboxes[name] = outbox
        return true
    }

    private func begin() {
        tasks = facade.table.tasks.mapValues { Known($0) }
        agents = facade.table.agents.mapValues(\.record.phase)
        frameworks = facade.table.frameworks.mapValues(\.record)
        observer = facade.observe { [weak self] entries in
            guard let self else { return }
            // What has changed is not known: they subscribe again, and get all of it.
            guard let entries else { return stop() }
            for entry in entries { follow(entry.changes) }
        }
    }

    private func end() {
        if let observer { facade.unobserve(observer) }
        observer = nil
        tasks = [:]
        agents = [:]
        frameworks = [:]
    }

    func closed(_ name: String) {
        guard outboxes.removeValue(forKey: name) != nil else { return }
        if outboxes.isEmpty { end() }
    }

    // MARK: - Changes

    private func follow(_ changes: [DatacenterChange]) {
        for change in changes {
            switch change {
            case .task(let key): followTask(key)
            case .agent(let id): followAgent(id)
            case .framework(let id): followFramework(id)
            case .executor, .role, .master, .service, .instance, .deployment: break
            }
        }
    }

    private func followTask(_ key: TaskKey) {
        guard let record = facade.table.tasks[key] else {
            tasks[key] = nil
            return
        }
        let now = Known(record)
        let before = tasks.updateValue(now, forKey: key)
        if before?.sequence != now.sequence {
            tell(.taskAdded(record, launch: facade.launchInfo(of: key)))
        } else if before != now {
            tell(.taskUpdated(record))
        }
    }

    private func followAgent(_ id: AgentID) {
        guard let agent = facade.table.agents[id] else {
            if agents.removeValue(forKey: id) == .reachable { tell(.agentRemoved(id)) }
            return
        }
        let phase = agent.record.phase
        let before = agents.updateValue(phase, forKey: id)
        if phase == .reachable, before != .reachable { tell(.agentAdded(agent)) }
        if phase != .reachable, before == .reachable { tell(.agentRemoved(id)) }
    }

    private func followFramework(_ id: FrameworkID) {
        guard let framework = facade.table.frameworks[id] else {
            frameworks[id] = nil
            return
        }
        let record = framework.record
        let before = frameworks.updateValue(record, forKey: id)
        if record.phase == .ended {
            if before?.phase != .ended { tell(.frameworkRemoved(record)) }
        } else if before == nil {
            tell(.frameworkAdded(framework))
        } else if before != record {
            tell(.frameworkUpdated(framework))
        }
    }

    private func tell(_ notice: OperatorNotice) {
        let bytes = notice.byteCount
        for outbox in outboxes.values { outbox.push(notice, bytes: bytes) }
    }

    // MARK: - Time

    func tick(_ now: NIODeadline) {
        for (name, outbox) in Array(outboxes) {
            guard let stalled = outbox.stalled(at: now),
                stalled >= .seconds(settings.stallSeconds)
            else { continue }
            logger.notice(
                "operator's stream ends",
                metadata: ["stream": "\(name)", "reason": "it reads nothing"])
            outbox.fail("it reads nothing")
            closed(name)
        }
        guard now - beatAt >= .seconds(settings.heartbeatSeconds) else { return }
        beatAt = now
        tell(.heartbeat)
    }

    func stop() {
        for outbox in outboxes.values { outbox.finish() }
        outboxes = [:]
        end()
    }
}
