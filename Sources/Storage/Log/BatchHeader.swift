internal import Primitives

// A batch is what one append writes. It starts at a multiple of 512, so that writing it never
// touches a sector that holds something durable:
//
//    0   4  magic "KLBA"
//    4   4  CRC-32C of bytes 8 ..< 88, seeded with the segment's seed: the chain's link
//    8   4  the link of the batch before; for the first batch of a segment its seed
//   12   4  CRC-32C of the extension
//   16   8  generation of the segment
//   24   8  offset of this batch in the segment
//   32   8  offset up to which the segment was durable when this batch was encoded
//   40   8  index of the first entry; of the first superseded one where there is no entry
//   48   4  number of entries
//   52   4  number of term runs
//   56   4  bytes of the body as stored
//   60   4  bytes of the body as records
//   64   4  CRC-32C of the body as records, zero when it is stored as it is
//   68   4  flags; bit 0: entries from the first index on are superseded, bit 1: LZ4
//   72   8  term of the entry before the first
//   80   8  lowest index superseded in this segment before this batch; all ones for none
//   88      extension: term runs (first index 8, term 8), then a checksum for each sector that the
//           body touches (CRC-32C of the part of the body in it, seeded with the segment's seed),
//           one spare, zeros up to a multiple of 8
//           body, zeros up to a multiple of 512
//
//   body := (payload length 4, kind 1, zeros 3, payload, zeros up to a multiple of 8)*
//
// The fixed part lies in one sector, so it is there or not. With a checksum for each sector of the
// body, a sector that a crash kept from the disk (it still holds the zeros of before) is told from
// one that rotted. A checksum over records as such is not needed: batches are read whole.

/// The head of one batch.
struct BatchHeader: Equatable, Sendable {
    static let magic: UInt32 = 0x4142_4C4B  // "KLBA"
    static let fixedBytes = 88
    static let runBytes = 16
    static let sectorBytes = 512
    static let recordHeadBytes = 8
    static let noFloor = UInt64.max

    var checksum: UInt32 = 0
    var previousChecksum: UInt32
    var extensionChecksum: UInt32 = 0
    var generation: UInt64
    var offset: Int
    var syncedThrough: Int
    var first: LogIndex
    var entryCount: Int
    var runCount: Int
    var storedBytes: Int
    var plainBytes: Int
    var plainChecksum: UInt32 = 0
    var truncates: Bool
    var isCompressed: Bool
    var previousTerm: Term
    var truncationFloor: UInt64

    /// The index behind the last entry.
    var end: LogIndex { first + entryCount }

    /// Bytes before the body.
    var headBytes: Int { Self.headBytes(runCount: runCount, storedBytes: storedBytes) }

    /// Bytes that the batch takes in the file.
    var totalBytes: Int { Self.roundedToSector(headBytes + storedBytes) }

    static func sectorChecksumCount(storedBytes: Int) -> Int {
        storedBytes == 0 ? 0 : (storedBytes + sectorBytes - 1) / sectorBytes + 1
    }

    static func headBytes(runCount: Int, storedBytes: Int) -> Int {
        let table = 4 * sectorChecksumCount(storedBytes: storedBytes)
        return fixedBytes + runCount * runBytes + (table + 7) & ~7
    }

    static func roundedToSector(_ count: Int) -> Int {
        (count + sectorBytes - 1) & ~(sectorBytes - 1)
    }

    static func recordBytes(payload count: Int) -> Int { recordHeadBytes + (count + 7) & ~7 }

    /// Writes the fixed part and its checksum, which it returns.
    func encode(to base: UnsafeMutableRawPointer, seed: UInt32) -> UInt32 {
        base.put(Self.magic, at: 0)
        base.put(previousChecksum, at: 8)
        base.put(extensionChecksum, at: 12)
        base.put(generation, at: 16)
        base.put(UInt64(offset), at: 24)
        base.put(UInt64(syncedThrough), at: 32)
        base.put(first.rawValue, at: 40)
        base.put(UInt32(entryCount), at: 48)
        base.put(UInt32(runCount), at: 52)
        base.put(UInt32(storedBytes), at: 56)
        base.put(UInt32(plainBytes), at: 60)
        base.put(plainChecksum, at: 64)
        base.put(UInt32((truncates ? 1 : 0) | (isCompressed ? 2 : 0)), at: 68)
        base.put(previousTerm.rawValue, at: 72)
        base.put(truncationFloor, at: 80)
        let sum = Checksum.crc32c(
            UnsafeRawBufferPointer(start: base + 8, count: Self.fixedBytes - 8), seed: seed)
        base.put(sum, at: 4)
        return sum
    }

    /// The header at `offset` of a segment, or nil unless it is whole, of this generation and of
    /// this place, and its sizes fit. Total: any bytes may stand there.
    static func decode(
        _ segment: UnsafeRawBufferPointer, at offset: Int, in fileOffset: Int? = nil,
        of head: SegmentHeader
    ) -> BatchHeader? {
        guard offset >= 0, segment.count - offset >= fixedBytes else { return nil }
        let raw = UnsafeRawBufferPointer(rebasing: segment[offset..<(offset + fixedBytes)])
        guard raw.integer(at: 0, as: UInt32.self) == magic else { return nil }
        let checksum = raw.integer(at: 4, as: UInt32.self)
        let covered = UnsafeRawBufferPointer(rebasing: raw[8...])
        guard checksum == Checksum.crc32c(covered, seed: head.chainSeed) else { return nil }
        let flags = raw.integer(at: 68, as: UInt32.self)
        let header = BatchHeader(
            checksum: checksum, previousChecksum: raw.integer(at: 8, as: UInt32.self),
            extensionChecksum: raw.integer(at: 12, as: UInt32.self),
            generation: raw.integer(at: 16, as: UInt64.self),
            offset: Int(clamping: raw.integer(at: 24, as: UInt64.self)),
            syncedThrough: Int(clamping: raw.integer(at: 32, as: UInt64.self)),
            first: LogIndex(raw.integer(at: 40, as: UInt64.self)),
            entryCount: Int(raw.integer(at: 48, as: UInt32.self)),
            runCount: Int(raw.integer(at: 52, as: UInt32.self)),
            storedBytes: Int(raw.integer(at: 56, as: UInt32.self)),
            plainBytes: Int(raw.integer(at: 60, as: UInt32.self)),
            plainChecksum: raw.integer(at: 64, as: UInt32.self), truncates: flags & 1 != 0,
            isCompressed: flags & 2 != 0, previousTerm: Term(raw.integer(at: 72, as: UInt64.self)),
            truncationFloor: raw.integer(at: 80, as: UInt64.self))
        return header.isPlausible(at: fileOffset ?? offset, of: head) && flags <= 3 ? header : nil
    }

    private func isPlausible(at place: Int, of head: SegmentHeader) -> Bool {
        generation == head.generation && offset == place && syncedThrough <= place
            && first.rawValue > 0 && first.rawValue < UInt64(Int64.max)
            && runCount <= entryCount && (entryCount == 0) == (runCount == 0)
            && plainBytes <= head.segmentBytes && storedBytes <= plainBytes
            && entryCount <= plainBytes / Self.recordHeadBytes
            && (entryCount == 0) == (plainBytes == 0) && (plainBytes == 0) == (storedBytes == 0)
            && (isCompressed || storedBytes == plainBytes) && (entryCount > 0 || truncates)
            && totalBytes <= head.segmentBytes - place
    }
}

extension UnsafeMutableRawPointer {
    @inline(__always)
    func put<T: FixedWidthInteger>(_ value: T, at offset: Int) {
        storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
    }
}

extension UnsafeRawBufferPointer {
    /// A little-endian integer; the caller has checked that it lies inside.
    @inline(__always)
    func integer<T: FixedWidthInteger>(at offset: Int, as type: T.Type) -> T {
        T(littleEndian: loadUnaligned(fromByteOffset: offset, as: T.self))
    }

    /// Whether every byte is zero.
    var isAllZeros: Bool {
        var position = 0
        while position + 8 <= count {
            if loadUnaligned(fromByteOffset: position, as: UInt64.self) != 0 { return false }
            position += 8
        }
        while position < count {
            if self[position] != 0 { return false }
            position += 1
        }
        return true
    }
}
