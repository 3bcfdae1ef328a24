internal import Crypto
internal import Primitives
internal import Storage

/// A backup: the whole state as of one entry of the log, in one file.
///
/// Bytes, little-endian:
///
///     0     "KEELBKUP"
///     8     u32  format: 1, or 2 where it is encrypted
///     12    u32  bytes of the description, D
///     16    description: u64 milliseconds since 1970 when it was taken, by the clock of whoever
///           took it; u32 length and bytes of the name of the program that did, in UTF-8; in
///           format 2 u64 fingerprint of the key, and 16 random bytes that no other file has
///     16+D  u32  CRC-32C of everything before it
///           blocks: u32 length, never zero, and so many bytes: one ``SnapshotChunk`` each, from
///           the header to the trailer of one snapshot's stream; in format 2 sealed
///           (``BackupSeal``) with the whole head and u64 number of the block
///           u32  zero: there are no more blocks
///           u64  blocks
///           32   SHA-256 of everything before it: the last bytes of the file
///
/// It is a backup when it begins so and its format is known. It is whole when it ends exactly
/// behind that SHA-256, which has to hold, as do the checksum, the place and the digest of every
/// chunk. There is no recovery: a file that is not whole is not used, whatever of it can be read.
///
/// The chunks are those that a member sends to a peer (``SnapshotWriter``): LZ4 where it pays, a
/// CRC-32C each, a digest that chains them, and the count of all rows at the end.
enum BackupFormat {
    static let magic: [UInt8] = Array("KEELBKUP".utf8)
    static let version: UInt32 = 1
    static let sealedVersion: UInt32 = 2
    static let fileMarkByteCount = 16
    static let fixedHeadByteCount = 16
    static let descriptionBytesMax = 4096
    static let programBytesMax = 256
    /// A chunk with the most content that there may be, which is never stored larger than it is.
    static let blockBytesMax =
        SnapshotLimits().chunkBytesMax + 4096 + BackupSeal.overheadByteCount
    static let countByteCount = 8
    static let digestByteCount = SHA256.byteCount
    /// What a file that is being written is called besides.
    static let partSuffix = ".part"
}

/// What a backup says of itself.
package struct BackupDescription: Equatable, Sendable {
    /// Milliseconds since 1970, by the clock of whoever took it.
    package var takenAt: UInt64
    /// Which program took it.
    package var program: String

    package init(takenAt: UInt64, program: String) {
        self.takenAt = takenAt
        self.program = program
    }

    /// The file's head, with its checksum.
    func encode(_ seal: BackupSeal?) -> [UInt8] {
        var body = ByteWriter(capacity: 64)
        body.write(takenAt)
        body.writeLengthPrefixed(Array(program.utf8.prefix(BackupFormat.programBytesMax)))
        if let seal {
            body.write(seal.fingerprint)
            for _ in 0..<BackupFormat.fileMarkByteCount { body.write(UInt8.random(in: 0 ... .max)) }
        }
        var head = ByteWriter(capacity: 128)
        head.write(BackupFormat.magic)
        head.write(seal == nil ? BackupFormat.version : BackupFormat.sealedVersion)
        head.write(UInt32(body.bytes.count))
        head.write(body.bytes)
        head.write(Checksum.crc32c(head.bytes))
        return head.bytes
    }

    /// The description, and the fingerprint of the key with which the file is sealed.
    static func decode(
        _ bytes: [UInt8], isSealed: Bool
    ) throws(DecodingError) -> (description: BackupDescription, key: UInt64?) {
        var reader = ByteReader(bytes)
        let takenAt = try reader.read(UInt64.self)
        let program = try reader.readString(limit: BackupFormat.programBytesMax)
        var key: UInt64?
        if isSealed {
            key = try reader.read(UInt64.self)
            for _ in 0..<BackupFormat.fileMarkByteCount { _ = try reader.read(UInt8.self) }
        }
        guard reader.isAtEnd else { throw .invalid(field: "description", offset: reader.offset) }
        return (BackupDescription(takenAt: takenAt, program: program), key)
    }
}

extension BackupSeal {
    /// What is authenticated with a block of a backup.
    static func context(ofBlock number: UInt64, head: [UInt8]) -> [UInt8] {
        var writer = ByteWriter(capacity: head.count + 8)
        writer.write(head)
        writer.write(number)
        return writer.bytes
    }

    /// - Parameter key: the fingerprint of the key that the file says it has; nil for none.
    /// - Throws: where the file needs another key, needs one, or is not sealed as it should be.
    static func check(_ seal: BackupSeal?, key: UInt64?, path: String) throws(BackupError) {
        switch (seal?.fingerprint, key) {
        case (nil, nil): return
        case (nil, _?): throw .sealed(path: path)
        case (_?, nil): throw .notSealed(path: path)
        case (let given?, let needed?): if given != needed { throw .otherKey(path: path) }
        }
    }
}

/// SHA-256 over bytes as they come.
struct RunningHash {
    private var hash = SHA256()

    mutating func update(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { hash.update(bufferPointer: $0) }
    }

    mutating func update(_ bytes: UnsafeRawBufferPointer) { hash.update(bufferPointer: bytes) }

    /// Of everything so far; more may follow.
    var value: [UInt8] { Array(hash.finalize()) }

    var text: String { HexText.text(value) }
}

enum HexText {
    static func text(_ bytes: [UInt8]) -> String {
        bytes.map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }
}
