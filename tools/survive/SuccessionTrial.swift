internal import LocalCluster
internal import NIOCore

/// A member dies under load while a learner stands by: it votes in the dead one's stead once the
/// operator's time is over, and not before. The dead one ends when it comes back.
struct SuccessionTrial {
    let cluster: ServerCluster
    let workload: Workload
    let control: ControlClient
    private(set) var violations: [String] = []

    private static let seconds = 10
    static let arguments = ["--replace-dead-member-after", "\(seconds)"]

    init(cluster: ServerCluster, workload: Workload, control: ControlClient) {
        self.cluster = cluster
        self.workload = workload
        self.control = control
    }

    mutating func run(say: (String) -> Void) throws {
        let spare = cluster.spares[0]
        let leader = try control.waitForLeader(of: cluster)
        try control.addMember(spare, through: leader, asLearner: true)
        try spare.start()
        guard let dead = cluster.nodes.first(where: { $0 !== leader }) else { return }
        let risen = Patience.wait(.seconds(20), pauseMilliseconds: 20) {
            (cluster.nodes + [spare]).allSatisfy { $0.clusterLevel >= 3 } ? true : nil
        }
        expect(risen != nil, "the cluster's level does not rise")
        dead.killHard()
        let begin = ContinuousClock.now
        let voted = Patience.wait(.seconds(40), pauseMilliseconds: 50) {
            (try? control.identity(of: spare).isVoter) == true ? true : nil
        }
        let took = (ContinuousClock.now - begin).milliseconds
        say("the learner votes \(Int(took)) ms after the death")
        expect(voted != nil, "the learner does not vote in the dead one's stead")
        expect(took >= Double(Self.seconds) * 1000, "it votes after \(took) ms already")
        let living = cluster.nodes.filter { $0 !== dead } + [spare]
        cluster.setMembers(living)
        let count = try control.memberCount(through: living[0])
        expect(count == 3, "\(count) members in the end, not three")
        let child = try dead.launch()
        expect(
            child.waitForExit(.seconds(20)) == .exited(0),
            "\(dead.name) goes on: \(dead.logTail(lines: 3))")
        child.killHard()
        // With one of the three gone, the one that came in counts.
        guard let gone = living.first(where: { $0 !== spare }) else { return }
        gone.killHard()
        let written = try workload.acknowledgedCount()
        let goesOn = try workload.waitUntil(.seconds(20)) {
            $0.ledger.acknowledgements.count >= written + 200
        }
        expect(goesOn, "the new voter does not count")
        try gone.start()
    }

    private mutating func expect(_ holds: Bool, _ what: String) {
        if !holds { violations.append(what) }
    }
}
