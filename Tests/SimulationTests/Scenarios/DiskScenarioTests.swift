import Simulation
import Storage
import Testing

@Suite("Scenarios: disks")
final class DiskScenarioTests {
    private var damaged: Set<String> = []

    @Test("D01 a torn tail is cut, and is no rot")
    func tornTail() throws {
        var cut = 0
        for seed in UInt64(1)...20 {
            let stage = Stage(nodes: 3, seed: seed) {
                $0.thinkMicros = 500
                $0.valueBytesMax = 3000
                $0.writeMicros = 3000
            }
            let leader = try stage.settle()
            try stage.play(300_000 + Int(seed) * 1777)
            for node in 0..<3 { stage.losePower(node, seed % 2 == 0 ? .torn : .reorder) }
            for node in 0..<3 { stage.start(node) }
            _ = try stage.settle()
            #expect(stage.isRunning(leader))
            cut += stage.times(.tornTailCut)
            try stage.finish()
        }
        #expect(cut > 0)
    }

    @Test("D02 rot in the middle of a follower's log is found and mended", arguments: seeds)
    func rotMidLog(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed) { $0.snapshotCount = 400 }
        let follower = (try stage.settle() + 1) % 3
        try stage.play(2 * second)
        let applied = stage.applied(follower)
        stage.kill(follower)
        try rot(stage, follower, at: 0.5)
        stage.start(follower)
        try expectMended(stage, follower)
        #expect(stage.applied(follower) >= applied)
        try stage.finish()
    }

    @Test("D05 a rotten last entry is rot, not a torn tail", arguments: seeds)
    func rotAtEnd(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed)
        let follower = (try stage.settle() + 1) % 3
        try stage.play(second)
        stage.kill(follower)
        try rot(stage, follower, at: 1)
        let cut = stage.times(.tornTailCut)
        stage.start(follower)
        try stage.play(second)
        #expect(stage.times(.rotFound) > 0)
        #expect(stage.times(.tornTailCut) == cut)
        try expectMended(stage, follower)
        try stage.finish()
    }

    @Test("D03 scattered rot is mended while one good copy of each entry is left", arguments: seeds)
    func scatteredRot(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed) { $0.snapshotCount = 100_000 }
        _ = try stage.settle()
        try stage.play(2 * second)
        for node in 0..<3 { stage.kill(node) }
        for (node, part) in [0.2, 0.5, 0.8].enumerated() {
            try rot(stage, node, at: part)
            try rot(stage, node, at: part + 0.05)
        }
        for node in 0..<3 { stage.start(node) }
        for node in 0..<3 { try expectMended(stage, node) }
        #expect(stage.times(.rotHealed) >= 3)
        try stage.finish()
    }

    @Test("D04 rot in all copies is a halt that loses nothing silently", arguments: seeds)
    func totalRot(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed) { $0.snapshotCount = 100_000 }
        _ = try stage.settle()
        try stage.play(2 * second)
        for node in 0..<3 { stage.kill(node) }
        for node in 0..<3 {
            for part in 0...20 { try rot(stage, node, at: Double(part) / 20) }
            for part in 0...200 { try rot(stage, node, at: 0.4 + Double(part) / 2000) }
        }
        for node in 0..<3 { stage.start(node) }
        try stage.play(30 * second)
        #expect(stage.leader == nil)
        for node in 0..<3 { #expect(!stage.isAdmitted(node)) }
    }

    /// Every disk lies now and then about a sync; that takes more than any promise covers.
    @Test("D06 what disks that lie lose is noticed")
    func lyingDisks() {
        var found: [String] = []
        for seed in UInt64(1)...12 {
            var settings = RunSettings(seed: seed, safetyMicros: 30_000_000)
            settings.faults = [(.powerLossOfAll, 1)]
            settings.strikeMicros = 3_000_000
            settings.disksLie = true
            if let violation = SimulationRun(settings).result().violation {
                found.append(violation.property)
            }
        }
        #expect(!found.isEmpty)
    }

    @Test("D07 a sync that fails once ends the process, and nothing is counted", arguments: seeds)
    func syncError(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed)
        for round in 0..<6 {
            let leader = try stage.settle()
            let victim = round % 2 == 0 ? leader : (leader + 1) % 3
            let halts = stage.times(.nodeHalted)
            stage.plan(victim, .syncError, path: ".log")
            try stage.play(3 * second)
            #expect(stage.times(.nodeHalted) > halts)
        }
        _ = try stage.settle()
        try stage.finish()
    }

    @Test("D08 a checkpoint that cannot be read is replaced", arguments: seeds)
    func unreadableCheckpoint(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed) { $0.snapshotCount = 60 }
        let follower = (try stage.settle() + 1) % 3
        try stage.play(5 * second)
        stage.kill(follower)
        stage.expectRot(follower)
        for path in stage.files(follower, "checkpoint") {
            stage.makeUnreadable(follower, path)
        }
        stage.start(follower)
        try expectMended(stage, follower)
        try stage.finish()
    }

    @Test("D09 a leader with a full disk hands over, and comes back", arguments: seeds)
    func fullLeader(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed)
        let old = try stage.settle()
        stage.pin(client: 0, to: (old + 1) % 3)
        stage.setCapacity(old, bytes: 0)
        let full = stage.now
        let took = try stage.play(atMost: 5 * stage.electionMicros) {
            stage.leader != nil && stage.leader != old && stage.wrote(since: full, by: 0) > 0
        }
        #expect(took != nil, "nobody else leads")
        try stage.play(5 * second)
        stage.setCapacity(old, bytes: .max)
        try stage.finish()
        #expect(stage.isAdmitted(old))
    }

    @Test("D10 a follower with a full disk hinders nobody", arguments: seeds)
    func fullFollower(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed)
        let leader = try stage.settle()
        let full = (leader + 1) % 3
        stage.pinAll(to: leader)
        stage.setCapacity(full, bytes: 0)
        let mark = stage.now
        try stage.play(20 * second)
        #expect(stage.leader == leader)
        #expect(stage.wrote(since: mark) > 200)
        #expect(stage.times(.diskFull) > 0)
        stage.setCapacity(full, bytes: .max)
        try stage.finish()
        #expect(stage.applied(full) == stage.applied(leader))
    }

    /// The two others are a quorum without the leader's disk: writes go on, whoever leads.
    @Test("D11 a leader's disk that hangs for half a minute stops no writes", arguments: seeds)
    func hungLeaderDisk(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed)
        let old = try stage.settle()
        stage.pin(client: 0, to: (old + 1) % 3)
        stage.stallDisk(old, for: 30 * second)
        try stage.play(3 * stage.electionMicros)
        let mark = stage.now
        try stage.play(25 * second)
        #expect(stage.wrote(since: mark, by: 0) > 200)
        try stage.finish()
    }

    @Test("D11 with all disks but one hanging nothing is acknowledged", arguments: seeds)
    func hungMajority(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed)
        let leader = try stage.settle()
        for node in stage.others(than: leader) { stage.stallDisk(node, for: 20 * second) }
        try stage.play(500_000)
        let mark = stage.now
        try stage.play(15 * second)
        #expect(stage.wrote(since: mark) == 0)
        try stage.finish()
    }

    @Test("D12 a write that lands elsewhere is found in both places", arguments: seeds)
    func misdirected(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed) { $0.snapshotCount = 400 }
        let follower = (try stage.settle() + 1) % 3
        stage.expectRot(follower)
        stage.plan(follower, .misdirectedWrite(by: 512), path: ".log")
        try stage.play(300_000)
        stage.kill(follower)
        stage.start(follower)
        try expectMended(stage, follower)
        #expect(stage.times(.rotFound) > 0)
        try stage.finish()
    }

    @Test("D13 after a failed sync of a directory one file or the other is whole", arguments: seeds)
    func directorySync(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed) { $0.snapshotCount = 60 }
        for folder in ["log", "checkpoint", "data"] {
            let victim = try stage.settle()
            stage.plan(victim, .directorySyncError, path: folder)
            stage.kill(victim)
            stage.start(victim)
            try stage.play(4 * second)
            if stage.isRunning(victim) { stage.losePower(victim, .reorder) }
            stage.start(victim)
        }
        _ = try stage.settle()
        try stage.finish()
    }

    @Test("D14 half of a vote's record is enough, without any no start", arguments: seeds)
    func voteRecord(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed)
        let leader = try stage.settle()
        let node = (leader + 1) % 3
        for half in 0..<2 {
            stage.kill(node)
            stage.flipBit(node, "/data/hardstate", at: half * 4096 + 40)
            stage.start(node)
            try stage.play(3 * second)
            #expect(stage.isRunning(node))
        }
        stage.kill(node)
        stage.flipBit(node, "/data/hardstate", at: 40)
        stage.flipBit(node, "/data/hardstate", at: 4096 + 40)
        stage.giveUp(node)
        stage.start(node)
        let mark = stage.now
        try stage.play(10 * second)
        #expect(!stage.isRunning(node))
        #expect(stage.times(.recoveryFailed) > 0)
        #expect(stage.wrote(since: mark) > 0)
        try stage.finish()
    }

    @Test("D15 a disk that is remounted read-only ends acknowledgements at once", arguments: seeds)
    func readOnly(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed)
        let leader = try stage.settle()
        var rates = FaultRates()
        rates.writeError = 65_536
        rates.syncError = 65_536
        for node in stage.others(than: leader) { stage.setFaultRates(node, rates) }
        try stage.play(second)
        let mark = stage.now
        try stage.play(15 * second)
        #expect(stage.wrote(since: mark) == 0)
        for node in stage.others(than: leader) { stage.setFaultRates(node, FaultRates()) }
        try stage.finish()
    }

    @Test("M03 a wiped member is refused under its old id", arguments: seeds)
    func wiped(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed)
        let leader = try stage.settle()
        let node = (leader + 1) % 3
        try stage.play(5 * second)
        stage.wipe(node)
        stage.start(node)
        try stage.play(20 * second)
        #expect(!stage.isAdmitted(node))
        try stage.finish()
    }

    @Test("an older image of a disk is noticed, and its node does not vote", arguments: seeds)
    func oldImage(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed)
        let leader = try stage.settle()
        let node = (leader + 1) % 3
        try stage.play(3 * second)
        stage.kill(node)
        let image = stage.image(node)
        stage.start(node)
        try stage.play(10 * second)
        stage.kill(node)
        stage.putBack(image, on: node)
        stage.start(node)
        try stage.play(20 * second)
        #expect(!stage.isAdmitted(node))
        try stage.finish()
    }

    // MARK: Rot

    /// Flips a bit of a batch of the newest segment that has any: so far into it, 1 is the last.
    private func rot(_ stage: Stage, _ node: Int, at part: Double) throws {
        let segments = stage.files(node, "log").filter { $0.hasSuffix(".log") }
        let found = segments.reversed().lazy.map { path in
            let bytes = stage.contents(node, path)
            let starts = stride(from: 8192, to: bytes.count, by: 512).filter {
                bytes[$0..<($0 + 4)].elementsEqual("KLBA".utf8)
            }
            return (path: path, starts: starts)
        }.first { !$0.starts.isEmpty }
        let (path, starts) = try #require(found)
        // A second flip of the same bit would undo the first.
        let batch = starts[Int(Double(starts.count - 1) * part)]
        if damaged.insert("\(node) \(path) \(batch)").inserted {
            stage.flipBit(node, path, at: batch + 96)
        }
    }

    private func expectMended(_ stage: Stage, _ node: Int) throws {
        let took = try stage.play(atMost: 90 * second) {
            guard let leader = stage.leader else { return false }
            return stage.isAdmitted(node) && stage.applied(node) + 50 > stage.applied(leader)
        }
        #expect(took != nil, "n\(node + 1) does not come back: \(stage.summary)")
        stage.expectWhole(node)
    }
}
