import Primitives
import RaftCore
import Replication
import StateMachine

/// The only voter of its cluster. Writes are durable when the test says so, and nothing that it
/// asks for happens by itself.
struct SingleReplica {
    static let id = NodeID(1)
    var replica: Replica
    var writes: [WriteID] = []
    /// Of the last step.
    var effects: [ReplicaEffect] = []

    init(
        _ restored: RestoredLog = .fresh(ClusterConfiguration(voters: [Self.id])),
        _ change: (inout ReplicaSettings) -> Void
    ) {
        let raft = RaftSettings(id: Self.id, seed: 1, electionTicks: 10, heartbeatTicks: 2)
        var settings = ReplicaSettings(
            raft: raft, clusterID: ClusterID(1), boot: BootNumber(1), ticksPerSecond: 10)
        change(&settings)
        replica = Replica(settings: settings, restored: restored, store: Store())
        while !replica.isLeader {
            step(.tick(clock: 0))
            persistAll()
        }
    }

    mutating func step(_ input: ReplicaInput) {
        effects = []
        replica.step(input, into: &effects)
        note()
    }

    private mutating func note() {
        for case .persist(let write) in effects { writes.append(write.id) }
    }

    mutating func persistAll() {
        while !writes.isEmpty { step(.persisted(writes.removeFirst())) }
    }

    mutating func propose(_ kind: CommandKind, _ body: [UInt8]) {
        effects = []
        replica.propose(
            kind, proposedID: 0, body: body, sequence: replica.nextSequence(), into: &effects)
        replica.flush(into: &effects)
        note()
    }

    mutating func put(_ key: String, _ value: String = "v") {
        var body = ProtobufWriter()
        body.field(1, key)
        body.field(2, value)
        propose(.put, body.bytes)
    }

    /// How many entries the last step applied.
    var appliedCount: Int {
        effects.reduce(0) {
            if case .applied(let batch) = $1 { $0 + batch.count } else { $0 }
        }
    }

    var continuations: Int {
        effects.count { if case .continueApplying = $0 { true } else { false } }
    }

    var load: (first: LogIndex, last: LogIndex)? {
        for case .load(let first, let last, _, .applying) in effects { return (first, last) }
        return nil
    }

    /// Continues until nothing is left; what each step applied.
    mutating func continueToEnd() -> [Int] {
        var counts: [Int] = []
        while continuations > 0 {
            step(.continueApplying)
            counts.append(appliedCount)
        }
        return counts
    }
}
