import Primitives
import RaftCore
import Replication
import StateMachine
import Storage

/// Damage beyond what replication can make up for: the only right answers are to mend it, where
/// one good copy is left, and to serve nothing, where none is.
extension SimulatedCluster {
    private static let ruinMicros: Micros = .seconds(30)

    /// All power fails, and what every disk holds rots. Then nothing else goes wrong, and clients
    /// go on: whatever they are told is held against everything that was acknowledged.
    func runRuin() throws(Violation) {
        nemesis.stop()
        try run(until: now + 1_000_000)
        trace.note(now, -1, "ruin")
        counters.count(FaultKind.ruin)
        var random = random.fork()
        let density = random.pick([0, 0, 1, 4, 40])
        let folders = random.chance(1, in: 2) ? ["/data/log"] : ["/data/log", "/data/checkpoint"]
        for machine in machines where machine.isMember {
            if machine.process != nil { end(machine, losingPower: true) }
            machine.isRotten = true
            for folder in folders {
                rot(machine, folder, density, &random)
            }
        }
        for machine in machines where machine.isMember { restartSoon(machine) }
        try run(until: now + Self.ruinMicros + 10 * settings.electionMicros)
        for client in clients { client.isStopped = true }
        try run(until: now + SimulatedClient.timeout)
        try judgeRuin()
    }

    /// About `density` flipped bits in each 16 KiB, and one in each file at least.
    private func rot(
        _ machine: SimulatedMachine, _ folder: String, _ density: Int, _ random: inout SplitMix64
    ) {
        for name in ((try? machine.disk.list(folder)) ?? []).sorted() {
            let path = folder + "/" + name
            guard let size = machine.disk.contents(of: path)?.count, size > 0 else { continue }
            for _ in 0..<max(1, size * density / 16_384) {
                machine.disk.flipBit(
                    path, at: random.draw(0...size - 1), bit: random.draw(0...7))
            }
        }
    }

    /// Whoever serves has everything.
    private func judgeRuin() throws(Violation) {
        guard let leader = nemesis.leader?.process, leader.replica.raft.hasCommittedInTerm else {
            return counters.count(CoverageMark.haltedAfterRuin)
        }
        counters.count(CoverageMark.servedAfterRuin)
        let store = leader.replica.store
        if store.appliedIndex < rules.acknowledgedFloor {
            throw Violation(
                property: "K1 what is acknowledged is durable, or nothing is served",
                what: "the leader is at \(store.appliedIndex), \(rules.acknowledgedFloor) was"
                    + " acknowledged: \(describe())")
        }
        if let difference = rules.model.difference(store) {
            throw Violation(
                property: "K8 replicas are identical", what: "the leader has \(difference)")
        }
    }
}
