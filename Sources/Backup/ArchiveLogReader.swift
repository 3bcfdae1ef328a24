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
        guard head.starts(with: ArchiveFormat.magic) else { throw .foreign(path: path) }
        guard head.count == ArchiveFormat.headByteCount else {
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
        let fields = Array(head[..<(ArchiveFormat.batchHeadByteCount - 4)])
        let stored = head.suffix(4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        guard let decoded = ArchiveBatchHead(fields) else { throw damaged("no head of a batch") }
        let body = try bytes(
            decoded.bodyByteCount, at: offset + ArchiveFormat.batchHeadByteCount)
        let sum = Checksum.crc32c(body, seed: Checksum.crc32c(fields, seed: chain))
        guard sum == stored else { throw damaged("a batch does not have its checksum") }
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

    private func damaged(_ reason: String) -> BackupError {
        .damaged(path: path, block: batchCount, offset: offset, reason: reason)
    }
}
