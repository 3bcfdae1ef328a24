package import Primitives
package import Storage

/// Reads a backup from front to back, and believes nothing unchecked.
///
/// Memory: one block. The rows are certain only once ``next()`` has given nil: the hash over the
/// whole is checked last.
package struct BackupReader {
    package let path: String
    package let description: BackupDescription
    private let file: any StorageFile
    private let fileByteCount: Int
    private let seal: BackupSeal?
    /// The file's head, as it was read.
    let head: [UInt8]
    /// Over everything that was read.
    private(set) var hash = RunningHash()
    private(set) var tally = StreamTally()
    private(set) var offset: Int
    private(set) var blockCount: UInt64 = 0
    /// Present once the whole file was read and is whole.
    package private(set) var summary: BackupSummary?

    /// - Parameter seal: with which it has to be encrypted; nil: it must not be.
    /// - Throws: ``BackupError/foreign(path:)`` where it does not begin as a backup does.
    package init(
        _ path: String, seal: BackupSeal? = nil, fileSystem: any FileSystem
    ) throws(BackupError) {
        self.path = path
        self.seal = seal
        let (file, size, head) = try storing { () throws(StorageError) in
            let file = try fileSystem.open(path, .read)
            return (
                file, try file.size(), try file.read(BackupFormat.fixedHeadByteCount, at: 0)
            )
        }
        self.file = file
        fileByteCount = size
        let magic = BackupFormat.magic
        guard head.count >= magic.count, Array(head[..<magic.count]) == magic else {
            throw .foreign(path: path)
        }
        guard head.count == BackupFormat.fixedHeadByteCount else {
            throw .truncated(path: path, offset: size)
        }
        var reader = ByteReader(head, from: magic.count, to: head.count)
        let format = (try? reader.read(UInt32.self)) ?? 0
        let count = Int((try? reader.read(UInt32.self)) ?? 0)
        let isSealed = format == BackupFormat.sealedVersion
        guard format <= BackupFormat.sealedVersion else {
            throw .newerFormat(path: path, found: format, supported: BackupFormat.sealedVersion)
        }
        guard format == BackupFormat.version || isSealed, count <= BackupFormat.descriptionBytesMax
        else {
            throw .damaged(path: path, block: -1, offset: 8, reason: "its head is none")
        }
        let rest = try storing { () throws(StorageError) in
            try file.read(count + 4, at: BackupFormat.fixedHeadByteCount)
        }
        guard rest.count == count + 4 else { throw .truncated(path: path, offset: size) }
        var tail = ByteReader(rest, from: count, to: rest.count)
        let all = head + rest[..<count]
        guard (try? tail.read(UInt32.self)) == Checksum.crc32c(all),
            let found = try? BackupDescription.decode(Array(rest[..<count]), isSealed: isSealed)
        else {
            throw .damaged(
                path: path, block: -1, offset: 0, reason: "its head does not have its checksum")
        }
        try BackupSeal.check(seal, key: found.key, path: path)
        description = found.description
        self.head = head + rest
        offset = head.count + rest.count
        hash.update(head)
        hash.update(rest)
    }

    /// Where the state stands, and of which cluster it is, once the first blocks were read.
    package var position: (revision: Revision, clock: UInt64, cluster: ClusterID)? {
        guard let cluster = tally.clusterID, let position = tally.position else { return nil }
        return (position.revision, position.clock, cluster)
    }

    /// How much of the file was read, from 0 to 1.
    package var progress: Double { Double(offset) / Double(max(1, fileByteCount)) }

    /// The rows that the next block completes; nil once all of it was read and is whole.
    package mutating func next() throws(BackupError) -> [Row]? {
        if summary != nil { return nil }
        let length = Int(integer32(try take(4)))
        if length == 0 {
            try finish()
            return nil
        }
        guard length <= BackupFormat.blockBytesMax else {
            throw damaged("a block of \(length) bytes, \(BackupFormat.blockBytesMax) are the most")
        }
        let start = offset
        var chunk = try take(length)
        if let seal {
            let context = BackupSeal.context(ofBlock: blockCount, head: head)
            guard let content = seal.open(chunk, context) else {
                throw .damaged(
                    path: path, block: Int(blockCount), offset: start,
                    reason: "it was not sealed with this key, in this place of this file")
            }
            chunk = content
        }
        do throws(StorageError) {
            let rows = try tally.accept(chunk)
            blockCount += 1
            return rows
        } catch {
            throw .damaged(
                path: path, block: Int(blockCount), offset: start, reason: Self.reason(error))
        }
    }

    /// Reads as many blocks as are whole, one behind the other, and stays behind the last of them:
    /// what a process left that was cut off, or a power failure.
    ///
    /// - Throws: where the disk refuses; never because of what is in the file.
    mutating func readWholeBlocks() throws(BackupError) {
        while true {
            var probe = self
            do throws(BackupError) {
                guard try probe.next() != nil else { return }
            } catch {
                if error.isDamage { return }
                throw error
            }
            self = probe
        }
    }

    private mutating func finish() throws(BackupError) {
        let count = try take(BackupFormat.countByteCount)
        let computed = hash
        let stored = try take(BackupFormat.digestByteCount)
        guard stored == computed.value else {
            throw damaged("the SHA-256 over the whole file does not hold")
        }
        var reader = ByteReader(count)
        guard (try? reader.read(UInt64.self)) == blockCount, tally.isComplete else {
            throw damaged("it ends before the state that it holds does")
        }
        guard offset == fileByteCount else {
            throw damaged("\(fileByteCount - offset) bytes stand behind its end")
        }
        summary = tally.summary(
            description, fileByteCount: fileByteCount, digest: computed.text)
        guard summary != nil else { throw damaged("it holds no state") }
    }

    private mutating func take(_ count: Int) throws(BackupError) -> [UInt8] {
        let (file, offset) = (self.file, self.offset)
        let bytes = try storing { () throws(StorageError) in try file.read(count, at: offset) }
        guard bytes.count == count else { throw .truncated(path: path, offset: fileByteCount) }
        hash.update(bytes)
        self.offset += count
        return bytes
    }

    private func damaged(_ reason: String) -> BackupError {
        .damaged(path: path, block: -1, offset: offset, reason: reason)
    }

    private static func reason(_ error: StorageError) -> String {
        if case .invalidSnapshot(let fault) = error { return "\(fault)" }
        return "\(error)"
    }
}
