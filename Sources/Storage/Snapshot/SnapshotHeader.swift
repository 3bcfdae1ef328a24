package import Primitives

/// What a snapshot is: the state at `index`, and which stream of which sender carries it.
package struct SnapshotHeader: Equatable, Sendable {
    /// The last entry that the rows reflect, and its term.
    package var index: LogIndex
    package var term: Term
    /// The cluster's configuration as of `index`, opaque here.
    package var configuration: [UInt8]
    package var clusterID: ClusterID
    /// Who sends, and in which of its lives: a stream is resumable only within one.
    package var sender: NodeID
    package var boot: BootNumber
    /// Which snapshot of this sender's life.
    package var snapshotID: UInt64

    package init(
        index: LogIndex, term: Term, configuration: [UInt8], clusterID: ClusterID, sender: NodeID,
        boot: BootNumber, snapshotID: UInt64
    ) {
        self.index = index
        self.term = term
        self.configuration = configuration
        self.clusterID = clusterID
        self.sender = sender
        self.boot = boot
        self.snapshotID = snapshotID
    }
}

/// Where a receiver stopped: what it asks the sender to continue from.
package struct SnapshotResumePoint: Equatable, Sendable {
    package var sender: NodeID
    package var boot: BootNumber
    package var snapshotID: UInt64
    /// The chunk that is wanted next.
    package var nextChunk: UInt64
    /// The digest of the chunks before it.
    package var digest: UInt64

    package init(
        sender: NodeID, boot: BootNumber, snapshotID: UInt64, nextChunk: UInt64, digest: UInt64
    ) {
        self.sender = sender
        self.boot = boot
        self.snapshotID = snapshotID
        self.nextChunk = nextChunk
        self.digest = digest
    }

    package static let byteCount = 40

    /// Five u64, little-endian, in this order.
    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: Self.byteCount)
        writer.write(sender.rawValue)
        writer.write(boot.rawValue)
        writer.write(snapshotID)
        writer.write(nextChunk)
        writer.write(digest)
        return writer.bytes
    }

    /// The inverse of ``encode()``.
    package static func decode(_ bytes: [UInt8]) throws(DecodingError) -> SnapshotResumePoint {
        guard bytes.count == byteCount else {
            throw .truncated(offset: 0, needed: byteCount, available: bytes.count)
        }
        var reader = ByteReader(bytes)
        return SnapshotResumePoint(
            sender: NodeID(try reader.read()), boot: BootNumber(try reader.read()),
            snapshotID: try reader.read(), nextChunk: try reader.read(), digest: try reader.read())
    }
}

/// Bounds of a stream, checked by the receiver before anything is allocated or believed.
package struct SnapshotLimits: Equatable, Sendable {
    /// The largest content of one chunk, before compression.
    package var chunkBytesMax: Int = 1 << 20
    /// The largest encoded configuration.
    package var configurationBytesMax: Int = 64 << 10
    /// The largest content of the whole stream, before compression.
    package var totalBytesMax: UInt64 = 1 << 40

    /// Indexes and terms of a stream are below this, so that no sum of theirs overflows.
    static let numberMax: UInt64 = 1 << 62

    package init() {}
}
