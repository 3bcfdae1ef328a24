internal import KeelsonClient
internal import Monitoring

/// One picture of `keelson top`: lines of 80 columns at most, made of what members measured.
struct TopFrame {
    /// An endpoint, what it says now, and what it said a while before.
    struct Row {
        let endpoint: Endpoint
        let now: MetricsSample?
        let before: MetricsSample?

        var name: String {
            let text = "\(endpoint.host):\(endpoint.port)"
            return text.count <= TopFrame.nameWidth
                ? text : "…" + text.suffix(TopFrame.nameWidth - 1)
        }

        private var seconds: Double? {
            guard let now, let before else { return nil }
            let passed = (now.at - before.at).milliseconds / 1000
            return passed > 0.05 ? passed : nil
        }

        func value(_ name: String) -> Double? { now?.page.value(name) }

        /// By second; nil where that is not known: the member is new, or began anew.
        func rate(_ name: String, _ labels: [MetricLabel] = []) -> Double? {
            guard let now, let before, let seconds else { return nil }
            let grown = now.page.sum(name, labels) - before.page.sum(name, labels)
            return grown >= 0 ? grown / seconds : nil
        }

        /// What came since; all that ever came where there is nothing to compare with.
        func recent(_ name: String, _ labels: [MetricLabel] = []) -> BucketCounts? {
            guard let now else { return nil }
            let all = now.page.buckets(name, labels)
            return before.map { all.since($0.page.buckets(name, labels)) } ?? all
        }
    }

    static let nameWidth = 21
    static let width = 80

    let rows: [Row]
    private(set) var lines: [String] = []

    init(_ rows: [Row]) {
        self.rows = rows
        lines = [header()]
        addTable(Self.state, Self.stateCells)
        addTable(Self.load, Self.loadCells)
        addTable(Self.resources, Self.resourceCells)
        addDatacenter()
    }

    // MARK: Lines

    private struct Column {
        let title: String
        let width: Int
        var isLeft = false
    }

    private static func line(_ columns: [Column], _ cells: [String]) -> String {
        var text = ""
        for (column, cell) in zip(columns, cells) {
            let cut = cell.count > column.width ? String(cell.prefix(column.width)) : cell
            let padding = String(repeating: " ", count: column.width - cut.count)
            text += (text.isEmpty ? "" : " ") + (column.isLeft ? cut + padding : padding + cut)
        }
        while text.hasSuffix(" ") { text.removeLast() }
        return text
    }

    private mutating func addTable(_ columns: [Column], _ cells: (Row, TopFrame) -> [String]) {
        let all = [Column(title: "MEMBER", width: Self.nameWidth, isLeft: true)] + columns
        lines += ["", Self.line(all, all.map(\.title))]
        for row in rows { lines.append(Self.line(all, [row.name] + cells(row, self))) }
    }

    private func header() -> String {
        let there = rows.count { $0.now != nil }
        let leader = rows.first { $0.value("etcd_server_is_leader") == 1 }
        var text = "keelson top: \(there) of \(rows.count) members answer, "
        text += leader.map { "\($0.name) leads" } ?? "nobody leads"
        return String(text.prefix(Self.width))
    }

    // MARK: Tables

    private static let state = [
        Column(title: "ROLE", width: 8, isLeft: true), Column(title: "TERM", width: 5),
        Column(title: "REVISION", width: 10), Column(title: "LAG", width: 6),
        Column(title: "DB", width: 10), Column(title: "KEYS", width: 7),
    ]

    private static func stateCells(_ row: Row, _ frame: TopFrame) -> [String] {
        guard row.now != nil else { return ["silent", "-", "-", "-", "-", "-"] }
        let applied = row.value("etcd_server_proposals_applied_total")
        return [
            role(of: row), count(row.value("keelson_raft_term")),
            row.value("etcd_debugging_mvcc_current_revision").map { whole($0) } ?? "-",
            count(applied.map { max(0, frame.committed - $0) }),
            row.value("etcd_mvcc_db_total_size_in_bytes").map(Figures.bytes) ?? "-",
            count(row.value("etcd_debugging_mvcc_keys_total")),
        ]
    }

    private static func role(of row: Row) -> String {
        if row.value("etcd_server_is_leader") == 1 { return "leader" }
        if row.value("keelson_member_takes_part") == 0 { return "unfit" }
        if row.value("etcd_server_is_learner") == 1 { return "learner" }
        return row.value("etcd_server_has_leader") == 0 ? "lost" : "follower"
    }

    /// The furthest that any member has committed.
    private var committed: Double {
        rows.compactMap { $0.value("etcd_server_proposals_committed_total") }.max() ?? 0
    }

    private static let load = [
        Column(title: "PUT/S", width: 7), Column(title: "P50", width: 7),
        Column(title: "P99", width: 7), Column(title: "RANGE/S", width: 7),
        Column(title: "P50", width: 7), Column(title: "P99", width: 7),
        Column(title: "SYNC99", width: 7),
    ]

    private static func loadCells(_ row: Row, _ frame: TopFrame) -> [String] {
        func cells(_ method: String) -> [String] {
            let labels = [
                MetricLabel("grpc_service", "etcdserverpb.KV"), MetricLabel("grpc_method", method),
            ]
            let durations = row.recent("grpc_server_handling_seconds", labels)
            return [
                count(row.rate("grpc_server_handled_total", labels)),
                seconds(durations?.quantile(0.5)), seconds(durations?.quantile(0.99)),
            ]
        }
        let syncs = row.recent("etcd_disk_wal_fsync_duration_seconds")
        return cells("Put") + cells("Range") + [seconds(syncs?.quantile(0.99))]
    }

    private static let resources = [
        Column(title: "WATCHES", width: 7), Column(title: "CONNS", width: 6),
        Column(title: "SLOW/S", width: 6), Column(title: "PEER99", width: 7),
        Column(title: "CPU", width: 6), Column(title: "MEMORY", width: 10),
        Column(title: "FILES", width: 7),
    ]

    private static func resourceCells(_ row: Row, _ frame: TopFrame) -> [String] {
        let trips = row.recent("etcd_network_peer_round_trip_time_seconds")
        return [
            count(row.value("etcd_debugging_mvcc_watcher_total")),
            count(row.value("keelson_client_connections")),
            count(row.rate("keelson_slow_requests_total")), seconds(trips?.quantile(0.99)),
            row.rate("process_cpu_seconds_total").map(Figures.percent) ?? "-",
            row.value("process_resident_memory_bytes").map(Figures.bytes) ?? "-",
            count(row.value("os_fd_used")),
        ]
    }

    // MARK: The datacenter

    /// As the member knows it that has come furthest.
    private mutating func addDatacenter() {
        let furthest = rows.max {
            ($0.value("etcd_server_proposals_applied_total") ?? -1)
                < ($1.value("etcd_server_proposals_applied_total") ?? -1)
        }
        guard let page = furthest?.now?.page else { return }
        func count(_ name: String, _ label: String, _ value: String) -> String {
            Figures.count(page.sum(name, [MetricLabel(label, value)]))
        }
        func total(_ name: String) -> String { Figures.count(page.sum(name)) }
        let offers = rows.compactMap { $0.value("keelson_offers_outstanding") }.max() ?? 0
        let machines = [
            "leases \(total("etcd_debugging_lease_total"))",
            "agents \(count("keelson_agents", "phase", "reachable")) reachable,"
                + " \(count("keelson_agents", "phase", "unreachable")) unreachable",
            "frameworks \(count("keelson_frameworks", "phase", "connected"))",
        ]
        let work = [
            "tasks \(count("keelson_tasks", "state", "running")) running,"
                + " \(count("keelson_tasks", "state", "staging")) staging",
            "services \(total("keelson_services"))",
            "deployments \(total("keelson_service_deployments"))",
            "offers \(Figures.count(offers))",
        ]
        lines.append("")
        for line in [machines, work] {
            lines.append(String(line.joined(separator: "  ").prefix(Self.width)))
        }
    }

    // MARK: Cells

    private static func count(_ value: Double?) -> String { value.map(Figures.count) ?? "-" }
    private static func seconds(_ value: Double?) -> String { value.map(Figures.seconds) ?? "-" }
    private static func whole(_ value: Double) -> String {
        Int64(exactly: value).map { "\($0)" } ?? Figures.count(value)
    }
}
