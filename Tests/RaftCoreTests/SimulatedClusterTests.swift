import Foundation
import Primitives
import RaftCore
import Testing

@Suite("A cluster under random faults (Raft, Figure 3)")
struct SimulatedClusterTests {
    /// `KEELSON_SEED=n` replays one seed, `KEELSON_SEEDS=n` runs that many.
    static let seeds: [UInt64] = {
        let environment = ProcessInfo.processInfo.environment
        if let seed = environment["KEELSON_SEED"].flatMap(UInt64.init) { return [seed] }
        let count = environment["KEELSON_SEEDS"].flatMap(UInt64.init) ?? 120
        return Array(1...count)
    }()

    func run(_ options: SimulatedCluster.Options) -> SimulatedCluster? {
        var last: SimulatedCluster?
        for seed in Self.seeds {
            var cluster = SimulatedCluster(seed: seed, options: options)
            for count in 0..<options.steps where cluster.failures.isEmpty {
                cluster.disturb()
                if count % 250 == 0 { cluster.checkLogMatching() }
            }
            if cluster.failures.isEmpty { cluster.mustMakeProgress() }
            cluster.checkLogMatching()
            if let failure = cluster.failures.first {
                Issue.record(
                    "seed \(seed): \(failure) (KEELSON_SEED=\(seed) replays it)\n\(cluster)")
                return nil
            }
            if ProcessInfo.processInfo.environment["KEELSON_STATS"] != nil {
                print(
                    "seed \(seed): \(cluster.nodes.count) nodes, "
                        + "\(cluster.committed.count) committed, "
                        + "\(cluster.leaders.count) leaders, \(cluster.readsServed) reads, "
                        + "\(cluster.snapshotsInstalled) snapshots, \(cluster.loadsServed) loads, "
                        + "\(cluster.configurationsCommitted) configurations")
            }
            if let sum = last {
                cluster.readsServed += sum.readsServed
                cluster.snapshotsInstalled += sum.snapshotsInstalled
                cluster.loadsServed += sum.loadsServed
                cluster.configurationsCommitted += sum.configurationsCommitted
            }
            last = cluster
        }
        return last
    }

    @Test("elections, replication and reads keep every rule, and progress returns")
    func plain() throws {
        let sum = try #require(run(SimulatedCluster.Options()))
        #expect(sum.readsServed > 0)
    }

    @Test("compaction, loads from disk and snapshots keep every rule")
    func compaction() throws {
        let sum = try #require(run(SimulatedCluster.Options(compacts: true, steps: 4000)))
        #expect(sum.loadsServed > 0)
        #expect(Self.seeds.count < 20 || sum.snapshotsInstalled > 0)
    }

    @Test("reads under a lease see all that was committed before them")
    func leases() throws {
        let options = SimulatedCluster.Options(
            changesMembers: true, compacts: true, leaseReads: true, steps: 3000)
        let sum = try #require(run(options))
        #expect(sum.readsServed > 0)
    }

    @Test("changes of membership, with compaction, keep every rule")
    func membership() throws {
        let options = SimulatedCluster.Options(
            changesMembers: true, compacts: true, steps: 4000)
        let sum = try #require(run(options))
        #expect(Self.seeds.count < 20 || sum.configurationsCommitted > 20)
    }
}
