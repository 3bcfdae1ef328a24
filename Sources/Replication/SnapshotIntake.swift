package import Primitives
package import RaftCore
package import StateMachine
package import Storage

/// Takes one snapshot from a leader, makes a store of it, and makes that durable as a checkpoint
/// before anything of it is used.
package struct SnapshotIntake: Sendable {
    /// A snapshot that is durable: ``Replica/install(_:term:configuration:into:)`` takes it.
    package struct Installed: Sendable {
        package var store: Store
        package var term: Term
        package var configuration: ClusterConfiguration
        /// As which it is on this node's disk.
        package var checkpoint: CheckpointHeader
    }

    /// It was given up: its connection closed, another one took its place, or this node has gone
    /// past it.
    package struct Abandoned: Error, CustomStringConvertible {
        package init() {}
        package var description: String { "its connection closed or another one took its place" }
    }

    private var reader: SnapshotReader
    private var loader: StoreLoader

    /// - Parameter known: what this node's build knows.
    package init(clusterID: ClusterID, known: FeatureLevel) {
        reader = SnapshotReader(clusterID: clusterID)
        loader = StoreLoader(known: known)
    }

    /// Takes a chunk. Gives the header back once all is there.
    package mutating func take(_ chunk: [UInt8]) throws -> SnapshotHeader? {
        for row in try reader.accept(chunk) { try loader.add(row) }
        return reader.isComplete ? reader.header : nil
    }

    /// Makes the complete snapshot this node's newest checkpoint.
    package mutating func makeDurable(
        _ header: SnapshotHeader, in checkpoints: CheckpointStore
    ) throws -> Installed {
        let configuration = try ClusterConfiguration.decode(header.configuration)
        let store = try loader.finish()
        guard store.appliedIndex == header.index else { throw Abandoned() }
        let checkpoint = try checkpoints.write(
            CheckpointHeader(
                index: header.index, term: header.term, configuration: header.configuration),
            upserts: store.freeze().rows().lazy.map(Row.init), deletes: [], replacingAll: true)
        return Installed(
            store: store, term: header.term, configuration: configuration, checkpoint: checkpoint)
    }
}

extension Replica {
    /// The header of a snapshot of the present state.
    package func snapshotHeader(sender: PeerIdentity, snapshotID: UInt64) -> SnapshotHeader {
        SnapshotHeader(
            index: appliedIndex, term: store.appliedTerm,
            configuration: appliedConfiguration.encode(), clusterID: sender.clusterID,
            sender: sender.memberID, boot: sender.boot, snapshotID: snapshotID)
    }
}
