import Primitives
import Replication
import Scheduling
import StateMachine

/// What committed entries have written of services, record by record, and what ever was. The
/// scheduler has no part in it.
struct ServiceLedger {
    /// What one entry did.
    struct Changes {
        struct Deployment {
            var id: DeploymentID
            var before: DeploymentRecord?
            var after: DeploymentRecord?
        }

        var deployments: [Deployment] = []
        /// Instances that are new on record.
        var begun: [InstanceID] = []
        /// Whose tasks are new on record.
        var launched: [InstanceID] = []
        /// Whose end was asked for.
        var stopped: [InstanceID] = []
    }

    private(set) var services: [ServiceID: ServiceRecord] = [:]
    private(set) var versions: [ServiceID: [UInt64: ServiceVersion]] = [:]
    private(set) var instances: [InstanceID: InstanceRecord] = [:]
    /// Of each service, in the order in which they were begun.
    private(set) var members: [ServiceID: [InstanceID]] = [:]
    private(set) var deployments: [DeploymentID: DeploymentRecord] = [:]
    /// Of the services' framework.
    private(set) var tasks: [InstanceID: TaskRecord] = [:]
    private(set) var agents: [AgentID: AgentRecord] = [:]

    /// Of the entry that is being applied.
    private var index = LogIndex.zero

    // What ever was.
    var begunDeployments: Set<DeploymentID> = []
    var endedDeployments: Set<DeploymentID> = []
    var begunInstances: Set<InstanceID> = []
    var launchedInstances: Set<InstanceID> = []
    /// Tasks whose end somebody asked for.
    private(set) var stopped: Set<InstanceID> = []
    /// Places that instances held until an entry ended them, in the order of those.
    private(set) var places: [(index: LogIndex, service: ServiceID, agent: AgentID)] = []
    /// What schedulers had ended, by the entries that did it, in their order.
    var schedulerStops: [(index: LogIndex, instance: InstanceID)] = []

    func active(_ id: ServiceID) -> ServiceVersion? {
        services[id].flatMap { versions[id]?[$0.active] }
    }

    func latest(_ id: ServiceID) -> ServiceVersion? {
        services[id].flatMap { versions[id]?[$0.latest] }
    }

    /// Whether there is a task of it that holds something.
    func isLaunched(_ id: InstanceID) -> Bool {
        instances[id]?.phase == .launched && tasks[id]?.holdsResources == true
    }

    mutating func apply(_ events: [Record], at index: LogIndex) -> Changes {
        var changes = Changes()
        self.index = index
        for event in events { apply(event, &changes) }
        return changes
    }

    private mutating func apply(_ event: Record, _ changes: inout Changes) {
        let key = event.key.storage
        let isGone = event.isTombstone
        if let path = Self.rest(key, behind: RecordKeys.services) {
            let id = ServiceID("/" + path)
            services[id] = isGone ? nil : event.withValue { ServiceRecord($0) }
        } else if let name = Self.rest(key, behind: RecordKeys.serviceVersions) {
            setVersion(name, isGone ? nil : event.withValue { ServiceVersion($0) })
        } else if let name = Self.rest(key, behind: RecordKeys.instances) {
            let id = InstanceID(name)
            setInstance(id, isGone ? nil : event.withValue { InstanceRecord($0) }, &changes)
        } else if let name = Self.rest(key, behind: RecordKeys.deployments) {
            let id = DeploymentID(UInt64(name, radix: 16) ?? 0)
            let record = isGone ? nil : event.withValue { DeploymentRecord($0) }
            changes.deployments.append(
                Changes.Deployment(id: id, before: deployments[id], after: record))
            deployments[id] = record
        } else if let name = Self.rest(key, behind: RecordKeys.agents) {
            agents[AgentID(name)] = isGone ? nil : event.withValue { AgentRecord($0) }
        } else if let name = Self.rest(key, behind: Self.tasks) {
            let id = InstanceID(name)
            setTask(id, isGone ? nil : event.withValue { TaskRecord($0) }, &changes)
        }
    }

    private static let tasks = Bytes(
        RecordKeys.tasks.storage + Array("\(ServiceFramework.id)/".utf8))

    private static func rest(_ key: [UInt8], behind prefix: Bytes) -> String? {
        guard key.starts(with: prefix.storage) else { return nil }
        return String(decoding: key[prefix.storage.count...], as: UTF8.self)
    }

    /// - Parameter name: `PATH:VERSION`.
    private mutating func setVersion(_ name: String, _ version: ServiceVersion?) {
        let parts = name.split(separator: ":")
        guard parts.count == 2, let number = UInt64(parts[1], radix: 16) else { return }
        versions[ServiceID("/" + String(parts[0])), default: [:]][number] = version
    }

    private mutating func setInstance(
        _ id: InstanceID, _ record: InstanceRecord?, _ changes: inout Changes
    ) {
        let before = instances[id]
        if before == nil, let record {
            changes.begun.append(id)
            members[record.service, default: []].append(id)
        }
        if let before, record == nil {
            members[before.service]?.removeAll { $0 == id }
            if before.phase == .launched, let agent = tasks[id]?.agent {
                places.append((index, before.service, agent))
            }
        }
        instances[id] = record
    }

    private mutating func setTask(
        _ id: InstanceID, _ record: TaskRecord?, _ changes: inout Changes
    ) {
        let before = tasks[id]
        if let record, before?.sequence != record.sequence { changes.launched.append(id) }
        if let record, record.killIndex > 0, before?.killIndex ?? 0 == 0 {
            changes.stopped.append(id)
            stopped.insert(id)
        }
        tasks[id] = record
    }
}

extension SimulatedDatacenter {
    /// An entry that may have changed services is committed.
    func servicesCommitted(
        _ command: DatacenterCommand, _ index: LogIndex, _ request: RequestID, _ applied: Applied
    ) {
        let decision = serviceDecisions.removeValue(forKey: request)
        if case .launch(let launch) = command { checkPlaces(launch) }
        if case .service(.adjust(let adjustment)) = command {
            for id in adjustment.stops + adjustment.forgets {
                services.schedulerStops.append((index, id))
            }
        }
        let changes = services.apply(applied.events, at: index)
        checkDeployments(changes, command, index)
        checkInstances(changes, command)
        if case .service(.adjust(let adjustment)) = command, let decision {
            checkCapacity(adjustment, decision)
        }
    }

    /// A scheduler of services accepts an offer, in view of its node's records.
    func accepted(_ call: SchedulerCall, on process: SimulatedProcess) {
        guard case .accept(_, let operations, _) = call else { return }
        for case .launch(let task) in operations {
            launchViews[task.task] = process.replica.store.appliedIndex
        }
    }

    /// A scheduler of services has decided something, in view of its node's records.
    func decided(
        _ command: DatacenterCommand, _ request: RequestID, on process: SimulatedProcess
    ) {
        guard case .service(let command) = command else { return }
        let table = process.replica.store.datacenterTable
        let time = process.replica.leadersTime ?? 0
        let view = ServiceDecision.View(
            table: table, time: time, index: process.replica.store.appliedIndex)
        switch command {
        case .adjust(let adjustment):
            guard let decision = ServiceDecision(adjustment, view) else { return }
            serviceDecisions[request] = decision
            checkDecision(adjustment, decision)
        case .advance(let id, let step): checkAdvance(id, step: step, view)
        case .change, .rollBack, .cancel, .stop, .resetDelay: break
        }
    }
}
