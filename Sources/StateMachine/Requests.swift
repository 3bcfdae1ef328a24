package import Primitives

/// How deep transactions may nest. etcd has no bound of its own; clients are known to use two.
package let txnDepthMax = 32

package enum SortOrder: Int32, Sendable { case none = 0, ascend, descend }
package enum SortTarget: Int32, Sendable { case key = 0, version, create, mod, value }

/// etcdserverpb.RangeRequest.
package struct RangeRequest: Equatable, Sendable {
    package var key: [UInt8] = []
    package var rangeEnd: [UInt8] = []
    package var limit: Int64 = 0
    package var revision: Int64 = 0
    /// Raw enum values: an unknown one is refused by ``check()``, not by the decoder.
    package var sortOrder: Int32 = 0
    package var sortTarget: Int32 = 0
    package var isSerializable = false
    package var keysOnly = false
    package var countOnly = false
    package var minModRevision: Int64 = 0
    package var maxModRevision: Int64 = 0
    package var minCreateRevision: Int64 = 0
    package var maxCreateRevision: Int64 = 0

    package init() {}

    package init(key: [UInt8], rangeEnd: [UInt8] = []) {
        self.key = key
        self.rangeEnd = rangeEnd
    }

    package static func decode(
        _ bytes: UnsafeRawBufferPointer
    ) throws(ProtobufError) -> RangeRequest {
        var request = RangeRequest()
        var reader = ProtobufReader(bytes)
        while let (number, type) = try reader.nextField() {
            switch (number, type) {
            case (1, .lengthDelimited): request.key = Array(try reader.lengthDelimited())
            case (2, .lengthDelimited): request.rangeEnd = Array(try reader.lengthDelimited())
            case (3, .varint): request.limit = try reader.int64()
            case (4, .varint): request.revision = try reader.int64()
            case (5, .varint): request.sortOrder = try reader.int32()
            case (6, .varint): request.sortTarget = try reader.int32()
            case (7, .varint): request.isSerializable = try reader.bool()
            case (8, .varint): request.keysOnly = try reader.bool()
            case (9, .varint): request.countOnly = try reader.bool()
            case (10, .varint): request.minModRevision = try reader.int64()
            case (11, .varint): request.maxModRevision = try reader.int64()
            case (12, .varint): request.minCreateRevision = try reader.int64()
            case (13, .varint): request.maxCreateRevision = try reader.int64()
            case (_, let type): try reader.skip(type)
            }
        }
        return request
    }

    /// What etcd checks before anything else.
    package func check() throws(StoreError) {
        if key.isEmpty { throw .emptyKey }
        if SortOrder(rawValue: sortOrder) == nil { throw .invalidSortOption }
        if SortTarget(rawValue: sortTarget) == nil { throw .invalidSortOption }
    }

    package var range: KeyRange { KeyRange(key: key, rangeEnd: rangeEnd) }

    package var hasRevisionFilters: Bool {
        minModRevision != 0 || maxModRevision != 0 || minCreateRevision != 0
            || maxCreateRevision != 0
    }

    /// Whether the tree's own order will do: nothing to sort after the limit, in etcd's sense.
    package var hasDefaultOrder: Bool {
        sortOrder == SortOrder.none.rawValue
            || (sortTarget == SortTarget.key.rawValue && sortOrder == SortOrder.ascend.rawValue)
    }

    package var form: RecordForm {
        guard keysOnly else { return .full }
        return sortTarget == SortTarget.value.rawValue ? .keyAndLease : .keyOnly
    }
}

/// etcdserverpb.PutRequest.
package struct PutRequest: Equatable, Sendable {
    package var key: [UInt8] = []
    package var value: [UInt8] = []
    package var lease: Int64 = 0
    package var prevKV = false
    package var ignoreValue = false
    package var ignoreLease = false

    package init() {}

    package static func decode(
        _ bytes: UnsafeRawBufferPointer
    ) throws(ProtobufError) -> PutRequest {
        let view = try PutView.decode(bytes)
        var request = PutRequest()
        request.key = Array(view.key)
        request.value = Array(view.value)
        request.lease = view.lease
        request.prevKV = view.prevKV
        request.ignoreValue = view.ignoreValue
        request.ignoreLease = view.ignoreLease
        return request
    }

    func withView<R>(_ body: (PutView) throws(StoreError) -> R) throws(StoreError) -> R {
        let result: Result<R, StoreError> = key.withUnsafeBytes { key in
            value.withUnsafeBytes { value in
                var view = PutView()
                view.key = key
                view.value = value
                view.lease = lease
                view.prevKV = prevKV
                view.ignoreValue = ignoreValue
                view.ignoreLease = ignoreLease
                do throws(StoreError) {
                    return .success(try body(view))
                } catch {
                    return .failure(error)
                }
            }
        }
        return try result.get()
    }

    package func check() throws(StoreError) {
        try withView { view throws(StoreError) in try view.check() }
    }
}

/// A ``PutRequest`` whose key and value are still where they were read. Not to outlive the buffer.
package struct PutView {
    package var key = UnsafeRawBufferPointer.empty
    package var value = UnsafeRawBufferPointer.empty
    package var lease: Int64 = 0
    package var prevKV = false
    package var ignoreValue = false
    package var ignoreLease = false

    package static func decode(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) -> PutView {
        if let view = decodeUsual(bytes) { return view }
        var view = PutView()
        var reader = ProtobufReader(bytes)
        while let (number, type) = try reader.nextField() {
            switch (number, type) {
            case (1, .lengthDelimited): view.key = try reader.lengthDelimited()
            case (2, .lengthDelimited): view.value = try reader.lengthDelimited()
            case (3, .varint): view.lease = try reader.int64()
            case (4, .varint): view.prevKV = try reader.bool()
            case (5, .varint): view.ignoreValue = try reader.bool()
            case (6, .varint): view.ignoreLease = try reader.bool()
            case (_, let type): try reader.skip(type)
            }
        }
        return view
    }

    /// The form that every client sends: key and value, each of less than 2 MiB, and nothing else.
    /// Nil for any other, for the general decoder to judge. A fifth of its cost, on the hottest
    /// path.
    private static func decodeUsual(_ bytes: UnsafeRawBufferPointer) -> PutView? {
        var view = PutView()
        var offset = 0
        guard let key = usualField(0x0A, bytes, &offset) else { return nil }
        view.key = key
        if offset == bytes.count { return view }
        guard let value = usualField(0x12, bytes, &offset), offset == bytes.count else {
            return nil
        }
        view.value = value
        return view
    }

    @inline(__always)
    private static func usualField(
        _ tag: UInt8, _ bytes: UnsafeRawBufferPointer, _ offset: inout Int
    ) -> UnsafeRawBufferPointer? {
        guard bytes.count - offset >= 2, bytes[offset] == tag else { return nil }
        offset += 1
        var count = 0
        var shift = 0
        while shift <= 14 {
            guard offset < bytes.count else { return nil }
            let byte = Int(bytes[offset])
            offset += 1
            count |= (byte & 0x7F) << shift
            if byte < 0x80 {
                guard count <= bytes.count - offset else { return nil }
                defer { offset += count }
                return UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)])
            }
            shift += 7
        }
        return nil
    }

    package func check() throws(StoreError) {
        if key.isEmpty { throw .emptyKey }
        if ignoreValue, !value.isEmpty { throw .valueProvided }
        if ignoreLease, lease != 0 { throw .leaseProvided }
        if SpaceID.of(key) == .datacenter { throw .permissionDenied }
    }
}

/// etcdserverpb.DeleteRangeRequest.
package struct DeleteRangeRequest: Equatable, Sendable {
    package var key: [UInt8] = []
    package var rangeEnd: [UInt8] = []
    package var prevKV = false

    package init() {}

    package static func decode(
        _ bytes: UnsafeRawBufferPointer
    ) throws(ProtobufError) -> DeleteRangeRequest {
        var request = DeleteRangeRequest()
        var reader = ProtobufReader(bytes)
        while let (number, type) = try reader.nextField() {
            switch (number, type) {
            case (1, .lengthDelimited): request.key = Array(try reader.lengthDelimited())
            case (2, .lengthDelimited): request.rangeEnd = Array(try reader.lengthDelimited())
            case (3, .varint): request.prevKV = try reader.bool()
            case (_, let type): try reader.skip(type)
            }
        }
        return request
    }

    package func check() throws(StoreError) {
        if key.isEmpty { throw .emptyKey }
        if SpaceID.of(key) == .datacenter { throw .permissionDenied }
    }

    package var range: KeyRange { KeyRange(key: key, rangeEnd: rangeEnd) }
}

/// etcdserverpb.CompactionRequest.
package struct CompactionRequest: Equatable, Sendable {
    package var revision: Int64 = 0
    package var isPhysical = false

    package init() {}

    package static func decode(
        _ bytes: UnsafeRawBufferPointer
    ) throws(ProtobufError) -> CompactionRequest {
        var request = CompactionRequest()
        var reader = ProtobufReader(bytes)
        while let (number, type) = try reader.nextField() {
            switch (number, type) {
            case (1, .varint): request.revision = try reader.int64()
            case (2, .varint): request.isPhysical = try reader.bool()
            case (_, let type): try reader.skip(type)
            }
        }
        return request
    }
}

extension ProtobufReader {
    mutating func int64() throws(ProtobufError) -> Int64 { Int64(bitPattern: try varint()) }
    /// Enums and int32: the low 32 bits, as protobuf's own decoders do.
    mutating func int32() throws(ProtobufError) -> Int32 {
        Int32(truncatingIfNeeded: try varint())
    }
    mutating func bool() throws(ProtobufError) -> Bool { try varint() != 0 }
}

extension StoreError {
    /// What a broken message is to the caller.
    package init(_ error: ProtobufError) {
        switch error {
        case .truncated(let offset), .overlongVarint(let offset), .invalidTag(let offset),
            .unexpectedWireType(_, let offset):
            self = .malformed(offset: offset)
        case .nestedTooDeep(let limit): self = .nestedTooDeep(limit: limit)
        }
    }
}
