package import NIOCore
internal import Primitives
package import RPC
package import StateMachine

/// Settings of the etcd services that are not the node's.
package struct EtcdServicesOptions: Sendable {
    /// `--watch-progress-notify-interval`, at least 100 ms; 10 minutes in etcd too.
    package var watchProgressInterval: TimeAmount = .minutes(10)

    /// `--auth-token-ttl`: for how long a token that is not used counts.
    package var tokenTimeToLive: TimeAmount = .seconds(300)

    /// The keys of `--auth-token jwt`. Nil: `simple`.
    package var tokenKeys: JWTKeyFiles?

    package var limits = EtcdLimits()

    /// Whose file system the metrics tell of. Nil: of none.
    package var dataDirectory: String?

    package init() {}
}

/// The etcd v3 API of one node: every gRPC method that is served, and the HTTP/1.1 endpoints.
///
/// Confined to the node's event loop, hence `@unchecked Sendable`. It becomes the node's observer,
/// so the node must tell it of every batch that it applies, before the proposals' closures run. The
/// node outlives it.
package final class EtcdServices: NodeObserver, @unchecked Sendable {
    private let loop: any EventLoop
    private let kv: KVService
    let watches: WatchService
    let largeRanges: LargeRanges
    private let leases: LeaseService
    private let cluster: ClusterService
    private let maintenance: MaintenanceService
    private let backup: BackupService
    private let queue: QueueDriver
    private let locks: LockService
    private let elections: ElectionService
    private let auth: AuthService
    private let gate: AuthGate
    private let health: HealthService
    private let reflection = ReflectionService()
    private let endpoints: HTTPEndpoints
    private let calls = CallCounters()
    let metrics: MetricsPage

    package init(node: any NodeFacade, options: EtcdServicesOptions = EtcdServicesOptions()) {
        loop = node.eventLoop
        largeRanges = LargeRanges(eventLoop: node.eventLoop)
        kv = KVService(node: node, counters: calls, largeRanges: largeRanges)
        watches = WatchService(
            node: node, progressInterval: options.watchProgressInterval, limits: options.limits)
        leases = LeaseService(node: node, limits: options.limits)
        cluster = ClusterService(node: node)
        let wholeReads = WholeReads(options.limits)
        maintenance = MaintenanceService(
            node: node, largeRanges: largeRanges, wholeReads: wholeReads)
        backup = BackupService(
            node: node, thread: largeRanges, wholeReads: wholeReads, limits: options.limits)
        queue = QueueDriver(node: node)
        locks = LockService(node: node, queue: queue)
        elections = ElectionService(node: node, queue: queue)
        auth = AuthService(node: node, signing: options.tokenKeys)
        gate = AuthGate(
            node: node, timeToLive: options.tokenTimeToLive, signing: options.tokenKeys)
        health = HealthService()
        metrics = MetricsPage(
            node: node, watches: watches, calls: calls, dataDirectory: options.dataDirectory)
        endpoints = HTTPEndpoints(node: node, metrics: metrics)
        node.observer = self
        metrics.queueWaiters = { [queue] in queue.waiterCount }
    }

    /// Adds all methods. What is not added is answered with `unimplemented` by the router.
    package func register(in routes: inout RPCRoutes) {
        var all = RPCRoutes()
        registerAll(in: &all)
        routes.add(gate.guarding(all))
    }

    /// Methods of other services on the same port, behind the same question of who calls.
    package func guarding(_ routes: RPCRoutes) -> RPCRoutes { gate.guarding(routes) }

    /// Who calls on other ports than the client port.
    var identities: AuthGate { gate }

    private func registerAll(in routes: inout RPCRoutes) {
        kv.register(in: &routes)
        routes.stream("/etcdserverpb.Watch/Watch") { self.watches.open($0) }
        leases.register(in: &routes)
        cluster.register(in: &routes)
        maintenance.register(in: &routes)
        backup.register(in: &routes)
        locks.register(in: &routes)
        elections.register(in: &routes)
        auth.register(in: &routes)
        health.register(in: &routes)
        reflection.register(in: &routes)
    }

    /// Large ranges that are evaluated or sent.
    package var largeAnswersOutstanding: Int { largeRanges.outstanding }
    /// Backups that are sent, or that can be gone on with.
    package var keptBackups: Int { backup.keptCount }
    /// Calls that wait for a lock or an election.
    package var queueWaiters: Int { queue.waiterCount }
    package var openWatchStreams: Int { watches.streamCount }
    /// Watches that read old revisions.
    package var watchersBehind: Int { watches.behindCount }
    /// Watches that wait for their stream to take more.
    package var watchersHeld: Int { watches.heldCount }

    /// Answers `/health`, `/livez`, `/readyz`, `/version` and `/metrics`.
    package var http1Responder: HTTP1Responder { endpoints.responder }

    /// Has the metrics tell what this port counts.
    package func meter(_ server: RPCServer) { metrics.server = server }

    /// Serves the API as JSON, too, through a client of the same server.
    package func openGateway(_ connect: @escaping JSONGateway.Connector) {
        endpoints.gateway = JSONGateway(eventLoop: loop, connect: connect)
    }

    // MARK: NodeObserver

    package func applied(_ batch: [Applied]) {
        gate.applied(batch)
        watches.applied(batch)
        leases.applied(batch)
        queue.applied(batch)
        elections.applied(batch)
        backup.applied()
    }

    package func leadershipChanged() { watches.leadershipChanged() }

    package func storeReplaced() {
        watches.storeReplaced()
        leases.storeReplaced()
        queue.storeReplaced()
        elections.storeReplaced()
        backup.storeReplaced()
    }

    package func stopping() {
        watches.stopping()
        elections.stopping()
        health.stopping()
    }
}
