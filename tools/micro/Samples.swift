internal import Primitives
internal import StateMachine

/// What the pieces are fed with: keys as long as those of many clients, and values that do not
/// compress. The same ones in each run.
struct Samples {
    static let keyCount = 100_000
    static let valueBytes = 256
    private static let digitCount = 9

    private var random = SplitMix64(seed: 1)

    static func key(_ number: Int, under prefix: String = "/micro/keys/") -> [UInt8] {
        let digits = String(number)
        let zeros = String(repeating: "0", count: max(0, digitCount - digits.count))
        return Array((prefix + zeros + digits).utf8)
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 8)
        while bytes.count < count {
            withUnsafeBytes(of: random.next()) { bytes.append(contentsOf: $0) }
        }
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    mutating func value() -> [UInt8] { bytes(Self.valueBytes) }

    /// The numbers below `count` in a random order.
    mutating func shuffled(_ count: Int) -> [Int] {
        var numbers = Array(0..<count)
        for position in stride(from: count - 1, to: 0, by: -1) {
            numbers.swapAt(position, Int(random.next(below: UInt64(position + 1))))
        }
        return numbers
    }

    // MARK: - Requests, as clients encode them

    static func put(_ key: [UInt8], _ value: [UInt8]) -> [UInt8] {
        var writer = ProtobufWriter(capacity: key.count + value.count + 16)
        writer.field(1, key)
        writer.field(2, value)
        return writer.bytes
    }

    static func range(_ key: [UInt8], to end: [UInt8] = []) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, key)
        writer.field(2, end)
        return writer.bytes
    }

    /// If the key exists, put it and read it: one comparison, one put, one range.
    static func txn(_ key: [UInt8], _ value: [UInt8]) -> [UInt8] {
        var compare = ProtobufWriter()
        compare.field(1, UInt64(3))  // NOT_EQUAL; the target, VERSION, is 0 and left out
        compare.field(3, key)
        compare.tag(4, .varint)
        compare.varint(0)
        var writer = ProtobufWriter(capacity: 3 * key.count + value.count + 64)
        writer.field(1, compare.bytes)
        for (number, message) in [(2, put(key, value)), (1, range(key))] as [(UInt32, [UInt8])] {
            var operation = ProtobufWriter(capacity: message.count + 8)
            operation.field(number, message)
            writer.field(2, operation.bytes)
        }
        return writer.bytes
    }

    static func compaction(at revision: Revision) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, revision.rawValue)
        return writer.bytes
    }

    static func deletion(of key: [UInt8], to end: [UInt8]) -> [UInt8] { range(key, to: end) }

    // MARK: - Entries

    /// The payload of an entry, with the header that leaders give it.
    static func command(_ kind: CommandKind, _ body: [UInt8]) -> [UInt8] {
        Command.encode(header(kind), body: body)
    }

    static func header(_ kind: CommandKind) -> CommandHeader {
        let request = RequestID(origin: NodeID(1), boot: BootNumber(1), sequence: 1)
        var header = CommandHeader(kind: kind, request: request)
        header.clock = 1
        header.clusterTime = 1
        return header
    }
}
