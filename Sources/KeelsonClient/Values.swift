/// One version of one key.
public struct KeyValue: Hashable, Sendable {
    public var key: [UInt8]
    public var value: [UInt8]
    /// The revision at which the key last came into being.
    public var createRevision: Int64
    /// The revision that wrote this version.
    public var modRevision: Int64
    /// 1 when the key came into being, one more with every write since.
    public var version: Int64
    /// The lease that the key lives with, or 0.
    public var lease: Int64

    public init(
        key: [UInt8], value: [UInt8], createRevision: Int64 = 0, modRevision: Int64 = 0,
        version: Int64 = 0, lease: Int64 = 0
    ) {
        self.key = key
        self.value = value
        self.createRevision = createRevision
        self.modRevision = modRevision
        self.version = version
        self.lease = lease
    }
}

/// What every answer says about the cluster.
public struct AnswerHeader: Hashable, Sendable {
    public var clusterID: UInt64
    /// The member that answered.
    public var memberID: UInt64
    /// The store's revision when the request was applied.
    public var revision: Int64
    public var raftTerm: UInt64

    public init(clusterID: UInt64, memberID: UInt64, revision: Int64, raftTerm: UInt64) {
        self.clusterID = clusterID
        self.memberID = memberID
        self.revision = revision
        self.raftTerm = raftTerm
    }
}

/// A set of neighbouring keys.
public struct KeyRange: Hashable, Sendable {
    /// The first key.
    public let start: [UInt8]
    /// The key behind the last one; empty for `start` alone, one zero byte for "to the end".
    public let end: [UInt8]

    /// As the server writes a range.
    init(_ start: [UInt8], _ end: [UInt8]) { self.init(start: start, end: end) }

    private init(start: [UInt8], end: [UInt8]) {
        self.start = start
        self.end = end
    }

    /// One key.
    public static func key(_ key: [UInt8]) -> KeyRange { KeyRange(start: key, end: []) }
    public static func key(_ key: String) -> KeyRange { .key(Array(key.utf8)) }

    /// The keys from `start` up to, and without, `end`.
    public static func keys(from start: [UInt8], to end: [UInt8]) -> KeyRange {
        KeyRange(start: start, end: end)
    }

    /// The keys from `start` on.
    public static func keys(from start: [UInt8]) -> KeyRange {
        KeyRange(start: start.isEmpty ? [0] : start, end: [0])
    }

    /// The keys that begin with `prefix`; all keys if it is empty.
    public static func prefix(_ prefix: [UInt8]) -> KeyRange {
        if prefix.isEmpty { return .all }
        guard let last = prefix.lastIndex(where: { $0 < 0xFF }) else {
            // No byte string lies behind all that begin with 0xFF…: the range has no end.
            return KeyRange(start: prefix, end: [0])
        }
        return KeyRange(start: prefix, end: Array(prefix[..<last]) + [prefix[last] + 1])
    }
    public static func prefix(_ prefix: String) -> KeyRange { .prefix(Array(prefix.utf8)) }

    /// Every key.
    public static let all = KeyRange(start: [0], end: [0])
}

/// How to read a range.
public struct GetOptions: Hashable, Sendable {
    public enum Order: Sendable { case none, ascending, descending }
    public enum SortTarget: Sendable { case key, version, createRevision, modRevision, value }

    /// The most pairs to answer with; 0 is no limit.
    public var limit: Int64 = 0
    /// Read the store as of this revision; 0 is the newest.
    public var revision: Int64 = 0
    public var order: Order = .none
    public var sortTarget: SortTarget = .key
    /// Let a member answer from what it knows, which may be behind.
    public var serializable = false
    public var keysOnly = false
    public var countOnly = false
    /// Bounds on the revisions of the pairs, both ends included; 0 is no bound.
    public var minModRevision: Int64 = 0
    public var maxModRevision: Int64 = 0
    public var minCreateRevision: Int64 = 0
    public var maxCreateRevision: Int64 = 0

    public init() {}
}

public struct GetResult: Hashable, Sendable {
    public var header: AnswerHeader
    public var keyValues: [KeyValue]
    /// The limit left some out.
    public var more: Bool
    /// How many keys the range holds, whatever was left out.
    public var count: Int64
}

/// How to write a key.
public struct PutOptions: Hashable, Sendable {
    /// The lease that the key will live with; 0 is none.
    public var lease: Int64 = 0
    /// Answer with the version before.
    public var returnsPrevious = false
    /// Keep the value that the key has.
    public var keepsValue = false
    /// Keep the lease that the key has.
    public var keepsLease = false

    public init() {}
}

public struct PutResult: Hashable, Sendable {
    public var header: AnswerHeader
    public var previous: KeyValue?
}

public struct DeleteResult: Hashable, Sendable {
    public var header: AnswerHeader
    public var deletedCount: Int64
    public var previous: [KeyValue]
}
