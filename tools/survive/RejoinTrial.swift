internal import Foundation
internal import LocalCluster
internal import NIOCore

/// Servers lose their disks under load, and come back under other ids without anybody's help: with
/// an empty directory, or with an older one. What the members that they were acknowledged must not
/// be lost, and what they had on disk is kept.
struct RejoinTrial {
    enum Loss {
        case empty
        case older
    }

    let cluster: ServerCluster
    let workload: Workload
    let control: ControlClient
    let loss: Loss
    private(set) var violations: [String] = []

    static let arguments = ["--rejoin-policy", "auto"]

    init(cluster: ServerCluster, workload: Workload, control: ControlClient, loss: Loss) {
        self.cluster = cluster
        self.workload = workload
        self.control = control
        self.loss = loss
    }

    mutating func run(say: (String) -> Void) throws {
        let risen = Patience.wait(.seconds(20), pauseMilliseconds: 20) {
            levels().allSatisfy { $0 >= 3 } ? true : nil
        }
        expect(risen != nil, "levels \(levels())")
        let leader = try control.waitForLeader(of: cluster)
        let follower = try other(than: leader)
        try lose(follower, "a follower", say)
        // The same server once more: its id is another one by now than its flags say.
        try lose(follower, "the same one again", say)
        try lose(try control.waitForLeader(of: cluster), "the leader", say)
        // A member that came back starts as any other does.
        try follower.stopGracefully()
        let identity = try restart(follower)
        try write("\(follower.name) started again", say)
        expect(
            try control.identity(of: follower).member == identity,
            "\(follower.name) has another id after a restart")
        let count = try control.memberCount(through: cluster.nodes[0])
        expect(count == 3, "\(count) members in the end, not three")
    }

    private func restart(_ node: ServerNode) throws -> UInt64 {
        try node.start()
        return try control.identity(of: node).member
    }

    private mutating func expect(_ holds: Bool, _ what: String) {
        if !holds { violations.append(what) }
    }

    private func other(than leader: ServerNode) throws -> ServerNode {
        guard let node = cluster.nodes.first(where: { $0 !== leader }) else {
            throw SurviveFailure.gaveUp(waiting: "a follower", logs: cluster.logTails())
        }
        return node
    }

    /// The node's disk is lost while it is down; it comes back, votes, and its place was given
    /// once.
    private mutating func lose(
        _ node: ServerNode, _ what: String, _ say: (String) -> Void
    ) throws {
        let copy = node.dataDirectory + ".copy"
        if loss == .older { try copyOlder(of: node, to: copy) }
        let old = try control.identity(of: node).member
        let before = try putAway(node)
        try write("before \(what) goes", say)
        node.killHard()
        try FileManager.default.removeItem(atPath: node.dataDirectory)
        if loss == .older {
            try FileManager.default.moveItem(atPath: copy, toPath: node.dataDirectory)
        }
        let rest = cluster.nodes.filter { $0 !== node }
        cluster.setMembers(rest)
        _ = try control.waitForLeader(of: cluster)
        cluster.setMembers(rest + [node])
        try write("without \(what)", say)
        let begin = ContinuousClock.now
        try node.start()
        let new = Patience.wait(.seconds(30), pauseMilliseconds: 20) { () -> UInt64? in
            guard let now = try? control.identity(of: node), now.isVoter, now.member != old
            else { return nil }
            return now.member
        }
        let took = (ContinuousClock.now - begin).milliseconds
        guard let new else {
            throw SurviveFailure.gaveUp(
                waiting: "\(node.name) to vote under another id", logs: node.logTail())
        }
        say(
            "\(what), \(node.name): member \(String(old, radix: 16)) is"
                + " \(String(new, radix: 16)) after \(Int(took)) ms")
        let count = try control.memberCount(through: rest[0])
        expect(count == 3, "\(what): \(count) members")
        let kept = try putAway(node)
        expect(
            kept.count == before.count + (loss == .older ? 1 : 0),
            "\(what): \(kept) are kept, \(before) were before")
        try write("with \(what)", say)
    }

    /// What the node holds now, to be put back when it has acknowledged more and started again.
    private mutating func copyOlder(of node: ServerNode, to copy: String) throws {
        try node.stopGracefully()
        try? FileManager.default.removeItem(atPath: copy)
        try FileManager.default.copyItem(atPath: node.dataDirectory, toPath: copy)
        try node.start()
        _ = try control.waitForLeader(of: cluster)
    }

    private func putAway(_ node: ServerNode) throws -> [String] {
        let path = URL(filePath: node.dataDirectory)
        return try FileManager.default.contentsOfDirectory(
            atPath: path.deletingLastPathComponent().path
        ).filter { $0.hasPrefix(path.lastPathComponent + ".replaced-") }
    }

    /// What each running member takes for the cluster's level.
    private func levels() -> [Int] { cluster.nodes.map { $0.clusterLevel } }

    private mutating func write(_ what: String, _ say: (String) -> Void) throws {
        let written = try workload.acknowledgedCount()
        let goesOn = try workload.waitUntil(.seconds(10)) {
            $0.ledger.acknowledgements.count >= written + 200
        }
        expect(goesOn, "\(what): no writes")
    }
}

extension ServerNode {
    /// What the node takes for the cluster's feature level; -1 where it does not say.
    var clusterLevel: Int {
        let page = try? Command.run(
            "/usr/bin/curl", ["--silent", "--max-time", "5", clientURL + "/metrics"])
        let line = page?.text.split(separator: "\n").first {
            $0.hasPrefix("keelson_cluster_feature_level ")
        }
        return line.flatMap { $0.split(separator: " ").last }.flatMap { Double($0) }
            .map { Int($0) } ?? -1
    }
}
