internal import Primitives

// The files of the log, byte by byte. All integers are little-endian.
//
// A segment is `<generation in 16 hex digits>.log`. Generations count the lives of segments, so the
// segments of a log are numbered without gaps; a file that is used again gets the next generation.
//
//   segment := header (8192 bytes) batch* zeros
//
// The header stands twice in its 8192 bytes, at 0 and at 4096, so that neither a bad sector nor a
// bad page costs a segment:
//
//    0   8  magic "KEELSLOG"
//    8   4  format version
//   12   4  CRC-32C of bytes 0 ..< 12; these 16 bytes are the same in every version
//   16   4  CRC-32C of bytes 20 ..< 112
//   20   4  flags; bit 0: the log starts here, older segments are void
//   24   8  cluster id
//   32   8  member id
//   40   8  generation
//   48   8  boot number of the process that made it
//   56   8  index of the last entry before this segment, when it was made
//   64   8  term of that entry
//   72   8  lowest index that a truncation in the segment before superseded; all ones for none
//   80   8  size of the segment in bytes
//   88   4  seed of this segment's chain and checksums
//   92   4  checksum of the last batch header of the segment before
//   96  16  zeros
//
// A segment gets its name only when its header is durable, and only when everything in the segment
// before is durable. So: a bad header is rot, and damage in any segment but the last is rot.

/// The head of one segment file.
struct SegmentHeader: Equatable, Sendable {
    static let magic: UInt64 = 0x474F_4C53_4C45_454B  // "KEELSLOG"
    static let formatVersion: UInt32 = 2
    /// What the header takes of the file, in bytes; the first batch starts here.
    static let areaBytes = 8192
    static let copyOffsets = [0, 4096]
    static let encodedBytes = 112

    var startsLog: Bool
    var clusterID: ClusterID
    var memberID: NodeID
    var generation: UInt64
    var boot: BootNumber
    var previousIndex: LogIndex
    var previousTerm: Term
    var previousTruncationFloor: UInt64
    var segmentBytes: Int
    var chainSeed: UInt32
    var previousChain: UInt32

    /// The seed for a segment: it holds the generation, so that no checksum of an earlier life
    /// fits.
    static func makeChainSeed(
        identity: NodeIdentity, generation: UInt64, boot: BootNumber, previousChain: UInt32
    ) -> UInt32 {
        var writer = ByteWriter(capacity: 40)
        writer.write(identity.clusterID.rawValue)
        writer.write(identity.memberID.rawValue)
        writer.write(generation)
        writer.write(boot.rawValue)
        writer.write(previousChain)
        return Checksum.crc32c(writer.bytes)
    }

    /// The whole area, both copies.
    func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: Self.encodedBytes)
        writer.write(Self.magic)
        writer.write(Self.formatVersion)
        writer.write(Checksum.crc32c(writer.bytes))
        writer.write(UInt32(0))
        writer.write(UInt32(startsLog ? 1 : 0))
        writer.write(clusterID.rawValue)
        writer.write(memberID.rawValue)
        writer.write(generation)
        writer.write(boot.rawValue)
        writer.write(previousIndex.rawValue)
        writer.write(previousTerm.rawValue)
        writer.write(previousTruncationFloor)
        writer.write(UInt64(segmentBytes))
        writer.write(chainSeed)
        writer.write(previousChain)
        writer.write([UInt8](repeating: 0, count: 16))
        invariant(writer.bytes.count == Self.encodedBytes, "a header of \(writer.bytes.count)")
        writer.patch(Checksum.crc32c(Array(writer.bytes[20...])), at: 16)
        var area = [UInt8](repeating: 0, count: Self.areaBytes)
        for start in Self.copyOffsets {
            area.replaceSubrange(start..<(start + Self.encodedBytes), with: writer.bytes)
        }
        return area
    }

    /// What the area of `path` says: nil when both copies are damaged.
    /// - Throws: ``StorageError/newerFormat(path:found:supported:)``.
    static func decode(_ area: [UInt8], path: String) throws(StorageError) -> SegmentHeader? {
        for start in copyOffsets where start + encodedBytes <= area.count {
            let copy = Array(area[start..<(start + encodedBytes)])
            guard let version = version(of: copy) else { continue }
            if version > formatVersion {
                throw .newerFormat(path: path, found: version, supported: formatVersion)
            }
            if let header = decodeCopy(copy) { return header }
        }
        return nil
    }

    /// Where a copy stands that differs from the one that counts, and the block that mends it. Nil
    /// where both are alike or neither can be read.
    static func repair(of area: [UInt8]) -> (offset: Int, bytes: [UInt8])? {
        let copies = copyOffsets.map { Array(area[$0..<($0 + encodedBytes)]) }
        guard copies[0] != copies[1],
            let good = copies.firstIndex(where: {
                version(of: $0) != nil && decodeCopy($0) != nil
            })
        else { return nil }
        let start = copyOffsets[good]
        return (copyOffsets[1 - good], Array(area[start..<(start + areaBytes / 2)]))
    }

    private static func version(of copy: [UInt8]) -> UInt32? {
        var reader = ByteReader(copy)
        guard let magic = try? reader.read(UInt64.self), magic == Self.magic,
            let version = try? reader.read(UInt32.self), let sum = try? reader.read(UInt32.self),
            sum == Checksum.crc32c(Array(copy[0..<12]))
        else { return nil }
        return version
    }

    private static func decodeCopy(_ copy: [UInt8]) -> SegmentHeader? {
        var reader = ByteReader(copy, from: 16, to: copy.count)
        do throws(DecodingError) {
            guard try reader.read(UInt32.self) == Checksum.crc32c(Array(copy[20...])) else {
                return nil
            }
            let flags = try reader.read(UInt32.self)
            let header = SegmentHeader(
                startsLog: flags & 1 != 0, clusterID: ClusterID(try reader.read()),
                memberID: NodeID(try reader.read()), generation: try reader.read(),
                boot: BootNumber(try reader.read()), previousIndex: LogIndex(try reader.read()),
                previousTerm: Term(try reader.read()), previousTruncationFloor: try reader.read(),
                segmentBytes: Int(clamping: try reader.read(UInt64.self)),
                chainSeed: try reader.read(), previousChain: try reader.read())
            guard header.segmentBytes >= LogOptions.segmentBytesMin,
                header.segmentBytes <= LogOptions.segmentBytesMax,
                header.previousIndex.rawValue < UInt64(Int64.max)
            else { return nil }
            return header
        } catch { return nil }
    }
}
