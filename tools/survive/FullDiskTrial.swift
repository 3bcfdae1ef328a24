internal import Glibc
internal import LocalCluster
internal import NIOCore

/// Fills the disk of one member for real, under load: the others go on, the member serves reads,
/// starts again although its disk is full, and comes back when there is room.
struct FullDiskTrial {
    let disks: [RamDisk]
    let cluster: ServerCluster
    let workload: Workload
    let readers: [Reader]
    let control: ControlClient
    private(set) var violations: [String] = []

    /// A segment of the log and the reserve, and no room for another segment.
    private static let tightBytes = 100 << 20
    private static let roomyBytes = 2 << 30
    /// A follower is not missed, and a leader hands over before it goes; this is for a slow
    /// machine.
    private static let outageMillisecondsMax = 3000
    private static let fullText = "the disk is full: this node hands leadership on"

    static func makeDisks(_ name: String) throws -> [RamDisk] {
        try (1...3).map { try RamDisk("\(name)-\($0)", bytes: tightBytes) }
    }

    static func sites(on disks: [RamDisk]) -> [ServerSite] {
        disks.map { disk in
            var site = ServerSite()
            site.launcher = disk.launcher
            site.dataDirectory = disk.path + "/data"
            return site
        }
    }

    private var now: UInt64 { NIODeadline.now().uptimeNanoseconds }

    mutating func run(fillsLeader: Bool, say: (String) -> Void) throws {
        let leader = try control.waitForLeader(of: cluster)
        guard
            let number = cluster.nodes.firstIndex(where: { ($0 === leader) == fillsLeader })
        else { return }
        let victim = cluster.nodes[number]
        for (other, disk) in disks.enumerated() where other != number {
            try disk.resize(Self.roomyBytes)
        }
        let start = now
        var log = victim.logSize
        let filled = disks[number].fill()
        try wait(for: Self.fullText, from: log, of: victim, .seconds(45))
        say(
            "\(victim.name), \(fillsLeader ? "the leader" : "a follower"): \(filled >> 10) KiB "
                + "filled, and the log's room used up after \(milliseconds(since: start)) ms")
        try checkWhileFull(victim, say: say)
        let outage = try gap(since: start)
        say("longest time without a write: \(outage) ms")
        if outage > Self.outageMillisecondsMax {
            violations.append("\(outage) ms without a write, at most \(Self.outageMillisecondsMax)")
        }

        log = victim.logSize
        victim.killHard()
        let took = try victim.start(.seconds(15))
        say("started again on the full disk: ready after \(Int(took.milliseconds)) ms")
        try wait(for: Self.fullText, from: log, of: victim, .seconds(15))

        disks[number].empty()
        try disks[number].resize(Self.roomyBytes)
        let freed = now
        try wait(for: "there is room on the disk again", from: log, of: victim, .seconds(10))
        say("room again: the member took part \(milliseconds(since: freed)) ms later")
        try waitUntilCaughtUp(victim)
        say("and had caught up \(milliseconds(since: freed)) ms later")
        if try !victim.isRunning || !control.troubles(of: victim).isEmpty {
            violations.append("\(victim.name) still complains: \(try control.troubles(of: victim))")
        }
    }

    /// While it is full, its member says so, is asked to lead by nobody, and reads through it go
    /// on; writes go on through the others.
    private mutating func checkWhileFull(_ victim: ServerNode, say: (String) -> Void) throws {
        let troubles = try control.troubles(of: victim)
        if !troubles.contains(where: { $0.contains("the disk is full") }) {
            violations.append("\(victim.name) does not say that its disk is full: \(troubles)")
        }
        guard let reader = readers.first(where: { $0.node === victim }) else { return }
        let before = try workload.onLoop { _ in reader.servedCount }
        let writesBefore = try workload.acknowledgedCount()
        let resumed = try workload.waitUntil(.seconds(10)) {
            $0.ledger.acknowledgements.count >= writesBefore + 200
                && reader.servedCount > before + 20
        }
        let writes = try workload.acknowledgedCount() - writesBefore
        let reads = try workload.onLoop { _ in reader.servedCount } - before
        if !resumed {
            violations.append("\(writes) writes and \(reads) reads while \(victim.name) was full")
        }
        if try control.waitForLeader(of: cluster) === victim {
            violations.append("\(victim.name) leads with a full disk")
        }
        say("while it was full: \(writes) writes, and \(reads) linearizable reads through it")
    }

    private func waitUntilCaughtUp(_ victim: ServerNode) throws {
        let other = cluster.nodes.first { $0 !== victim } ?? victim
        let target = try control.appliedIndex(of: other)
        let caughtUp = try Patience.wait(.seconds(20), pauseMilliseconds: 10) {
            try control.appliedIndex(of: victim) >= target ? true : nil
        }
        if caughtUp == nil {
            throw SurviveFailure.gaveUp(
                waiting: "\(victim.name) to catch up", logs: cluster.logTails())
        }
    }

    private func wait(
        for text: String, from offset: UInt64, of node: ServerNode, _ limit: Duration
    ) throws {
        guard node.current?.waitForOutput(text, from: offset, limit) == true else {
            throw SurviveFailure.gaveUp(
                waiting: "\(node.name) to say '\(text)'", logs: cluster.logTails())
        }
    }

    private func milliseconds(since start: UInt64) -> Int { Int((now - start) / 1_000_000) }

    private func gap(since start: UInt64) throws -> Int {
        let end = now
        return Int(
            try workload.onLoop { $0.ledger.longestGapMilliseconds(from: start, to: end) })
    }
}
