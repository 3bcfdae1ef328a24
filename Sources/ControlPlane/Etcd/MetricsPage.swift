internal import Foundation
internal import Primitives
internal import RPC
internal import StateMachine

/// `/metrics` in Prometheus' text format, with the names that etcd's dashboards and alerts use.
///
/// Confined to the node's event loop, hence `@unchecked Sendable`.
final class MetricsPage: @unchecked Sendable {
    private unowned let node: any NodeFacade
    private unowned let watches: WatchService
    private unowned let calls: CallCounters
    private var text = ""

    init(node: any NodeFacade, watches: WatchService, calls: CallCounters) {
        self.node = node
        self.watches = watches
        self.calls = calls
    }

    func response() -> HTTP1Response {
        HTTP1Response(
            status: 200,
            headers: [("Content-Type", "text/plain; version=0.0.4; charset=utf-8")],
            body: Array(page().utf8))
    }

    func page() -> String {
        text = ""
        let status = node.status()
        writeServer(status)
        writeStore(status)
        writeCalls()
        writePeers(status)
        histogram(
            "etcd_disk_wal_fsync_duration_seconds", "Seconds that a sync of the log took.",
            status.logSyncDurations)
        histogram(
            "etcd_disk_backend_commit_duration_seconds", "Seconds that a checkpoint took.",
            status.checkpointDurations)
        writeProcess()
        return text
    }

    private func writeServer(_ status: NodeStatus) {
        gauge("etcd_server_has_leader", "1 if a leader is known.", node.leader == nil ? 0 : 1)
        gauge("etcd_server_is_leader", "1 if this member leads.", node.isLeader ? 1 : 0)
        gauge("etcd_server_is_learner", "1 if this member is a learner.", node.isLearner ? 1 : 0)
        counter(
            "etcd_server_leader_changes_seen_total", "Changes of leader seen.",
            status.leaderChangesSeen)
        counter(
            "etcd_server_proposals_committed_total", "Index of the last committed entry.",
            node.committedIndex.rawValue)
        counter(
            "etcd_server_proposals_applied_total", "Index of the last applied entry.",
            node.appliedIndex.rawValue)
        gauge(
            "etcd_server_proposals_pending", "Proposals without an outcome yet.",
            Double(status.proposalsPending))
        counter(
            "etcd_server_proposals_failed_total", "Proposals that failed.", status.proposalsFailed)
        counter(
            "etcd_server_slow_apply_total", "Applies that took long.", status.slowAppliesTotal)
        counter(
            "etcd_server_slow_read_indexes_total", "Read indexes that took long.",
            status.slowReadsTotal)
        gauge(
            "etcd_server_quota_backend_bytes", "The quota in bytes.", Double(status.quotaBytes))
        labelled(
            "etcd_server_version", "The server's version.", "gauge",
            [("server_version=\"\(EtcdVersion.server)\"", "1")])
        labelled(
            "etcd_cluster_version", "The cluster's version.", "gauge",
            [("cluster_version=\"\(status.clusterVersion)\"", "1")])
        gauge(
            "keelson_server_feature_level", "The highest feature level that this build knows.",
            Double(node.store.known.rawValue))
        gauge(
            "keelson_cluster_feature_level", "The feature level that the cluster makes use of.",
            Double(node.store.members.clusterLevel.rawValue))
        labelled(
            "keelson_member_feature_level", "What each member has said that it knows; 0: nothing.",
            "gauge",
            node.store.members.records.map { ("member=\"\($0.id)\"", "\($0.level)") })
        labelled(
            "etcd_server_id", "The member's id.", "gauge",
            [("server_id=\"\(node.memberID)\"", "1")])
    }

    private func writeStore(_ status: NodeStatus) {
        gauge(
            "etcd_mvcc_db_total_size_in_bytes", "Bytes that the state takes.",
            Double(status.databaseBytes))
        gauge(
            "etcd_mvcc_db_total_size_in_use_in_bytes", "Bytes of it that live data takes.",
            Double(status.databaseBytesInUse))
        gauge("etcd_debugging_mvcc_keys_total", "Live keys.", Double(node.store.keyCount))
        gauge(
            "etcd_debugging_mvcc_current_revision", "The store's revision.",
            Double(node.store.revision.rawValue))
        gauge(
            "etcd_debugging_mvcc_compact_revision", "The compaction's revision.",
            Double(max(0, node.store.compactedRevision.rawValue)))
        gauge("etcd_debugging_mvcc_watcher_total", "Watches.", Double(watches.watcherCount))
        gauge(
            "etcd_debugging_mvcc_watch_stream_total", "Watch streams.", Double(watches.streamCount))
        gauge(
            "etcd_debugging_mvcc_slow_watcher_total", "Watches that are not at the head.",
            Double(watches.behindCount + watches.heldCount))
        gauge("etcd_debugging_mvcc_pending_events_total", "Events that wait: none ever do.", 0)
        gauge("etcd_debugging_lease_total", "Leases.", Double(node.store.leases.count))
    }

    private func writeCalls() {
        counter("etcd_mvcc_put_total", "Puts taken here.", calls.puts)
        counter("etcd_mvcc_delete_total", "Deletes taken here.", calls.deletes)
        counter("etcd_mvcc_range_total", "Ranges answered here.", calls.ranges)
        counter("etcd_mvcc_txn_total", "Transactions taken here.", calls.transactions)
    }

    private func writePeers(_ status: NodeStatus) {
        let peers = status.peerSentBytes
        guard !peers.isEmpty else { return }
        labelled(
            "etcd_network_peer_sent_bytes_total", "Bytes sent to peers.", "counter",
            peers.map { ("To=\"\($0.peer)\"", "\($0.sentBytes)") })
        labelled(
            "etcd_network_peer_received_bytes_total", "Bytes received from peers.", "counter",
            peers.map { ("From=\"\($0.peer)\"", "\($0.receivedBytes)") })
        labelled(
            "etcd_network_peer_sent_failures_total", "Failed sends to peers.", "counter",
            peers.map { ("To=\"\($0.peer)\"", "\($0.sendFailures)") })
    }

    private func writeProcess() {
        let process = ProcessFigures.read()
        gauge(
            "process_resident_memory_bytes", "Resident memory in bytes.",
            Double(process.residentBytes))
        gauge(
            "process_virtual_memory_bytes", "Virtual memory in bytes.",
            Double(process.virtualBytes))
        labelled(
            "process_cpu_seconds_total", "Seconds of CPU spent.", "counter",
            [("", "\(process.cpuSeconds)")])
        gauge("process_open_fds", "Open file descriptors.", Double(process.openFiles))
    }

    // MARK: Lines

    private func gauge(_ name: String, _ help: String, _ value: Double) {
        let isWhole = value == value.rounded() && abs(value) < 1e15
        labelled(name, help, "gauge", [("", isWhole ? "\(Int64(value))" : "\(value)")])
    }

    private func counter(_ name: String, _ help: String, _ value: UInt64) {
        labelled(name, help, "counter", [("", "\(value)")])
    }

    private func labelled(
        _ name: String, _ help: String, _ type: String, _ rows: [(labels: String, value: String)]
    ) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
        for row in rows {
            text += row.labels.isEmpty ? "\(name) " : "\(name){\(row.labels)} "
            text += row.value + "\n"
        }
    }

    private func histogram(_ name: String, _ help: String, _ durations: DurationHistogram) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) histogram\n"
        var total: UInt64 = 0
        for (slot, count) in durations.counts.enumerated() {
            total += count
            let bound =
                slot < DurationHistogram.boundsCount ? "\(0.001 * Double(1 << slot))" : "+Inf"
            text += "\(name)_bucket{le=\"\(bound)\"} \(total)\n"
        }
        text += "\(name)_sum \(Double(durations.sumNanoseconds) / 1e9)\n\(name)_count \(total)\n"
    }
}

/// Calls that this node took, by kind.
final class CallCounters {
    var puts: UInt64 = 0
    var deletes: UInt64 = 0
    var ranges: UInt64 = 0
    var transactions: UInt64 = 0
}

/// What the kernel says of this process; zeros where it says nothing. Source: proc(5).
struct ProcessFigures {
    var residentBytes = 0
    var virtualBytes = 0
    var cpuSeconds = 0.0
    var openFiles = 0

    static func read() -> ProcessFigures {
        var figures = ProcessFigures()
        if let memory = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) {
            let pages = memory.split(separator: " ").prefix(2).compactMap { Int($0) }
            if pages.count == 2 {
                figures.virtualBytes = pages[0] * Self.pageBytes
                figures.residentBytes = pages[1] * Self.pageBytes
            }
        }
        if let line = try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8),
            let end = line.lastIndex(of: ")")
        {
            let fields = line[line.index(after: end)...].split(separator: " ")
            if fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) {
                figures.cpuSeconds = (user + system) / Self.ticksPerSecond
            }
        }
        let files = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
        figures.openFiles = files?.count ?? 0
        return figures
    }

    private static let pageBytes = Int(sysconf(Int32(_SC_PAGESIZE)))
    private static let ticksPerSecond = Double(sysconf(Int32(_SC_CLK_TCK)))
}
