package import Primitives

/// Whose directory this is. Written once, when the directory is made.
package struct NodeIdentity: Equatable, Sendable {
    /// The newest layout of a data directory that this version reads and writes.
    package static let currentFormatVersion: UInt32 = 1
    package static let nameBytesMax = 256

    package var formatVersion: UInt32
    package var clusterID: ClusterID
    package var memberID: NodeID
    /// The member's human-readable name (`--name`), at most ``nameBytesMax`` bytes of UTF-8.
    package var name: String
    /// The voters from whom the log begins, sorted: a new cluster's members, or, where the member
    /// joined a cluster, those that it met.
    package var initialVoters: [NodeID]
    /// Whether the directory was made from a backup, so that the flags for a new cluster do not
    /// name its ids.
    package var isRestored: Bool

    package static let initialVotersMax = 256

    package init(
        formatVersion: UInt32 = NodeIdentity.currentFormatVersion, clusterID: ClusterID,
        memberID: NodeID, name: String, initialVoters: [NodeID] = [], isRestored: Bool = false
    ) {
        self.isRestored = isRestored
        self.initialVoters = initialVoters.sorted()
        self.formatVersion = formatVersion
        self.clusterID = clusterID
        self.memberID = memberID
        self.name = name
    }
}
