package import Logging
package import NIOCore
package import Primitives
package import Scheduling
package import StateMachine

/// Drives the datacenter's master on the node that leads, and answers for it on the others.
///
/// Confined to the node's event loop, hence `@unchecked Sendable`.
package final class MasterDriver: DatacenterFacade, NodeObserver, @unchecked Sendable {
    private unowned let node: Node
    private let settings: MasterSettings
    /// Where this node serves HTTP; empty where it does not.
    private let url: String
    private let logger: Logger
    private var office = MasterOffice()
    private var ticker: RepeatedTask?
    private var lastID: UInt64 = 0
    private var agents: [AgentConnectionID: ((term: UInt64, order: AgentOrder)?) -> Void] = [:]
    private var schedulers: [SchedulerStreamID: (SchedulerEvent?) -> Void] = [:]
    private var observers: [ChangeObserverID: ([AppliedChanges]?) -> Void] = [:]
    private lazy var services = ServiceDriver(self)
    /// Who calls on the HTTP port; set before anybody can.
    weak var identities: AuthGate?
    weak var metricsPage: MetricsPage?

    static let tick: TimeAmount = .milliseconds(20)

    package init(
        node: Node, settings: MasterSettings, url: String, logger: Logger
    ) {
        self.node = node
        self.settings = settings
        self.url = url
        self.logger = logger
    }

    package func start() {
        ticker = node.eventLoop.scheduleRepeatedTask(initialDelay: Self.tick, delay: Self.tick) {
            [weak self] _ in self?.tick()
        }
    }

    var member: NodeID { node.memberID }
    var clusterID: String { "\(node.clusterID)" }
    package var eventLoop: any EventLoop { node.eventLoop }
    package var table: DatacenterTable { node.store.datacenterTable }
    package var asksWhoCalls: Bool { node.store.auth.isEnabled }
    package func learnUsers(_ done: @escaping (Bool) -> Void) {
        guard let identities else { return done(false) }
        identities.becomeCurrent { done($0 == nil) }
    }

    package func identify(
        token: String, from place: String, _ done: @escaping (TokenOwner) -> Void
    ) {
        guard let identities else { return done(.unavailable) }
        identities.identify(token: token, from: place, done)
    }

    package var revision: Int64 { node.store.revision.rawValue }
    package var store: Store { node.store }

    package func overview() -> ClusterOverview { ClusterOverview(node) }
    package var clock: UInt64 { node.store.clock }
    package var clusterTime: UInt64 { node.leadersTime ?? node.store.clusterTime }

    package var leadership: MasterLeadership {
        if let master = office.master { return .leading(term: master.term.rawValue) }
        guard let leader = node.leader, !node.isLeader, let record = table.master,
            record.member == leader.rawValue
        else { return .unknown }
        return .following(url: String(decoding: record.url, as: UTF8.self))
    }

    package func launchInfo(of key: TaskKey) -> [UInt8]? {
        RecordKeys.launch(key).withUnsafeBytes { node.store.get($0)?.value }
    }

    // MARK: - Office

    private func tick() {
        takeOffice()
        guard let time = node.leadersTime else { return }
        step(.tick(now: Self.now, clusterTime: time))
        if office.master != nil { services.tick(now: Self.now, clusterTime: time) }
    }

    private static var now: UInt64 { NIODeadline.now().uptimeNanoseconds / 1_000_000 }

    private func takeOffice() {
        let term = node.mayDecide ? node.term : nil
        if office.resign(unlessIn: term) { resigned() }
        guard
            office.take(
                in: term, clusterTime: node.leadersTime, now: Self.now, table: table,
                settings: settings, reading: .mesos)
        else { return }
        logger.info(
            "acting as the datacenter's master",
            metadata: [
                "term": "\(node.term)", "agents": "\(table.agentIDs.count)",
                "frameworks": "\(table.frameworkIDs.count)", "tasks": "\(table.tasks.count)",
            ])
        // Where nobody asks who the master is, a change of leader takes no revision.
        guard !url.isEmpty || table.master != nil || !table.isEmpty else { return }
        let record = MasterRecord(
            member: node.memberID.rawValue, term: node.term.rawValue, url: Array(url.utf8))
        node.decide(.master(record)) { _ in }
    }

    /// Whoever was connected here has to find the next master.
    private func resigned() {
        services.resign()
        logger.info("no longer the datacenter's master")
        let (oldAgents, oldSchedulers) = (agents, schedulers)
        agents = [:]
        schedulers = [:]
        for id in oldAgents.keys.sorted() { oldAgents[id]?(nil) }
        for id in oldSchedulers.keys.sorted() { oldSchedulers[id]?(nil) }
    }

    package func applied(_ batch: [Applied]) {
        let entries = batch.filter { !$0.datacenterChanges.isEmpty }.map {
            AppliedChanges(
                revision: $0.revision.rawValue, changes: $0.datacenterChanges,
                records: $0.events)
        }
        guard !entries.isEmpty else { return }
        let changes = entries.flatMap(\.changes)
        services.applied(changes)
        step(.applied(changes))
        for id in observers.keys.sorted() { observers[id]?(entries) }
    }

    package func leadershipChanged() { takeOffice() }

    /// A node that takes a snapshot does not lead.
    package func storeReplaced() {
        takeOffice()
        for id in observers.keys.sorted() { observers[id]?(nil) }
    }

    package func stopping() {
        ticker?.cancel()
        if office.resign(unlessIn: nil) { resigned() }
    }

    // MARK: - Steps

    /// What an effect leads to at once joins the queue.
    private func step(_ input: MasterInput) {
        guard office.add(input) else { return }
        while let effects = office.next(in: table) {
            for effect in effects { perform(effect) }
        }
    }

    private func perform(_ effect: MasterEffect) {
        switch effect {
        case .propose(let id, let command):
            decide(command) { [weak self] in self?.step(.decided(id, $0)) }
        case .toAgent(let connection, let order):
            agents[connection]?((office.master?.term.rawValue ?? 0, order))
        case .toScheduler(let stream, let event): schedulers[stream]?(event)
        case .closeStream(let stream): schedulers.removeValue(forKey: stream)?(nil)
        }
    }

    /// Nothing is called back once another term has begun.
    package func decide(
        _ command: DatacenterCommand, _ done: @escaping (DecisionOutcome) -> Void
    ) {
        let term = office.master?.term
        node.decide(command) { [weak self] outcome in
            guard let self, office.master?.term == term else { return }
            done(DecisionOutcome(outcome))
        }
    }

    private func nextID() -> UInt64 {
        lastID += 1
        return lastID
    }

    // MARK: - Connections

    package func subscribe(
        _ subscription: Subscription, _ receive: @escaping (SchedulerEvent?) -> Void
    ) -> SchedulerStreamID {
        let id = SchedulerStreamID(nextID())
        schedulers[id] = receive
        step(.scheduler(id, .subscribes(subscription)))
        return id
    }

    package func call(_ stream: SchedulerStreamID, _ call: SchedulerCall) {
        step(.scheduler(stream, .call(call)))
    }

    package func closed(_ stream: SchedulerStreamID) {
        guard schedulers.removeValue(forKey: stream) != nil else { return }
        step(.scheduler(stream, .disconnected))
    }

    package func connect(
        _ receive: @escaping ((term: UInt64, order: AgentOrder)?) -> Void
    ) -> AgentConnectionID {
        let id = AgentConnectionID(nextID())
        agents[id] = receive
        return id
    }

    package func take(_ input: AgentInput, from connection: AgentConnectionID) {
        if case .disconnected = input { agents[connection] = nil }
        step(.agent(connection, input))
    }

    // MARK: - Operators

    package func operate(_ call: OperatorCall, _ done: @escaping (DecisionOutcome) -> Void) {
        node.decide(call.command) { done(DecisionOutcome($0)) }
    }

    package func catchUp(_ done: @escaping (Bool) -> Void) {
        node.linearizableRead { done($0 == nil) }
    }

    package func observe(
        _ changed: @escaping ([AppliedChanges]?) -> Void
    ) -> ChangeObserverID {
        let id = ChangeObserverID(nextID())
        observers[id] = changed
        return id
    }

    package func unobserve(_ id: ChangeObserverID) { observers[id] = nil }

    package func metrics(_ done: @escaping ([UInt8]) -> Void) {
        guard let metricsPage else { return done([]) }
        metricsPage.page(done)
    }

    package func offers() -> [MasterOffer] { office.master?.offers ?? [] }

    package var offerCount: Int { office.master?.offerCount ?? 0 }

    package func offerTimes() -> [OfferID: UInt64] { office.master?.offerTimes ?? [:] }

    package func explain(framework: FrameworkID) -> FrameworkExplanation? {
        try? office.master?.allocator.explain(framework: framework, now: Self.now)
    }

    package func explain(agent: AgentID) -> AgentExplanation? {
        try? office.master?.allocator.explain(agent: agent, now: Self.now)
    }

    package func explainServices() -> [ServiceID: ServiceExplanation] { services.explanations() }
}

extension MasterDriver: ServiceSchedulerHost {
    package var level: FeatureLevel { node.store.members.clusterLevel }
}

extension DecisionOutcome {
    fileprivate init(_ outcome: ProposalOutcome) {
        switch outcome {
        case .applied(let applied): self.init(applied.outcome)
        case .refused: self = .refused(nil)
        case .unknown: self = .unknown
        }
    }
}

extension OperatorCall {
    fileprivate var command: DatacenterCommand {
        switch self {
        case .agentMode(let id, let mode, let grace, let goneWhenDrained):
            .agentMode(id, mode, graceMilliseconds: grace, goneWhenDrained: goneWhenDrained)
        case .agentGone(let id): .agentGone(id, byOperator: true)
        case .teardown(let id): .endFramework(id, session: 0)
        case .kill(let key, let grace): .kill(key, graceMilliseconds: grace)
        case .role(let record): .role(record)
        case .resources(let id, let operations): .operate(id, operations)
        case .service(let command): .service(command)
        }
    }
}
