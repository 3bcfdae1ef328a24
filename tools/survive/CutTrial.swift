internal import Glibc
internal import LocalCluster
internal import NIOCore

/// Cuts the leader off for a few seconds under load, while its clients still reach it.
struct CutTrial {
    let network: CutNetwork
    let cluster: ServerCluster
    let workload: Workload
    let readers: [Reader]
    let control: ControlClient
    private(set) var violations: [String] = []

    private static let cutSeconds = 4
    /// An election takes one to two timeouts of a second, and a leader that hears nothing keeps
    /// its office, and the others' loyalty, for one more.
    private static let outageMillisecondsMax = 5000
    /// A link that is cut between two of three, both of which reach the third, costs nobody
    /// anything; this is for a slow machine.
    private static let linkOutageMillisecondsMax = 2000

    private var now: UInt64 { NIODeadline.now().uptimeNanoseconds }

    mutating func run(_ trial: Trial, say: (String) -> Void) throws {
        let leader = try control.waitForLeader(of: cluster)
        guard let from = cluster.nodes.firstIndex(where: { $0 === leader }) else { return }
        let others = cluster.nodes.indices.filter { $0 != from }
        let term = try control.term(of: leader)
        let start = now
        let before = try tallies()
        try cut(trial, leader: from, others: others)
        _ = poll(nil, 0, Int32(Self.cutSeconds) * 1000)
        let outage = try gap(since: start)
        let during = try tallies()
        say(
            "\(trial.rawValue), \(leader.name) for \(Self.cutSeconds) s: "
                + "\(outage) ms without a write")
        for number in [from] + others {
            let served = during[number].served - before[number].served
            let failed = during[number].failed - before[number].failed
            say(
                "reads through \(number == from ? "the old leader" : cluster.nodes[number].name): "
                    + "\(served) served, \(failed) failed")
        }
        let healed = now
        try network.heal()
        try waitForAll(since: during)
        say("healed: every member served a new read \((now - healed) / 1_000_000) ms later")
        try judge(trial, outage: outage, leader, term: term)
    }

    private func cut(_ trial: Trial, leader: Int, others: [Int]) throws {
        switch trial {
        case .cutLeader:
            for other in others {
                try network.cut(from: leader, to: other)
                try network.cut(from: other, to: leader)
            }
        case .deafLeader: for other in others { try network.cut(from: other, to: leader) }
        case .muteLeader: for other in others { try network.cut(from: leader, to: other) }
        case .cutLink:
            try network.cut(from: leader, to: others[0])
            try network.cut(from: others[0], to: leader)
        case .fullFollower, .fullLeader, .members, .upgrade, .rejoinEmpty, .rejoinOld, .succession:
            break
        }
    }

    private mutating func judge(
        _ trial: Trial, outage: Int, _ leader: ServerNode, term: UInt64
    ) throws {
        let limit =
            trial == .cutLink ? Self.linkOutageMillisecondsMax : Self.outageMillisecondsMax
        if outage > limit { violations.append("\(outage) ms without a write, \(limit) at most") }
        guard trial == .cutLink else { return }
        let later = try control.term(of: leader)
        if later != term {
            violations.append("one cut link took the term from \(term) to \(later)")
        }
    }

    private struct Tally: Sendable {
        var served: Int
        var failed: Int
    }

    private func tallies() throws -> [Tally] {
        try workload.onLoop { [readers] _ in
            readers.map { Tally(served: $0.servedCount, failed: $0.failedCount) }
        }
    }

    /// Reads that began before the cut was healed may still fail; then each member serves.
    private func waitForAll(since before: [Tally]) throws {
        let isHealed = try workload.waitUntil(.seconds(15)) { [readers] _ in
            zip(readers, before).allSatisfy { $0.servedCount >= $1.served + 5 }
        }
        if !isHealed {
            throw SurviveFailure.gaveUp(
                waiting: "every member to serve a read", logs: cluster.logTails())
        }
    }

    private func gap(since start: UInt64) throws -> Int {
        let end = now
        return Int(
            try workload.onLoop { $0.ledger.longestGapMilliseconds(from: start, to: end) })
    }
}
