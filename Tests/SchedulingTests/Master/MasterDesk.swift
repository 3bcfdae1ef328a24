import Primitives
import Scheduling
import StateMachine
import Testing

/// A store, its log, and the master of the moment, in one thread. Decisions are applied at once,
/// unless a test holds them back.
final class MasterDesk {
    let store = Store()
    var term = Term(1)
    var now: UInt64 = 1000
    private(set) var master: Master
    var settings = MasterSettings()
    /// What the master told agents and schedulers, oldest first.
    var orders: [(AgentConnectionID, AgentOrder)] = []
    var events: [(SchedulerStreamID, SchedulerEvent)] = []
    var closed: [SchedulerStreamID] = []
    /// Decisions wait here until ``commit()``.
    var holdsBack = false
    private(set) var heldBack: [(DecisionID, DatacenterCommand, Term)] = []
    private var sequence: UInt64 = 0
    /// What finds no room in the log, of what is committed one by one.
    var refuses: (DatacenterCommand) -> Bool = { _ in false }
    /// Who else follows what is applied.
    var onApplied: ([DatacenterChange]) -> Void = { _ in }

    init() {
        master = Master(
            settings: MasterSettings(), term: Term(1), table: DatacenterTable(), now: 1000,
            clusterTime: 0, reading: MasterDesk.reading)
    }

    /// Agents' infos are their host names here, and frameworks' constraints the one that they want.
    static let reading = RecordReading(
        agent: {
            AllocatorAgent(
                total: $0.total, hostname: ByteText(String(decoding: $0.info, as: UTF8.self)))
        },
        constraints: { record in
            if record.offerConstraints.isEmpty { return [] }
            let host = ByteText(String(decoding: record.offerConstraints, as: UTF8.self))
            return record.roles.map { role in
                OfferConstraints(
                    role: role,
                    groups: [[OfferConstraints.Constraint(.hostname, .textEquals(host))]])
            }
        })

    var table: DatacenterTable { store.datacenterTable }

    /// Another node leads from here on; what was held back is committed by nobody.
    func failOver() {
        term = Term(term.rawValue + 1)
        heldBack = []
        master = Master(
            settings: settings, term: term, table: table, now: now,
            clusterTime: store.clusterTime, reading: MasterDesk.reading)
    }

    func step(_ input: MasterInput) {
        var effects: [MasterEffect] = []
        master.step(input, in: table, into: &effects)
        for effect in effects {
            switch effect {
            case .propose(let id, let command): heldBack.append((id, command, term))
            case .toAgent(let connection, let order): orders.append((connection, order))
            case .toScheduler(let stream, let event): events.append((stream, event))
            case .closeStream(let stream): closed.append(stream)
            }
        }
        if !holdsBack { commit() }
    }

    /// Applies all that was decided.
    func commit() {
        while !heldBack.isEmpty {
            let (id, command, decidedIn) = heldBack.removeFirst()
            let applied = apply(command, decidedIn: decidedIn)
            if !applied.datacenterChanges.isEmpty { step(.applied(applied.datacenterChanges)) }
            step(.decided(id, DecisionOutcome.of(applied)))
        }
    }

    /// Nothing that was decided finds room in the log.
    func refuse() {
        let refused = heldBack
        heldBack = []
        for (id, _, _) in refused { step(.decided(id, .refused(nil))) }
    }

    /// What was decided never comes into the log, and nobody says so.
    func loseAll() { heldBack = [] }

    /// What was decided took too long: nobody says whether it is in the log.
    /// - Parameter isInLog: whether it is, and is applied later.
    func timeOut(isInLog: Bool) {
        let late = heldBack
        heldBack = []
        for (id, _, _) in late { step(.decided(id, .unknown)) }
        if isInLog { heldBack = late + heldBack }
    }

    /// Applies all that was decided, and tells the master nothing: it is another's by now.
    func commitUnseen() {
        for (_, command, decidedIn) in heldBack { apply(command, decidedIn: decidedIn) }
        heldBack = []
    }

    @discardableResult
    func apply(_ command: DatacenterCommand, decidedIn: Term? = nil) -> Applied {
        sequence += 1
        var header = CommandHeader(
            kind: .datacenter,
            request: RequestID(origin: NodeID(1), boot: BootNumber(1), sequence: sequence))
        header.fenceTerm = decidedIn ?? term
        header.clock = now
        header.clusterTime = now
        let applied = store.apply(
            LogEntry(
                index: store.appliedIndex.next, term: term, kind: .command,
                payload: Command.encode(header, body: command.encode())))
        if !applied.datacenterChanges.isEmpty { onApplied(applied.datacenterChanges) }
        return applied
    }

    /// What an operator decided, and the master sees applied.
    func operate(_ command: DatacenterCommand) {
        step(.applied(apply(command).datacenterChanges))
    }

    /// Of all that was decided, the oldest is applied.
    func commitOne(unseen: Bool = false) {
        guard !heldBack.isEmpty else { return }
        let (id, command, decidedIn) = heldBack.removeFirst()
        if refuses(command) { return step(.decided(id, .refused(nil))) }
        let applied = apply(command, decidedIn: decidedIn)
        if unseen { return }
        if !applied.datacenterChanges.isEmpty { step(.applied(applied.datacenterChanges)) }
        step(.decided(id, DecisionOutcome.of(applied)))
    }

    func tick(_ milliseconds: UInt64 = 100) {
        now += milliseconds
        step(.tick(now: now, clusterTime: now))
    }

    // MARK: - Those who call

    func registers(
        _ connection: UInt64, id: String = "", new: String = "a1",
        _ total: String = "cpus:4;mem:4096", host: String = "h1", incarnation: UInt64 = 7
    ) throws {
        let registration = AgentRegistration(
            id: AgentID(id), newID: AgentID(new), info: Array(host.utf8),
            total: try ResourcesParser.parse(total), incarnation: incarnation, url: [])
        step(.agent(AgentConnectionID(connection), .registers(registration)))
    }

    func subscribes(
        _ stream: UInt64, id: String = "", new: String = "f1", onlyOn host: String = "",
        failoverMilliseconds: UInt64 = 60_000
    ) {
        var subscription = Subscription(
            id: FrameworkID(id), newID: FrameworkID(new), info: [], roles: ["*"])
        subscription.capabilities = FrameworkRecord.partitionAware
        subscription.failoverMilliseconds = failoverMilliseconds
        subscription.offerConstraints = Array(host.utf8)
        step(.scheduler(SchedulerStreamID(stream), .subscribes(subscription)))
    }

    func call(_ stream: UInt64, _ call: SchedulerCall) {
        step(.scheduler(SchedulerStreamID(stream), .call(call)))
    }

    func reports(
        _ connection: UInt64, _ task: String, _ state: TaskState, _ uuid: String,
        framework: String = "f1"
    ) {
        let key = TaskKey(FrameworkID(framework), TaskID(task))
        let status = WaitingStatus(uuid: Array(uuid.utf8), state: state, body: [1])
        let report = StatusReport(
            key: key, sequence: table.tasks[key]?.sequence ?? 0, status: status)
        step(.agent(AgentConnectionID(connection), .reports([report])))
    }

    static func launch(_ task: String, _ resources: String = "cpus:1;mem:100") throws
        -> AcceptedOperation
    {
        .launch(
            TaskLaunch(
                task: TaskID(task), role: "*", resources: try ResourcesParser.parse(resources),
                info: []))
    }

    // MARK: - What they were told

    /// Those made to a stream and neither taken back nor forgotten by the test.
    func offers(to stream: UInt64) -> [MasterOffer] {
        events.filter { $0.0 == SchedulerStreamID(stream) }.flatMap { event -> [MasterOffer] in
            if case .offers(let offers) = event.1 { offers } else { [] }
        }
    }

    func updates(to stream: UInt64) -> [TaskUpdate] {
        events.filter { $0.0 == SchedulerStreamID(stream) }.compactMap { event in
            if case .update(let update) = event.1 { update } else { nil }
        }
    }

    func launches(to connection: UInt64) -> [String] {
        orders.filter { $0.0 == AgentConnectionID(connection) }.flatMap { order -> [String] in
            if case .launch(let tasks) = order.1 { tasks.map { "\($0.key.task)" } } else { [] }
        }
    }

    func kills(to connection: UInt64) -> [String] {
        orders.filter { $0.0 == AgentConnectionID(connection) }.compactMap { order in
            if case .kill(let key, _, _) = order.1 { "\(key.task)" } else { nil }
        }
    }

    func acknowledgements(to connection: UInt64) -> [String] {
        orders.filter { $0.0 == AgentConnectionID(connection) }.compactMap { order in
            if case .acknowledge(_, _, let uuid) = order.1 {
                String(decoding: uuid, as: UTF8.self)
            } else {
                nil
            }
        }
    }
}

extension DecisionOutcome {
    static func of(_ applied: Applied) -> DecisionOutcome {
        switch applied.outcome {
        case .datacenter(let outcome): .done(outcome)
        case .failed(.datacenter(let error)): .refused(error)
        case .none, .put, .deleteRange, .txn, .compact, .leaseGrant, .leaseRevoke, .alarms,
            .member, .auth, .downgrade, .failed:
            .refused(nil)
        }
    }
}
