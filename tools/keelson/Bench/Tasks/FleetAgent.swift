internal import API
internal import Foundation
internal import KeelsonClient
internal import NIOCore
internal import RPC
internal import SwiftProtobuf

/// One agent without processes: it registers over a connection of its own, says of whatever it is
/// to launch that it runs, and finds the next leader when its session ends.
///
/// Confined to its fleet's event loop, hence `@unchecked Sendable`.
final class FleetAgent: @unchecked Sendable {
    private struct Run {
        var sequence: UInt64
        var state: MesosTaskState
    }

    private struct Key: Hashable {
        var framework: String
        var task: String
    }

    private unowned let fleet: AgentFleet
    private let number: Int
    private let incarnation = UInt64.random(in: 1 ... .max)
    private var id = ""
    private var highestTerm: UInt64 = 0
    private var runs: [Key: Run] = [:]
    private var client: RPCClient?
    private var stream: ClientStream?
    private(set) var isRegistered = false
    /// Counts attempts: what comes of an earlier one is not for us.
    private var attempt: UInt64 = 0
    private var next: Int
    /// Where the last one that was asked said that the leader is.
    private var redirectedTo: Endpoint?
    private var isStopped = false
    /// Statuses that are told at the end of the turn, as an agent's session does.
    private var unsaid = WireAgentMessage()
    private var isFlushScheduled = false

    private static let pauseMax = 2_000

    init(_ fleet: AgentFleet, number: Int) {
        self.fleet = fleet
        self.number = number
        next = number
    }

    func start() { dial(after: 0) }

    func stop() {
        isStopped = true
        attempt += 1
        if let client { fleet.loop.execute { client.abort() } }
    }

    func beat() {
        guard isRegistered else { return }
        var message = WireAgentMessage()
        message.heartbeat = WireHeartbeat()
        send(message)
    }

    // MARK: - Sessions

    private func dial(after milliseconds: Int) {
        attempt += 1
        let attempt = attempt
        fleet.loop.scheduleTask(in: .milliseconds(Int64(milliseconds))) { [self] in
            guard attempt == self.attempt, !isStopped else { return }
            let endpoint = redirectedTo ?? fleet.endpoints[next % fleet.endpoints.count]
            redirectedTo = nil
            let place = BenchPlace(host: endpoint.host, port: endpoint.port, security: nil)
            place.connect(on: fleet.loop).whenComplete { result in
                guard attempt == self.attempt else {
                    if case .success(let client) = result { client.abort() }
                    return
                }
                switch result {
                case .success(let client): self.open(client, attempt)
                case .failure: self.lost()
                }
            }
        }
    }

    private func open(_ client: RPCClient, _ attempt: UInt64) {
        self.client = client
        stream = client.stream(
            "/keelson.agent.v1.Agents/Session",
            onMessage: { [weak self] bytes in
                if let self, attempt == self.attempt { received(bytes) }
            },
            onEnd: { [weak self] _ in
                if let self, attempt == self.attempt { lost() }
            })
        var message = WireAgentMessage()
        message.register = registration()
        send(message)
    }

    private func registration() -> WireRegister {
        var info = MesosAgentInfo()
        info.hostname = "bench-\(number)"
        var register = WireRegister()
        register.agentID = id
        register.incarnation = incarnation
        register.life = 1
        register.agentInfo = (try? info.serializedBytes()) ?? Data()
        register.resources = fleet.resources
        register.version = "bench"
        register.highestTerm = highestTerm
        register.tasks = runs.map { key, run in
            var known = WireKnownTask()
            known.frameworkID = key.framework
            known.taskID = key.task
            known.sequence = run.sequence
            known.state = UInt32(run.state.rawValue)
            return known
        }
        return register
    }

    private func lost() {
        if isRegistered { fleet.lost() }
        isRegistered = false
        stream = nil
        let client = client
        self.client = nil
        // Not at once: this may be one of the connection's own callbacks.
        if let client { fleet.loop.execute { client.abort() } }
        if isStopped { return }
        next += 1
        dial(after: redirectedTo == nil ? Int.random(in: 100...Self.pauseMax) : 0)
    }

    private func send(_ message: WireAgentMessage) {
        guard let bytes: [UInt8] = try? message.serializedBytes() else { return }
        stream?.send(bytes)
    }

    // MARK: - Orders

    private func received(_ bytes: [UInt8]) {
        guard let message = try? WireMasterMessage(serializedBytes: bytes),
            let order = message.order
        else { return fleet.failed("a message of the master's is malformed") }
        highestTerm = max(highestTerm, message.term)
        switch order {
        case .registered(let registered):
            id = registered.agentID
            isRegistered = true
            fleet.registered(heartbeat: registered.heartbeatMilliseconds)
        case .redirect(let redirect):
            redirectedTo = redirect.clientUrls.lazy.compactMap { try? Endpoint($0) }.first
            lost()
        case .refused(let refused):
            if refused.final { fleet.failed("an agent is refused: \(refused.reason)") }
            lost()
        case .launch(let launch): self.launch(launch.tasks)
        case .kill(let kill): say([kill.task], .taskKilled)
        case .reconcile(let reconcile): reconcileAll(reconcile.tasks)
        case .acknowledge, .shutdownExecutor, .frameworkMessage: break
        }
    }

    private func launch(_ tasks: [WireLaunchTask]) {
        let names = tasks.compactMap { task -> WireTaskName? in
            guard let info = try? MesosTaskInfo(serializedBytes: Array(task.taskInfo)) else {
                fleet.failed("a task's description is malformed")
                return nil
            }
            var name = WireTaskName()
            name.frameworkID = task.frameworkID
            name.taskID = info.taskID.value
            name.sequence = task.sequence
            return name
        }
        fleet.launched(names.count)
        say(names, .taskRunning)
    }

    private func reconcileAll(_ names: [WireTaskName]) {
        let (known, unknown) = (names.filter { run($0) != nil }, names.filter { run($0) == nil })
        for name in known { say([name], run(name)?.state ?? .taskLost) }
        say(unknown, .taskLost)
    }

    private func run(_ name: WireTaskName) -> Run? {
        runs[Key(framework: name.frameworkID, task: name.taskID)]
    }

    private func say(_ names: [WireTaskName], _ state: MesosTaskState) {
        guard !names.isEmpty else { return }
        for name in names {
            let key = Key(framework: name.frameworkID, task: name.taskID)
            let sequence = name.sequence == 0 ? runs[key]?.sequence ?? 0 : name.sequence
            runs[key] = state == .taskRunning ? Run(sequence: sequence, state: state) : nil
            unsaid.statuses.statuses.append(status(key, sequence, state))
        }
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        fleet.loop.execute { [self] in
            isFlushScheduled = false
            send(unsaid)
            unsaid = WireAgentMessage()
        }
    }

    private func status(_ key: Key, _ sequence: UInt64, _ state: MesosTaskState) -> WireStatus {
        var status = WireStatus()
        status.frameworkID = key.framework
        status.taskID = key.task
        status.sequence = sequence
        status.uuid = Data((0..<16).map { _ in UInt8.random(in: 0...255) })
        status.state = UInt32(state.rawValue)
        var told = MesosTaskStatus()
        told.taskID.value = key.task
        told.state = state
        told.agentID.value = id
        told.executorID.value = key.task
        told.uuid = status.uuid
        told.source = .executor
        status.status = (try? told.serializedBytes()) ?? Data()
        return status
    }
}
