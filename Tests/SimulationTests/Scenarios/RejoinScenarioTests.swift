import Primitives
import RaftCore
import Replication
import Simulation
import StateMachine
import Testing

@Suite("Scenarios: disks that are lost, and servers that come back by themselves")
struct RejoinScenarioTests {
    private func stage(
        _ seed: UInt64, nodes: Int = 3, _ adjust: (inout RunSettings) -> Void = { _ in }
    ) -> Stage {
        Stage(nodes: nodes, seed: seed) {
            $0.rejoins = true
            adjust(&$0)
        }
    }

    /// Everybody is on record and the cluster makes use of the newest level.
    private func settle(_ stage: Stage) throws -> Int {
        _ = try stage.settle()
        let risen = try stage.play(atMost: 10 * second) {
            stage.voters.allSatisfy { stage.clusterLevel(seenBy: $0) == .newest }
                && !stage.voters.isEmpty
        }
        #expect(risen != nil, "\(stage.summary)")
        try stage.play(second)
        return try stage.settle()
    }

    /// Until the node votes under another id than `old`.
    private func comesBack(_ stage: Stage, _ node: Int, from old: NodeID) throws {
        let took = try stage.play(atMost: 60 * second) {
            stage.id(of: node) != old && stage.voters.contains(node)
                && stage.isAdmitted(node)
        }
        #expect(took != nil, "\(stage.summary)")
    }

    @Test("M12 a server with an emptied disk votes again under another id", arguments: seeds)
    func emptied(seed: UInt64) throws {
        let stage = stage(seed)
        let leader = try settle(stage)
        let lost = seed % 2 == 0 ? leader : (leader + 1) % 3
        let old = stage.id(of: lost)
        stage.wipe(lost)
        stage.start(lost)
        try comesBack(stage, lost, from: old)
        #expect(stage.putAway(lost).count <= 1)
        #expect(stage.voters == [0, 1, 2])
        try stage.finish()
    }

    @Test("M13 a server with an older disk does, and what it had is kept", arguments: seeds)
    func setBack(seed: UInt64) throws {
        let stage = stage(seed)
        let leader = try settle(stage)
        let lost = (leader + 1) % 3
        let old = stage.id(of: lost)
        stage.kill(lost)
        let image = stage.image(lost)
        stage.start(lost)
        let admitted = try stage.play(atMost: 10 * second) { stage.isAdmitted(lost) }
        #expect(admitted != nil)
        try stage.play(3 * second)
        stage.kill(lost)
        stage.putBack(image, on: lost)
        stage.start(lost)
        try comesBack(stage, lost, from: old)
        #expect(stage.putAway(lost) == ["data.replaced-\(old)"])
        try stage.finish()
    }

    @Test(
        "M14 a crash at any step ends in the old state, which is recognised, or in the new one",
        arguments: seeds, [false, true])
    func crashes(seed: UInt64, losingPower: Bool) throws {
        for operations in stride(from: Int(seed), through: 44, by: 4) {
            let stage = stage(seed &+ UInt64(operations) << 8)
            let leader = try settle(stage)
            let lost = (leader + 1) % 3
            let old = stage.id(of: lost)
            stage.kill(lost)
            let image = stage.image(lost)
            stage.start(lost)
            try stage.play(3 * second)
            stage.kill(lost)
            stage.putBack(image, on: lost)
            stage.start(lost)
            // Once its process has found out, and the server is on its own.
            let asks = try stage.play(atMost: 20 * second) {
                stage.times(.diskBehind) > 0 && !stage.isRunning(lost)
            }
            #expect(asks != nil, "\(stage.summary)")
            stage.doom(lost, afterOperations: operations, losingPower: losingPower)
            try comesBack(stage, lost, from: old)
            #expect(stage.putAway(lost) == ["data.replaced-\(old)"])
            try stage.finish()
        }
    }

    @Test("M15 of five servers two lose their disks, and come back one after the other")
    func two() throws {
        let stage = stage(4, nodes: 5)
        let leader = try settle(stage)
        let lost = [(leader + 1) % 5, (leader + 2) % 5]
        let old = lost.map { stage.id(of: $0) }
        for node in lost { stage.wipe(node) }
        for node in lost { stage.start(node) }
        for (node, id) in zip(lost, old) { try comesBack(stage, node, from: id) }
        #expect(stage.voters == [0, 1, 2, 3, 4])
        try stage.finish()
    }

    @Test("M16 without a majority of the others nothing is given anew", arguments: seeds)
    func withoutMajority(seed: UInt64) throws {
        let stage = stage(seed)
        let leader = try settle(stage)
        let (lost, down) = ((leader + 1) % 3, (leader + 2) % 3)
        let old = stage.id(of: lost)
        stage.wipe(lost)
        stage.kill(down)
        stage.start(lost)
        try stage.play(20 * second)
        #expect(stage.id(of: lost) == old && !stage.isAdmitted(lost))
        stage.start(down)
        try comesBack(stage, lost, from: old)
        try stage.finish()
    }

    @Test("M17 a learner follows a voter that is dead for long enough, and not before")
    func succession() throws {
        let stage = Stage(nodes: 3, seed: 6) {
            $0.spareCount = 1
            $0.succeedDeadSeconds = 10
        }
        let leader = try settle(stage)
        stage.add(3, as: .learner, through: leader)
        let known = try stage.play(atMost: 20 * second) {
            stage.role(of: 3, seenBy: leader) == .learner && stage.isAdmitted(3)
        }
        #expect(known != nil, "\(stage.summary)")
        try stage.play(5 * second)
        let dead = (leader + 1) % 3
        // A restart is no death.
        stage.kill(dead)
        try stage.play(5 * second)
        stage.start(dead)
        try stage.play(15 * second)
        #expect(stage.voters == [0, 1, 2])
        stage.kill(dead)
        let left = [leader, (leader + 2) % 3, 3].sorted()
        let took = try #require(
            try stage.play(atMost: 30 * second) { stage.voters == left }, "\(stage.summary)")
        #expect(took > 10 * second)
        stage.start(dead)
        let gone = try stage.play(atMost: 10 * second) { !stage.isMember(dead) }
        #expect(gone != nil)
        try stage.finish()
    }
}
