import ControlPlane
import Primitives
import Scheduling
import StateMachine
import Testing

/// A store that does what requests come to, as a leader would.
final class MarathonStore {
    let store = Store()
    var changes: [DatacenterChange] = []
    var records = EntryRecords([])
    private var sequence: UInt64 = 0
    var clock: UInt64 = 1_709_296_200_000

    var services: ServiceTable { store.datacenterTable.services }
    var requests: MarathonRequests { MarathonRequests(services) }

    var view: MarathonView {
        MarathonView(
            table: store.datacenterTable, clusterTime: clock,
            traits: { _ in AllocatorAgent(total: .empty, hostname: "10.0.0.7") },
            explain: { _ in
                var explanation = ServiceExplanation()
                (explanation.offersSeen, explanation.offersUnused) = (4, 3)
                return explanation
            })
    }

    @discardableResult
    func apply(_ command: DatacenterCommand) -> DecisionOutcome {
        sequence += 1
        clock += 1_000
        let request = RequestID(origin: NodeID(1), boot: BootNumber(1), sequence: sequence)
        var header = CommandHeader(kind: .datacenter, request: request)
        header.clock = clock
        header.clusterTime = clock
        let applied = store.apply(
            LogEntry(
                index: store.appliedIndex.next, term: Term(1), kind: .command,
                payload: Command.encode(header, body: command.encode())))
        changes = applied.datacenterChanges
        records = EntryRecords(applied.events)
        switch applied.outcome {
        case .datacenter(let outcome): return .done(outcome)
        case .failed(.datacenter(let error)): return .refused(error)
        case .none, .put, .deleteRange, .txn, .compact, .leaseGrant, .leaseRevoke, .alarms,
            .member, .auth, .downgrade, .failed:
            return .refused(nil)
        }
    }

    /// Of the entry that was applied last.
    func events(index: UInt64) -> [MarathonEvent] {
        view.events(changes, of: records, owners: [:], index: index, clock: 1_000)
    }

    @discardableResult
    func create(_ body: String) throws -> DeploymentID {
        let (_, command) = try requests.createApp(Array(body.utf8), isForced: false)
        return try #require(try MarathonRequests.answer(apply(.service(command)))).deployment
    }

    func finish(_ id: DeploymentID) {
        while let record = services.deployments[id] {
            apply(.service(.advance(id, step: record.step)))
        }
    }

    /// An instance of the service, running on a machine.
    func run(_ id: ServiceID, _ resources: String) throws -> InstanceID {
        apply(
            .registerAgent(
                AgentRegistration(
                    id: AgentID(""), newID: AgentID("a1"), info: [],
                    total: try ResourcesParser.parse("cpus:4;mem:4096;ports:[31000-31009]"),
                    incarnation: 1, url: [])))
        apply(
            .subscribe(
                Subscription(
                    id: ServiceFramework.id, newID: ServiceFramework.id, info: [], roles: ["*"])))
        let active = try #require(services.services[id]?.active)
        var adjustment = ServiceAdjustment(
            service: id, configuration: active.configuration,
            begun: services.services[id]?.record.begun ?? 0)
        adjustment.starts = 1
        apply(.service(.adjust(adjustment)))
        let instance = try #require(services.services[id]?.instances.last)
        let task = TaskLaunch(
            task: instance, role: "*", resources: try ResourcesParser.parse(resources), info: [])
        let session = store.datacenterTable.agents[AgentID("a1")]?.record.session ?? 0
        apply(
            .launch(
                Launch(
                    framework: ServiceFramework.id, agent: AgentID("a1"), session: session,
                    operations: [.task(task)])))
        report(instance, .running, [0x40, 0x01])
        return instance
    }

    func report(_ instance: InstanceID, _ state: TaskState, _ status: [UInt8]) {
        let key = TaskKey(ServiceFramework.id, instance)
        let session = store.datacenterTable.agents[AgentID("a1")]?.record.session ?? 0
        let sequence = store.datacenterTable.tasks[key]?.sequence ?? 0
        let waiting = WaitingStatus(uuid: Array("\(clock)".utf8), state: state, body: status)
        apply(
            .reportStatuses(
                AgentID("a1"), session: session,
                [StatusReport(key: key, sequence: sequence, status: waiting)]))
    }
}

extension MarathonJSON {
    static func of(_ text: String) throws -> MarathonJSON {
        try MarathonJSONParser.parse(Array(text.utf8))
    }

    var string: String { String(decoding: bytes, as: UTF8.self) }

    subscript(names: String...) -> MarathonJSON? {
        names.reduce(self as MarathonJSON?) { json, name in
            if let place = Int(name), case .list(let elements)? = json {
                return place < elements.count ? elements[place] : nil
            }
            return json?[name]
        }
    }
}
