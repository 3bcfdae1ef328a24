/// A text that is equal, ordered and hashed by its UTF-8 bytes.
///
/// `String` compares by canonical equivalence, whose tables change with Swift's version: nodes of
/// two versions could disagree about an order, and two names of different bytes could be one.
package struct ByteText: Hashable, Comparable, Sendable, CustomStringConvertible,
    ExpressibleByStringLiteral
{
    package let text: String

    package init(_ text: String) {
        var contiguous = text
        contiguous.makeContiguousUTF8()
        self.text = contiguous
    }

    package init(stringLiteral text: String) { self.init(text) }

    package var description: String { text }
    package var isEmpty: Bool { text.utf8.isEmpty }
    package var byteCount: Int { text.utf8.count }

    /// Negative, zero or positive as `a` sorts before, with or after `b`; a prefix sorts first.
    package static func compare(_ a: ByteText, _ b: ByteText) -> Int {
        let order = a.text.utf8.withContiguousStorageIfAvailable { left in
            b.text.utf8.withContiguousStorageIfAvailable { right in
                bytewise(UnsafeRawBufferPointer(left), UnsafeRawBufferPointer(right))
            }
        }
        if let order, let order { return order }
        if a.text.utf8.elementsEqual(b.text.utf8) { return 0 }
        return a.text.utf8.lexicographicallyPrecedes(b.text.utf8) ? -1 : 1
    }

    /// Eight bytes at a time: ids have forty, and most of those of one cluster begin alike.
    private static func bytewise(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer)
        -> Int
    {
        let common = min(left.count, right.count)
        var index = 0
        while index + 8 <= common {
            let one = left.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let other = right.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            if one != other { return one.bigEndian < other.bigEndian ? -1 : 1 }
            index += 8
        }
        while index < common {
            if left[index] != right[index] { return Int(left[index]) - Int(right[index]) }
            index += 1
        }
        return left.count - right.count
    }

    package static func == (a: ByteText, b: ByteText) -> Bool {
        a.byteCount == b.byteCount && compare(a, b) == 0
    }

    package static func < (a: ByteText, b: ByteText) -> Bool { compare(a, b) < 0 }

    package func hash(into hasher: inout Hasher) {
        let isWhole: Void? = text.utf8.withContiguousStorageIfAvailable {
            hasher.combine(bytes: UnsafeRawBufferPointer($0))
        }
        if isWhole == nil { for byte in text.utf8 { hasher.combine(byte) } }
        hasher.combine(byteCount)
    }
}

/// Roles are paths: `eng/dev` is under `eng` (Mesos, docs/roles.md, "Hierarchical Roles").
extension ByteText {
    /// Whether this role is one above `role`; none is above itself.
    package func isAncestorRole(of role: ByteText) -> Bool {
        let own = text.utf8
        let other = role.text.utf8
        guard other.count > own.count, other.starts(with: own) else { return false }
        return other[other.index(other.startIndex, offsetBy: own.count)] == UInt8(ascii: "/")
    }

    /// The first part of the path.
    package var topLevelRole: ByteText {
        guard let slash = text.utf8.firstIndex(of: UInt8(ascii: "/")) else { return self }
        return ByteText(String(text[..<slash]))
    }

    /// The role above this one, or nil at the top.
    package var parentRole: ByteText? {
        guard let slash = text.utf8.lastIndex(of: UInt8(ascii: "/")) else { return nil }
        return ByteText(String(text[..<slash]))
    }
}
