internal import Monitoring

/// Judges what one member measures of itself.
struct MemberFigures {
    let name: String
    let sample: MetricsSample

    private var page: MetricsReading { sample.page }

    func findings() -> [Finding] {
        [syncs(), quota(), descriptors(), space()].compactMap(\.self) + peers() + certificates()
    }

    private func syncs() -> Finding? {
        let durations = page.buckets("etcd_disk_wal_fsync_duration_seconds")
        guard let p99 = durations.quantile(0.99), let p50 = durations.quantile(0.5) else {
            return nil
        }
        return .bounded(
            "log-sync", name, p99, .seconds, warnAbove: 0.025, failAbove: 1,
            "since it began: p50 \(Figures.seconds(p50)), p99 \(Figures.seconds(p99))",
            advice: "its disk is slow, or shared with something that writes much: the runbook"
                + " slow-disk says what to do")
    }

    private func quota() -> Finding? {
        guard let used = page.value("etcd_mvcc_db_total_size_in_bytes"),
            let quota = page.value("etcd_server_quota_backend_bytes"), quota > 0
        else { return nil }
        return .bounded(
            "quota", name, used / quota, .share, warnAbove: 0.8, failAbove: 0.95,
            "\(Figures.bytes(used)) of \(Figures.bytes(quota)), \(Figures.percent(used / quota))",
            advice: "delete keys and compact, or raise --quota-backend-bytes on every member")
    }

    private func descriptors() -> Finding? {
        guard let used = page.value("os_fd_used"), let most = page.value("os_fd_limit"), most > 0
        else { return nil }
        return .bounded(
            "descriptors", name, used / most, .share, warnAbove: 0.7, failAbove: 0.95,
            "\(Figures.count(used)) of \(Figures.count(most)) files are open",
            advice: "raise LimitNOFILE of its unit, or look who opens so many connections")
    }

    private func space() -> Finding? {
        guard let total = page.value("keelson_disk_total_bytes"), total > 0,
            let free = page.value("keelson_disk_free_bytes")
        else { return nil }
        return MachineExamination.space(name, total: total, free: free)
    }

    private func peers() -> [Finding] {
        page.all("etcd_network_active_peers").map { peer in
            let id = peer.label("Remote") ?? ""
            let advice = "look at the network between the two, and at their peer certificates"
            guard peer.value > 0 else {
                return Finding("peer", name, .warn, "no connection to \(id)", advice: advice)
            }
            let trips = page.buckets(
                "etcd_network_peer_round_trip_time_seconds", [MetricLabel("To", id)])
            guard let p99 = trips.quantile(0.99), let p50 = trips.quantile(0.5) else {
                return Finding("peer", name, .ok, "connected to \(id)")
            }
            return .bounded(
                "peer", name, p99, .seconds, warnAbove: 0.05, failAbove: 0.5,
                "round trips to \(id): p50 \(Figures.seconds(p50)), p99 \(Figures.seconds(p99))",
                advice: "--heartbeat-interval has to be longer than a round trip, and"
                    + " --election-timeout ten times that")
        }
    }

    private func certificates() -> [Finding] {
        page.all("keelson_tls_certificate_expiry_seconds").map { sample in
            let days = (sample.value - self.sample.wallSeconds) / 86_400
            return .bounded(
                "certificate", name, days, .days, warnBelow: 30, failBelow: 2,
                "of the \(sample.label("port") ?? "?") port: "
                    + (days < 0 ? "expired" : "\(Figures.count(days)) days left"),
                advice: "put a new one in its place: files are read again by themselves")
        }
    }
}
