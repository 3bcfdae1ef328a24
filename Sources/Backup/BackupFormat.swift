internal import Crypto
internal import Primitives
internal import Storage

/// A backup: the whole state as of one entry of the log, in one file.
///
/// Bytes, little-endian:
///
///     0     "KEELBKUP"
///     8     u32  format, 1
///     12    u32  bytes of the description, D
///     16    description: u64 milliseconds since 1970 when it was taken, by the clock of whoever
///           took it; u32 length and bytes of the name of the program that did, in UTF-8
///     16+D  u32  CRC-32C of everything before it
///           blocks: u32 length, never zero, and so many bytes: one ``SnapshotChunk`` each, from
///           the header to the trailer of one snapshot's stream
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
    static let fixedHeadByteCount = 16
    static let descriptionBytesMax = 4096
    static let programBytesMax = 256
    /// A chunk with the most content that there may be, which is never stored larger than it is.
    static let blockBytesMax = SnapshotLimits().chunkBytesMax + 4096
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
    func encode() -> [UInt8] {
        var body = ByteWriter(capacity: 64)
        body.write(takenAt)
        body.writeLengthPrefixed(Array(program.utf8.prefix(BackupFormat.programBytesMax)))
        var head = ByteWriter(capacity: 128)
        head.write(BackupFormat.magic)
        head.write(BackupFormat.version)
        head.write(UInt32(body.bytes.count))
        head.write(body.bytes)
        head.write(Checksum.crc32c(head.bytes))
        return head.bytes
    }

    static func decode(_ bytes: [UInt8]) throws(DecodingError) -> BackupDescription {
        var reader = ByteReader(bytes)
        let takenAt = try reader.read(UInt64.self)
        let program = try reader.readString(limit: BackupFormat.programBytesMax)
        guard reader.isAtEnd else { throw .invalid(field: "description", offset: reader.offset) }
        return BackupDescription(takenAt: takenAt, program: program)
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
