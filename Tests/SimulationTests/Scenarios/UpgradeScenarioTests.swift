import Primitives
import Simulation
import Testing

@Suite("Scenarios: builds of several feature levels")
struct UpgradeScenarioTests {
    private func stage(_ seed: UInt64, older: Int = 3, spares: Int = 0) -> Stage {
        Stage(nodes: 3, seed: seed) {
            $0.olderCount = older
            $0.spareCount = spares
            $0.snapshotCount = 60
            $0.catchUpEntries = 1
        }
    }

    private let newest = FeatureLevel.newest.rawValue
    private var everywhere: [UInt16] { [newest, newest, newest] }

    private func levels(_ stage: Stage, _ nodes: Range<Int> = 0..<3) -> [UInt16] {
        nodes.map { stage.clusterLevel(seenBy: $0)?.rawValue ?? 0 }
    }

    private func upgrade(_ node: Int, _ stage: Stage) throws {
        stage.install(.newest, on: node)
        try stage.play(second)
        stage.start(node)
        let back = try stage.play(atMost: 20 * second) {
            stage.isRunning(node) && stage.isAdmitted(node)
        }
        #expect(back != nil, "\(stage.summary)")
    }

    /// Long enough behind that only a snapshot helps.
    private func sendSnapshot(to node: Int, _ stage: Stage) throws {
        stage.kill(node)
        let others = (0..<3).filter { $0 != node }
        let goal = stage.applied(others[0]) + 400
        let wrote = try stage.play(atMost: 60 * second) { stage.applied(others[0]) > goal }
        #expect(wrote != nil, "\(stage.summary)")
        stage.start(node)
        let took = try stage.play(atMost: 30 * second) {
            stage.applied(node) > goal && stage.isAdmitted(node)
        }
        #expect(took != nil, "\(stage.summary)")
    }

    @Test("O01 builds of two levels for long, with faults and snapshots", arguments: seeds)
    func mixed(seed: UInt64) throws {
        let stage = stage(seed)
        _ = try stage.settle()
        try upgrade(1, stage)
        for round in 0..<4 {
            // To the newer build and to an older one.
            try sendSnapshot(to: round % 2 == 0 ? 1 : 2, stage)
            let leader = try stage.settle()
            stage.isolate(leader)
            try stage.play(3 * stage.electionMicros)
            stage.healNetwork()
            try stage.play(second)
            stage.transferLeadership()
            try stage.play(second)
        }
        #expect(stage.times(.snapshotInstalled) > 0)
        try stage.play(60 * second)
        try upgrade(2, stage)
        try stage.play(20 * second)
        #expect(levels(stage) == [1, 1, 1])
        #expect(stage.times(.levelRaised) == 0)
        let begin = stage.now
        try upgrade(0, stage)
        let risen = try stage.play(atMost: 20 * second) { levels(stage) == everywhere }
        #expect(risen != nil, "\(levels(stage)) \(stage.summary)")
        try stage.play(5 * second)
        #expect(stage.wrote(since: begin) > 0)
        let leader = try stage.settle()
        let time = try #require(stage.clusterTime(seenBy: leader))
        // What was led before the rise is in nobody's entries.
        #expect(time >= 4000 && time * 1000 <= stage.now)
        try sendSnapshot(to: (leader + 1) % 3, stage)
        try stage.finish()
    }

    @Test("O01 leaders that die while the level rises leave it to the next", arguments: seeds)
    func deathInRise(seed: UInt64) throws {
        let stage = stage(seed, older: 1)
        _ = try stage.settle()
        try stage.play(2 * second)
        stage.install(.newest, on: 0)
        stage.start(0)
        for _ in 0..<20 where stage.times(.levelRaised) == 0 {
            if let leader = stage.leader {
                stage.doom(leader, afterOperations: 1, losingPower: true)
            }
            try stage.play(700_000)
        }
        let risen = try stage.play(atMost: 30 * second) { levels(stage) == everywhere }
        #expect(risen != nil, "\(stage.summary)")
        try stage.finish()
    }

    @Test("O01 an older build that comes back after the rise is turned away", arguments: seeds)
    func comesBack(seed: UInt64) throws {
        for hasOldData in [false, true] {
            let stage = stage(seed, older: 1)
            _ = try stage.settle()
            try stage.play(2 * second)
            // Data from before the rise does not tell; then the others do.
            stage.kill(0)
            let before = stage.image(0)
            try upgrade(0, stage)
            let risen = try stage.play(atMost: 20 * second) { levels(stage) == everywhere }
            #expect(risen != nil)
            try stage.play(5 * second)
            stage.install(.first, on: 0)
            if hasOldData { stage.putBack(before, on: 0) }
            try stage.play(3 * stage.electionMicros)
            _ = try stage.settle()
            let term = stage.highestTerm
            let begin = stage.now
            stage.start(0)
            try stage.play(5 * second)
            #expect(!stage.isRunning(0))
            #expect(stage.highestTerm == term && stage.wrote(since: begin) > 0)
            if !hasOldData {
                stage.install(.newest, on: 0)
                stage.start(0)
            }
            try stage.finish()
        }
    }

    @Test("O01 a member of an older build that joins keeps the level down", arguments: seeds)
    func memberAdded(seed: UInt64) throws {
        let stage = stage(seed, older: 1, spares: 1)
        _ = try stage.settle()
        try stage.play(2 * second)
        stage.install(.first, on: 3)
        stage.add(3, as: .learner, through: try stage.settle())
        let joined = try stage.play(atMost: 20 * second) { stage.isRunning(3) }
        #expect(joined != nil, "\(stage.summary)")
        try upgrade(0, stage)
        try stage.play(20 * second)
        #expect(stage.times(.levelRaised) == 0)
        stage.install(.newest, on: 3)
        stage.start(3)
        let risen = try stage.play(atMost: 20 * second) {
            levels(stage, 0..<4) == everywhere + [newest]
        }
        #expect(risen != nil, "\(stage.summary)")
        try stage.finish()
    }
}
