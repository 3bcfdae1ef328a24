package import Primitives

/// Takes the chunks of a snapshot's stream and gives back its rows, believing nothing unchecked.
///
/// A chunk that is truncated, altered, repeated or out of order is refused and leaves the reader as
/// it was: the stream can be resumed from ``resumePoint``. A chunk that is what its sender sent,
/// and makes no sense, fails the reader for good. Rows come in order; they may be used for good
/// only once
/// ``isComplete`` says that the trailer has confirmed them.
package struct SnapshotReader: Sendable {
    /// Present once the first chunk was accepted.
    package private(set) var header: SnapshotHeader?
    /// How many chunks were accepted, which is the number of the next one.
    package private(set) var nextSequence: UInt64 = 0
    /// Bytes of rows accepted, before compression.
    package private(set) var contentByteCount: UInt64 = 0
    /// The trailer was accepted: the rows are all there, and are those that were sent.
    package private(set) var isComplete = false
    /// Why the stream is useless, once it is.
    package private(set) var failure: SnapshotFault?
    package var rowCount: UInt64 { rows.rowCount }

    private let clusterID: ClusterID?
    private let limits: SnapshotLimits
    private var digest: UInt64 = 0
    private var rows = SnapshotRows()

    /// - Parameter clusterID: of which cluster the stream has to be; nil where that is not known
    ///   before, as with a backup.
    package init(clusterID: ClusterID?, limits: SnapshotLimits = SnapshotLimits()) {
        self.clusterID = clusterID
        self.limits = limits
    }

    /// Where the stream can go on; nil before the header came, once complete, or once failed.
    package var resumePoint: SnapshotResumePoint? {
        guard let header, !isComplete, failure == nil else { return nil }
        return SnapshotResumePoint(
            sender: header.sender, boot: header.boot, snapshotID: header.snapshotID,
            nextChunk: nextSequence, digest: digest)
    }

    /// The rows that `chunk` completes, sorted, and behind all that came before.
    ///
    /// - Throws: ``StorageError/invalidSnapshot(_:)``; see the type for what is left after it.
    package mutating func accept(_ chunk: [UInt8]) throws(StorageError) -> [Row] {
        do {
            return try take(chunk)
        } catch {
            throw .invalidSnapshot(error)
        }
    }

    private mutating func take(_ bytes: [UInt8]) throws(SnapshotFault) -> [Row] {
        if let failure { throw failure }
        if isComplete { throw .continuesBehindTrailer }
        let chunk = try SnapshotChunk.decode(
            bytes, expected: nextSequence, contentBytesMax: contentBytesMax)
        let continued = RowDigest.chain(
            digest, crc: Checksum.crc32c(chunk.content), byteCount: chunk.content.count)
        guard continued == chunk.digest else {
            throw .digestMismatch(
                chunk: chunk.sequence, stored: chunk.digest, computed: continued)
        }
        do {
            let rows = try use(chunk)
            digest = continued
            nextSequence += 1
            return rows
        } catch {
            failure = error
            throw error
        }
    }

    /// A header or trailer fits into the same bound as rows, or into its own.
    private var contentBytesMax: Int {
        max(limits.chunkBytesMax, limits.configurationBytesMax + 256)
    }

    private mutating func use(_ chunk: SnapshotChunk) throws(SnapshotFault) -> [Row] {
        switch chunk.kind {
        case .header:
            guard header == nil else {
                throw .invalidField("second header", chunk: chunk.sequence)
            }
            let found = try SnapshotHeader.decode(chunk.content, limits: limits)
            if let clusterID, found.clusterID != clusterID {
                throw .wrongCluster(expected: clusterID, found: found.clusterID)
            }
            header = found
            return []
        case .rows:
            guard header != nil else { throw .invalidField("header", chunk: chunk.sequence) }
            guard !chunk.content.isEmpty else {
                throw .invalidField("empty rows", chunk: chunk.sequence)
            }
            let total = contentByteCount + UInt64(chunk.content.count)
            guard total <= limits.totalBytesMax else {
                throw .tooLarge("snapshot", size: total, limit: limits.totalBytesMax)
            }
            let complete = try rows.accept(chunk.content)
            contentByteCount = total
            return complete
        case .trailer:
            guard header != nil else { throw .invalidField("header", chunk: chunk.sequence) }
            try finish(chunk)
            return []
        }
    }

    private mutating func finish(_ chunk: SnapshotChunk) throws(SnapshotFault) {
        guard !rows.endsInsideRow else { throw .incompleteRow(row: rows.rowCount) }
        guard chunk.content.count == SnapshotChunk.trailerByteCount else {
            throw .invalidField("trailer", chunk: chunk.sequence)
        }
        var reader = ByteReader(chunk.content)
        do {
            let statedRows = try reader.read(UInt64.self)
            let statedBytes = try reader.read(UInt64.self)
            let statedDigest = try reader.read(UInt64.self)
            guard statedRows == rows.rowCount else {
                throw SnapshotFault.wrongCount("rows", stated: statedRows, found: rows.rowCount)
            }
            guard statedBytes == contentByteCount else {
                throw SnapshotFault.wrongCount(
                    "bytes", stated: statedBytes, found: contentByteCount)
            }
            guard statedDigest == digest else {
                throw SnapshotFault.digestMismatch(
                    chunk: chunk.sequence, stored: statedDigest, computed: digest)
            }
        } catch let fault as SnapshotFault {
            throw fault
        } catch {
            throw .invalidField("trailer", chunk: chunk.sequence)
        }
        isComplete = true
    }
}
