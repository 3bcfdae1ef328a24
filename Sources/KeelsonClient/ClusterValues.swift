/// A lease that was granted.
public struct LeaseGrant: Hashable, Sendable {
    public var header: AnswerHeader
    public var id: Int64
    /// Seconds; the server may have raised what was asked for.
    public var timeToLiveSeconds: Int64
}

/// A renewal of a lease.
public struct LeaseRenewal: Hashable, Sendable {
    public var header: AnswerHeader
    public var id: Int64
    /// Seconds from now.
    public var timeToLiveSeconds: Int64
}

/// How long a lease still lives.
public struct LeaseState: Hashable, Sendable {
    public var header: AnswerHeader
    public var id: Int64
    /// Whole seconds that remain, or nil if there is no such lease.
    public var remainingSeconds: Int64?
    public var grantedSeconds: Int64
    /// The keys that live with it, if they were asked for.
    public var keys: [[UInt8]]
}

/// What one member says of itself.
public struct MemberStatus: Hashable, Sendable {
    public var header: AnswerHeader
    public var endpoint: Endpoint
    public var version: String
    /// Bytes on the member's disk.
    public var storageBytes: Int64
    /// Bytes of live data.
    public var storageBytesInUse: Int64
    /// The leader as the member knows it, or 0.
    public var leader: UInt64
    public var raftIndex: UInt64
    public var raftAppliedIndex: UInt64
    public var raftTerm: UInt64
    public var isLearner: Bool
    /// The feature level that the member knows; 0 where it says none, as etcd's.
    public var featureLevel: UInt32
    /// The feature level that the cluster makes use of, as far as the member has got.
    public var clusterFeatureLevel: UInt32
    /// Alarms and other complaints, in the server's words.
    public var errors: [String]

    public var isLeader: Bool { leader != 0 && leader == header.memberID }
}

/// What ``Cluster/hash(at:timeout:)`` gives.
public struct StoreHash: Hashable, Sendable {
    public var header: AnswerHeader
    public var value: UInt32
    /// Below this revision nothing was hashed.
    public var compactedRevision: Int64
}

/// A member of the cluster.
public struct Member: Hashable, Sendable {
    public var id: UInt64
    /// Empty until the member has started once.
    public var name: String
    public var peerURLs: [String]
    public var clientURLs: [String]
    public var isLearner: Bool
}

public struct MemberList: Hashable, Sendable {
    public var header: AnswerHeader
    public var members: [Member]
}

/// A condition that a member has raised and an operator is to look at.
public struct Alarm: Hashable, Sendable {
    public enum Kind: Hashable, Sendable, CustomStringConvertible {
        case noSpace
        case corrupt
        case other(Int)

        public var description: String {
            switch self {
            case .noSpace: "NOSPACE"
            case .corrupt: "CORRUPT"
            case .other(let number): "\(number)"
            }
        }
    }

    public var memberID: UInt64
    public var kind: Kind
}

public struct AlarmList: Hashable, Sendable {
    public var header: AnswerHeader
    public var alarms: [Alarm]
}
