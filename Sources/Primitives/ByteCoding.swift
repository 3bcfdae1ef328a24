/// Appends little-endian integers and length-prefixed byte strings: the form of Keelson's own
/// files, entries and peer frames.
package struct ByteWriter: Sendable {
    package var bytes: [UInt8]

    @inlinable package init(capacity: Int = 64) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    @inlinable package init(appendingTo bytes: consuming [UInt8]) { self.bytes = bytes }

    @inlinable package mutating func write<T: FixedWidthInteger>(_ value: T) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    // What is written and read most, not generic: of a generic one each call would look its type
    // up.

    package mutating func write(_ value: UInt8) { bytes.append(value) }
    package mutating func write(_ value: UInt16) { append(value) }
    package mutating func write(_ value: UInt32) { append(value) }
    package mutating func write(_ value: UInt64) { append(value) }
    package mutating func write(_ value: Int64) { append(value) }

    @inline(__always) private mutating func append<T: FixedWidthInteger>(_ value: T) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    @inlinable package mutating func write(_ raw: UnsafeRawBufferPointer) {
        bytes.append(contentsOf: raw)
    }

    @inlinable package mutating func write(_ raw: [UInt8]) { bytes.append(contentsOf: raw) }

    /// A 32-bit length and then the bytes.
    @inlinable package mutating func writeLengthPrefixed(_ raw: [UInt8]) {
        write(UInt32(raw.count))
        bytes.append(contentsOf: raw)
    }

    @inlinable package mutating func writeLengthPrefixed(_ text: String) {
        writeLengthPrefixed(Array(text.utf8))
    }

    /// Overwrites an integer that was written earlier, for lengths and checksums known only later.
    @inlinable package mutating func patch<T: FixedWidthInteger>(_ value: T, at offset: Int) {
        invariant(
            offset >= 0 && offset + MemoryLayout<T>.size <= bytes.count,
            "patch at \(offset) of \(bytes.count) bytes")
        withUnsafeBytes(of: value.littleEndian) { source in
            for (position, byte) in source.enumerated() { bytes[offset + position] = byte }
        }
    }
}

/// What is wrong with bytes that were to be decoded.
package enum DecodingError: Error, Equatable, Sendable {
    /// `needed` more bytes were to follow at `offset`, `available` were there.
    case truncated(offset: Int, needed: Int, available: Int)
    /// A field holds what its type does not allow.
    case invalid(field: StaticStringBox, offset: Int)
}

/// A static string that can be compared: the name of a field in an error.
package struct StaticStringBox: Equatable, Sendable, CustomStringConvertible,
    ExpressibleByStringLiteral
{
    package let text: StaticString
    package init(stringLiteral text: StaticString) { self.text = text }
    package static func == (a: StaticStringBox, b: StaticStringBox) -> Bool {
        a.description == b.description
    }
    package var description: String { text.description }
}

/// Reads what ``ByteWriter`` wrote. Never traps: every read checks what is left.
package struct ByteReader: Sendable {
    package let bytes: [UInt8]
    package private(set) var offset: Int
    package let end: Int

    package init(_ bytes: [UInt8]) { self.init(bytes, from: 0, to: bytes.count) }

    package init(_ bytes: [UInt8], from start: Int, to end: Int) {
        self.bytes = bytes
        self.offset = max(0, min(start, bytes.count))
        self.end = max(self.offset, min(end, bytes.count))
    }

    package var remaining: Int { end - offset }
    package var isAtEnd: Bool { offset == end }

    @inlinable package mutating func read<T: FixedWidthInteger>(
        _ type: T.Type = T.self
    ) throws(DecodingError) -> T {
        let start = try take(MemoryLayout<T>.size)
        let value = bytes.withUnsafeBytes {
            $0.loadUnaligned(fromByteOffset: start, as: T.self)
        }
        return T(littleEndian: value)
    }

    package mutating func read(
        _ type: UInt8.Type = UInt8.self
    ) throws(DecodingError) -> UInt8 { bytes[try take(1)] }

    package mutating func read(
        _ type: UInt16.Type = UInt16.self
    ) throws(DecodingError) -> UInt16 { try load() }

    package mutating func read(
        _ type: UInt32.Type = UInt32.self
    ) throws(DecodingError) -> UInt32 { try load() }

    package mutating func read(
        _ type: UInt64.Type = UInt64.self
    ) throws(DecodingError) -> UInt64 { try load() }

    package mutating func read(
        _ type: Int64.Type = Int64.self
    ) throws(DecodingError) -> Int64 { try load() }

    @inline(__always) private mutating func load<T: FixedWidthInteger>()
        throws(DecodingError) -> T
    {
        let start = try take(MemoryLayout<T>.size)
        return T(
            littleEndian: bytes.withUnsafeBytes {
                $0.loadUnaligned(fromByteOffset: start, as: T.self)
            })
    }

    package mutating func readBytes(_ count: Int) throws(DecodingError) -> [UInt8] {
        let start = try take(count)
        return Array(bytes[start..<(start + count)])
    }

    package mutating func readLengthPrefixed(limit: Int = .max) throws(DecodingError) -> [UInt8] {
        let start = offset
        let count = Int(try read(UInt32.self))
        guard count <= limit else { throw .invalid(field: "length", offset: start) }
        return try readBytes(count)
    }

    package mutating func readString(limit: Int = .max) throws(DecodingError) -> String {
        let start = offset
        let raw = try readLengthPrefixed(limit: limit)
        guard let text = String(validating: raw, as: UTF8.self) else {
            throw .invalid(field: "string", offset: start)
        }
        return text
    }

    /// Passes so many bytes, and says where they begin.
    package mutating func take(_ count: Int) throws(DecodingError) -> Int {
        guard count >= 0, count <= remaining else {
            throw .truncated(offset: offset, needed: count, available: remaining)
        }
        defer { offset += count }
        return offset
    }
}
