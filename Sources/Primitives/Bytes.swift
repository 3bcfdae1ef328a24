#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// A byte string that compares as `memcmp` does and hashes in one go: a key, or any name made of
/// bytes.
package struct Bytes: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var storage: [UInt8]

    @inlinable package init(_ storage: [UInt8]) { self.storage = storage }
    package init(_ text: String) { storage = Array(text.utf8) }

    @inlinable package var count: Int { storage.count }
    @inlinable package var isEmpty: Bool { storage.isEmpty }

    package static func == (a: Bytes, b: Bytes) -> Bool {
        a.storage.count == b.storage.count && compare(a.storage, b.storage) == 0
    }

    package static func < (a: Bytes, b: Bytes) -> Bool { compare(a.storage, b.storage) < 0 }

    package func hash(into hasher: inout Hasher) {
        storage.withUnsafeBytes { hasher.combine(bytes: $0) }
    }

    /// Negative, zero or positive as `a` sorts before, with or after `b`; a prefix sorts first.
    package static func compare(_ a: [UInt8], _ b: [UInt8]) -> Int {
        a.withUnsafeBytes { left in b.withUnsafeBytes { right in compare(left, right) } }
    }

    package static func compare(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
        let common = min(a.count, b.count)
        if common > 0, let left = a.baseAddress, let right = b.baseAddress {
            let order = memcmp(left, right, common)
            if order != 0 { return Int(order) }
        }
        return a.count - b.count
    }

    /// Text where the bytes are printable ASCII, `\xNN` elsewhere: safe in a log line.
    package var description: String {
        var text = ""
        for byte in storage {
            if byte >= 0x20, byte < 0x7F, byte != 0x5C {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                text +=
                    byte < 16 ? "\\x0\(String(byte, radix: 16))" : "\\x\(String(byte, radix: 16))"
            }
        }
        return text
    }
}
