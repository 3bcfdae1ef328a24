internal import Monitoring
internal import NIOCore
internal import Primitives
internal import RPC
internal import StateMachine

/// `/metrics` in Prometheus' text format: etcd's names for what etcd has, so that its dashboards
/// and alerts go on working, and `keelson_…` for the rest. docs/monitoring.md lists all of them.
///
/// Confined to the node's event loop, hence `@unchecked Sendable`.
final class MetricsPage: @unchecked Sendable {
    private unowned let node: any NodeFacade
    private unowned let watches: WatchService
    private unowned let calls: CallCounters
    private let machine: MachineGauge
    /// What counts the calls. Nil before there is a port.
    weak var server: RPCServer?
    weak var datacenter: (any DatacenterFacade)?
    var slowRequests: SlowRequestLog?
    /// Nil where nothing is traced.
    var traces: TraceExporter?
    weak var tracer: RequestTracer?
    /// Calls that wait for a lock or an election.
    var queueWaiters: () -> Int = { 0 }
    /// The ports with TLS, and the last second that their certificates hold, since 1970.
    var certificates: () -> [(port: String, notAfter: Int)] = { [] }
    private var datacenterCounts: DatacenterCounts?
    private var waiting: [([UInt8]) -> Void] = []
    private var last: (page: [UInt8], at: NIODeadline)?

    /// Within it everybody is given the same page, however many ask.
    private static let freshness = TimeAmount.milliseconds(100)
    private static let waitingMax = 1_000

    init(
        node: any NodeFacade, watches: WatchService, calls: CallCounters, dataDirectory: String?
    ) {
        self.node = node
        self.watches = watches
        self.calls = calls
        machine = MachineGauge(eventLoop: node.eventLoop, dataDirectory: dataDirectory)
    }

    /// Calls back, on the event loop, within about ``MachineGauge/patience``.
    func page(_ done: @escaping ([UInt8]) -> Void) {
        if let last, .now() - last.at < Self.freshness { return done(last.page) }
        guard waiting.count < Self.waitingMax else { return done(last?.page ?? []) }
        waiting.append(done)
        if waiting.count > 1 { return }
        machine.read { [self] figures in
            var text = MetricsText()
            write(figures, into: &text)
            let page = Array(text.text.utf8)
            last = (page, .now())
            let all = waiting
            waiting = []
            for done in all { done(page) }
        }
    }

    func response(_ done: @escaping (HTTP1Response) -> Void) {
        page { body in
            done(
                HTTP1Response(
                    status: 200, headers: [("Content-Type", MetricsText.contentType)], body: body))
        }
    }

    private func write(_ figures: MachineFigures, into text: inout MetricsText) {
        let status = node.status()
        writeServer(status, &text)
        writeLog(status, figures, &text)
        writeStore(&text, status)
        writeWatches(&text)
        writePeers(status, &text)
        if let server { ServedCalls(server).write(into: &text) }
        writeRequests(&text)
        writeDatacenter(&text)
        writeMachine(figures, &text)
    }

    // MARK: Consensus

    private func writeServer(_ status: NodeStatus, _ text: inout MetricsText) {
        text.gauge("etcd_server_has_leader", "1 if a leader is known.", node.leader == nil ? 0 : 1)
        text.gauge("etcd_server_is_leader", "1 if this member leads.", node.isLeader ? 1 : 0)
        text.gauge(
            "etcd_server_is_learner", "1 if this member is a learner.", node.isLearner ? 1 : 0)
        text.counter(
            "etcd_server_leader_changes_seen_total", "Changes of leader seen.",
            status.leaderChangesSeen)
        text.gauge("keelson_raft_term", "The current term.", Double(node.term.rawValue))
        text.gauge(
            "keelson_member_takes_part",
            "1 if this member votes and acknowledges as its role has it, 0 while its disk is full"
                + " or not known to be current.", status.takesPart ? 1 : 0)
        text.family(
            "etcd_server_version", "The server's version.", .gauge,
            [([MetricLabel("server_version", EtcdVersion.server)], .whole(1))])
        text.family(
            "etcd_cluster_version", "The cluster's version.", .gauge,
            [([MetricLabel("cluster_version", status.clusterVersion)], .whole(1))])
        text.family(
            "keelson_build_info", "This build.", .gauge,
            [([MetricLabel("version", KeelsonVersion.keelson)], .whole(1))])
        text.gauge(
            "keelson_server_feature_level", "The highest feature level that this build knows.",
            Double(node.store.known.rawValue))
        text.gauge(
            "keelson_cluster_feature_level", "The feature level that the cluster makes use of.",
            Double(node.store.members.clusterLevel.rawValue))
        text.family(
            "keelson_member_feature_level", "What each member has said that it knows; 0: nothing.",
            .gauge,
            node.store.members.records.map {
                ([MetricLabel("member", "\($0.id)")], .whole(UInt64($0.level.rawValue)))
            })
        text.family(
            "etcd_server_id", "The member's id.", .gauge,
            [([MetricLabel("server_id", "\(node.memberID)")], .whole(1))])
        text.gauge(
            "etcd_server_quota_backend_bytes", "The quota in bytes.", Double(status.quotaBytes))
        text.family(
            "keelson_alarms", "Members for which an alarm is raised.", .gauge,
            [AlarmKind.noSpace, .corrupt].map { kind in
                let count = node.store.alarms.raised.count { $0.kind == kind }
                return ([MetricLabel("alarm", kind.name)], .whole(UInt64(count)))
            })
    }

    private func writeLog(
        _ status: NodeStatus, _ figures: MachineFigures, _ text: inout MetricsText
    ) {
        text.counter(
            "etcd_server_proposals_committed_total", "Index of the last committed entry.",
            node.committedIndex.rawValue)
        text.counter(
            "etcd_server_proposals_applied_total", "Index of the last applied entry.",
            node.appliedIndex.rawValue)
        text.gauge(
            "etcd_server_proposals_pending", "Proposals without an outcome yet.",
            Double(status.proposalsPending))
        text.counter(
            "etcd_server_proposals_failed_total", "Proposals that failed.", status.proposalsFailed)
        text.counter(
            "etcd_server_slow_apply_total", "Times that applying took more than 100 ms.",
            status.slowAppliesTotal)
        text.counter(
            "etcd_server_slow_read_indexes_total",
            "Linearizable reads that waited for more than 100 ms.", status.slowReadsTotal)
        text.counter(
            "etcd_server_read_indexes_failed_total", "Linearizable reads that failed.",
            status.readsFailedTotal)
        text.gauge(
            "keelson_log_last_index", "Index of the last entry of this member's log.",
            Double(status.lastIndex.rawValue))
        text.gauge(
            "keelson_log_durable_index", "Up to where this member's log is on its disk.",
            Double(status.durableIndex.rawValue))
        text.gauge(
            "keelson_checkpoint_index", "Index of the newest checkpoint on this member's disk.",
            Double(status.checkpointIndex.rawValue))
        text.gauge(
            "keelson_log_bytes", "Bytes of the log's files.", Double(figures.logBytes ?? 0))
        text.histograms(
            "etcd_disk_wal_fsync_duration_seconds", "Seconds that a sync of the log took.",
            [([], status.logSyncDurations)])
        text.histograms(
            "etcd_disk_backend_commit_duration_seconds", "Seconds that a checkpoint took.",
            [([], status.checkpointDurations)])
    }

    // MARK: The store

    private func writeStore(_ text: inout MetricsText, _ status: NodeStatus) {
        text.gauge(
            "etcd_mvcc_db_total_size_in_bytes", "Bytes that the state takes.",
            Double(status.databaseBytes))
        text.gauge(
            "etcd_mvcc_db_total_size_in_use_in_bytes", "Bytes of it that live data takes.",
            Double(status.databaseBytesInUse))
        text.gauge("etcd_debugging_mvcc_keys_total", "Live keys.", Double(node.store.keyCount))
        text.gauge(
            "etcd_debugging_mvcc_current_revision", "The store's revision.",
            Double(node.store.revision.rawValue))
        text.gauge(
            "etcd_debugging_mvcc_compact_revision", "The compaction's revision.",
            Double(max(0, node.store.compactedRevision.rawValue)))
        text.gauge("etcd_debugging_lease_total", "Leases.", Double(node.store.leases.count))
        text.gauge(
            "keelson_queue_waiters", "Calls here that wait for a lock or an election.",
            Double(queueWaiters()))
        text.counter("etcd_mvcc_put_total", "Puts taken here.", calls.puts)
        text.counter("etcd_mvcc_delete_total", "Deletes taken here.", calls.deletes)
        text.counter("etcd_mvcc_range_total", "Ranges answered here.", calls.ranges)
        text.counter("etcd_mvcc_txn_total", "Transactions taken here.", calls.transactions)
    }

    private func writeWatches(_ text: inout MetricsText) {
        text.gauge("etcd_debugging_mvcc_watcher_total", "Watches.", Double(watches.watcherCount))
        text.gauge(
            "etcd_debugging_mvcc_watch_stream_total", "Watch streams.", Double(watches.streamCount))
        text.gauge(
            "etcd_debugging_mvcc_slow_watcher_total", "Watches that are not at the head.",
            Double(watches.behindCount + watches.heldCount))
        text.counter(
            "etcd_debugging_mvcc_events_total", "Events sent to watches.", watches.eventsSent)
        text.gauge(
            "etcd_debugging_mvcc_pending_events_total", "Events that wait: none ever do.", 0)
    }

    // MARK: The others

    private func writePeers(_ status: NodeStatus, _ text: inout MetricsText) {
        let peers = status.peerSentBytes
        func to(_ peer: PeerTraffic) -> [MetricLabel] { [MetricLabel("To", "\(peer.peer)")] }
        text.family(
            "etcd_network_active_peers", "1 if there is a connection to the peer.", .gauge,
            peers.map { peer in
                let labels = [
                    MetricLabel("Local", "\(node.memberID)"),
                    MetricLabel("Remote", "\(peer.peer)"),
                ]
                return (labels, .whole(peer.isConnected ? 1 : 0))
            })
        text.family(
            "etcd_network_peer_sent_bytes_total", "Bytes sent to peers.", .counter,
            peers.map { (to($0), .whole($0.sentBytes)) })
        text.family(
            "etcd_network_peer_received_bytes_total", "Bytes received from peers.", .counter,
            peers.map { ([MetricLabel("From", "\($0.peer)")], .whole($0.receivedBytes)) })
        text.family(
            "etcd_network_peer_sent_failures_total", "Failed sends to peers.", .counter,
            peers.map { (to($0), .whole($0.sendFailures)) })
        text.histograms(
            "etcd_network_peer_round_trip_time_seconds",
            "Round trips to peers as TCP measures them, looked at once a second.",
            peers.map { (to($0), $0.roundTrips) })
    }

    private func writeRequests(_ text: inout MetricsText) {
        text.counter(
            "keelson_slow_requests_total", "Requests that took longer than the threshold.",
            slowRequests?.total ?? 0)
        text.counter(
            "keelson_trace_spans_exported_total", "Spans that the file or the collector took.",
            traces?.exported ?? 0)
        text.counter(
            "keelson_trace_spans_dropped_total",
            "Spans that found the queue full, or that nobody took.", traces?.dropped ?? 0)
        text.counter(
            "keelson_traces_suppressed_total",
            "Requests that were not traced because too many were.",
            (server?.suppressedTraces ?? 0) + (tracer?.suppressed ?? 0))
    }

    // MARK: The datacenter

    private func writeDatacenter(_ text: inout MetricsText) {
        guard let datacenter else { return }
        let revision = datacenter.revision
        if datacenterCounts?.isCurrent(at: revision, now: .now()) != true {
            datacenterCounts = DatacenterCounts(datacenter.table, at: revision)
        }
        let isMaster = if case .leading = datacenter.leadership { true } else { false }
        text.gauge(
            "keelson_master_is_leading", "1 if this member acts as the datacenter's master.",
            isMaster ? 1 : 0)
        text.gauge(
            "keelson_offers_outstanding",
            "Offers that are not answered; 0 but on the member that acts as the master.",
            Double(datacenter.offerCount))
        datacenterCounts?.write(into: &text)
    }

    // MARK: The machine

    private func writeMachine(_ figures: MachineFigures, _ text: inout MetricsText) {
        figures.write(into: &text)
        text.gauge(
            "keelson_wall_clock_seconds", "This machine's time of day, since 1970.",
            Double(WallClock.milliseconds()) / 1000)
        text.family(
            "keelson_tls_certificate_expiry_seconds",
            "When the certificate of a port ceases to hold, since 1970.", .gauge,
            certificates().map { port, notAfter in
                ([MetricLabel("port", port)], .real(Double(notAfter)))
            })
    }
}

/// Calls that this node took, by kind.
final class CallCounters {
    var puts: UInt64 = 0
    var deletes: UInt64 = 0
    var ranges: UInt64 = 0
    var transactions: UInt64 = 0
}
