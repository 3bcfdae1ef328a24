import Primitives

/// Turns sorted rows into the chunks of a snapshot's stream, one for each pull.
///
/// Nothing is buffered beyond one chunk and one row, so that the pace is the receiver's. See
/// ``SnapshotChunk`` for the bytes.
package struct SnapshotWriter<Rows: IteratorProtocol> where Rows.Element == Row {
    package let header: SnapshotHeader
    /// How many chunks were produced, which is the number of the next one.
    package private(set) var nextSequence: UInt64 = 0
    package private(set) var rowCount: UInt64 = 0
    /// Bytes of rows produced, before compression.
    package private(set) var contentByteCount: UInt64 = 0
    package var isComplete: Bool { state == .complete }

    private enum State { case header, rows, trailer, complete }

    private var state: State = .header
    private var rows: Rows
    private let limits: SnapshotLimits
    private var digest: UInt64 = 0
    private var last: RowID?
    /// Encoded rows, of which the bytes before `pendingStart` have left.
    private var pending: [UInt8] = []
    private var pendingStart = 0

    /// - Parameter rows: sorted by table and key, none twice.
    package init(
        header: SnapshotHeader, rows: consuming Rows, limits: SnapshotLimits = SnapshotLimits()
    ) {
        invariant(limits.chunkBytesMax >= 1, "a chunk holds at least one byte")
        self.header = header
        self.rows = rows
        self.limits = limits
    }

    /// The next chunk, or nil behind the trailer.
    ///
    /// - Throws: ``StorageError/invalidSnapshot(_:)`` when the rows are not sorted or one is over
    ///   its
    ///   limit; the stream is then useless.
    package mutating func nextChunk() throws(StorageError) -> [UInt8]? {
        do throws(SnapshotFault) {
            return try produce(encodes: true)
        } catch {
            throw .invalidSnapshot(error)
        }
    }

    /// Takes a new writer of the same rows to where a receiver stopped, by producing again, and not
    /// compressing, what it has. Cost: reads and checksums the rows before that place.
    ///
    /// - Throws: ``StorageError/invalidSnapshot(_:)`` with `notResumable` when `point` is of
    ///   another
    ///   sender, life or snapshot, lies ahead of the trailer, or has other rows behind it.
    package mutating func resume(from point: SnapshotResumePoint) throws(StorageError) {
        invariant(nextSequence == 0, "only a new writer is taken to a place")
        while try !advance(toward: point, chunksMax: .max) {}
    }

    /// The same, at most `chunksMax` chunks of it, for a thread that others wait for. True once the
    /// writer is there; a writer that was on its way to another place is useless.
    package mutating func advance(
        toward point: SnapshotResumePoint, chunksMax: UInt64
    ) throws(StorageError) -> Bool {
        let isSame =
            point.sender == header.sender && point.boot == header.boot
            && point.snapshotID == header.snapshotID
        guard isSame, nextSequence <= point.nextChunk else {
            throw .invalidSnapshot(.notResumable(chunk: point.nextChunk))
        }
        let end = nextSequence + min(point.nextChunk - nextSequence, chunksMax)
        do throws(SnapshotFault) {
            while nextSequence < end {
                guard try produce(encodes: false) != nil else {
                    throw SnapshotFault.notResumable(chunk: point.nextChunk)
                }
            }
        } catch {
            throw .invalidSnapshot(error)
        }
        guard nextSequence == point.nextChunk else { return false }
        guard digest == point.digest else {
            throw .invalidSnapshot(.notResumable(chunk: point.nextChunk))
        }
        return true
    }

    private mutating func produce(encodes: Bool) throws(SnapshotFault) -> [UInt8]? {
        switch state {
        case .header:
            guard header.configuration.count <= limits.configurationBytesMax else {
                throw .tooLarge(
                    "configuration", size: UInt64(header.configuration.count),
                    limit: UInt64(limits.configurationBytesMax))
            }
            state = .rows
            return emit(.header, header.encode(), encodes: encodes)
        case .rows:
            try fill()
            if pendingStart < pending.count {
                let end = min(pending.count, pendingStart + limits.chunkBytesMax)
                let content = Array(pending[pendingStart..<end])
                pendingStart = end
                contentByteCount += UInt64(content.count)
                return emit(.rows, content, encodes: encodes)
            }
            state = .trailer
            return try produce(encodes: encodes)
        case .trailer:
            var writer = ByteWriter(capacity: SnapshotChunk.trailerByteCount)
            writer.write(rowCount)
            writer.write(contentByteCount)
            writer.write(digest)
            state = .complete
            return emit(.trailer, writer.bytes, encodes: encodes)
        case .complete:
            return nil
        }
    }

    /// Draws rows until a whole chunk is pending or they end.
    private mutating func fill() throws(SnapshotFault) {
        guard pending.count - pendingStart < limits.chunkBytesMax else { return }
        pending.removeFirst(pendingStart)
        pendingStart = 0
        var writer = ByteWriter(appendingTo: pending)
        pending = []
        defer { pending = writer.bytes }
        while writer.bytes.count < limits.chunkBytesMax, let row = rows.next() {
            try SnapshotRows.check(keyByteCount: row.key.count, valueByteCount: row.value.count)
            let id = row.id
            if let last, !(last < id) { throw .rowsOutOfOrder(row: rowCount) }
            last = id
            rowCount += 1
            writer.write(row.table)
            writer.write(UInt32(row.key.count))
            writer.write(UInt32(row.value.count))
            writer.write(row.key)
            writer.write(row.value)
        }
    }

    private mutating func emit(
        _ kind: SnapshotChunk.Kind, _ content: [UInt8], encodes: Bool
    ) -> [UInt8] {
        digest = RowDigest.chain(
            digest, crc: Checksum.crc32c(content), byteCount: content.count)
        defer { nextSequence += 1 }
        guard encodes else { return [] }
        return SnapshotChunk.encode(
            kind, sequence: nextSequence, digest: digest, content: content,
            compresses: kind == .rows)
    }
}

extension SnapshotWriter: Sendable where Rows: Sendable {}
