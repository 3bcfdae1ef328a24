internal import Glibc
internal import LocalCluster
internal import NIOCore
internal import Primitives

/// What happens to the servers while the writers write. Times are in milliseconds.
struct Chaos {
    let cluster: ServerCluster
    let workload: Workload
    let control: ControlClient
    var random: SplitMix64
    /// Longest time without a write after each `kill -9` of the leader.
    private(set) var outagesAfterKill: [Double] = []
    /// Longest time without a write after each graceful stop of the leader.
    private(set) var outagesAfterStop: [Double] = []
    /// The moments of those kills, in nanoseconds.
    private(set) var killMoments: [UInt64] = []
    /// From a kill of all three to the first write after it.
    private(set) var outagesAfterTotalStop: [Double] = []
    /// From a restart of all three until the last of them was ready.
    private(set) var timesToReady: [Double] = []

    init(cluster: ServerCluster, workload: Workload, control: ControlClient, seed: UInt64) {
        self.cluster = cluster
        self.workload = workload
        self.control = control
        random = SplitMix64(seed: seed)
    }

    private var now: UInt64 { NIODeadline.now().uptimeNanoseconds }

    /// Waits some time, drawn from the seed, in which the writers go on undisturbed.
    private mutating func letRun(from low: UInt64, to high: UInt64) {
        _ = poll(nil, 0, Int32(low + random.next(below: high - low)))
    }

    func letRun(seconds: Int) { _ = poll(nil, 0, Int32(seconds) * 1000) }

    /// Waits until writes are acknowledged again.
    private func waitForWrites(count: Int = 50, what: String) throws {
        let before = try workload.acknowledgedCount()
        let resumed = try workload.waitUntil(.seconds(60)) {
            $0.ledger.acknowledgements.count >= before + count
        }
        guard resumed else {
            throw SurviveFailure.noWrites(after: what, logs: cluster.logTails())
        }
    }

    /// The longest time without a write since `start`, looked at from now.
    private func outage(since start: UInt64) throws -> Double {
        let end = now
        return try workload.onLoop { $0.ledger.longestGapMilliseconds(from: start, to: end) }
    }

    mutating func killLeader() throws {
        let leader = try control.waitForLeader(of: cluster)
        letRun(from: 50, to: 400)
        let start = now
        leader.killHard()
        try waitForWrites(what: "kill -9 of the leader")
        letRun(from: 400, to: 900)
        outagesAfterKill.append(try outage(since: start))
        killMoments.append(start)
        try leader.start()
        letRun(from: 200, to: 800)
    }

    mutating func stopLeader() throws {
        let leader = try control.waitForLeader(of: cluster)
        letRun(from: 50, to: 400)
        let start = now
        try leader.stopGracefully()
        try waitForWrites(what: "a graceful stop of the leader")
        letRun(from: 300, to: 600)
        outagesAfterStop.append(try outage(since: start))
        try leader.start()
        letRun(from: 200, to: 800)
    }

    mutating func killAll() throws {
        letRun(from: 200, to: 900)
        let start = now
        cluster.killAll()
        // Sometimes at once, sometimes late enough for the clients to notice.
        letRun(from: 0, to: 300)
        let restart = now
        try cluster.start(.seconds(60))
        timesToReady.append(Double(now - restart) / 1e6)
        try waitForWrites(what: "kill -9 of all three")
        outagesAfterTotalStop.append(try outage(since: start))
        letRun(from: 300, to: 900)
    }
}

/// Why a run was given up before it could be judged.
enum SurviveFailure: Error, CustomStringConvertible {
    case noWrites(after: String, logs: String)
    case gaveUp(waiting: String, logs: String)

    var description: String {
        switch self {
        case .gaveUp(let what, let logs): "waited in vain for \(what)\n\(logs)"
        case .noWrites(let cause, let logs): "no writes within 60 s after \(cause)\n\(logs)"
        }
    }
}
