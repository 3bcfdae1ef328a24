internal import API
package import AgentLogic
package import KeelsonClient
package import NIOCore
internal import Primitives
internal import RPC
internal import SwiftProtobuf

/// Keeps one agent registered with its cluster: dials, follows the leader, sends heartbeats and
/// statuses, and hands the master's orders to the ``TaskRunner``.
///
/// Confined to its event loop, hence `@unchecked Sendable`. Tasks do not depend on it: without a
/// session they run on, and what they came to is told to the next master.
package final class AgentSession: @unchecked Sendable {
    package struct Settings: Sendable {
        /// At least one: client URLs of any members.
        package var endpoints: [Endpoint]
        package var credentials: Credentials?
        package var tls = TLSSettings()
        package var directory: WorkDirectory
        package var description: AgentDescription
        package var runner = TaskRunner.Settings()
        /// Whether executors have to show the secret that they were started with.
        package var authenticatesExecutors = false
        package var dial = DialPlan.Settings()
        /// How long a node may take to answer a registration, in milliseconds.
        package var answerMillis: Int64 = 10_000
        /// Told what an operator should know, one line each.
        package var log: @Sendable (String) -> Void = { _ in }

        package init(
            endpoints: [Endpoint], directory: WorkDirectory, description: AgentDescription
        ) {
            self.endpoints = endpoints
            self.directory = directory
            self.description = description
        }
    }

    /// Why an agent has no session and never will have another.
    package enum End: Error, Equatable, Sendable {
        case stopped
        /// The cluster does not take this agent, whatever it does.
        case refused(String)
        case failed(AgentError)
    }

    enum State {
        /// Between two attempts, or within one.
        case away
        case registering(ClientStream)
        case registered(ClientStream)
        case ended
    }

    package let loop: any EventLoop
    let settings: Settings
    let login: Login
    var plan: DialPlan
    var tls: ClientTLS?
    var state = State.away
    /// Counts attempts: what comes of an earlier one is not for us.
    private var generation: UInt64 = 0
    private var client: RPCClient?
    private var timer: Scheduled<Void>?
    private var heartbeat: RepeatedTask?
    /// Of all masters that were heard of.
    var highestTerm: UInt64 = 0
    var identity = AgentIdentity(number: 0, id: nil)
    /// Held by an agent that has no id yet, so that no other begins here.
    private var store: AgentStore?
    var runner: TaskRunner?
    /// Where executors of this machine come to.
    private(set) lazy var executors = ExecutorDesk(self)
    /// Executors that the master was told of when this session began.
    var listedExecutors: [ExecutorKey] = []
    var statuses: [WireStatus] = []
    var isFlushScheduled = false
    private let ending: EventLoopPromise<End>
    package private(set) var registrations = 0

    package init(settings: Settings, loop: any EventLoop) {
        self.settings = settings
        self.loop = loop
        login = Login(settings.credentials)
        plan = DialPlan(
            endpoints: settings.endpoints, settings: settings.dial,
            seed: UInt64.random(in: 0 ... .max))
        ending = loop.makePromise()
    }

    /// Succeeds with why the agent ended, after it has.
    package var end: EventLoopFuture<End> { ending.futureResult }

    /// Finds out who this agent is and what runs, and begins to dial.
    package func start() { loop.execute { self.begin() } }

    /// Ends the session; tasks and their supervisors go on.
    package func stop() { loop.execute { self.end(.stopped) } }

    /// To be used on the event loop. Nil before the cluster has given an id.
    package var agentID: AgentID? { identity.id }
    package var tasks: TaskRunner? { runner }
    package var isRegistered: Bool { if case .registered = state { true } else { false } }
    /// Of the master that was heard of last.
    package var term: UInt64 { highestTerm }

    private func begin() {
        do {
            if settings.endpoints.contains(where: { $0.usesTLS }) { tls = try settings.tls.load() }
            try openDirectory()
            if let id = identity.id { try startRunner(id) }
        } catch let error as AgentError {
            return end(.failed(error))
        } catch {
            return end(.failed(.invalid(field: "TLS", why: "\(error)")))
        }
        dial()
    }

    private func openDirectory() throws(AgentError) {
        let store = try AgentStore(settings.directory)
        identity = try AgentIdentity.open(
            settings.directory, store: store, drawn: UInt64.random(in: 1 ... .max))
        self.store = store
    }

    /// Waits for the disk: nothing else can happen before.
    func startRunner(_ id: AgentID) throws(AgentError) {
        store = nil
        var running = settings.runner
        running.executorEndpoint = settings.description.localEndpoint
        running.executorsUseTLS = settings.description.url.hasPrefix("https://")
        let runner = try TaskRunner(
            directory: settings.directory, newID: id, settings: running,
            seed: UInt64.random(in: 0 ... .max)
        ) { [weak self] message in
            guard let self else { return }
            loop.execute { self.heard(message) }
        }
        self.runner = runner
        identity.id = runner.agentID
        highestTerm = max(highestTerm, runner.registration.mark.term.rawValue)
    }

    func end(_ end: End) {
        if case .ended = state { return }
        leave()
        state = .ended
        runner?.stop()
        runner = nil
        store = nil
        ending.succeed(end)
    }

    // MARK: Dialling

    private func dial() {
        if case .ended = state { return }
        generation += 1
        let generation = generation
        let (endpoint, wait) = plan.next()
        timer = loop.scheduleTask(in: .milliseconds(Int64(wait))) {
            if generation == self.generation { self.connect(endpoint, generation) }
        }
    }

    private func connect(_ endpoint: Endpoint, _ generation: UInt64) {
        var settings = RPCClientSettings()
        settings.responseBytesMax = AgentSession.orderBytesMax
        settings.connectTimeout = .seconds(3)
        settings.keepaliveInterval = .seconds(10)
        settings.keepaliveTimeout = .seconds(5)
        let connected = RPCClient.connect(
            host: endpoint.host, port: endpoint.port, on: loop, settings: settings,
            security: endpoint.usesTLS ? tls?.security(for: endpoint.host) : nil)
        connected.whenComplete { result in
            guard generation == self.generation else {
                if case .success(let client) = result { client.abort() }
                return
            }
            switch result {
            case .success(let client): self.connected(client, endpoint, generation)
            case .failure(let error):
                self.settings.log("\(endpoint): \((error as? RPCStatus)?.message ?? "\(error)")")
                self.dial()
            }
        }
    }

    private func connected(_ client: RPCClient, _ endpoint: Endpoint, _ generation: UInt64) {
        self.client = client
        timer = loop.scheduleTask(in: .milliseconds(settings.answerMillis)) {
            guard generation == self.generation, !self.isRegistered else { return }
            self.lost("\(endpoint) does not answer")
        }
        login.metadata(from: client, timeout: .milliseconds(settings.answerMillis)) { result in
            guard generation == self.generation else { return }
            switch result {
            case .success(let metadata): self.open(client, endpoint, metadata, generation)
            case .failure(let status): self.lost("\(endpoint): \(status.message)")
            }
        }
    }

    private func open(
        _ client: RPCClient, _ endpoint: Endpoint, _ metadata: Login.Metadata,
        _ generation: UInt64
    ) {
        let stream = client.stream(
            "/keelson.agent.v1.Agents/Session", metadata: metadata,
            onMessage: { bytes in
                if generation == self.generation { self.received(bytes) }
            },
            onEnd: { status in
                guard generation == self.generation else { return }
                if self.login.canRetry(status) { self.login.forget(metadata) }
                self.lost("\(endpoint): \(status.isOK ? "the session ended" : status.message)")
            })
        guard let stream else { return }
        state = .registering(stream)
        var message = WireAgentMessage()
        message.register = registration()
        send(message, on: stream)
    }

    private func registration() -> WireRegister {
        var register = WireRegister()
        register.agentID = identity.id?.text ?? ""
        register.incarnation = identity.number
        settings.description.describe(&register)
        register.highestTerm = highestTerm
        listedExecutors = []
        guard let runner else { return register }
        let (mark, records, executors) = runner.registration
        listedExecutors = executors
        register.executors = executors.map { WireExecutorName($0) }
        register.life = mark.life
        register.tasks = records.compactMap(\.known).map { known in
            var task = WireKnownTask()
            task.frameworkID = known.key.framework.text
            task.taskID = known.key.task.text
            task.sequence = known.sequence
            task.pending = known.isPending
            task.state = UInt32(known.state.mesos.rawValue)
            return task
        }
        return register
    }

    // MARK: A session's end

    /// The largest message of a master that is taken, in bytes: a group of large tasks.
    static let orderBytesMax = 64 << 20
    /// Bytes that wait for a node that does not read.
    private static let sendBytesMax = 16 << 20

    func lost(_ why: String) {
        if case .ended = state { return }
        settings.log("no session: \(why)")
        if isRegistered { plan.lost() }
        leave()
        dial()
    }

    private func leave() {
        generation += 1
        if isRegistered { runner?.give(.disconnected) }
        state = .away
        timer?.cancel()
        timer = nil
        heartbeat?.cancel()
        heartbeat = nil
        client?.abort()
        client = nil
        statuses = []
    }

    /// A session stands.
    func settled(_ stream: ClientStream, heartbeatMillis: UInt64) {
        state = .registered(stream)
        registrations += 1
        plan.registered()
        timer?.cancel()
        let interval = TimeAmount.milliseconds(Int64(min(max(heartbeatMillis, 100), 60_000)))
        heartbeat = loop.scheduleRepeatedTask(initialDelay: interval, delay: interval) {
            [weak self] _ in self?.beat()
        }
    }

    private func beat() {
        guard case .registered(let stream) = state else { return }
        var message = WireAgentMessage()
        message.heartbeat = WireHeartbeat()
        send(message, on: stream)
    }

    func send(_ message: WireAgentMessage, on stream: ClientStream) {
        guard let bytes: [UInt8] = try? message.serializedBytes() else { return }
        guard stream.bufferedBytes + bytes.count <= Self.sendBytesMax else {
            return lost("the master does not read what it is told")
        }
        stream.send(bytes)
    }
}
