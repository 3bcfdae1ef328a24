internal import Foundation
internal import LocalCluster
internal import NIOCore
internal import Primitives

/// A rolling upgrade under load: three servers do as a build of the first feature level does and
/// are started again, one by one, as this build. An older one that comes back afterwards, or wants
/// to join, has to be turned away, and nobody may notice.
struct UpgradeTrial {
    let cluster: ServerCluster
    let workload: Workload
    let control: ControlClient
    private(set) var violations: [String] = []

    private static let older = ["KEELSON_FEATURE_LEVEL=1"]

    static func startOlder(_ cluster: ServerCluster) throws {
        for node in cluster.nodes { try node.launch(environment: older) }
    }

    mutating func run(say: (String) -> Void) throws {
        let first = try control.waitForLeader(of: cluster)
        // The leader last, as operators do it; a copy of a follower's data from before the rise.
        let order = cluster.nodes.filter { $0 !== first } + [first]
        let returning = order[0]
        let copy = returning.dataDirectory + ".before"
        for node in order {
            expect(levels() == [1, 1, 1], "levels \(levels()) before \(node.name) is upgraded")
            try node.stopGracefully()
            if node === returning { try replace(copy, with: node.dataDirectory) }
            try node.start()
            try write("\(node.name) upgraded", say)
        }
        let risen = Patience.wait(.seconds(20), pauseMilliseconds: 20) {
            levels() == [Self.newest, Self.newest, Self.newest] ? true : nil
        }
        expect(risen != nil, "levels \(levels()) after the last upgrade")
        try write("level \(Self.newest) everywhere", say)
        try turnAway(returning, copy, say)
        try join(cluster.spares[0], say)
    }

    private mutating func expect(_ holds: Bool, _ what: String) {
        if !holds { violations.append(what) }
    }

    private static let newest = Int(FeatureLevel.newest.rawValue)

    /// What each running member takes for the cluster's level.
    private func levels() -> [Int] {
        cluster.nodes.map(\.clusterLevel)
    }

    private mutating func write(_ what: String, _ say: (String) -> Void) throws {
        let written = try workload.acknowledgedCount()
        let goesOn = try workload.waitUntil(.seconds(10)) {
            $0.ledger.acknowledgements.count >= written + 200
        }
        expect(goesOn, "\(what): no writes")
        say("\(what): levels \(levels())")
    }

    private func replace(_ path: String, with source: String) throws {
        try? FileManager.default.removeItem(atPath: path)
        try FileManager.default.copyItem(atPath: source, toPath: path)
    }

    /// On its own data, which needs the newest level, and on data from before, where only the
    /// others know.
    private mutating func turnAway(
        _ node: ServerNode, _ copy: String, _ say: (String) -> Void
    ) throws {
        try node.stopGracefully()
        let leader = try control.waitForLeader(of: cluster)
        let term = try control.term(of: leader)
        try refused(node, 65, "which knows feature level 1", say)
        let data = node.dataDirectory + ".now"
        try FileManager.default.moveItem(atPath: node.dataDirectory, toPath: data)
        try replace(node.dataDirectory, with: copy)
        try refused(node, 65, "is too old for its cluster", say)
        try FileManager.default.removeItem(atPath: node.dataDirectory)
        try FileManager.default.removeItem(atPath: copy)
        try FileManager.default.moveItem(atPath: data, toPath: node.dataDirectory)
        expect(try control.term(of: leader) == term, "an older server started an election")
        try node.start()
        try write("\(node.name) is back", say)
    }

    private mutating func refused(
        _ node: ServerNode, _ status: Int32, _ text: String, _ say: (String) -> Void
    ) throws {
        let offset = node.logSize
        let child = try node.launch(environment: Self.older)
        let ended = child.waitForExit(.seconds(20))
        child.killHard()
        let line = child.output(from: offset).split(separator: "\n").last { $0.contains(text) }
        expect(
            ended == .exited(status) && line != nil,
            "an older \(node.name) ends with \(ended.map { "\($0)" } ?? "nothing"):"
                + " \(node.logTail(lines: 3))")
        say("turned away: \(line ?? "?")")
        try write("without it", say)
    }

    /// A new member of an older build is refused by name before it has an id.
    private mutating func join(_ spare: ServerNode, _ say: (String) -> Void) throws {
        try control.addMember(spare, through: cluster.nodes[0])
        try refused(spare, 64, "the cluster is at feature level \(Self.newest)", say)
        try spare.start()
        let votes = Patience.wait(.seconds(20), pauseMilliseconds: 20) {
            (try? control.identity(of: spare).isVoter) == true ? true : nil
        }
        expect(votes != nil, "\(spare.name) does not join")
        cluster.setMembers(cluster.nodes + [spare])
        try write("\(spare.name) has joined", say)
    }
}
