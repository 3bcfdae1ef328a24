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

/// The leader's own commands about many leases: u32 count, then an i64 id and an i64 of seconds
/// each. An expiry ignores the seconds.
package struct LeaseBatch: Equatable, Sendable {
    package static let leasesMax = 4096

    package struct Item: Equatable, Sendable {
        package var id: Int64
        package var remainingSeconds: Int64

        package init(id: Int64, remainingSeconds: Int64 = 0) {
            self.id = id
            self.remainingSeconds = remainingSeconds
        }
    }

    package var items: [Item]

    package init(_ items: [Item]) { self.items = items }

    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 4 + items.count * 16)
        writer.write(UInt32(items.count))
        for item in items {
            writer.write(item.id)
            writer.write(item.remainingSeconds)
        }
        return writer.bytes
    }

    package static func decode(_ bytes: UnsafeRawBufferPointer) throws(StoreError) -> LeaseBatch {
        guard bytes.count >= 4 else { throw .malformed(offset: bytes.count) }
        let count = Int(UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self)))
        guard count <= leasesMax, bytes.count == 4 + count * 16 else { throw .malformed(offset: 4) }
        var items: [Item] = []
        items.reserveCapacity(count)
        for index in 0..<count {
            let offset = 4 + index * 16
            let id = bytes.loadUnaligned(fromByteOffset: offset, as: Int64.self)
            let seconds = bytes.loadUnaligned(fromByteOffset: offset + 8, as: Int64.self)
            items.append(
                Item(
                    id: Int64(littleEndian: id),
                    remainingSeconds: Int64(littleEndian: seconds)))
        }
        return LeaseBatch(items)
    }
}
