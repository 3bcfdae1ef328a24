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

    package init(
        formatVersion: UInt32 = NodeIdentity.currentFormatVersion, clusterID: ClusterID,
        memberID: NodeID, name: String
    ) {
        self.formatVersion = formatVersion
        self.clusterID = clusterID
        self.memberID = memberID
        self.name = name
    }
}
