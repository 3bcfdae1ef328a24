import Primitives

/// One chunk of a snapshot's stream.
///
/// Bytes, little-endian:
///
///     0   u8   kind: 1 header, 2 rows, 3 trailer
///     1   u8   encoding of the body: 0 as it is, 1 LZ4 block
///     2   u16  zero
///     4   u32  CRC-32C of everything but this field
///     8   u64  sequence: 0 for the header, then one more for each chunk
///     16  u64  digest of the content of all chunks up to and including this one
///     24  u32  bytes of the content, before compression
///     28  u32  bytes of the body
///     32  ...  body
///
/// A chunk is valid when its length is 32 + body, its CRC holds, its sequence is the expected one,
/// its body expands to exactly the stated content, and the digest of the chunks before it,
/// continued with that content, is the stated digest. Contents:
///
///     header   "KEELSNAP" u32 format, u64 index, u64 term, u64 cluster, u64 sender, u64 boot,
///              u64 snapshot id, u32 length and bytes of the configuration
///     rows     a piece of: (u8 table, u32 key length, u32 value length, key, value)*; rows may
///              straddle chunks; never empty
///     trailer  u64 rows, u64 content bytes of the row chunks, u64 digest of the chunks before it
package struct SnapshotChunk {
    package enum Kind: UInt8, Sendable {
        case header = 1
        case rows = 2
        case trailer = 3
    }

    static let magic: [UInt8] = Array("KEELSNAP".utf8)
    static let format: UInt32 = 1
    static let headByteCount = 32
    static let rowHeadByteCount = 9
    static let trailerByteCount = 24
    private static let checksumOffset = 4

    /// Whether a stream begins with these bytes, as far as that is seen without checking them.
    package static func begins(_ bytes: [UInt8]) -> Bool { bytes.first == Kind.header.rawValue }

    var kind: Kind
    var sequence: UInt64
    var digest: UInt64
    var content: [UInt8]

    /// The chunk that continues a stream of `digest` with `content`. Compressed where it pays.
    package static func encode(
        _ kind: Kind, sequence: UInt64, digest: UInt64, content: [UInt8], compresses: Bool
    ) -> [UInt8] {
        let compressed = compresses ? BlockCompression.compress(content) : nil
        let body = compressed ?? content
        var writer = ByteWriter(capacity: headByteCount + body.count)
        writer.write(kind.rawValue)
        writer.write(UInt8(compressed == nil ? 0 : 1))
        writer.write(UInt16(0))
        writer.write(UInt32(0))
        writer.write(sequence)
        writer.write(digest)
        writer.write(UInt32(content.count))
        writer.write(UInt32(body.count))
        writer.write(body)
        writer.patch(checksum(of: writer.bytes), at: checksumOffset)
        return writer.bytes
    }

    /// The chunk in `bytes`, of which the checksum and the bounds hold; its place in the stream is
    /// not judged here. Never allocates more than `contentBytesMax` and a constant.
    static func decode(
        _ bytes: [UInt8], expected: UInt64, contentBytesMax: Int
    ) throws(SnapshotFault) -> SnapshotChunk {
        var reader = ByteReader(bytes)
        do {
            let kind = try reader.read(UInt8.self)
            let encoding = try reader.read(UInt8.self)
            let zero = try reader.read(UInt16.self)
            let stored = try reader.read(UInt32.self)
            let sequence = try reader.read(UInt64.self)
            let digest = try reader.read(UInt64.self)
            let contentByteCount = Int(try reader.read(UInt32.self))
            let bodyByteCount = Int(try reader.read(UInt32.self))
            guard reader.remaining == bodyByteCount else {
                throw SnapshotFault.truncated(
                    chunk: expected, offset: headByteCount, needed: bodyByteCount,
                    available: reader.remaining)
            }
            let computed = checksum(of: bytes)
            guard stored == computed else {
                throw SnapshotFault.checksumMismatch(
                    chunk: expected, stored: stored, computed: computed)
            }
            guard sequence == expected else {
                throw SnapshotFault.wrongSequence(expected: expected, found: sequence)
            }
            guard let kind = Kind(rawValue: kind), zero == 0, encoding <= 1 else {
                throw SnapshotFault.invalidField("kind or encoding", chunk: sequence)
            }
            guard contentByteCount <= contentBytesMax else {
                throw SnapshotFault.tooLarge(
                    "chunk", size: UInt64(contentByteCount), limit: UInt64(contentBytesMax))
            }
            let body = try reader.readBytes(bodyByteCount)
            let content =
                encoding == 0
                ? body : BlockCompression.decompress(body, byteCount: contentByteCount)
            guard let content, content.count == contentByteCount else {
                throw SnapshotFault.undecodable(chunk: sequence)
            }
            return SnapshotChunk(
                kind: kind, sequence: sequence, digest: digest, content: content)
        } catch let fault as SnapshotFault {
            throw fault
        } catch {
            throw .truncated(
                chunk: expected, offset: reader.offset, needed: headByteCount,
                available: bytes.count)
        }
    }

    private static func checksum(of bytes: [UInt8]) -> UInt32 {
        bytes.withUnsafeBytes { all in
            let before = UnsafeRawBufferPointer(rebasing: all[..<checksumOffset])
            let behind = UnsafeRawBufferPointer(rebasing: all[(checksumOffset + 4)...])
            return Checksum.crc32c(behind, seed: Checksum.crc32c(before))
        }
    }
}

extension SnapshotHeader {
    func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 64 + configuration.count)
        writer.write(SnapshotChunk.magic)
        writer.write(SnapshotChunk.format)
        writer.write(index.rawValue)
        writer.write(term.rawValue)
        writer.write(clusterID.rawValue)
        writer.write(sender.rawValue)
        writer.write(boot.rawValue)
        writer.write(snapshotID)
        writer.writeLengthPrefixed(configuration)
        return writer.bytes
    }

    static func decode(
        _ content: [UInt8], limits: SnapshotLimits
    ) throws(SnapshotFault) -> SnapshotHeader {
        var reader = ByteReader(content)
        do {
            guard try reader.readBytes(8) == SnapshotChunk.magic else {
                throw SnapshotFault.invalidField("magic", chunk: 0)
            }
            let format = try reader.read(UInt32.self)
            guard format == SnapshotChunk.format else {
                throw SnapshotFault.unsupportedFormat(format)
            }
            let index = LogIndex(try reader.read())
            let term = Term(try reader.read())
            guard max(index.rawValue, term.rawValue) < SnapshotLimits.numberMax else {
                throw SnapshotFault.invalidField("header position", chunk: 0)
            }
            let clusterID = ClusterID(try reader.read())
            let sender = NodeID(try reader.read())
            let boot = BootNumber(try reader.read())
            let snapshotID = try reader.read(UInt64.self)
            let configuration = try reader.readLengthPrefixed(limit: limits.configurationBytesMax)
            guard reader.isAtEnd else { throw SnapshotFault.invalidField("header end", chunk: 0) }
            return SnapshotHeader(
                index: index, term: term, configuration: configuration, clusterID: clusterID,
                sender: sender, boot: boot, snapshotID: snapshotID)
        } catch let fault as SnapshotFault {
            throw fault
        } catch {
            throw .invalidField("header", chunk: 0)
        }
    }
}
