internal import Primitives

/// A request that is encoded once. A call's message is a copy of it with the key's digits, and the
/// value if it has one, patched in: no encoder runs for each call.
struct RequestTemplate {
    private let bytes: [UInt8]
    /// Where each copy of the key's digits stands.
    private let digitOffsets: [Int]
    private let valueOffset: Int?
    private let valueByteCount: Int

    static let digitCount = 10
    static let keysMax = 10_000_000_000

    /// A message of which ``message(key:value:)`` patches every `key` and the `value`.
    private init(_ bytes: [UInt8], key: [UInt8], value: [UInt8]) {
        self.bytes = bytes
        var offsets: [Int] = []
        var position = 0
        while position + key.count <= bytes.count {
            if bytes[position..<(position + key.count)].elementsEqual(key) {
                offsets.append(position + key.count - RequestTemplate.digitCount)
                position += key.count
            } else {
                position += 1
            }
        }
        digitOffsets = offsets
        valueByteCount = value.count
        valueOffset =
            value.isEmpty
            ? nil
            : (0...(bytes.count - value.count)).first {
                bytes[$0..<($0 + value.count)].elementsEqual(value)
            }
        invariant(!offsets.isEmpty, "a request holds its key")
    }

    static func put(prefix: String, valueByteCount: Int) -> RequestTemplate {
        let (key, value) = placeholders(prefix, valueByteCount)
        return RequestTemplate(putMessage(key, value), key: key, value: value)
    }

    /// Reads `keyCount` keys of the prefix, from the patched one on.
    static func range(prefix: String, keyCount: Int, serializable: Bool) -> RequestTemplate {
        let (key, _) = placeholders(prefix, 0)
        var writer = ProtobufWriter()
        writer.field(1, key)
        if keyCount > 1, let last = prefix.utf8.last {
            writer.field(2, Array(prefix.utf8.dropLast()) + [last + 1])
            writer.field(3, Int64(keyCount))
        }
        writer.field(7, serializable)
        return RequestTemplate(writer.bytes, key: key, value: [])
    }

    /// If the key exists, put it, else read it: the shape of an update by a Kubernetes API server.
    static func txn(prefix: String, valueByteCount: Int) -> RequestTemplate {
        let (key, value) = placeholders(prefix, valueByteCount)
        var compare = ProtobufWriter()
        compare.field(1, UInt64(3))  // NOT_EQUAL; the target, VERSION, is 0 and left out
        compare.field(3, key)
        compare.tag(4, .varint)
        compare.varint(0)
        var success = ProtobufWriter()
        success.field(2, putMessage(key, value))
        var range = ProtobufWriter()
        range.field(1, key)
        var failure = ProtobufWriter()
        failure.field(1, range.bytes)
        var writer = ProtobufWriter()
        writer.field(1, compare.bytes)
        writer.field(2, success.bytes)
        writer.field(3, failure.bytes)
        return RequestTemplate(writer.bytes, key: key, value: value)
    }

    private static func putMessage(_ key: [UInt8], _ value: [UInt8]) -> [UInt8] {
        var writer = ProtobufWriter(capacity: key.count + value.count + 16)
        writer.field(1, key)
        writer.field(2, value)
        return writer.bytes
    }

    /// A value that no key or tag can be mistaken for.
    private static func placeholders(
        _ prefix: String, _ valueByteCount: Int
    ) -> (key: [UInt8], value: [UInt8]) {
        let digits = [UInt8](repeating: UInt8(ascii: "0"), count: digitCount)
        return (Array(prefix.utf8) + digits, [UInt8](repeating: 0xFF, count: valueByteCount))
    }

    /// The message for one call. `value` has the size that the template was made for; `stamp`,
    /// if any, takes the value's first eight bytes.
    func message(
        key number: Int, value: UnsafeRawBufferPointer?, stamp: UInt64? = nil
    ) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: bytes.count) { buffer, count in
            count = buffer.initialize(fromContentsOf: bytes)
            for offset in digitOffsets {
                var rest = number
                var position = offset + RequestTemplate.digitCount - 1
                while position >= offset, rest > 0 {
                    buffer[position] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                    rest /= 10
                    position -= 1
                }
            }
            guard let valueOffset else { return }
            let raw = UnsafeMutableRawBufferPointer(buffer)
            let target = UnsafeMutableRawBufferPointer(
                rebasing: raw[valueOffset..<(valueOffset + valueByteCount)])
            if let value { target.copyMemory(from: value) }
            if let stamp, valueByteCount >= 8 {
                target.storeBytes(of: stamp.littleEndian, as: UInt64.self)
            }
        }
    }
}

/// Values that do not compress, for next to no cycles: each is a window on a pool of random bytes.
struct ValuePool {
    private let bytes: [UInt8]
    private static let poolByteCount = 1 << 20

    init(valueByteCount: Int, random: inout SplitMix64) {
        let count = max(ValuePool.poolByteCount, valueByteCount * 2) / 8
        bytes = (0..<count).flatMap { _ in
            withUnsafeBytes(of: random.next()) { Array($0) }
        }
    }

    func withValue<Answer>(
        byteCount: Int, _ random: inout SplitMix64, _ body: (UnsafeRawBufferPointer) -> Answer
    ) -> Answer {
        let start = Int(random.next(below: UInt64(bytes.count - byteCount + 1)))
        return bytes.withUnsafeBytes {
            body(UnsafeRawBufferPointer(rebasing: $0[start..<(start + byteCount)]))
        }
    }
}

/// Which key comes next.
struct KeyChooser {
    let keyCount: Int
    let isSequential: Bool
    private var position = 0

    init(keyCount: Int, isSequential: Bool) {
        self.keyCount = keyCount
        self.isSequential = isSequential
    }

    mutating func next(_ random: inout SplitMix64) -> Int {
        guard isSequential else { return Int(random.next(below: UInt64(keyCount))) }
        defer { position = position + 1 == keyCount ? 0 : position + 1 }
        return position
    }
}
