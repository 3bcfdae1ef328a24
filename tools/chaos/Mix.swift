internal import Primitives
internal import Simulation

/// Draws what clients ask for: few keys, so that clients meet; values that no two calls share and
/// leases that are granted once, so that the history is easy to judge. Confined to the clients'
/// event loop.
struct Mix {
    private var random: SplitMix64
    private var leases: [Int64] = []
    private var leasesMade: Int64 = 0
    private var nextCompaction: Int64
    private let keyCount: Int

    static let leaseSecondsMax = 5
    /// Nanoseconds between two compactions, about.
    private static let compactionPause = 7_000_000_000
    private static let leasesMax = 16
    private static let listCount = 3
    private static let listBytesMax = 160

    init(random: SplitMix64, keyCount: Int) {
        self.random = random
        self.keyCount = keyCount
        nextCompaction = Recorder.now + Int64(Self.compactionPause)
    }

    /// What a draw goes by.
    struct Situation {
        var operation: Int
        /// About the newest revision.
        var revision: Int64
        /// Everything up to it is safe with the collector, so that it may be compacted.
        var collected: Int64
        /// What this client last saw of the lists.
        var seen: [Bytes: RecordedPair]
    }

    mutating func draw(_ situation: Situation) -> RecordedRequest {
        if Recorder.now >= nextCompaction, let compaction = compaction(situation) {
            return compaction
        }
        switch random.draw(0...99) {
        case 0..<24: return .put(put(key(), "v\(situation.operation)"))
        case 24..<42: return .range(range(situation, isSerializable: false))
        case 42..<52: return .range(range(situation, isSerializable: true))
        case 52..<58: return .deleteRange(delete())
        case 58..<76: return append(situation)
        case 76..<84: return .txn(txn(situation))
        case 84..<88: return grant()
        case 88..<94: return leases.isEmpty ? grant() : .leaseKeepAlive(lease: random.pick(leases))
        case 94..<96:
            guard !leases.isEmpty else { return grant() }
            let lease = leases.remove(at: random.draw(0...leases.count - 1))
            return .leaseRevoke(lease: lease)
        default:
            guard !leases.isEmpty else { return grant() }
            return .leaseTimeToLive(
                lease: random.pick(leases), wantsKeys: random.chance(1, in: 2))
        }
    }

    /// A lease that was granted, to attach keys to; the oldest is let go of.
    mutating func granted(_ lease: Int64) {
        leases.append(lease)
        if leases.count > Self.leasesMax { leases.removeFirst() }
    }

    static func listKey(_ number: Int) -> Bytes { Bytes("list/\(number)") }

    private mutating func key() -> Bytes {
        let number = random.draw(0...keyCount - 1)
        return Bytes(number % 2 == 0 ? "even/\(number)" : "odd/\(number)")
    }

    /// One key, a prefix, a stretch, or everything.
    private mutating func interval() -> KeyInterval {
        switch random.draw(0...9) {
        case 0: .prefix(Bytes("even/"))
        case 1: .prefix(Bytes("odd/"))
        case 2: .everything
        case 3: KeyInterval(key(), end: Bytes("odd/3"))
        default:
            KeyInterval(random.chance(1, in: 3) ? Self.listKey(list()) : key())
        }
    }

    private mutating func list() -> Int { random.draw(0...Self.listCount - 1) }

    private mutating func put(_ key: Bytes, _ value: String) -> RecordedPut {
        var put = RecordedPut(key, Bytes(value), wantsPrevious: random.chance(1, in: 2))
        if !leases.isEmpty, random.chance(1, in: 4) { put.lease = random.pick(leases) }
        return put
    }

    private mutating func range(_ now: Situation, isSerializable: Bool) -> RecordedRange {
        var range = RecordedRange(interval(), isSerializable: isSerializable)
        if random.chance(1, in: 4) {
            range.revision = max(1, now.revision - Int64(random.pick([0, 0, 3, 40, 400])))
        }
        if random.chance(1, in: 6) { range.limit = Int64(random.draw(1...3)) }
        range.countOnly = random.chance(1, in: 12)
        range.keysOnly = !range.countOnly && random.chance(1, in: 12)
        return range
    }

    private mutating func delete() -> RecordedDeleteRange {
        let interval =
            random.chance(1, in: 8)
            ? KeyInterval(Bytes("odd/1"), end: Bytes("odd/5")) : KeyInterval(key())
        return RecordedDeleteRange(interval, wantsPrevious: random.chance(1, in: 2))
    }

    /// Compare and swap: one more element at the end of a list, if nobody else was quicker.
    private mutating func append(_ now: Situation) -> RecordedRequest {
        let key = Self.listKey(list())
        let read = RecordedRequest.range(RecordedRange(KeyInterval(key)))
        guard let seen = now.seen[key] else {
            let absent = RecordedCompare(KeyInterval(key), .equal, .create(0))
            let first = RecordedRequest.put(RecordedPut(key, Bytes("\(now.operation)")))
            return .txn(RecordedTxn(compares: [absent], success: [first], failure: [read]))
        }
        let isLong = seen.value.count > Self.listBytesMax
        let grown = (isLong ? [] : seen.value.storage + [0x2C]) + "\(now.operation)".utf8
        let isSame =
            random.chance(1, in: 2)
            ? RecordedCompare(KeyInterval(key), .equal, .mod(seen.modRevision))
            : RecordedCompare(KeyInterval(key), .equal, .value(seen.value))
        let swap = RecordedRequest.put(RecordedPut(key, Bytes(grown), wantsPrevious: true))
        return .txn(RecordedTxn(compares: [isSame], success: [swap], failure: [read]))
    }

    /// Two keys that are compared and changed together.
    private mutating func txn(_ now: Situation) -> RecordedTxn {
        let first = key()
        var second = key()
        while second == first { second = key() }
        var txn = RecordedTxn()
        for key in [first, second] where random.chance(2, in: 3) {
            txn.compares.append(compare(key, now))
        }
        txn.success = [
            .put(put(first, "t\(now.operation)a")), .put(put(second, "t\(now.operation)b")),
        ]
        if random.chance(1, in: 3) {
            txn.success[1] = .deleteRange(
                RecordedDeleteRange(KeyInterval(second), wantsPrevious: true))
        }
        txn.failure = [.range(RecordedRange(.prefix(Bytes("even/"))))]
        if random.chance(1, in: 2) { txn.failure.append(.put(put(first, "t\(now.operation)c"))) }
        return txn
    }

    private mutating func compare(_ key: Bytes, _ now: Situation) -> RecordedCompare {
        let back = Int64(random.draw(0...60))
        let target: RecordedCompare.Target =
            switch random.draw(0...3) {
            case 0: .version(Int64(random.draw(0...4)))
            case 1: .create(max(0, now.revision - back))
            case 2: .mod(max(0, now.revision - back))
            default: .lease(0)
            }
        return RecordedCompare(
            KeyInterval(key), random.pick([.equal, .notEqual, .less, .greater]), target)
    }

    private mutating func grant() -> RecordedRequest {
        leasesMade += 1
        return .leaseGrant(
            lease: 1_000_000 + leasesMade, seconds: Int64(random.draw(2...Self.leaseSecondsMax)))
    }

    private mutating func compaction(_ now: Situation) -> RecordedRequest? {
        let target = now.collected - Int64(random.pick([0, 10, 200]))
        guard target > 1 else { return nil }
        nextCompaction = Recorder.now + Int64(random.draw(0...2 * Self.compactionPause))
        return .compact(revision: target)
    }
}
