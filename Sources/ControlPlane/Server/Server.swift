package import Logging
import Monitoring
import NIOCore
import NIOPosix
import Primitives
import RPC
import RaftCore
package import Replication
import StateMachine
import Storage

/// One running server: a node, its services and their listeners.
///
/// `@unchecked Sendable`: what is not constant is confined to the event loop.
package final class Server: @unchecked Sendable {
    private let group: MultiThreadedEventLoopGroup
    private let loop: any EventLoop
    private let logger: Logger
    private var node: Node?
    private var services: EtcdServices?
    private var observers: NodeObservers?
    private var datacenter: DatacenterServices?
    private var rpc: RPCServer?
    private var http: DatacenterServer?
    private var traces: TraceExport?

    private init(logger: Logger) {
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        loop = group.next()
        self.logger = logger
    }

    /// Opens the data directory, recovers, listens, and joins the cluster. Returns once the
    /// listeners are open; the log line `ready to serve client requests` comes when linearizable
    /// reads work. Waits as long as the disk is too full to start; cancelling the task ends that.
    ///
    /// - Parameter search: the place that a server has lost that ran before in this process, and
    ///   where it knew others to be.
    /// - Parameter onHalt: called when the node stops by itself; the process should exit with the
    ///   status.
    /// - Throws: ``ConfigurationError``, ``StorageError``, ``NoPlaceLeft``, `CancellationError`, or
    ///   what binding an address threw.
    package static func start(
        _ configuration: ServerConfiguration, searching search: ServerSearch? = nil,
        logger: Logger, onHalt: @escaping @Sendable (NodeHalt) -> Void
    ) async throws -> Server {
        try configuration.validate()
        var configuration = configuration
        let tls = try ServerTLS(configuration, logger: logger)
        let services = try services(configuration, logger)
        let traceSink = try configuration.traceTarget?.sink()
        let joining = ClusterJoining(
            configuration: configuration, security: tls.peer, logger: logger, search: search)
        let identity = try await joining.identify(&configuration)
        let storage = try await openStorage(configuration.place(as: identity), logger)
        let server = Server(logger: logger)
        server.traces = traceSink.map { sink in
            TraceExport(
                sink, configuration, cluster: identity.clusterID, member: identity.memberID,
                logger: logger)
        }
        try await server.open(configuration, tls, services, storage, onHalt).get()
        try await server.openHTTP(configuration, tls)
        try await server.loop.submit { server.begin() }.get()
        return server
    }

    /// The services' settings, with the keys for tokens.
    private static func services(
        _ configuration: ServerConfiguration, _ logger: Logger
    ) throws(ConfigurationError) -> EtcdServicesOptions {
        var options = EtcdServicesOptions()
        options.dataDirectory = configuration.dataDirectory
        if case .jwt(let jwt) = try AuthTokenOptions(configuration.authToken) {
            options.tokenKeys = try JWTKeyFiles(jwt, logger: logger)
        }
        return options
    }

    private static let roomRetryInterval: Duration = .seconds(2)

    /// A disk without room for a start is no reason to exit: a restart would find the same disk.
    private static func openStorage(_ place: NodePlace, _ logger: Logger) async throws
        -> NodeStorage
    {
        var isWaiting = false
        while true {
            do {
                return try NodeStorage.open(place, fileSystem: PosixFileSystem()) {
                    logger.info("\($0)")
                }
            } catch let error as StorageError where error.isOutOfSpace {
                if !isWaiting {
                    logger.error(
                        "the disk is too full to start: waiting until there is room",
                        metadata: ["reason": "\(error)", "data directory": "\(place.path)"])
                }
                isWaiting = true
            }
            try await Task.sleep(for: roomRetryInterval)
        }
    }

    /// Makes the node and listens for clients and peers.
    private func open(
        _ configuration: ServerConfiguration, _ tls: ServerTLS, _ options: EtcdServicesOptions,
        _ storage: consuming NodeStorage, _ onHalt: @escaping @Sendable (NodeHalt) -> Void
    ) -> EventLoopFuture<Void> {
        let storage = UncheckedBox(storage)
        return loop.flatSubmit { [self] in
            let node = makeNode(configuration, tls, storage.value)
            node.onHalt = onHalt
            self.node = node
            let services = EtcdServices(node: node, options: options)
            self.services = services
            let datacenter = DatacenterServices(node, configuration, logger)
            datacenter.master.identities = services.identities
            self.datacenter = datacenter
            let observers = NodeObservers([services, datacenter.master])
            node.observer = observers
            self.observers = observers
            var routes = RPCRoutes()
            services.register(in: &routes)
            routes.add(services.guarding(datacenter.routes))
            var limits = RPCLimits()
            limits.messageBytesMax = configuration.maxRequestBytes + 512 << 10
            let rpc = RPCServer(
                eventLoop: loop, routes: routes, http1: services.http1Responder, limits: limits)
            self.rpc = rpc
            services.meter(rpc)
            watch(node, rpc, services.metrics, tls, configuration)
            services.metrics.datacenter = datacenter.master
            datacenter.master.metricsPage = services.metrics
            services.openGateway { [unowned rpc] in rpc.connectInProcess(peerAddress: $0) }
            node.isServing = { [unowned rpc] in rpc.hasOpenCalls }
            node.onWrites = { [unowned rpc] in rpc.noteOtherWork() }
            var bound = configuration.listenPeerURLs.map { url in
                node.transport.listen(on: url).map { channel in
                    node.transport.listening(on: channel)
                }.describing("--listen-peer-urls", url)
            }
            bound += configuration.listenClientURLs.map { url in
                let security = url.isSecure ? tls.client?.rpcSecurity : nil
                invariant(!url.isSecure || security != nil, "\(url) is never served in plaintext")
                return rpc.listen(host: url.host, port: url.port, security: security).map { _ in ()
                }
                .describing("--listen-client-urls", url)
            }
            return EventLoopFuture.andAllSucceed(bound, on: loop)
        }
    }

    /// What the metrics and the log tell of the node and its ports.
    private func watch(
        _ node: Node, _ rpc: RPCServer, _ page: MetricsPage, _ tls: ServerTLS,
        _ configuration: ServerConfiguration
    ) {
        page.certificates = { tls.certificateEnds }
        if let traces {
            node.trace(rpc, to: traces.exporter)
            page.traces = traces.exporter
            page.tracer = node.tracer
        }
        guard configuration.slowRequestMilliseconds > 0 else { return }
        let slow = SlowRequestLog(logger: logger) { [unowned node] index in
            node.meter.milestones.times(of: index)
        }
        page.slowRequests = slow
        rpc.watchSlowCalls(
            threshold: .milliseconds(Int64(configuration.slowRequestMilliseconds))
        ) { slow.note($0) }
    }

    /// Listens for people and frameworks, where the configuration says so.
    private func openHTTP(_ configuration: ServerConfiguration, _ tls: ServerTLS) async throws {
        guard let url = configuration.listenHTTPURLs.first else { return }
        let security = url.isSecure ? tls.http?.rpcSecurity : nil
        invariant(!url.isSecure || security != nil, "\(url) is never served in plaintext")
        let desk = try await loop.submit { [self] in
            datacenter?.desk(configuration, security, tls.agents, logger)
        }.get()
        guard let desk else { return }
        do {
            http = try await DatacenterServer.start(desk)
        } catch {
            throw ConfigurationError(listening: "--listen-http-urls", url, failed: error)
        }
    }

    /// All listen: the node's clock starts.
    private func begin() {
        guard let node else { return }
        node.start()
        datacenter?.master.start()
        announceWhenReady(node)
    }

    private func makeNode(
        _ configuration: ServerConfiguration, _ tls: ServerTLS, _ storage: NodeStorage
    ) -> Node {
        let member = storage.memberID
        let tick = ServerConfiguration.tickMilliseconds
        let raft = RaftSettingsMaker.make(
            id: member, boot: storage.boot, configuration: configuration)
        var settings = ReplicaSettings(
            raft: raft, clusterID: storage.clusterID, boot: storage.boot,
            ticksPerSecond: 1000 / tick)
        invariant(
            settings.entryBytesMax <= NodePlace.defaultLogOptions.entryBytesMax,
            "commands of \(settings.entryBytesMax) bytes do not fit into a segment")
        settings.initialMembers = configuration.initialAttributes
        settings.allowsRejoin = configuration.rejoinPolicy == .auto
        settings.succeedDeadTicks = configuration.replaceDeadSeconds * 1000 / tick
        settings.leaseSecondsMin = UInt32(
            max(1, (configuration.electionMilliseconds * 3 / 2 + 999) / 1000))
        let replica = Replica(settings: settings, restored: storage.restored, store: storage.store)
        let identity = PeerIdentity(
            clusterID: storage.clusterID, memberID: member, storage.start,
            level: configuration.featureLevel)
        logger.info(
            "node starts",
            metadata: [
                "name": "\(configuration.name)", "member": "\(member)",
                "cluster": "\(storage.clusterID)", "boot": "\(storage.boot)",
                "term": "\(replica.raft.term)", "last index": "\(replica.raft.lastIndex)",
                "revision": "\(replica.store.revision)",
                "feature level": "\(configuration.featureLevel)",
            ])
        for rot in storage.log.rotten {
            logger.error(
                "the log is damaged: this node does not vote until the others have mended it",
                metadata: ["where": "\(rot)"])
        }
        return Node(
            loop: loop, configuration: configuration, replica: replica, identity: identity,
            storage: storage, security: tls.peer, logger: logger)
    }

    /// Ready means: a linearizable read works, so there is a leader and this node is up to date.
    private func announceWhenReady(_ node: Node) {
        node.linearizableRead { [weak self] failure in
            guard let self else { return }
            guard failure != nil else {
                services?.identities.becomeCurrent { _ in }
                logger.notice(
                    "ready to serve client requests",
                    metadata: [
                        "revision": "\(node.store.revision)", "leader": "\(node.leader ?? .none)",
                    ])
                return
            }
            loop.assumeIsolated().scheduleTask(in: .milliseconds(20)) { [weak self] in
                if let node = self?.node, !node.stopping { self?.announceWhenReady(node) }
            }
        }
    }

    /// What a server has lost that has halted so, for its next start; nil where the process has to
    /// end.
    package func search(after halt: NodeHalt) async -> ServerSearch? {
        let found = loop.submit { [self] () -> ServerSearch? in
            guard let node, let lost = node.lostPlace(after: halt) else { return nil }
            return ServerSearch(lost: lost, peerURLs: node.otherPeerURLs)
        }
        return try? await found.get()
    }

    /// Hands leadership on, lets requests that are on their way finish, and closes everything.
    package func stop() async {
        let handedOver = loop.flatSubmit { [self] () -> EventLoopFuture<Void> in
            guard let node else { return loop.makeSucceededVoidFuture() }
            return node.handOver().flatMap { node.drain() }.map { [self] in
                node.observer?.stopping()
                datacenter?.stopping()
            }
        }
        try? await handedOver.get()
        await http?.stop()
        let stopped = loop.flatSubmit { [self] () -> EventLoopFuture<Void> in
            guard let node, let rpc else { return loop.makeSucceededVoidFuture() }
            return rpc.shutdown(gracePeriod: .milliseconds(300)).map {
                node.tracer?.finishAll()
                node.stop()
            }
        }
        try? await stopped.get()
        await traces?.stop()
        node?.join()
        try? await group.shutdownGracefully()
    }
}

/// Carries a value to the event loop that alone uses it afterwards.
private struct UncheckedBox<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: consuming Value) { self.value = value }
}

extension EventLoopFuture where Value == Void {
    /// An address that cannot be bound is a flag that cannot be used: the error says which.
    fileprivate func describing(_ flag: String, _ url: ServiceURL) -> EventLoopFuture<Void> {
        flatMapErrorThrowing { error in
            throw ConfigurationError(listening: flag, url, failed: error)
        }
    }
}

extension ConfigurationError {
    fileprivate init(listening flag: String, _ url: ServiceURL, failed error: any Error) {
        self.init(
            flag: flag, value: "\(url)", reason: "listening failed: \(error)",
            hint: "Is another process using the port?")
    }
}

/// What to tell an operator whose server does not start.
package enum StartFailure {
    /// The process's exit status and the reason.
    package static func describe(_ error: any Error) -> (status: Int32, text: String) {
        switch error {
        case let error as ConfigurationError: (64, error.description)
        case let error as StorageError: (error.exitStatus, error.description)
        case let error as NewerData: (NewerData.exitStatus, error.description)
        case let error as NoPlaceLeft: (NodeHalt.replica(.removed).exitStatus, error.description)
        default: (1, "\(error)")
        }
    }
}
