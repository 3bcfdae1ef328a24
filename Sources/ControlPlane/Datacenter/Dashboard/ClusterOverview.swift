package import Monitoring
package import Primitives
package import StateMachine

/// This node, and what it sees of the others: what the dashboard shows of the cluster itself.
package struct ClusterOverview: Sendable {
    package struct Member: Sendable {
        package var id: NodeID
        package var name = ""
        package var isLearner = false
        package var clientURLs: [String] = []
        package var peerURLs: [String] = []
        /// The feature level that it says it knows; zero: it has said nothing yet.
        package var level = 0
        /// Whether this node has a connection to it; nil for itself.
        package var isConnected: Bool?
        /// How far its log agrees with the leader's. Only the leader knows.
        package var matchIndex: UInt64?
        /// Whether it answers the leader. Only the leader knows.
        package var isActive: Bool?
        /// Where its HTTP port is, `host:port`; nil where there is no way to tell.
        package var httpAuthority: String?
        /// ``httpAuthority`` is not on record: it is as far from the client port as this node's.
        package var isHTTPGuessed = false

        package init(id: NodeID) { self.id = id }
    }

    /// One version of the record of who leads.
    package struct Office: Sendable {
        package var record: MasterRecord
        package var revision: Int64
    }

    package var memberID = NodeID(0)
    package var clusterID: UInt64 = 0
    package var name = ""
    package var role = ""
    package var leader: NodeID?
    package var term: UInt64 = 0
    package var revision: Int64 = 0
    /// Zero before the first compaction.
    package var compactedRevision: Int64 = 0
    /// Of the datacenter's records, whose past is kept by a rule of its own.
    package var recordsCompactedRevision: Int64 = 0
    package var commitIndex: UInt64 = 0
    package var appliedIndex: UInt64 = 0
    package var durableIndex: UInt64 = 0
    package var lastIndex: UInt64 = 0
    package var keyCount = 0
    /// Bytes that records take in memory and count against the quota.
    package var bytesInUse: Int64 = 0
    package var quotaBytes: Int64 = 0
    package var leaderChangesSeen: UInt64 = 0
    package var proposalsPending: UInt64 = 0
    package var syncDurations = DurationHistogram.empty
    package var troubles: [String] = []
    package var clusterLevel = 0
    package var dataDirectory = ""
    /// Sorted by id.
    package var members: [Member] = []
    /// Newest first.
    package var offices: [Office] = []

    /// Of those that are kept, so many are told.
    static let officesMax = 20

    package init() {}
}
