internal import Primitives
package import Storage

/// Writes a backup from the chunks of a snapshot's stream, each of which is checked first.
///
/// The file under its ``PartFile`` name is a backup's beginning at any time: whoever reads as many
/// blocks of it as are whole knows where the stream goes on (``resume(_:seal:fileSystem:)``), for
/// the first of them says of which stream they are.
package struct BackupWriter {
    private let file: PartFile
    package private(set) var description: BackupDescription
    private let seal: BackupSeal?
    private var head: [UInt8]
    private var tally = StreamTally()
    private var hash = RunningHash()
    private var blockCount: UInt64 = 0

    /// Bytes written so far.
    package var byteCount: Int { file.byteCount }
    /// Bytes of rows so far, before compression.
    package var contentByteCount: UInt64 { tally.contentByteCount }

    /// - Parameter seal: encrypts what is in it.
    /// - Throws: as ``PartFile`` does.
    package init(
        _ path: String, _ description: BackupDescription, seal: BackupSeal? = nil,
        fileSystem: any FileSystem
    ) throws(BackupError) {
        file = try PartFile(path, fileSystem: fileSystem)
        self.description = description
        self.seal = seal
        head = description.encode(seal)
        try put(head)
    }

    /// Goes on with what an earlier process left beside `path`. Nil where it left nothing that is
    /// of use. Cost: all of that is read and checked.
    ///
    /// - Throws: where it needs another `seal` than this, or none; and as ``PartFile`` does.
    package static func resume(
        _ path: String, seal: BackupSeal? = nil, fileSystem: any FileSystem
    ) throws(BackupError) -> BackupWriter? {
        let part = path + BackupFormat.partSuffix
        guard try storing({ () throws(StorageError) in try fileSystem.exists(part) }) else {
            return nil
        }
        let file = try PartFile(path, keepsContent: true, fileSystem: fileSystem)
        do throws(BackupError) {
            var reader = try BackupReader(part, seal: seal, fileSystem: fileSystem)
            try reader.readWholeBlocks()
            guard reader.blockCount > 0 else { return nil }
            try file.goOn(at: reader.offset)
            return BackupWriter(file, reader, seal: seal)
        } catch {
            if error.isDamage { return nil }
            if case .newerFormat = error { return nil }
            throw error
        }
    }

    private init(_ file: PartFile, _ read: BackupReader, seal: BackupSeal?) {
        self.file = file
        self.seal = seal
        description = read.description
        head = read.head
        tally = read.tally
        hash = read.hash
        blockCount = read.blockCount
    }

    /// Where the stream goes on, for whoever sends it; nil where it has not begun or is complete,
    /// or where its sender keeps none to go on with.
    package var resumePoint: SnapshotResumePoint? {
        guard let point = tally.resumePoint, point.boot != .zero else { return nil }
        return point
    }

    /// A stream's first chunk is there.
    package var hasBegun: Bool { blockCount > 0 }

    /// All of the stream is there: it only has to be finished.
    package var isComplete: Bool { tally.isComplete }

    /// Throws everything away that was written, and begins anew in the same place.
    package mutating func beginAnew(_ description: BackupDescription) throws(BackupError) {
        try file.goOn(at: 0)
        self.description = description
        head = description.encode(seal)
        tally = StreamTally()
        hash = RunningHash()
        blockCount = 0
        try put(head)
    }

    /// Leaves what was written for ``resume(_:seal:fileSystem:)``. False where that is nothing; it
    /// is removed then.
    package func leave() throws(BackupError) -> Bool {
        guard blockCount > 0 else {
            discard()
            return false
        }
        try file.flushForLater()
        return true
    }

    /// Adds the next chunk.
    package mutating func append(_ chunk: [UInt8]) throws(BackupError) {
        do throws(StorageError) { _ = try tally.accept(chunk) } catch {
            throw .damaged(
                path: file.path, block: Int(blockCount), offset: byteCount,
                reason: "the server sent what is no snapshot: \(error)")
        }
        let context = BackupSeal.context(ofBlock: blockCount, head: head)
        let block = seal?.seal(chunk, context) ?? chunk
        var length = ByteWriter(capacity: 4)
        length.write(UInt32(block.count))
        try put(length.bytes)
        try put(block)
        blockCount += 1
    }

    /// Ends the file and moves it to its place; durable when it returns.
    package mutating func finish() throws(BackupError) -> BackupSummary {
        guard tally.isComplete else { throw .truncated(path: file.path, offset: byteCount) }
        var tail = ByteWriter(capacity: 48)
        tail.write(UInt32(0))
        tail.write(blockCount)
        try put(tail.bytes)
        try file.append(hash.value)
        let summary = tally.summary(
            description, fileByteCount: file.byteCount, digest: hash.text)
        guard let summary else {
            throw .damaged(
                path: file.path, block: -1, offset: 0,
                reason: "the server sent a snapshot of no state")
        }
        try file.finish()
        return summary
    }

    /// Removes what was written.
    package func discard() { file.discard() }

    private mutating func put(_ bytes: [UInt8]) throws(BackupError) {
        hash.update(bytes)
        try file.append(bytes)
    }
}
