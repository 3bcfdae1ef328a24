import API
import ControlPlane
import Foundation
import NIOCore
import Primitives
import Scheduling
import StateMachine

/// A node of one: a real store and a real master, whose decisions are applied at once. Everything
/// happens on its event loop, hence `@unchecked Sendable`.
final class FakeDatacenter: DatacenterFacade, ServiceSchedulerHost, @unchecked Sendable {
    let eventLoop: any EventLoop
    private(set) var leadership = MasterLeadership.unknown
    let store = Store()
    private var master: Master?
    private var term = Term(1)
    private var lastNumber: UInt64 = 0
    private var inputs: [MasterInput] = []
    private var isStepping = false
    private var schedulers: [SchedulerStreamID: (SchedulerEvent?) -> Void] = [:]
    private var agents: [AgentConnectionID: ((term: UInt64, order: AgentOrder)?) -> Void] = [:]
    private var observers: [ChangeObserverID: ([AppliedChanges]?) -> Void] = [:]
    private lazy var services = ServiceDriver(self)
    private var ticker: RepeatedTask?
    /// Where this node says that its master serves.
    var url = "http://127.0.0.1:5050"

    init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    var table: DatacenterTable { store.datacenterTable }
    var level: FeatureLevel { .newest }
    /// As the store says, where nothing else is said.
    var asksWhoCalls: Bool {
        get { isAsking ?? store.auth.isEnabled }
        set { isAsking = newValue }
    }
    private var isAsking: Bool?
    /// Whether it knows who may do what.
    var knowsUsers = true
    /// Whom tokens are for.
    var tokens: [String: [UInt8]] = [:]

    func learnUsers(_ done: @escaping (Bool) -> Void) { done(knowsUsers) }

    func identify(
        token: String, from place: String, _ done: @escaping (TokenOwner) -> Void
    ) {
        let revision = store.auth.revision
        done(tokens[token].map { .user($0, authRevision: revision) } ?? .nobody)
    }

    var revision: Int64 { store.revision.rawValue }
    var clock: UInt64 { store.clock }
    var clusterTime: UInt64 { now }
    /// Whether it is known what the others have acknowledged.
    var isCaughtUp = true

    func launchInfo(of key: TaskKey) -> [UInt8]? {
        RecordKeys.launch(key).withUnsafeBytes { store.get($0) }.map { Array($0.value) }
    }

    // MARK: - Leadership

    func lead() {
        term = term.next
        leadership = .leading(term: term.rawValue)
        var settings = MasterSettings()
        settings.reconnectMilliseconds = 60_000
        master = Master(
            settings: settings, term: term, table: table, now: now, clusterTime: now,
            reading: .mesos)
        _ = apply(.master(MasterRecord(member: 1, term: term.rawValue, url: Array(url.utf8))))
        ticker = eventLoop.scheduleRepeatedTask(
            initialDelay: .zero, delay: .milliseconds(20)
        ) { [weak self] _ in
            guard let self else { return }
            step(.tick(now: now, clusterTime: now))
            services.tick(now: now, clusterTime: now)
        }
    }

    /// Another one leads, or nobody.
    func follow(_ next: MasterLeadership) {
        ticker?.cancel()
        ticker = nil
        master = nil
        services.resign()
        leadership = next
        let (streams, connections) = (schedulers, agents)
        schedulers = [:]
        agents = [:]
        for receive in streams.values { receive(nil) }
        for receive in connections.values { receive(nil) }
    }

    func stop() { follow(.unknown) }

    private var now: UInt64 { UInt64(NIODeadline.now().uptimeNanoseconds / 1_000_000) }

    // MARK: - The master

    private func step(_ input: MasterInput) {
        inputs.append(input)
        guard !isStepping else { return }
        isStepping = true
        while !inputs.isEmpty {
            let next = inputs.removeFirst()
            var effects: [MasterEffect] = []
            master?.step(next, in: table, into: &effects)
            for effect in effects { perform(effect) }
        }
        isStepping = false
    }

    private func perform(_ effect: MasterEffect) {
        switch effect {
        case .propose(let id, let command):
            decide(command) { [self] in inputs.append(.decided(id, $0)) }
        case .toAgent(let connection, let order): agents[connection]?((term.rawValue, order))
        case .toScheduler(let stream, let event): schedulers[stream]?(event)
        case .closeStream(let stream): schedulers.removeValue(forKey: stream)?(nil)
        }
    }

    func decide(_ command: DatacenterCommand, _ done: @escaping (DecisionOutcome) -> Void) {
        let (changes, outcome) = apply(command)
        services.applied(changes)
        step(.applied(changes))
        done(outcome)
    }

    private func apply(_ command: DatacenterCommand) -> ([DatacenterChange], DecisionOutcome) {
        lastNumber += 1
        let request = RequestID(origin: NodeID(1), boot: BootNumber(1), sequence: lastNumber)
        var header = CommandHeader(kind: .datacenter, request: request)
        header.principal = .node
        header.fenceTerm = term
        header.clock = MasterStamp.seconds * 1_000
        header.clusterTime = now
        let entry = LogEntry(
            index: store.appliedIndex.next, term: term, kind: .command,
            payload: Command.encode(header, body: command.encode()))
        let applied = store.apply(entry)
        let changes = AppliedChanges(
            revision: applied.revision.rawValue, changes: applied.datacenterChanges,
            records: applied.events)
        if !changes.changes.isEmpty { for observer in observers.values { observer([changes]) } }
        switch applied.outcome {
        case .datacenter(let outcome): return (applied.datacenterChanges, .done(outcome))
        case .failed(.datacenter(let error)): return ([], .refused(error))
        default: return ([], .refused(nil))
        }
    }

    // MARK: - Users

    /// Applies what the node itself decides.
    @discardableResult
    func apply(_ kind: CommandKind, _ body: [UInt8]) -> Applied {
        lastNumber += 1
        let request = RequestID(origin: NodeID(1), boot: BootNumber(1), sequence: lastNumber)
        var header = CommandHeader(kind: kind, request: request)
        header.principal = .node
        header.clock = MasterStamp.seconds * 1_000
        return store.apply(
            LogEntry(
                index: store.appliedIndex.next, term: term, kind: .command,
                payload: Command.encode(header, body: body)))
    }

    /// A role with leave for what keys begin with, and a user who has it. The password is the
    /// user's name.
    func addUser(_ name: String, _ permissions: [(PermissionKind, String)] = []) {
        let (user, role) = (Array(name.utf8), Array((name == "root" ? name : "r-" + name).utf8))
        apply(.auth, AuthCommand.addUser(user, hash: PasswordHash.make(user)).encode())
        apply(.auth, AuthCommand.addRole(role).encode())
        for (kind, prefix) in permissions {
            let key = Array(prefix.utf8)
            let permission = KeyPermission(kind: kind, key: key, rangeEnd: KeyQueue.end(of: key))
            apply(.auth, AuthCommand.grantPermission(permission, to: role).encode())
        }
        apply(.auth, AuthCommand.grantRole(role, to: user).encode())
    }

    func setPassword(_ name: String, _ password: String) {
        let hash = PasswordHash.make(Array(password.utf8))
        apply(.auth, AuthCommand.changePassword(Array(name.utf8), hash: hash).encode())
    }

    func revokeRole(of name: String) {
        let role = Array(("r-" + name).utf8)
        apply(.auth, AuthCommand.revokeRole(role, from: Array(name.utf8)).encode())
    }

    func enableUsers() { apply(.auth, AuthCommand.enable.encode()) }

    func raiseLevel() {
        let member = MemberAttributes(
            member: NodeID(1), name: "n1", clientURLs: [], peerURLs: ["http://n1:2"],
            version: "3.7.0", boot: BootNumber(1), nonce: 1, level: .newest)
        apply(.memberAttributes, member.encode())
        apply(.clusterLevel, ClusterLevelCommand.encode(.newest))
    }

    // MARK: - Facade

    func subscribe(
        _ subscription: Subscription, _ receive: @escaping (SchedulerEvent?) -> Void
    ) -> SchedulerStreamID {
        lastNumber += 1
        let id = SchedulerStreamID(lastNumber)
        schedulers[id] = receive
        step(.scheduler(id, .subscribes(subscription)))
        return id
    }

    func call(_ stream: SchedulerStreamID, _ call: SchedulerCall) {
        step(.scheduler(stream, .call(call)))
    }

    func closed(_ stream: SchedulerStreamID) {
        schedulers[stream] = nil
        step(.scheduler(stream, .disconnected))
    }

    func connect(
        _ receive: @escaping ((term: UInt64, order: AgentOrder)?) -> Void
    ) -> AgentConnectionID {
        lastNumber += 1
        let id = AgentConnectionID(lastNumber)
        agents[id] = receive
        return id
    }

    func take(_ input: AgentInput, from connection: AgentConnectionID) {
        step(.agent(connection, input))
    }

    func operate(_ call: OperatorCall, _ done: @escaping (DecisionOutcome) -> Void) {
        let command: DatacenterCommand =
            switch call {
            case .agentMode(let id, let mode, let grace, let goneWhenDrained):
                .agentMode(
                    id, mode, graceMilliseconds: grace, goneWhenDrained: goneWhenDrained)
            case .agentGone(let id): .agentGone(id, byOperator: true)
            case .teardown(let id): .endFramework(id, session: 0)
            case .kill(let key, let grace): .kill(key, graceMilliseconds: grace)
            case .role(let record): .role(record)
            case .resources(let id, let operations): .operate(id, operations)
            case .service(let command): .service(command)
            }
        decide(command, done)
    }

    func catchUp(_ done: @escaping (Bool) -> Void) { done(isCaughtUp) }

    /// All of the records are others from here on, as far as anybody is told.
    func replaceRecords() { for observer in observers.values { observer(nil) } }

    func observe(_ changed: @escaping ([AppliedChanges]?) -> Void) -> ChangeObserverID {
        lastNumber += 1
        observers[ChangeObserverID(lastNumber)] = changed
        return ChangeObserverID(lastNumber)
    }

    func unobserve(_ id: ChangeObserverID) { observers[id] = nil }

    func overview() -> ClusterOverview {
        var overview = ClusterOverview()
        overview.memberID = NodeID(1)
        overview.name = "n1"
        overview.revision = revision
        overview.members = [.init(id: NodeID(1)), .init(id: NodeID(2))]
        overview.members[1].httpAuthority = "10.0.0.2:5050"
        return overview
    }

    func offers() -> [MasterOffer] { master?.offers ?? [] }
    var offerCount: Int { offers().count }
    func offerTimes() -> [OfferID: UInt64] { master?.offerTimes ?? [:] }
    func explain(framework: FrameworkID) -> FrameworkExplanation? { nil }
    func explain(agent: AgentID) -> AgentExplanation? { nil }
    func explainServices() -> [ServiceID: ServiceExplanation] { services.explanations() }
}

/// The time of day in tests: nothing is decided by it.
enum MasterStamp {
    static let seconds: UInt64 = 1_700_000_000
}
