package import Primitives

/// Why a snapshot's stream was refused.
package enum SnapshotFault: Error, Equatable, Sendable {
    /// `needed` bytes were to follow at `offset` of chunk `chunk`, `available` were there.
    case truncated(chunk: UInt64, offset: Int, needed: Int, available: Int)
    /// A field holds what its type does not allow.
    case invalidField(StaticStringBox, chunk: UInt64)
    /// The stream is of a later format.
    case unsupportedFormat(UInt32)
    /// The stream is of another cluster.
    case wrongCluster(expected: ClusterID, found: ClusterID)
    /// A chunk does not have the checksum that it carries.
    case checksumMismatch(chunk: UInt64, stored: UInt32, computed: UInt32)
    /// A chunk is not the next one: lost, repeated or out of order.
    case wrongSequence(expected: UInt64, found: UInt64)
    /// A chunk is the next one by its number, but not a continuation of what came before it.
    case digestMismatch(chunk: UInt64, stored: UInt64, computed: UInt64)
    /// A chunk's body does not expand to the size that it states.
    case undecodable(chunk: UInt64)
    /// `what` is over its limit.
    case tooLarge(StaticStringBox, size: UInt64, limit: UInt64)
    /// Row `row`, counted from zero, does not sort behind the one before it.
    case rowsOutOfOrder(row: UInt64)
    /// The stream ended inside a row.
    case incompleteRow(row: UInt64)
    /// The trailer counts other rows, or other bytes, than came.
    case wrongCount(StaticStringBox, stated: UInt64, found: UInt64)
    /// Another chunk came after the trailer.
    case continuesBehindTrailer
    /// The stream to be resumed is not this one: other sender, boot or snapshot, or other rows.
    case notResumable(chunk: UInt64)
}
