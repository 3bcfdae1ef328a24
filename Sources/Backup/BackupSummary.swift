package import Primitives
internal import Storage

/// What is in a backup that is whole.
package struct BackupSummary: Equatable, Sendable {
    package var description: BackupDescription
    /// The state is that behind this entry.
    package var index: LogIndex
    package var term: Term
    package var clusterID: ClusterID
    /// The member that it was taken from.
    package var memberID: NodeID
    package var revision: Revision
    /// The leader's clock as of that entry, in milliseconds since 1970.
    package var clock: UInt64
    package var rowCount: UInt64
    /// Bytes of rows, before compression.
    package var contentByteCount: UInt64
    package var fileByteCount: Int
    package var blockCount: UInt64
    /// SHA-256 over the file, in hexadecimal, but for the hash itself, which ends it.
    package var digest: String
}

/// What a stream of chunks adds up to, on its way into a file and out of one.
struct StreamTally {
    private var reader = SnapshotReader(clusterID: nil)
    private var loader = StateGlance()

    var isComplete: Bool { reader.isComplete }
    var resumePoint: SnapshotResumePoint? { reader.resumePoint }
    var clusterID: ClusterID? { reader.header?.clusterID }
    var position: (revision: Revision, clock: UInt64)? { loader.found }
    var contentByteCount: UInt64 { reader.contentByteCount }

    mutating func accept(_ chunk: [UInt8]) throws(StorageError) -> [Row] {
        let rows = try reader.accept(chunk)
        for row in rows { loader.look(at: row) }
        return rows
    }

    /// Of a complete stream; nil where it holds no state.
    func summary(
        _ description: BackupDescription, fileByteCount: Int, digest: String
    ) -> BackupSummary? {
        guard let header = reader.header, reader.isComplete, let state = loader.found else {
            return nil
        }
        return BackupSummary(
            description: description, index: header.index, term: header.term,
            clusterID: header.clusterID, memberID: header.sender, revision: state.revision,
            clock: state.clock, rowCount: reader.rowCount,
            contentByteCount: reader.contentByteCount, fileByteCount: fileByteCount,
            blockCount: reader.nextSequence, digest: digest)
    }
}
