internal import LocalCluster
internal import NIOCore

/// Changes who the members are, under load: from three to five, back to three without the leader,
/// and a member that died is replaced by another one.
struct MembersTrial {
    let cluster: ServerCluster
    let workload: Workload
    let control: ControlClient
    private(set) var violations: [String] = []

    private static let outageMillisecondsMax = 300

    private var now: UInt64 { NIODeadline.now().uptimeNanoseconds }

    mutating func run(say: (String) -> Void) throws {
        let spares = cluster.spares
        try step("grew to five members", say) { trial in
            for spare in spares[..<2] { try trial.add(spare) }
        }
        let leader = try control.waitForLeader(of: cluster)
        try step("removed the leader", say) { try $0.remove(leader) }
        let next = try control.waitForLeader(of: cluster)
        if let follower = cluster.nodes.first(where: { $0 !== next }) {
            try step("removed a follower: three members", say) { try $0.remove(follower) }
        }
        let dead = try control.waitForLeader(of: cluster)
        try step("killed the leader and replaced it", say) { trial in
            let member = try trial.control.identity(of: dead).member
            dead.killHard()
            let rest = trial.cluster.nodes.filter { $0 !== dead }
            trial.cluster.setMembers(rest)
            _ = try trial.control.waitForLeader(of: trial.cluster)
            try trial.control.removeMember(member, through: rest[0])
            try trial.add(spares[2])
        }
        let count = try control.memberCount(through: cluster.nodes[0])
        if count != 3 || cluster.nodes.count != 3 {
            violations.append("\(count) members in the end, not three")
        }
    }

    /// Runs one change, says how long nobody could write meanwhile, and judges that.
    private mutating func step(
        _ what: String, _ say: (String) -> Void, _ body: (MembersTrial) throws -> Void
    ) throws {
        let start = now
        try body(self)
        let written = try workload.acknowledgedCount()
        _ = try workload.waitUntil(.seconds(10)) {
            $0.ledger.acknowledgements.count >= written + 200
        }
        let end = now
        let gap = Int(
            try workload.onLoop { $0.ledger.longestGapMilliseconds(from: start, to: end) })
        say("\(what) in \((end - start) / 1_000_000) ms: \(gap) ms without a write")
        if gap > Self.outageMillisecondsMax {
            violations.append(
                "\(what): \(gap) ms without a write, at most \(Self.outageMillisecondsMax)")
        }
    }

    /// Adds a server, starts it, and waits until it votes.
    private func add(_ spare: ServerNode) throws {
        try control.addMember(spare, through: cluster.nodes[0])
        try spare.start()
        let votes = Patience.wait(.seconds(20), pauseMilliseconds: 20) {
            (try? control.identity(of: spare).isVoter) == true ? true : nil
        }
        if votes == nil {
            throw SurviveFailure.gaveUp(waiting: "\(spare.name) to vote", logs: cluster.logTails())
        }
        cluster.setMembers(cluster.nodes + [spare])
    }

    /// Removes a member through itself: it answers, and then its process ends by itself.
    private func remove(_ node: ServerNode) throws {
        try control.removeMember(try control.identity(of: node).member, through: node)
        cluster.setMembers(cluster.nodes.filter { $0 !== node })
        guard let status = node.current?.waitForExit(.seconds(15)), status == .exited(0) else {
            throw SurviveFailure.gaveUp(
                waiting: "\(node.name), which was removed, to stop", logs: node.logTail())
        }
    }
}
