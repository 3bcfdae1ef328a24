package import Replication

/// The place in the cluster that a server has lost, and where it knew other members to be.
package struct ServerSearch: Sendable {
    package let lost: LostPlace
    let peerURLs: [String]
}

/// The cluster has removed this server's member, and has no other place for it.
package struct NoPlaceLeft: Error, CustomStringConvertible {
    package var description: String { ReplicaHalt.removed.description }
}
