internal import ArgumentParser
internal import KeelsonClient
internal import RPC

/// What a benchmark does to the servers.
enum BenchTarget: String, ExpressibleByArgument, CaseIterable, Sendable {
    /// Writes of one key each.
    case put
    /// Linearizable reads of one key each.
    case range
    /// The same reads, answered by a member from what it knows.
    case rangeSerializable = "range-serializable"
    /// Linearizable reads and writes of one key each.
    case mixed
    /// Transactions: a comparison that holds, a put, a read that is not taken.
    case txn
    /// Writes below one prefix, seen by many watches of it.
    case watch
    /// Renewals of leases.
    case lease
    /// Agents without processes, filled with tasks by one framework.
    case tasks
    /// The same agents, with that room, for whoever wants to fill them.
    case agents
    /// The allocator alone, without servers.
    case allocator
}

/// One run, fully determined.
struct BenchPlan: Sendable {
    var target: BenchTarget
    var endpoints: [Endpoint]
    /// For endpoints with https.
    var tls: ClientTLS?
    var connectionCount: Int
    var streamsPerConnection: Int
    /// Calls to measure, or nil to go on for `durationNanoseconds`.
    var total: Int?
    var durationNanoseconds: UInt64?
    var warmUpCount: Int
    /// Calls to start a second whatever the answers do, or nil to start one for each answer.
    var rate: Double?
    var valueByteCount: Int
    var keyCount: Int
    /// Take the keys in their order instead of at random.
    var isSequential: Bool
    /// Keys that each read asks for, from the one that was chosen on.
    var rangeKeyCount: Int
    /// Of a hundred calls of the target `mixed`.
    var readPercent: Int
    /// The keys or leases that the target needs are there: none are made.
    var isPrepared: Bool
    /// Leases have the ids from this one on, or nil to draw ids that no earlier run has used.
    var firstLease: Int64?
    /// Outstanding writes of the target `watch`.
    var writerCount: Int
    /// What succeeded is counted for each span of this length, or nil not to.
    var intervalNanoseconds: UInt64?
    /// The run is given up when nothing was answered for so long.
    var stallNanoseconds: UInt64
    var seed: UInt64

    /// Outstanding calls on each connection while keys or leases are made before the run.
    static let fillStreamsPerConnection = 64
    /// Connections that do so: etcd refuses writes of which thousands wait to be applied.
    static let fillConnectionsMax = 16
    /// Connections that are made at a time: servers bound those that have not said a word yet.
    static let openingsMax = 200
}
