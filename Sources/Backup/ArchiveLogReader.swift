package import Primitives
package import Storage

/// Reads one file of an archive's log, batch by batch, and believes nothing unchecked.
package struct ArchiveLogReader {
    package struct Batch: Sendable {
        package var entries: [LogEntry]
        /// The leader's clock as of the newest entry, and the archiver's clock, in milliseconds.
        package var clock: UInt64
        package var archivedAt: UInt64
    }

    package let path: String
    package private(set) var clusterID = ClusterID(0)
    /// The entry that the next batch begins with.
    package private(set) var next = LogIndex.zero
    /// Behind the last valid batch: its end, and the chain's checksum there.
    private(set) var offset = 0
    private(set) var chain: UInt32 = 0
    package private(set) var batchCount = 0
    private let file: any StorageFile
    private let byteCount: Int

    /// - Throws: ``BackupError/foreign(path:)``, ``BackupError/newerFormat(path:found:supported:)``
    ///   and ``BackupError/damaged(path:block:offset:reason:)`` for a file that does not begin so.
    package init(_ path: String, fileSystem: any FileSystem) throws(BackupError) {
        self.path = path
        let (file, size, head) = try storing { () throws(StorageError) in
            let file = try fileSystem.open(path, .read)
            return (file, try file.size(), try file.read(ArchiveFormat.headByteCount, at: 0))
        }
        self.file = file
        byteCount = size
        // A file that was made and not written when the power failed has nothing, or zeros.
        let isBlank = head.allSatisfy { $0 == 0 } && size <= ArchiveFormat.headByteCount
        guard isBlank || head.starts(with: ArchiveFormat.magic.prefix(head.count)) else {
            throw .foreign(path: path)
        }
        guard head.count == ArchiveFormat.headByteCount, !isBlank else {
            throw .truncated(path: path, offset: size)
        }
        var reader = ByteReader(head, from: ArchiveFormat.magic.count, to: head.count)
        var format: UInt32 = 0
        do throws(DecodingError) {
            format = try reader.read()
            clusterID = ClusterID(try reader.read())
            next = LogIndex(try reader.read())
            chain = try reader.read()
        } catch { throw .truncated(path: path, offset: size) }
        guard format <= ArchiveFormat.version else {
            throw .newerFormat(path: path, found: format, supported: ArchiveFormat.version)
        }
        let sum = Checksum.crc32c(Array(head[..<(ArchiveFormat.headByteCount - 4)]))
        guard chain == sum, next > .zero, next.rawValue < 1 << 62 else {
            throw .damaged(
                path: path, block: -1, offset: 0, reason: "its head does not have its checksum")
        }
        offset = ArchiveFormat.headByteCount
    }

    static func head(_ cluster: ClusterID, first: LogIndex) -> [UInt8] {
        var writer = ByteWriter(capacity: ArchiveFormat.headByteCount)
        writer.write(ArchiveFormat.magic)
        writer.write(ArchiveFormat.version)
        writer.write(cluster.rawValue)
        writer.write(first.rawValue)
        writer.write(Checksum.crc32c(writer.bytes))
        return writer.bytes
    }

    /// The next batch; nil at the file's end.
    ///
    /// - Throws: ``BackupError/truncated(path:offset:)`` where the file ends inside a batch, and
    ///   ``BackupError/damaged(path:block:offset:reason:)``. The reader stays before that batch.
    package mutating func nextBatch() throws(BackupError) -> Batch? {
        if offset == byteCount { return nil }
        let head = try bytes(ArchiveFormat.batchHeadByteCount, at: offset)
        let checked = Array(head[..<ArchiveFormat.checkedHeadByteCount])
        guard let decoded = ArchiveBatchHead(checked, chain: chain) else {
            if try isBlank(from: offset) { throw .truncated(path: path, offset: offset) }
            throw damaged("a batch's head does not have its checksum")
        }
        let body = try bytes(
            decoded.bodyByteCount, at: offset + ArchiveFormat.batchHeadByteCount)
        let sum = Checksum.crc32c(body, seed: integer32(checked.suffix(4)))
        guard sum == integer32(head.suffix(4)) else {
            throw damaged("a batch does not have its checksum")
        }
        guard decoded.first == next, let entries = decoded.entries(body) else {
            throw damaged("a batch does not follow the one before")
        }
        chain = sum
        offset += ArchiveFormat.batchHeadByteCount + body.count
        next = next + entries.count
        batchCount += 1
        return Batch(entries: entries, clock: decoded.clock, archivedAt: decoded.archivedAt)
    }

    private func bytes(_ count: Int, at offset: Int) throws(BackupError) -> [UInt8] {
        guard count <= byteCount - offset else {
            throw .truncated(path: path, offset: byteCount)
        }
        let found = try storing { () throws(StorageError) in try file.read(count, at: offset) }
        guard found.count == count else { throw .truncated(path: path, offset: byteCount) }
        return found
    }

    /// Whether nothing but zeros is in the rest of the file.
    private func isBlank(from start: Int) throws(BackupError) -> Bool {
        var offset = start
        while offset < byteCount {
            let piece = try bytes(min(1 << 20, byteCount - offset), at: offset)
            guard piece.allSatisfy({ $0 == 0 }) else { return false }
            offset += piece.count
        }
        return true
    }

    private func damaged(_ reason: String) -> BackupError {
        .damaged(path: path, block: batchCount, offset: offset, reason: reason)
    }
}
