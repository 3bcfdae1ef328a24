import Simulation
import Storage
import Testing

@Suite("Scenarios: processes and clocks")
struct ProcessScenarioTests {
    /// Each operation of the disk is where a write, an apply, a checkpoint or a snapshot stands:
    /// the process ends at every one of them in turn.
    @Test("P01 a crash at any step loses nothing", arguments: [false, true])
    func crashEverywhere(losingPower: Bool) throws {
        var struck = 0
        for count in stride(from: 0, to: 240, by: 4) {
            let stage = Stage(nodes: 3, seed: 11) {
                $0.snapshotCount = 60
                $0.catchUpEntries = 5
                $0.checkpointPauseMin = 200_000
                $0.segmentBytes = 16 << 10
            }
            let leader = try stage.settle()
            let victim = count % 8 < 4 ? leader : (leader + 1) % 3
            stage.doom(victim, afterOperations: count, losingPower: losingPower)
            try stage.play(6 * second)
            if !stage.isDoomed(victim) { struck += 1 }
            try stage.finish()
        }
        #expect(struck >= 50)
    }

    @Test("P02 crashes in recovery, three deep, change nothing", arguments: [false, true])
    func crashInRecovery(losingPower: Bool) throws {
        for count in 1...24 {
            let stage = Stage(nodes: 3, seed: 12) {
                $0.snapshotCount = 60
                $0.restartMicros = 50_000
            }
            let leader = try stage.settle()
            try stage.play(3 * second)
            for depth in 0..<3 {
                stage.kill(leader)
                stage.doom(leader, afterOperations: count + depth * 3, losingPower: losingPower)
                stage.start(leader)
                try stage.play(200_000)
            }
            try stage.play(2 * second)
            try stage.finish()
        }
    }

    @Test("P03 a leader that slept serves no stale read", arguments: seeds)
    func sleepingLeader(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed)
        let old = try stage.settle()
        stage.pin(client: 0, to: old)
        stage.pin(client: 1, to: old)
        stage.pin(client: 2, to: (old + 1) % 3)
        for _ in 0..<10 {
            let sleeper = try stage.settle()
            let mark = stage.now
            stage.pause(sleeper)
            try stage.play(2 * stage.electionMicros)
            #expect(stage.wrote(since: mark) > 0)
            stage.resume(sleeper)
            try stage.play(stage.electionMicros)
        }
        try stage.finish()
    }

    @Test("P04 power fails everywhere at once, again and again", arguments: CrashKind.allCases)
    func powerLossOfAll(kind: CrashKind) throws {
        let stage = Stage(nodes: 3, seed: 14) { $0.thinkMicros = 1000 }
        for round in 0..<12 {
            _ = try stage.settle()
            try stage.play(200_000 + round * 13_577)
            for node in 0..<3 { stage.losePower(node, kind) }
            for node in 0..<3 { stage.start(node) }
        }
        _ = try stage.settle()
        try stage.finish()
    }

    @Test("P05 a member that crashes every two seconds does not slow the others", arguments: seeds)
    func crashLoop(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed)
        let leader = try stage.settle()
        let looping = (leader + 1) % 3
        stage.pin(client: 0, to: leader)
        let alone = stage.now
        try stage.play(30 * second)
        let p99 = stage.p99OfWrites(since: alone, by: 0)
        let looped = stage.now
        for _ in 0..<15 {
            stage.kill(looping)
            stage.start(looping)
            try stage.play(2 * second)
        }
        #expect(stage.p99OfWrites(since: looped, by: 0) < 2 * p99)
        #expect(stage.leader == leader)
        try stage.finish()
    }

    @Test("P06 a kill under full writes skips and repeats nothing", arguments: seeds)
    func killAtPeak(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed) {
            $0.thinkMicros = 200
            $0.clientCount = 16
            $0.snapshotCount = 40
            $0.checkpointPauseMin = 50_000
        }
        for round in 0..<20 {
            let leader = try stage.settle()
            try stage.play(150_000 + round * 7919)
            let victim = round % 2 == 0 ? leader : (leader + 1) % 3
            stage.kill(victim)
            stage.start(victim)
        }
        try stage.finish()
    }

    @Test("C01 clocks that drift apart make no read stale and no lease short", arguments: seeds)
    func rateDrift(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed)
        let leader = try stage.settle()
        stage.setClockRate(leader, 900_000)
        for node in stage.others(than: leader) { stage.setClockRate(node, 1_100_000) }
        for _ in 0..<10 {
            try stage.play(5 * second)
            stage.transferLeadership()
        }
        try stage.finish()
    }

    @Test("C02 wall clocks that jump by days, both ways, change nothing", arguments: seeds)
    func wallClock(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed)
        _ = try stage.settle()
        let day = 86_400_000
        for (round, days) in [5, -5, -10, 10, 3, -3].enumerated() {
            let leader = try stage.settle()
            stage.jumpWallClock(leader, byMillis: days * day)
            try stage.play(5 * second)
            if round % 2 == 1 { stage.transferLeadership() }
        }
        try stage.finish()
    }

    /// A virtual machine is suspended: its clock stands, then leaps over what it missed.
    @Test("C03 a suspended leader ends no lease early and serves no stale read", arguments: seeds)
    func suspended(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed)
        for _ in 0..<6 {
            let leader = try stage.settle()
            stage.pin(client: 0, to: leader)
            stage.setClockRate(leader, 0)
            stage.pause(leader)
            try stage.play(4 * second)
            stage.setClockRate(leader, 1_000_000)
            stage.leapClock(leader, by: 4 * second)
            stage.resume(leader)
            try stage.play(2 * second)
        }
        try stage.finish()
    }

    @Test("C04 a follower whose clock runs three times too fast disturbs nobody", arguments: seeds)
    func hasty(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed)
        let leader = try stage.settle()
        let term = stage.highestTerm
        stage.setClockRate((leader + 1) % 3, 3_000_000)
        let mark = stage.now
        try stage.play(120 * second)
        #expect(stage.leader == leader)
        #expect(stage.highestTerm == term)
        #expect(stage.wrote(since: mark) > 1000)
        try stage.finish()
    }
}
