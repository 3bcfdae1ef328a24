import Primitives
import RaftCore
import Replication
import Simulation
import StateMachine
import Testing

@Suite("Scenarios: members")
struct MemberScenarioTests {
    private func stage(
        _ seed: UInt64, nodes: Int = 3, spares: Int = 2,
        _ adjust: (inout RunSettings) -> Void = { _ in }
    ) -> Stage {
        Stage(nodes: nodes, seed: seed) {
            $0.spareCount = spares
            adjust(&$0)
        }
    }

    /// The leader, once the first members are on record.
    private func settle(_ stage: Stage) throws -> Int {
        _ = try stage.settle()
        try stage.play(200_000)
        return try stage.settle()
    }

    private func play(
        _ stage: Stage, until voters: [Int], _ limit: Micros = 20 * second
    ) throws -> Micros {
        let took = try stage.play(atMost: limit) { stage.voters == voters.sorted() }
        return try #require(took, "\(stage.summary)")
    }

    /// What is asked of the old leader, and then of the one that was elected without it.
    enum Pair: CaseIterable, Sendable { case additionAndRemoval, twoAdditions, twoRemovals }

    @Test(
        "M01 a change of a leader that was cut off and one of the next are never both quorums",
        arguments: Pair.allCases, seeds)
    func changesOfTwoTerms(pair: Pair, seed: UInt64) throws {
        let stage = stage(seed, nodes: 4)
        let old = try settle(stage)
        let others = (0..<4).filter { $0 != old }
        // It appends what it can, and nobody hears of it.
        stage.isolate(old)
        let lost =
            pair == .twoRemovals
            ? stage.remove(others[0], through: old) : stage.add(4, through: old)
        let elected = try stage.play(atMost: 20 * stage.electionMicros) {
            stage.leader.map { $0 != old } ?? false
        }
        #expect(elected != nil)
        // A change is refused until what the leader before took is known.
        try stage.play(1_000_000)
        let next = try #require(stage.leader)
        let second = others.first { $0 != next } ?? next
        if pair == .twoAdditions {
            stage.add(5, through: next)
            _ = try play(stage, until: [0, 1, 2, 3, 5])
        } else {
            stage.remove(second, through: next)
            _ = try play(stage, until: (0..<4).filter { $0 != second })
        }
        let begin = stage.now
        stage.healNetwork()
        try stage.play(5 * stage.electionMicros)
        #expect(!lost.isDone && stage.wrote(since: begin) > 0)
        #expect(stage.voters.count == (pair == .twoAdditions ? 5 : 3))
        try stage.finish()
    }

    @Test("M02 a leader that is removed hands over: nobody waits for an election", arguments: seeds)
    func removedLeader(seed: UInt64) throws {
        let stage = stage(seed)
        let leader = try settle(stage)
        try stage.play(second)
        let term = stage.highestTerm
        let begin = stage.now
        stage.remove(leader, through: leader)
        _ = try play(stage, until: [0, 1, 2].filter { $0 != leader })
        #expect(stage.now - begin < stage.electionMicros)
        #expect(stage.highestTerm == term + 1)
        let left = try stage.play(atMost: 10 * second) { !stage.isMember(leader) }
        #expect(left != nil)
        try stage.finish()
    }

    @Test("M03 a member that lost its disk comes back under a new id", arguments: seeds)
    func newId(seed: UInt64) throws {
        let stage = stage(seed, spares: 0) { $0.spareCount = 1 }
        let leader = try settle(stage)
        let lost = (leader + 1) % 3
        let old = stage.id(of: lost)
        try stage.play(3 * second)
        stage.wipe(lost)
        stage.start(lost)
        try stage.play(3 * second)
        #expect(!stage.isAdmitted(lost))
        stage.remove(lost, through: leader)
        let left = try stage.play(atMost: 10 * second) { !stage.isMember(lost) }
        #expect(left != nil, "\(stage.summary)")
        stage.add(lost, through: try stage.settle())
        _ = try play(stage, until: [0, 1, 2])
        #expect(stage.id(of: lost) != old)
        try stage.finish()
    }

    @Test("M04 a dead node of three is replaced without an outage", arguments: seeds)
    func deadNode(seed: UInt64) throws {
        let stage = stage(seed)
        let leader = try settle(stage)
        let dead = (leader + 1) % 3
        stage.kill(dead)
        try stage.play(3 * second)
        let begin = stage.now
        let removal = stage.remove(dead, through: leader)
        stage.add(3, through: leader)
        _ = try play(stage, until: [leader, (leader + 2) % 3, 3])
        #expect(removal.isDone)
        let slowest = stage.operations(since: begin).filter { $0.outcome == .wrote }
            .max { $0.micros < $1.micros }
        let micros = try #require(slowest).micros
        #expect(micros < 300_000, "\(String(describing: slowest)), begun at \(begin)")
        try stage.finish()
    }

    @Test("M05 three become five and three again, under load", arguments: seeds)
    func growAndShrink(seed: UInt64) throws {
        let stage = stage(seed)
        let leader = try settle(stage)
        stage.add(3, through: (leader + 1) % 3)
        stage.add(4, through: leader)
        _ = try play(stage, until: [0, 1, 2, 3, 4])
        for gone in [0, 1] {
            let node = try stage.settle()
            stage.remove(gone, through: node)
            let took = try stage.play(atMost: 20 * second) { !stage.voters.contains(gone) }
            #expect(took != nil)
        }
        _ = try play(stage, until: [2, 3, 4])
        try stage.finish()
    }

    @Test("M06 a leader that dies inside a joint change leaves it to the next", arguments: seeds)
    func deathInJoint(seed: UInt64) throws {
        let stage = stage(seed)
        let leader = try settle(stage)
        stage.add(3, through: leader)
        let joint = try stage.play(atMost: 20 * second) {
            stage.configuration(seenBy: leader)?.isJoint == true
        }
        #expect(joint != nil)
        stage.kill(leader)
        let took = try stage.play(atMost: 20 * second) {
            stage.voters == [0, 1, 2, 3] && stage.leader != leader
        }
        #expect(took != nil, "\(stage.summary)")
        stage.start(leader)
        try stage.finish()
    }

    @Test("M07 of two removals at once the second is refused", arguments: seeds)
    func twoAtOnce(seed: UInt64) throws {
        let stage = stage(seed, nodes: 5)
        let leader = try settle(stage)
        let others = (0..<5).filter { $0 != leader }
        let first = stage.remove(others[0], through: leader)
        let second = stage.remove(others[1], through: leader)
        try stage.play(2_000_000)
        #expect(first.isDone && second.refusal == .tooManyRequests)
        #expect(stage.voters.count == 4)
        try stage.finish()
    }

    @Test(
        "M08 a learner that is behind is not promoted, and one that keeps up is", arguments: seeds)
    func learner(seed: UInt64) throws {
        let stage = stage(seed)
        let leader = try settle(stage)
        stage.add(3, as: .learner, through: leader)
        let known = try stage.play(atMost: second) { stage.isMember(3) }
        #expect(known != nil)
        let early = stage.promote(3, through: leader)
        try stage.play(50_000)
        #expect(early.refusal == .learnerNotReady)
        try stage.play(3 * stage.electionMicros)
        #expect(stage.role(of: 3, seenBy: leader) == .learner)
        stage.promote(3, through: (leader + 1) % 3)
        _ = try play(stage, until: [0, 1, 2, 3])
        try stage.finish()
    }

    @Test(
        "M09 a member that came by a snapshot knows the members after a restart", arguments: seeds)
    func snapshot(seed: UInt64) throws {
        let stage = stage(seed) {
            $0.snapshotCount = 40
            $0.catchUpEntries = 1
        }
        let leader = try settle(stage)
        try stage.play(5 * second)
        stage.add(3, through: leader)
        _ = try play(stage, until: [0, 1, 2, 3])
        #expect(stage.times(.snapshotInstalled) > 0)
        stage.kill(3)
        stage.start(3)
        let knows = try stage.play(atMost: 5 * second) {
            stage.configuration(seenBy: 3)?.voters.count == 4 && stage.isAdmitted(3)
        }
        #expect(knows != nil)
        try stage.finish()
    }

    @Test("M10 a removed member that returns with its old disk disturbs nobody", arguments: seeds)
    func ghost(seed: UInt64) throws {
        let stage = stage(seed)
        let leader = try settle(stage)
        let ghost = (leader + 1) % 3
        stage.kill(ghost)
        stage.remove(ghost, through: leader)
        _ = try play(stage, until: [leader, (leader + 2) % 3])
        try stage.play(5 * second)
        let term = stage.highestTerm
        stage.start(ghost)
        let left = try stage.play(atMost: 10 * second) { !stage.isMember(ghost) }
        #expect(left != nil, "\(stage.summary)")
        #expect(stage.highestTerm == term && stage.leader == leader)
        try stage.finish()
    }

    @Test("M11 of two members one may go, and then the other alone goes on", arguments: seeds)
    func twoMembers(seed: UInt64) throws {
        let stage = stage(seed)
        let leader = try settle(stage)
        let others = (0..<3).filter { $0 != leader }
        stage.remove(others[0], through: leader)
        _ = try play(stage, until: [leader, others[1]])
        stage.remove(others[1], through: leader)
        _ = try play(stage, until: [leader])
        let last = stage.remove(leader, through: leader)
        try stage.play(second)
        #expect(last.refusal == .notEnoughStartedMembers)
        try stage.finish()
    }

    @Test("a removal that would leave a majority without a disk is refused", arguments: seeds)
    func lostMajority(seed: UInt64) throws {
        let stage = stage(seed)
        let leader = try settle(stage)
        try stage.play(3 * second)
        stage.wipe((leader + 1) % 3)
        stage.start((leader + 1) % 3)
        try stage.play(3 * stage.electionMicros)
        let removal = stage.remove((leader + 2) % 3, through: leader)
        try stage.play(second)
        #expect(removal.refusal == .unhealthyCluster)
        #expect(stage.voters == [0, 1, 2])
        try stage.finish()
    }
}
