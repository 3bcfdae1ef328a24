package import Primitives

/// etcdserverpb.LeaseGrantRequest: TTL = 1, ID = 2.
package struct LeaseGrantRequest: Equatable, Sendable {
    package var seconds: Int64 = 0
    package var id: Int64 = 0

    package init() {}

    package static func decode(
        _ bytes: UnsafeRawBufferPointer
    ) throws(ProtobufError) -> LeaseGrantRequest {
        var request = LeaseGrantRequest()
        var reader = ProtobufReader(bytes)
        while let (number, type) = try reader.nextField() {
            switch (number, type) {
            case (1, .varint): request.seconds = try reader.int64()
            case (2, .varint): request.id = try reader.int64()
            case (_, let type): try reader.skip(type)
            }
        }
        return request
    }
}

/// The requests that name a lease in field 1 and at most ask for its keys in field 2:
/// etcdserverpb.LeaseRevokeRequest, LeaseKeepAliveRequest, LeaseTimeToLiveRequest.
package struct LeaseRequest: Equatable, Sendable {
    package var id: Int64 = 0
    package var wantsKeys = false

    package init() {}

    package static func decode(
        _ bytes: UnsafeRawBufferPointer
    ) throws(ProtobufError) -> LeaseRequest {
        var request = LeaseRequest()
        var reader = ProtobufReader(bytes)
        while let (number, type) = try reader.nextField() {
            switch (number, type) {
            case (1, .varint): request.id = try reader.int64()
            case (2, .varint): request.wantsKeys = try reader.bool()
            case (_, let type): try reader.skip(type)
            }
        }
        return request
    }
}

/// The leader's own commands about many leases.
///
/// ```
/// 0  u16  count      then for each lease:
/// 2  u16  version, 1   0  i64  id
///                      8  u64  index of the entry that granted it
///                     16  i64  remaining seconds, which an expiry ignores
/// ```
/// All little-endian.
package struct LeaseBatch: Equatable, Sendable {
    package static let leasesMax = 4096
    package static let version: UInt16 = 1
    private static let headByteCount = 4
    private static let itemByteCount = 24

    package struct Item: Equatable, Sendable {
        package var id: Int64
        /// The life of the id that is meant: apply passes over a lease that was granted by another
        /// entry.
        package var grantIndex: LogIndex
        package var remainingSeconds: Int64

        package init(id: Int64, grantIndex: LogIndex, remainingSeconds: Int64 = 0) {
            self.id = id
            self.grantIndex = grantIndex
            self.remainingSeconds = remainingSeconds
        }

        package init(_ lease: Lease, remainingSeconds: Int64 = 0) {
            self.init(
                id: lease.id, grantIndex: lease.grantIndex, remainingSeconds: remainingSeconds)
        }
    }

    package var items: [Item]

    package init(_ items: [Item]) { self.items = items }

    package func encode() -> [UInt8] {
        invariant(items.count <= LeaseBatch.leasesMax, "\(items.count) leases in a batch")
        var writer = ByteWriter(
            capacity: LeaseBatch.headByteCount + items.count * LeaseBatch.itemByteCount)
        writer.write(UInt16(items.count))
        writer.write(LeaseBatch.version)
        for item in items {
            writer.write(item.id)
            writer.write(item.grantIndex.rawValue)
            writer.write(item.remainingSeconds)
        }
        return writer.bytes
    }

    /// - Throws: ``StoreError/unknownCommand(version:kind:)``, its kind zero, for another version:
    ///   what that means cannot be guessed.
    package static func decode(_ bytes: UnsafeRawBufferPointer) throws(StoreError) -> LeaseBatch {
        guard bytes.count >= headByteCount else { throw .malformed(offset: bytes.count) }
        let count = Int(load(bytes, 0) as UInt16)
        let version: UInt16 = load(bytes, 2)
        guard version == LeaseBatch.version else {
            throw .unknownCommand(version: UInt8(clamping: version), kind: 0)
        }
        guard count <= leasesMax, bytes.count == headByteCount + count * itemByteCount else {
            throw .malformed(offset: headByteCount)
        }
        var items: [Item] = []
        items.reserveCapacity(count)
        for number in 0..<count {
            let offset = headByteCount + number * itemByteCount
            items.append(
                Item(
                    id: load(bytes, offset), grantIndex: LogIndex(load(bytes, offset + 8)),
                    remainingSeconds: load(bytes, offset + 16)))
        }
        return LeaseBatch(items)
    }

    private static func load<T: FixedWidthInteger>(
        _ bytes: UnsafeRawBufferPointer, _ offset: Int
    ) -> T {
        T(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: T.self))
    }
}
