import Primitives
import RaftCore
import Replication
import StateMachine
import Storage

/// A cluster whose faults are written down instead of drawn: for scenarios that have a name.
///
/// Times are microseconds. All properties are watched as in a drawn run; what breaks one is thrown.
package final class Stage {
    let world: SimulatedCluster

    /// - Parameter adjust: changes sizes and times before anything begins.
    package init(nodes: Int, seed: UInt64, _ adjust: (inout RunSettings) -> Void = { _ in }) {
        var settings = RunSettings.staged(seed: seed, nodes: nodes)
        adjust(&settings)
        world = SimulatedCluster(settings)
        world.startAll()
    }

    deinit { world.dismantle() }

    package var now: Micros { world.now }
    package var electionMicros: Micros { world.settings.electionMicros }

    // MARK: Time

    package func play(_ duration: Micros) throws(Violation) {
        try world.run(until: world.now + duration)
    }

    /// Plays until `condition` holds. Returns how long that took; nil when `limit` passed first.
    package func play(
        atMost limit: Micros, until condition: () -> Bool
    ) throws(Violation) -> Micros? {
        let begin = world.now
        while !condition() {
            guard world.now - begin < limit else { return nil }
            try play(1000)
        }
        return world.now - begin
    }

    /// Plays until somebody leads and a write that began then is acknowledged. Returns the leader.
    package func settle() throws(Violation) -> Int {
        let mark = world.now
        let limit = 20 * electionMicros
        let took = try play(atMost: limit) { leader != nil && wrote(since: mark) > 0 }
        guard took != nil, let leader else {
            throw Violation(
                property: "V1 a healthy cluster takes writes",
                what: "no leader and no write for \(limit) us: \(world.describe())")
        }
        return leader
    }

    /// Plays until somebody leads, where no client writes. Returns the leader.
    package func settleWithoutClients() throws(Violation) -> Int {
        let took = try play(atMost: 20 * electionMicros) { leader != nil }
        guard took != nil, let leader else {
            throw Violation(
                property: "V1 a healthy cluster has a leader", what: world.describe())
        }
        return leader
    }

    /// Everything heals, and the cluster has to become one within its time: V1 and V3, and
    /// everything that is checked at the end of a run.
    package func finish() throws(Violation) { try world.runCalm() }

    // MARK: What is seen

    /// Who leads the highest term that anybody alive leads.
    package var leader: Int? {
        world.machines.filter { $0.process?.replica.isLeader == true }
            .max { term(of: $0.index) < term(of: $1.index) }?.index
    }

    package func isLeader(_ node: Int) -> Bool {
        world.machines[node].process?.replica.isLeader == true
    }

    package func isRunning(_ node: Int) -> Bool { world.machines[node].process != nil }

    /// Whether the node may vote and acknowledge.
    package func isAdmitted(_ node: Int) -> Bool {
        world.machines[node].process?.gate.isAdmitted ?? false
    }

    package func term(of node: Int) -> UInt64 {
        world.machines[node].process?.replica.raft.term.rawValue ?? 0
    }

    package var highestTerm: UInt64 { world.machines.map { term(of: $0.index) }.max() ?? 0 }

    /// The log index that the node has applied; 0 while it is down.
    package func applied(_ node: Int) -> UInt64 {
        world.machines[node].process?.replica.store.appliedIndex.rawValue ?? 0
    }

    package func commitIndex(_ node: Int) -> UInt64 {
        world.machines[node].process?.replica.raft.commitIndex.rawValue ?? 0
    }

    /// Where every node stands, for messages.
    package var summary: String { world.describe() }

    package var connectionCount: Int { world.network.connections.count }

    package func times(_ mark: CoverageMark) -> Int { world.counters.times(mark) }

    /// What a client was told, as far as scenarios care.
    package enum Outcome: Sendable { case wrote, read, readLocally, failed }

    /// Operations that began at `begin` or later, with how long each took.
    package func operations(
        since begin: Micros, by client: Int? = nil
    ) -> [(client: Int, outcome: Outcome, micros: Micros)] {
        world.history.reversed().prefix { $0.end >= begin }.reversed().compactMap { record in
            guard record.begin >= begin, client ?? record.client == record.client else {
                return nil
            }
            return (record.client, outcome(record), record.end - record.begin)
        }
    }

    private func outcome(_ record: ClientRecord) -> Outcome {
        switch record.outcome {
        case .written, .renewed, .leaseGone, .held, .placeGone: .wrote
        case .read, .remaining, .refusedByStore:
            record.request.isSerializable ? .readLocally : .read
        case .refused, .unknown: .failed
        }
    }

    package func wrote(since begin: Micros, by client: Int? = nil) -> Int {
        operations(since: begin, by: client).count { $0.outcome == .wrote }
    }

    /// The slowest but one in a hundred of the writes that were acknowledged.
    package func p99OfWrites(since begin: Micros, by client: Int) -> Micros {
        let times = operations(since: begin, by: client)
            .filter { $0.outcome == .wrote }.map(\.micros).sorted()
        return times.isEmpty ? .max : times[(times.count - 1) * 99 / 100]
    }

    /// Leases that were granted and have not ended.
    package var liveLeases: Int { world.rules.model.leases.count { $0.endedAt == nil } }

    package var clientCount: Int { world.settings.clientCount }

    /// The client knows only this node from now on.
    package func pin(client: Int, to node: Int) { world.clients[client].pin(to: node) }

    package func pinAll(to node: Int) {
        for client in world.clients { client.pin(to: node) }
    }

    package func stopClients() { for client in world.clients { client.isStopped = true } }
}
