/// The protobuf wire format, for the few messages on the hot path: they are read and written
/// without an intermediate object. Everything else uses the generated code of `API`.
///
/// Source: the protobuf encoding specification.
package enum WireType: UInt8, Sendable {
    case varint = 0
    case fixed64 = 1
    case lengthDelimited = 2
    case fixed32 = 5
}

/// Why bytes are not a protobuf message.
package enum ProtobufError: Error, Equatable, Sendable {
    case truncated(offset: Int)
    case overlongVarint(offset: Int)
    case invalidTag(offset: Int)
    case unexpectedWireType(field: UInt32, offset: Int)
    case nestedTooDeep(limit: Int)
}

/// Walks over the fields of one message. Unknown fields are skipped, groups are refused, nothing
/// traps.
///
/// It borrows the buffer: it must not outlive the closure that lent it.
package struct ProtobufReader {
    package let bytes: UnsafeRawBufferPointer
    package private(set) var offset: Int = 0

    @inlinable package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// The next field's number and wire type, or nil at the end.
    package mutating func nextField() throws(ProtobufError) -> (number: UInt32, type: WireType)? {
        if offset == bytes.count { return nil }
        let start = offset
        let tag = try varint()
        guard tag >> 3 > 0, tag >> 3 <= 0x1FFF_FFFF, let type = WireType(rawValue: UInt8(tag & 7))
        else { throw .invalidTag(offset: start) }
        return (UInt32(tag >> 3), type)
    }

    package mutating func varint() throws(ProtobufError) -> UInt64 {
        let start = offset
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while offset < bytes.count {
            let byte = bytes[offset]
            offset += 1
            if shift == 63, byte > 1 { throw .overlongVarint(offset: start) }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
            if shift > 63 { throw .overlongVarint(offset: start) }
        }
        throw .truncated(offset: start)
    }

    /// A length-delimited field, as a view into the message.
    package mutating func lengthDelimited() throws(ProtobufError) -> UnsafeRawBufferPointer {
        let start = offset
        let count = try varint()
        guard count <= UInt64(bytes.count - offset) else { throw .truncated(offset: start) }
        defer { offset += Int(count) }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + Int(count))])
    }

    package mutating func skip(_ type: WireType) throws(ProtobufError) {
        switch type {
        case .varint: _ = try varint()
        case .lengthDelimited: _ = try lengthDelimited()
        case .fixed64: try advance(8)
        case .fixed32: try advance(4)
        }
    }

    private mutating func advance(_ count: Int) throws(ProtobufError) {
        guard bytes.count - offset >= count else { throw .truncated(offset: offset) }
        offset += count
    }
}

/// Appends the fields of one message. Zero and empty values are left out, as proto3 wants.
package struct ProtobufWriter: Sendable {
    package var bytes: [UInt8]

    @inlinable package init(capacity: Int = 64) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    @inlinable package mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    @inlinable package mutating func tag(_ field: UInt32, _ type: WireType) {
        varint(UInt64(field) << 3 | UInt64(type.rawValue))
    }

    @inlinable package mutating func field(_ number: UInt32, _ value: UInt64) {
        if value != 0 {
            tag(number, .varint)
            varint(value)
        }
    }

    @inlinable package mutating func field(_ number: UInt32, _ value: Int64) {
        field(number, UInt64(bitPattern: value))
    }

    @inlinable package mutating func field(_ number: UInt32, _ value: Bool) {
        field(number, UInt64(value ? 1 : 0))
    }

    @inlinable package mutating func field(_ number: UInt32, _ value: UnsafeRawBufferPointer) {
        if !value.isEmpty {
            tag(number, .lengthDelimited)
            varint(UInt64(value.count))
            bytes.append(contentsOf: value)
        }
    }

    @inlinable package mutating func field(_ number: UInt32, _ value: [UInt8]) {
        value.withUnsafeBytes { field(number, $0) }
    }

    @inlinable package mutating func field(_ number: UInt32, _ value: String) {
        field(number, Array(value.utf8))
    }

    /// The head of an embedded message whose encoded size is known; its bytes are to follow.
    @inlinable package mutating func message(_ number: UInt32, byteCount: Int) {
        tag(number, .lengthDelimited)
        varint(UInt64(byteCount))
    }

    /// How many bytes `value` takes as a varint.
    @inlinable package static func varintByteCount(_ value: UInt64) -> Int {
        value == 0 ? 1 : (70 - value.leadingZeroBitCount) / 7
    }

    /// How many bytes a scalar field takes, tag included; zero when it is left out.
    @inlinable package static func fieldByteCount(_ number: UInt32, _ value: UInt64) -> Int {
        value == 0 ? 0 : varintByteCount(UInt64(number) << 3) + varintByteCount(value)
    }

    /// How many bytes a length-delimited field of `count` bytes takes, tag included; zero when
    /// empty.
    @inlinable package static func fieldByteCount(_ number: UInt32, bytes count: Int) -> Int {
        count == 0
            ? 0 : varintByteCount(UInt64(number) << 3) + varintByteCount(UInt64(count)) + count
    }
}
