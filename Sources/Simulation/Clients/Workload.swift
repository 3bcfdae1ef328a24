import Primitives
import StateMachine

/// Draws what a client asks for: few keys, so that clients meet.
enum Workload {
    static func key(_ number: Int) -> [UInt8] { Array("k\(number)".utf8) }

    /// - Parameter revision: about the newest, for reads of the past and compactions.
    static func draw(
        _ random: inout SplitMix64, _ settings: RunSettings, revision: Int64, value: UInt64,
        leases: [Int64]
    ) -> ClientRequest {
        switch random.draw(0...99) {
        case 0..<34:
            return .command(.put, body: put(&random, settings, value, leases), proposedID: 0)
        case 34..<46: return .command(.deleteRange, body: delete(&random, settings), proposedID: 0)
        case 46..<62: return transaction(&random, settings, value, leases)
        case 62..<80: return .range(range(&random, settings, revision))
        case 80..<83:
            var writer = ProtobufWriter()
            let back = random.pick([0, 0, 3, 20, 100])
            writer.field(1, max(0, revision - Int64(back)) + (back == 0 ? 1 : 0))
            if random.chance(1, in: 10) {
                return .command(.compact, body: writer.bytes, proposedID: 0)
            }
            return .range(range(&random, settings, revision))
        case 83..<88: return grant(&random, settings)
        case 88..<91:
            guard !leases.isEmpty else { return grant(&random, settings) }
            var writer = ProtobufWriter()
            writer.field(1, random.pick(leases))
            return .command(.leaseRevoke, body: writer.bytes, proposedID: 0)
        case 91..<97:
            guard !leases.isEmpty else { return grant(&random, settings) }
            return .renew(leaseID: random.pick(leases))
        default:
            guard !leases.isEmpty else { return grant(&random, settings) }
            return .timeToLive(leaseID: random.pick(leases))
        }
    }

    private static func grant(
        _ random: inout SplitMix64, _ settings: RunSettings
    ) -> ClientRequest {
        var writer = ProtobufWriter()
        writer.field(1, Int64(random.draw(1...settings.leaseSecondsMax)))
        let id = Int64(random.draw(1...8))
        if random.chance(1, in: 2) {
            writer.field(2, id)
            return .command(.leaseGrant, body: writer.bytes, proposedID: 0)
        }
        return .command(
            .leaseGrant, body: writer.bytes, proposedID: Int64(random.draw(100...1_000_000)))
    }

    private static func put(
        _ random: inout SplitMix64, _ settings: RunSettings, _ value: UInt64, _ leases: [Int64]
    ) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, key(random.draw(0...settings.keyCount - 1)))
        let ignoresValue = random.chance(1, in: 30)
        if !ignoresValue { writer.field(2, Self.value(&random, settings, value)) }
        let ignoresLease = random.chance(1, in: 30)
        if !ignoresLease, !leases.isEmpty, random.chance(1, in: 4) {
            writer.field(3, random.pick(leases))
        }
        writer.field(4, random.chance(1, in: 2))
        writer.field(5, ignoresValue)
        writer.field(6, ignoresLease)
        return writer.bytes
    }

    private static func value(
        _ random: inout SplitMix64, _ settings: RunSettings, _ value: UInt64
    ) -> [UInt8] {
        var bytes = Array("v\(value)".utf8)
        let more = random.draw(0...settings.valueBytesMax)
        bytes.append(contentsOf: repeatElement(UInt8(truncatingIfNeeded: value), count: more))
        return bytes
    }

    private static func end(_ random: inout SplitMix64, _ settings: RunSettings) -> [UInt8] {
        switch random.draw(0...5) {
        case 0: [0]
        case 1: key(random.draw(0...settings.keyCount))
        case _: []
        }
    }

    private static func delete(_ random: inout SplitMix64, _ settings: RunSettings) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, key(random.draw(0...settings.keyCount - 1)))
        writer.field(2, end(&random, settings))
        writer.field(3, random.chance(1, in: 2))
        return writer.bytes
    }

    private static func range(
        _ random: inout SplitMix64, _ settings: RunSettings, _ revision: Int64
    ) -> RangeRequest {
        var range = RangeRequest(
            key: key(random.draw(0...settings.keyCount - 1)), rangeEnd: end(&random, settings))
        range.isSerializable = random.chance(1, in: 4)
        if random.chance(1, in: 5) {
            range.revision = max(0, revision - Int64(random.pick([-5, 0, 2, 30, 300])))
        }
        if random.chance(1, in: 6) { range.limit = Int64(random.draw(1...3)) }
        range.countOnly = random.chance(1, in: 10)
        range.keysOnly = random.chance(1, in: 10)
        return range
    }

    // MARK: Transactions

    private static func transaction(
        _ random: inout SplitMix64, _ settings: RunSettings, _ value: UInt64, _ leases: [Int64]
    ) -> ClientRequest {
        var txn = ProtobufWriter()
        for _ in 0..<random.draw(0...2) { txn.field(1, compare(&random, settings)) }
        let isReadOnly = random.chance(1, in: 8)
        var number = value &* 8
        for branch in 2...3 {
            for key in keys(&random, settings) {
                number &+= 1
                let range = random.chance(1, in: 3) || isReadOnly
                let operation =
                    range
                    ? rangeOperation(&random, key)
                    : change(&random, settings, key, number, leases)
                txn.field(UInt32(branch), operation)
            }
        }
        if isReadOnly, let decoded = try? txn.bytes.withUnsafeBytes({ try TxnRequest.decode($0) }) {
            return .readOnly(decoded)
        }
        return .command(.txn, body: txn.bytes, proposedID: 0)
    }

    /// Up to three keys, none twice: a transaction may change a key once only.
    private static func keys(_ random: inout SplitMix64, _ settings: RunSettings) -> [Int] {
        var keys: [Int] = []
        for _ in 0..<random.draw(0...3) {
            let key = random.draw(0...settings.keyCount - 1)
            if !keys.contains(key) { keys.append(key) }
        }
        return keys
    }

    private static func compare(
        _ random: inout SplitMix64, _ settings: RunSettings
    ) -> [UInt8] {
        var writer = ProtobufWriter()
        let target = random.draw(0...4)
        writer.field(1, Int64(random.draw(0...3)))
        writer.field(2, Int64(target))
        writer.field(3, key(random.draw(0...settings.keyCount - 1)))
        switch target {
        case 3: writer.field(7, Array("v\(random.draw(0...50))".utf8))
        case 4: writer.field(8, Int64(random.draw(0...8)))
        case _: writer.field(UInt32(4 + target), Int64(random.draw(0...12)))
        }
        if random.chance(1, in: 8) { writer.field(64, [0]) }
        return writer.bytes
    }

    private static func rangeOperation(_ random: inout SplitMix64, _ key: Int) -> [UInt8] {
        var range = ProtobufWriter()
        range.field(1, Self.key(key))
        if random.chance(1, in: 4) { range.field(2, [0]) }
        var operation = ProtobufWriter()
        operation.field(1, range.bytes)
        return operation.bytes
    }

    private static func change(
        _ random: inout SplitMix64, _ settings: RunSettings, _ key: Int, _ value: UInt64,
        _ leases: [Int64]
    ) -> [UInt8] {
        var body = ProtobufWriter()
        var operation = ProtobufWriter()
        body.field(1, Self.key(key))
        if random.chance(1, in: 4) {
            body.field(3, random.chance(1, in: 2))
            operation.field(3, body.bytes)
        } else {
            body.field(2, Self.value(&random, settings, value))
            if !leases.isEmpty, random.chance(1, in: 6) { body.field(3, random.pick(leases)) }
            body.field(4, random.chance(1, in: 2))
            operation.field(2, body.bytes)
        }
        return operation.bytes
    }
}
