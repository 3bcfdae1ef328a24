import Simulation
import Storage
import Testing

@Suite("Scenarios: leases, snapshots and watches")
struct LeaseScenarioTests {
    @Test("E01 leases live their time through changes of leader", arguments: seeds)
    func leaderChanges(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed) { $0.leaseSecondsMax = 8 }
        for round in 0..<30 {
            let leader = try stage.settle()
            try stage.play(3_700_000)
            if round % 2 == 0 {
                stage.kill(leader)
                stage.start(leader)
            } else {
                stage.transferLeadership()
            }
        }
        #expect(stage.times(.leaseExpired) > 0)
        try stage.finish()
    }

    @Test("E02 renewals at a leader that was paused shorten nothing", arguments: seeds)
    func renewAcrossPause(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed) { $0.leaseSecondsMax = 4 }
        for _ in 0..<20 {
            let leader = try stage.settle()
            for client in 0..<2 { stage.pin(client: client, to: leader) }
            try stage.play(1_500_000)
            stage.pause(leader)
            try stage.play(1_200_000)
            stage.resume(leader)
        }
        #expect(stage.times(.leaseRenewed) > 0)
        try stage.finish()
    }

    /// So long that clients give up on it and ask it again for what has ended meanwhile.
    @Test("E02 a leader that slept through its end renews nothing that is gone", arguments: seeds)
    func renewAfterSleep(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed) {
            $0.clientCount = 24
            $0.thinkMicros = 2000
            $0.leaseSecondsMax = 3
        }
        for _ in 0..<6 {
            let leader = try stage.settle()
            for client in 0..<24 {
                stage.pin(client: client, to: client % 2 == 0 ? leader : (leader + 1) % 3)
            }
            try stage.play(2 * second)
            stage.pause(leader)
            try stage.play(12 * second)
            stage.resume(leader)
            try stage.play(second)
        }
        try stage.finish()
    }

    @Test("E03 a renewal and a revocation that race: one of them wins", arguments: seeds)
    func renewAgainstRevoke(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed) {
            $0.clientCount = 12
            $0.thinkMicros = 2000
            $0.leaseSecondsMax = 3
        }
        _ = try stage.settle()
        try stage.play(30 * second)
        #expect(stage.times(.leaseRenewed) > 0)
        #expect(stage.times(.leaseRevoked) > 0)
        try stage.finish()
    }

    @Test("E04 a deposed leader revokes nothing late", arguments: seeds)
    func lateRevocation(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed) { $0.leaseSecondsMax = 3 }
        for _ in 0..<15 {
            let leader = try stage.settle()
            stage.isolate(leader)
            try stage.play(4 * stage.electionMicros)
            stage.healNetwork()
            try stage.play(second)
        }
        try stage.finish()
    }

    /// No leader lives as long as the longest of the leases.
    @Test("E06 leases expire although leaders die every half of their time", arguments: seeds)
    func expiryUnderKills(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed) {
            $0.leaseSecondsMax = 12
            $0.leaseCheckpointSeconds = 60
        }
        _ = try stage.settle()
        try stage.play(5 * second)
        stage.stopClients()
        #expect(stage.liveLeases > 0)
        let began = stage.now
        while stage.liveLeases > 0, stage.now - began < 120 * second {
            let leader = try stage.settleWithoutClients()
            try stage.play(6 * second)
            stage.kill(leader)
            stage.start(leader)
        }
        #expect(stage.liveLeases == 0)
        try stage.finish()
    }

    @Test("E05 thousands of leases that end together end in batches, and writes go on")
    func expireTogether() throws {
        let stage = Stage(nodes: 3, seed: 5)
        let leader = try stage.settle()
        stage.pinAll(to: leader)
        let before = stage.now
        try stage.play(10 * second)
        let p99 = stage.p99OfWrites(since: before, by: 0)
        stage.grantLeases(5000, seconds: 10)
        try stage.play(5 * second)
        #expect(stage.liveLeases >= 5000)
        let ending = stage.now
        try stage.play(10 * second)
        #expect(stage.times(.leaseExpired) >= 5000)
        #expect(stage.p99OfWrites(since: ending, by: 0) < 2 * p99)
        try stage.finish()
    }

    @Test("X01 the leader changes while a snapshot is on its way", arguments: seeds)
    func leaderChangesMidTransfer(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed, Self.smallLogs)
        var installed = 0
        for _ in 0..<6 {
            let leader = try stage.settle()
            let behind = (leader + 1) % 3
            stage.kill(behind)
            try stage.play(4 * second)
            let before = stage.times(.snapshotInstalled)
            stage.start(behind)
            try stage.play(20_000)
            stage.transferLeadership()
            try stage.play(3 * second)
            installed += stage.times(.snapshotInstalled) - before
        }
        #expect(installed > 0)
        try stage.finish()
    }

    @Test("X02 two snapshots, one right after the other", arguments: seeds)
    func twoSnapshots(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed, Self.smallLogs)
        let leader = try stage.settle()
        let behind = (leader + 1) % 3
        stage.pinAll(to: leader)
        for _ in 0..<5 {
            stage.isolate(behind)
            try stage.play(3 * second)
            stage.healNetwork()
            let before = stage.times(.snapshotInstalled)
            _ = try stage.play(atMost: 5 * second) { stage.times(.snapshotInstalled) > before }
        }
        #expect(stage.times(.snapshotInstalled) >= 2)
        try stage.finish()
    }

    @Test("X04 a crash at any step of an installation", arguments: [false, true])
    func crashInInstallation(losingPower: Bool) throws {
        var installed = 0
        for count in 1...40 {
            let stage = Stage(nodes: 3, seed: 21, Self.smallLogs)
            let leader = try stage.settle()
            let behind = (leader + 1) % 3
            stage.pinAll(to: leader)
            stage.isolate(behind)
            try stage.play(3 * second)
            stage.doom(behind, afterOperations: count, losingPower: losingPower)
            stage.healNetwork()
            try stage.play(3 * second)
            installed += stage.times(.snapshotInstalled)
            try stage.finish()
        }
        #expect(installed > 20)
    }

    private static func smallLogs(_ settings: inout RunSettings) {
        settings.snapshotCount = 40
        settings.catchUpEntries = 2
        settings.checkpointPauseMin = 100_000
        settings.segmentBytes = 16 << 10
        settings.chunkBytesMax = 256
    }

    @Test("X06 compaction at a deletion, at the head and behind watches", arguments: seeds)
    func compaction(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed) {
            $0.keyCount = 2
            $0.watcherCount = 6
            $0.thinkMicros = 2000
            $0.snapshotCount = 60
        }
        for round in 0..<15 {
            let leader = try stage.settle()
            for back in [Int64(0), 1, 2] { stage.compact(keeping: back) }
            try stage.play(second)
            if round % 3 == 2 {
                stage.losePower(leader, .torn)
                stage.start(leader)
            }
        }
        #expect(stage.times(.historyCompacted) > 0)
        try stage.finish()
    }

    @Test("X07 nodes that compact their memory at different times agree", arguments: seeds)
    func digests(seed: UInt64) throws {
        let stage = Stage(nodes: 5, seed: seed) { $0.digestInterval = 1 }
        _ = try stage.settle()
        for round in 0..<10 {
            stage.compact(keeping: Int64(round))
            try stage.play(second)
            stage.kill(round % 5)
            stage.start(round % 5)
        }
        try stage.finish()
    }

    @Test("X09 watches that hop from node to node miss and repeat nothing", arguments: seeds)
    func hoppingWatches(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed) { $0.watcherCount = 12 }
        for _ in 0..<30 {
            let leader = try stage.settle()
            try stage.play(400_000)
            stage.moveWatches()
            stage.transferLeadership()
            if stage.now % 3 == 0 {
                stage.kill(leader)
                stage.start(leader)
            }
        }
        #expect(stage.times(.watchResumed) > 50)
        try stage.finish()
    }

    @Test("X08 hundreds of watches, many of them slow, miss and repeat nothing", arguments: seeds)
    func slowWatches(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed) {
            $0.watcherCount = 200
            $0.thinkMicros = 2000
        }
        for round in 0..<6 {
            _ = try stage.settle()
            try stage.play(2 * second)
            if round % 2 == 0 { stage.compact(keeping: 100) }
            if round % 3 == 2 { stage.moveWatches() }
        }
        #expect(stage.times(.watchHeld) > 0)
        try stage.finish()
    }

    @Test("O05 a full quota refuses growth, and lets compaction and deletes work", arguments: seeds)
    func quota(seed: UInt64) throws {
        let stage = Stage(nodes: 3, seed: seed) {
            $0.quotaBytes = 8000
            $0.valueBytesMax = 1000
        }
        _ = try stage.settle()
        try stage.play(20 * second)
        #expect(stage.times(.spaceAlarm) > 0)
        try stage.finish()
    }
}
