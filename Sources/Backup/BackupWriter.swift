internal import Primitives
package import Storage

/// Writes a backup from the chunks of a snapshot's stream, each of which is checked first.
package struct BackupWriter {
    private let file: PartFile
    private let description: BackupDescription
    private let seal: BackupSeal?
    private let head: [UInt8]
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
