internal import Primitives

/// A rolling digest over everything that was ever applied to a store: nodes that applied the same
/// changes in the same order have the same digest, whatever they have purged.
///
/// One step a change: the CRC-32C of key and value, and the numbers, mixed into 64 bits. It tells
/// apart nodes that differ by accident; it is no defence against forgery.
package struct Digest: Equatable, Sendable {
    /// Changes with what is folded in. Digests of different versions are not compared.
    package static let version: UInt32 = 1

    package private(set) var value: UInt64

    package init(value: UInt64 = 0) { self.value = value }

    enum Tag: UInt64 {
        case put = 1
        case delete = 2
        case leaseSet = 3
        case leaseRemoved = 4
        case floor = 5
        case alarm = 6
        case member = 7
        case auth = 8
        case recordFloor = 9
    }

    mutating func fold(_ record: Record, _ space: SpaceID) {
        let header = record.header
        let crc = record.storage.withUnsafeMutablePointers { header, bytes in
            Checksum.crc32c(
                UnsafeRawBufferPointer(
                    start: bytes,
                    count: Int(header.pointee.keyByteCount) + Int(header.pointee.valueByteCount)))
        }
        let tag: Tag = header.isTombstone ? .delete : .put
        fold(tag, UInt64(crc) << 32 | UInt64(header.keyByteCount))
        fold(UInt64(bitPattern: header.modRevision) ^ UInt64(UInt32(bitPattern: header.sub)) << 40)
        fold(
            UInt64(bitPattern: header.lease) ^ UInt64(bitPattern: header.version) << 32
                ^ UInt64(bitPattern: header.createRevision) << 1 ^ UInt64(space.rawValue) << 63)
    }

    mutating func fold(_ tag: Tag, _ word: UInt64) { fold(word ^ tag.rawValue << 56) }

    mutating func fold(_ tag: Tag, _ bytes: [UInt8]) {
        fold(tag, UInt64(Checksum.crc32c(bytes)) << 24 ^ UInt64(bytes.count))
    }

    private mutating func fold(_ word: UInt64) {
        let (high, low) = (value ^ word ^ 0x9E37_79B9_7F4A_7C15).multipliedFullWidth(
            by: 0xD6E8_FEB8_6659_FD93)
        value = (high ^ low) &+ word.byteSwapped
    }
}
