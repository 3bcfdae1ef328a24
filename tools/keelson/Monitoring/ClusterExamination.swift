internal import KeelsonClient
internal import Monitoring

/// What one endpoint told `keelson doctor`.
struct EndpointReport: Sendable {
    let endpoint: Endpoint
    let status: Result<MemberStatus, ClusterError>
    /// How long a linearizable read took.
    let read: Result<Duration, ClusterError>
    let metrics: Result<MetricsSample, any Error>

    var member: MemberStatus? { try? status.get() }
    var sample: MetricsSample? { try? metrics.get() }
    var name: String { "\(endpoint)" }
}

/// Judges a cluster by what its endpoints say. A value: asking is ``ClusterQuestions``' part.
struct ClusterExamination {
    let reports: [EndpointReport]
    let members: Result<MemberList, ClusterError>
    let alarms: Result<AlarmList, ClusterError>

    func findings() -> [Finding] {
        let reached = reports.map(reachable)
        guard reports.contains(where: { $0.member != nil }) else { return reached }
        return reached + [leader()] + quorum() + reports.flatMap(duty) + reports.compactMap(read)
            + reports.compactMap(lag) + [versions()].compactMap(\.self) + levels() + clocks()
            + alarmFindings() + reports.flatMap(figures)
    }

    private var answering: [EndpointReport] { reports.filter { $0.member != nil } }

    // MARK: The cluster

    private func reachable(_ report: EndpointReport) -> Finding {
        var trouble: String?
        if case .failure(let error) = report.metrics {
            trouble = (error as? Failure)?.message ?? "\(error)"
        }
        if case .failure(let error) = report.status {
            // What the page failed of is said in fewer words.
            let text = trouble ?? error.message
            return Finding(
                "reachable", report.name, .fail, text,
                advice: text.contains("TLS failed")
                    ? "--cacert names the CA of the servers; --cert and --key, who calls"
                    : "look whether the server runs, and what its log says last")
        }
        if let text = trouble {
            return Finding(
                "reachable", report.name, .warn, "answers, but not its metrics: \(text)",
                advice: "what is measured by the member itself is not looked at")
        }
        let took = report.sample.map { $0.took.milliseconds / 1000 } ?? 0
        return Finding("reachable", report.name, .ok, "its page took \(Figures.seconds(took))")
    }

    private func leader() -> Finding {
        let said = Set(answering.compactMap { $0.member?.leader })
        guard said.count == 1, let id = said.first, id != 0 else {
            let names = said.sorted().map { $0 == 0 ? "nobody" : Self.hex($0) }
            return Finding(
                "leader", "", .fail, "members name " + names.joined(separator: ", "),
                advice: "an election is going on, or a majority is not there: ask again")
        }
        let changes = answering.compactMap {
            $0.sample?.page.value("etcd_server_leader_changes_seen_total")
        }.max()
        let told = changes.map { ", the \(Figures.ordinal($0)) that a member has seen" } ?? ""
        return Finding("leader", "", .ok, Self.hex(id) + told)
    }

    private func quorum() -> [Finding] {
        guard case .success(let list) = members else {
            return [
                Finding(
                    "members", "", .fail, "the members cannot be listed",
                    advice: "a linearizable read does not work: a majority is not there")
            ]
        }
        let voters = list.members.filter { !$0.isLearner }
        let seen = Set(answering.compactMap { $0.member?.header.memberID })
        let count = voters.count { seen.contains($0.id) }
        let majority = voters.count / 2 + 1
        let unseen = list.members.filter { !seen.contains($0.id) }.map {
            $0.name.isEmpty ? Self.hex($0.id) : $0.name
        }
        var measured = "\(count) of \(voters.count) voters answer, \(majority) are needed"
        if !unseen.isEmpty {
            measured += "; not asked or silent: " + unseen.joined(separator: ", ")
        }
        let verdict: Finding.Verdict =
            count < majority ? .fail : unseen.isEmpty ? .ok : .warn
        var findings = [
            Finding(
                "members", "", verdict, measured,
                advice: "name every member with --endpoints; bring back, or replace, what is lost")
        ]
        if voters.count > 1, voters.count.isMultiple(of: 2) {
            findings.append(
                Finding(
                    "members-even", "", .warn, "\(voters.count) voters",
                    advice: "one more or one less survives as many failures: use an odd number"))
        }
        return findings
    }

    private func alarmFindings() -> [Finding] {
        guard case .success(let list) = alarms else { return [] }
        guard !list.alarms.isEmpty else { return [Finding("alarms", "", .ok, "none")] }
        return list.alarms.map { alarm in
            Finding(
                "alarms", Self.hex(alarm.memberID), .fail, "\(alarm.kind)",
                advice: alarm.kind == .noSpace
                    ? "delete keys and compact, then `keelson alarm disarm`"
                    : "see the runbooks; writes are refused until it is disarmed")
        }
    }

    /// Nil where nobody tells.
    private func versions() -> Finding? {
        let builds = Set(
            answering.compactMap { report -> String? in
                report.sample?.page.all("keelson_build_info").first?.label("version")
                    ?? report.member?.version
            })
        guard !builds.isEmpty else { return nil }
        return Finding(
            "versions", "", builds.count == 1 ? .ok : .warn,
            builds.sorted().joined(separator: ", "), advice: "finish the rolling upgrade")
    }

    private func levels() -> [Finding] {
        let known = answering.compactMap { $0.member?.featureLevel }.filter { $0 > 0 }
        guard let least = known.min(), let most = known.max(),
            let used = answering.compactMap({ $0.member?.clusterFeatureLevel }).max()
        else { return [] }
        let measured =
            "members know \(least == most ? "\(least)" : "\(least) to \(most)"), \(used) is in use"
        return [
            Finding(
                "levels", "", least == most && used == least ? .ok : .warn, measured,
                advice: "the cluster's level rises by itself once every member knows the next")
        ]
    }

    /// How far the members' clocks are apart, as far as it can be told from here.
    private func clocks() -> [Finding] {
        let offsets = answering.compactMap { report in
            report.sample.flatMap { sample in
                sample.clockOffset.map { (offset: $0, doubt: sample.took.milliseconds / 2000) }
            }
        }
        guard let first = offsets.map(\.offset).min(), let last = offsets.map(\.offset).max()
        else { return [] }
        let doubt = offsets.map(\.doubt).max() ?? 0
        let spread = max(0, last - first - 2 * doubt)
        let measured =
            "\(Figures.seconds(last - first)) apart, give or take \(Figures.seconds(2 * doubt))"
        return [
            .bounded(
                "clocks", "", spread, .seconds, warnAbove: 0.5, failAbove: 60, measured,
                advice: "nothing is decided by clocks, but stamps and tokens are: run an NTP client"
            )
        ]
    }

    // MARK: One member

    private func duty(_ report: EndpointReport) -> [Finding] {
        guard let member = report.member else { return [] }
        return member.errors.filter { $0 != "etcdserver: no leader" }.map {
            Finding(
                "duty", report.name, $0.contains("alarm") ? .warn : .fail, $0,
                advice: "this member is of no use to the others until that is mended")
        }
    }

    private func read(_ report: EndpointReport) -> Finding? {
        guard report.member != nil else { return nil }
        switch report.read {
        case .success(let took):
            let seconds = took.milliseconds / 1000
            return .bounded(
                "read", report.name, seconds, .seconds, warnAbove: 0.25, failAbove: 5,
                "a linearizable read took \(Figures.seconds(seconds))",
                advice: "the lines `slow request` of its log say where the time goes")
        case .failure(let error):
            return Finding(
                "read", report.name, .fail, error.message,
                advice: "a majority is not there, or this member is cut off from it")
        }
    }

    private func lag(_ report: EndpointReport) -> Finding? {
        guard let member = report.member else { return nil }
        let committed = answering.compactMap { $0.member?.raftIndex }.max() ?? 0
        let behind = committed > member.raftAppliedIndex ? committed - member.raftAppliedIndex : 0
        return .bounded(
            "lag", report.name, Double(behind), .entries, warnAbove: 5000, failAbove: 100_000,
            "\(behind) entries behind",
            advice: "its disk, processor or network does not keep up with the leader")
    }

    private func figures(_ report: EndpointReport) -> [Finding] {
        guard let sample = report.sample else { return [] }
        return MemberFigures(name: report.name, sample: sample).findings()
    }

    static func hex(_ id: UInt64) -> String { String(id, radix: 16) }
}
