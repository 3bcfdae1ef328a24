import API
import ControlPlane
import Foundation
import NIOCore
import NIOPosix
import Primitives
import RPC
import Scheduling
import StateMachine
import SwiftProtobuf
import Testing

/// A real store, the master and the agents' service of one node behind a real port. There is no
/// log: a decision is applied at once, or when the test lets it.
///
/// Confined to its event loop, hence `@unchecked Sendable`; what tests call hops there.
final class SessionCluster: DatacenterFacade, @unchecked Sendable {
    /// What happened, in its order.
    enum Event: Equatable {
        case committed(task: String, TaskState, uuid: [UInt8])
        case acknowledged(task: String, uuid: [UInt8])
        case launched(task: String)
        case registered
    }

    let eventLoop: any EventLoop
    private var store = Store()
    private var master: Master?
    private(set) var leadership = MasterLeadership.unknown
    private var number: UInt64 = 0
    private var receivers: [AgentConnectionID: ((term: UInt64, order: AgentOrder)?) -> Void] = [:]
    private var infos: [TaskKey: [UInt8]] = [:]
    private var held: [(DecisionID, DatacenterCommand)] = []
    private var inputs: [MasterInput] = []
    private var isStepping = false
    private var ticker: RepeatedTask?
    private var term: UInt64 = 1

    /// Decisions wait until it is false again.
    private var isHolding = false
    private(set) var events: [Event] = []
    /// Statuses that agents reported, by task.
    private(set) var reports: [String: Int] = [:]
    var leaderURLs: [String] = []
    private(set) var service: AgentService?
    private var server: RPCServer?
    private(set) var port = 0

    private init(eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    var table: DatacenterTable { store.datacenterTable }
    var asksWhoCalls = false
    var revision: Int64 { store.revision.rawValue }
    func launchInfo(of key: TaskKey) -> [UInt8]? { infos[key] }
    func subscribe(
        _ subscription: Subscription, _ receive: @escaping (SchedulerEvent?) -> Void
    ) -> SchedulerStreamID { SchedulerStreamID(0) }
    func call(_ stream: SchedulerStreamID, _ call: SchedulerCall) {}
    func closed(_ stream: SchedulerStreamID) {}
    func operate(_ call: OperatorCall, _ done: @escaping (DecisionOutcome) -> Void) {}
    func observe(_ changed: @escaping ([DatacenterChange]) -> Void) -> ChangeObserverID {
        ChangeObserverID(0)
    }
    func unobserve(_ id: ChangeObserverID) {}
    func offers() -> [MasterOffer] { [] }
    func explain(framework: FrameworkID) -> FrameworkExplanation? { nil }
    func explain(agent: AgentID) -> AgentExplanation? { nil }

    func connect(
        _ receive: @escaping ((term: UInt64, order: AgentOrder)?) -> Void
    ) -> AgentConnectionID {
        number += 1
        let id = AgentConnectionID(number)
        receivers[id] = receive
        return id
    }

    func take(_ input: Scheduling.AgentInput, from connection: AgentConnectionID) {
        if case .reports(let list) = input {
            for report in list { reports[report.key.task.description, default: 0] += 1 }
        }
        if case .disconnected = input { receivers[connection] = nil }
        step(.agent(connection, input))
    }

    // MARK: The master

    private func step(_ input: MasterInput) {
        inputs.append(input)
        guard !isStepping else { return }
        isStepping = true
        while !inputs.isEmpty, master != nil {
            var effects: [MasterEffect] = []
            master?.step(inputs.removeFirst(), in: table, into: &effects)
            for effect in effects { perform(effect) }
        }
        inputs = []
        isStepping = false
    }

    private func perform(_ effect: MasterEffect) {
        switch effect {
        case .propose(let id, let command):
            if isHolding { held.append((id, command)) } else { decide(id, command) }
        case .toAgent(let connection, let order):
            note(order)
            receivers[connection]?((term, order))
        case .toScheduler, .closeStream: break
        }
    }

    private func note(_ order: AgentOrder) {
        switch order {
        case .acknowledge(let key, _, let uuid):
            events.append(.acknowledged(task: key.task.description, uuid: uuid))
        case .launch(let tasks):
            events += tasks.map { .launched(task: $0.key.task.description) }
        case .registered: events.append(.registered)
        case .refused, .kill, .shutdown, .message: break
        }
    }

    private func decide(_ id: DecisionID, _ command: DatacenterCommand) {
        let outcome = apply(command)
        inputs.append(.decided(id, outcome))
    }

    /// What it changes the master hears of at its next step.
    private func apply(_ command: DatacenterCommand) -> DecisionOutcome {
        number += 1
        let request = RequestID(origin: NodeID(1), boot: BootNumber(1), sequence: number)
        var header = CommandHeader(kind: .datacenter, request: request)
        header.clusterTime = NIODeadline.now().uptimeNanoseconds / 1_000_000
        header.clock = header.clusterTime ?? 0
        let entry = LogEntry(
            index: store.appliedIndex.next, term: Term(term), kind: .command,
            payload: Command.encode(header, body: command.encode()))
        let applied = store.apply(entry, evaluate: true)
        for change in applied.datacenterChanges {
            if case .task(let key) = change, let task = table.tasks[key] {
                events.append(
                    .committed(task: key.task.description, task.state, uuid: task.lastUUID))
            }
        }
        inputs.append(.applied(applied.datacenterChanges))
        switch applied.outcome {
        case .datacenter(let outcome): return .done(outcome)
        case .failed(.datacenter(let error)): return .refused(error)
        default: return .refused(nil)
        }
    }

    // MARK: What tests do

    static func start(
        settings: AgentService.Settings = AgentService.Settings(), leads: Bool = true
    ) async throws -> SessionCluster {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let cluster = SessionCluster(eventLoop: loop)
        let server = try await loop.submit { () -> RPCServer in
            let service = AgentService(facade: cluster, settings: settings) { [unowned cluster] in
                cluster.leaderURLs
            }
            var routes = RPCRoutes()
            service.register(in: &routes)
            let server = RPCServer(eventLoop: loop, routes: routes)
            cluster.service = service
            cluster.server = server
            if leads { cluster.lead() }
            return server
        }.get()
        let address = try await server.listen(host: "127.0.0.1", port: 0).get()
        cluster.port = try #require(address.port)
        return cluster
    }

    var url: String { "http://127.0.0.1:\(port)" }

    func stop() async throws {
        try await onLoop { cluster in
            cluster.service?.stopping()
            cluster.ticker?.cancel()
            cluster.master = nil
        }
        try await server?.shutdown(gracePeriod: .zero).get()
    }

    @discardableResult
    func onLoop<T: Sendable>(
        _ body: @escaping @Sendable (SessionCluster) throws -> T
    ) async throws -> T { try await eventLoop.submit { try body(self) }.get() }

    /// Waits until something is so on the loop.
    func eventually(_ condition: @escaping @Sendable (SessionCluster) -> Bool) async throws -> Bool
    {
        let deadline = NIODeadline.now() + .seconds(30)
        while NIODeadline.now() < deadline {
            if try await onLoop({ condition($0) }) { return true }
            try await eventLoop.scheduleTask(in: .milliseconds(5)) {}.futureResult.get()
        }
        return false
    }

    private var nowMillis: UInt64 { NIODeadline.now().uptimeNanoseconds / 1_000_000 }

    func lead(term: UInt64 = 1) {
        self.term = term
        leadership = .leading(term: term)
        master = Master(
            settings: MasterSettings(), term: Term(term), table: table, now: nowMillis,
            clusterTime: nowMillis, reading: .mesos)
        ticker?.cancel()
        ticker = eventLoop.scheduleRepeatedTask(
            initialDelay: .milliseconds(20), delay: .milliseconds(20)
        ) { [weak self] _ in
            guard let self else { return }
            step(.tick(now: nowMillis, clusterTime: nowMillis))
        }
    }

    func follow() {
        master = nil
        leadership = .following(url: "")
        dropAgents()
    }

    func dropAgents() {
        let all = receivers
        receivers = [:]
        for (id, receive) in all {
            receive(nil)
            step(.agent(id, .disconnected))
        }
    }

    func hold(_ isHolding: Bool) {
        self.isHolding = isHolding
        guard !isHolding else { return }
        let waiting = held
        held = []
        for (id, command) in waiting { decide(id, command) }
        step(.tick(now: nowMillis, clusterTime: nowMillis))
    }

    /// Said to every agent, by a master of another term.
    func say(_ order: AgentOrder, term: UInt64) {
        for tell in receivers.values { tell((term, order)) }
    }

    /// An entry that somebody else's decision made.
    @discardableResult
    func commit(_ command: DatacenterCommand) -> DecisionOutcome {
        let outcome = apply(command)
        step(.tick(now: nowMillis, clusterTime: nowMillis))
        return outcome
    }

    func addFramework(_ id: String = "F") throws {
        var info = MesosFrameworkInfo()
        info.user = ""
        info.name = "test"
        var capability = MesosFrameworkInfo.Capability()
        capability.type = .taskKillingState
        info.capabilities = [capability]
        let subscription = Subscription(
            id: FrameworkID(""), newID: FrameworkID(id), info: try info.serializedBytes(),
            roles: ["*"])
        guard case .done(.framework) = commit(.subscribe(subscription)) else {
            throw SessionFault("no framework")
        }
    }

    var agentID: String? { table.agentIDs.first?.description }

    @discardableResult
    func launch(
        _ task: String, _ script: String, framework: String = "F",
        _ change: (inout MesosTaskInfo) -> Void = { _ in }
    ) throws -> DecisionOutcome {
        guard let agent = table.agentIDs.first, let record = table.agents[agent]?.record else {
            throw SessionFault("no agent")
        }
        var info = MesosTaskInfo()
        info.name = task
        info.taskID.value = task
        info.agentID.value = agent.description
        info.command.value = script
        change(&info)
        let bytes: [UInt8] = try info.serializedBytes()
        infos[TaskKey(FrameworkID(framework), TaskID(task))] = bytes
        let launch = TaskLaunch(
            task: TaskID(task), role: "*", resources: try ResourcesParser.parse("cpus:0.1;mem:8"),
            info: bytes)
        return commit(
            .launch(
                Launch(
                    framework: FrameworkID(framework), agent: agent, session: record.session,
                    operations: [.task(launch)])))
    }

    func kill(_ task: String, graceMilliseconds: UInt64 = 0) {
        commit(
            .kill(
                TaskKey(FrameworkID("F"), TaskID(task)), graceMilliseconds: graceMilliseconds))
    }

    func record(_ task: String) -> StateMachine.TaskRecord? {
        table.tasks[TaskKey(FrameworkID("F"), TaskID(task))]
    }

    func state(_ task: String) -> String { record(task).map { "\($0.state)" } ?? "none" }

    /// What its framework would be told.
    func lastStatus(_ task: String) -> MesosTaskStatus? {
        record(task).flatMap { try? MesosTaskStatus(serializedBytes: $0.lastStatus) }
    }
}

struct SessionFault: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
