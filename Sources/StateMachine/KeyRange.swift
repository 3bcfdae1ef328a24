internal import Primitives

/// Which keys a request names, from etcd's `key` and `range_end`: an empty end is the one key, the
/// byte zero is every key from `start` on.
package struct KeyRange: Equatable, Sendable {
    package let start: [UInt8]
    /// Exclusive; nil for no end. For a single key it is nil too.
    package let end: [UInt8]?
    package let isSingleKey: Bool

    package init(key: [UInt8], rangeEnd: [UInt8]) {
        isSingleKey = rangeEnd.isEmpty
        end = rangeEnd.isEmpty || rangeEnd == [0] ? nil : rangeEnd
        // The whole space is asked for with the byte zero as key; no key sorts before it but the
        // empty one.
        start = key
    }

    package func contains(_ key: UnsafeRawBufferPointer) -> Bool {
        start.withUnsafeBytes { start in
            if isSingleKey { return Bytes.compare(start, key) == 0 }
            guard Bytes.compare(start, key) <= 0 else { return false }
            return end?.withUnsafeBytes { Bytes.compare(key, $0) < 0 } ?? true
        }
    }

    /// The bounds as a half-open interval; for a single key, of the key alone.
    func withBounds<R>(
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer?) -> R
    ) -> R {
        start.withUnsafeBytes { first in
            if isSingleKey {
                return (start + [0]).withUnsafeBytes { body(first, $0) }
            }
            if let end { return end.withUnsafeBytes { body(first, $0) } }
            return body(first, nil)
        }
    }
}

/// The two spaces of keys under one revision counter (DESIGN §6).
package enum SpaceID: UInt8, Sendable {
    case client = 0
    /// The datacenter's records: clients see them as `/keelson/…`, read-only.
    case datacenter = 1

    package static let datacenterPrefix: [UInt8] = Array("/keelson/".utf8)

    /// The space that a key, or a range that begins with it, belongs to.
    package static func of(_ key: UnsafeRawBufferPointer) -> SpaceID {
        guard key.count >= datacenterPrefix.count, key[0] == 0x2F, key[1] == 0x6B else {
            return .client
        }
        let head = UnsafeRawBufferPointer(rebasing: key[..<datacenterPrefix.count])
        let isInside = datacenterPrefix.withUnsafeBytes { Bytes.compare($0, head) == 0 }
        return isInside ? .datacenter : .client
    }

    package static func of(_ key: [UInt8]) -> SpaceID { key.withUnsafeBytes { of($0) } }
}
