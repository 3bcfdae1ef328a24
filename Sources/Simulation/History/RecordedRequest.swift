package import Primitives

package struct RecordedPut: Hashable, Sendable {
    package var key: Bytes
    package var value: Bytes
    package var lease: Int64 = 0
    package var wantsPrevious = false
    package var ignoresValue = false
    package var ignoresLease = false

    package init(
        _ key: Bytes, _ value: Bytes, lease: Int64 = 0, wantsPrevious: Bool = false,
        ignoresValue: Bool = false, ignoresLease: Bool = false
    ) {
        self.key = key
        self.value = value
        self.lease = lease
        self.wantsPrevious = wantsPrevious
        self.ignoresValue = ignoresValue
        self.ignoresLease = ignoresLease
    }
}

/// A range in key order, without revision filters: what the checkers know how to answer.
package struct RecordedRange: Hashable, Sendable {
    package var interval: KeyInterval
    /// Zero: no limit.
    package var limit: Int64 = 0
    /// Zero: the newest.
    package var revision: Int64 = 0
    package var isSerializable = false
    package var countOnly = false
    package var keysOnly = false

    package init(
        _ interval: KeyInterval, limit: Int64 = 0, revision: Int64 = 0,
        isSerializable: Bool = false, countOnly: Bool = false, keysOnly: Bool = false
    ) {
        self.interval = interval
        self.limit = limit
        self.revision = revision
        self.isSerializable = isSerializable
        self.countOnly = countOnly
        self.keysOnly = keysOnly
    }
}

package struct RecordedDeleteRange: Hashable, Sendable {
    package var interval: KeyInterval
    package var wantsPrevious = false

    package init(_ interval: KeyInterval, wantsPrevious: Bool = false) {
        self.interval = interval
        self.wantsPrevious = wantsPrevious
    }
}

package struct RecordedCompare: Hashable, Sendable {
    package enum Relation: String, Hashable, Sendable { case equal, greater, less, notEqual }
    package enum Target: Hashable, Sendable {
        case version(Int64)
        case create(Int64)
        case mod(Int64)
        case lease(Int64)
        case value(Bytes)
    }

    package var interval: KeyInterval
    package var relation: Relation
    package var target: Target

    package init(_ interval: KeyInterval, _ relation: Relation, _ target: Target) {
        self.interval = interval
        self.relation = relation
        self.target = target
    }
}

package struct RecordedTxn: Hashable, Sendable {
    package var compares: [RecordedCompare]
    /// Only puts, ranges, deletions and transactions; anything else never happens inside one.
    package var success: [RecordedRequest]
    package var failure: [RecordedRequest]

    package init(
        compares: [RecordedCompare] = [], success: [RecordedRequest] = [],
        failure: [RecordedRequest] = []
    ) {
        self.compares = compares
        self.success = success
        self.failure = failure
    }

    /// Only serializable ranges, or nothing at all: etcd answers it from local state.
    package var isSerializable: Bool {
        (success + failure).allSatisfy {
            if case .range(let range) = $0 { range.isSerializable } else { false }
        }
    }
}

/// What a client asked for.
package indirect enum RecordedRequest: Hashable, Sendable {
    case put(RecordedPut)
    case range(RecordedRange)
    case deleteRange(RecordedDeleteRange)
    case txn(RecordedTxn)
    case compact(revision: Int64)
    /// Lease 0: the server picks one.
    case leaseGrant(lease: Int64, seconds: Int64)
    case leaseRevoke(lease: Int64)
    case leaseKeepAlive(lease: Int64)
    case leaseTimeToLive(lease: Int64, wantsKeys: Bool)

    /// Whether it may change anything, so that an unanswered one matters.
    package var isWrite: Bool {
        switch self {
        case .put, .deleteRange, .compact, .leaseGrant, .leaseRevoke: true
        case .range, .leaseKeepAlive, .leaseTimeToLive: false
        case .txn(let txn): (txn.success + txn.failure).contains { $0.isWrite }
        }
    }

    /// Whether any member may answer from its own, possibly old, state.
    package var isSerializable: Bool {
        switch self {
        case .range(let range): range.isSerializable
        case .txn(let txn): txn.isSerializable
        case .put, .deleteRange, .compact, .leaseGrant, .leaseRevoke, .leaseKeepAlive,
            .leaseTimeToLive:
            false
        }
    }

    /// Visits every put on any path.
    package func forEachPut(_ visit: (RecordedPut) -> Void) {
        switch self {
        case .put(let put): visit(put)
        case .txn(let txn):
            for op in txn.success { op.forEachPut(visit) }
            for op in txn.failure { op.forEachPut(visit) }
        case .range, .deleteRange, .compact, .leaseGrant, .leaseRevoke, .leaseKeepAlive,
            .leaseTimeToLive:
            break
        }
    }

    /// Whether some path deletes this key.
    package func mayDelete(_ key: Bytes) -> Bool {
        switch self {
        case .deleteRange(let delete): delete.interval.contains(key)
        case .txn(let txn): (txn.success + txn.failure).contains { $0.mayDelete(key) }
        case .put, .range, .compact, .leaseGrant, .leaseRevoke, .leaseKeepAlive,
            .leaseTimeToLive:
            false
        }
    }

    /// Whether some path deletes a range of keys.
    package var hasDeletion: Bool {
        switch self {
        case .deleteRange: true
        case .txn(let txn): (txn.success + txn.failure).contains { $0.hasDeletion }
        case .put, .range, .compact, .leaseGrant, .leaseRevoke, .leaseKeepAlive,
            .leaseTimeToLive:
            false
        }
    }
}
