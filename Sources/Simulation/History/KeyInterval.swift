package import Primitives

/// A key, or a range of keys, in etcd's terms (`key`, `range_end`).
package struct KeyInterval: Hashable, Sendable {
    package var key: Bytes
    /// Exclusive. Empty: `key` alone; one zero byte: everything at or behind `key`.
    package var end: Bytes

    package init(_ key: Bytes, end: Bytes = Bytes([])) {
        self.key = key
        self.end = end
    }

    package static let everything = KeyInterval(Bytes([0]), end: Bytes([0]))

    /// Every key that begins with `prefix`.
    package static func prefix(_ prefix: Bytes) -> KeyInterval {
        var end = prefix.storage
        while let last = end.popLast() {
            if last < 0xFF { return KeyInterval(prefix, end: Bytes(end + [last + 1])) }
        }
        return KeyInterval(prefix.isEmpty ? Bytes([0]) : prefix, end: Bytes([0]))
    }

    package var isSingleKey: Bool { end.isEmpty }
    package var hasNoEnd: Bool { end.storage == [0] }

    package func contains(_ candidate: Bytes) -> Bool {
        if isSingleKey { return candidate == key }
        return key <= candidate && (hasNoEnd || candidate < end)
    }
}
