internal import Primitives

/// What became of one write, as its client knows it.
enum WriteOutcome: Equatable {
    /// Sent, not answered yet.
    case pending
    /// Acknowledged at this revision.
    case acknowledged(revision: Int64)
    /// Certainly not done: it was never sent, or it was refused before it was proposed.
    case refused
    /// It may have been done, once.
    case unknown
}

/// Every write of the run. Writer `w` writes its keys once each, in the order of their numbers.
struct Ledger {
    private(set) var outcomes: [[WriteOutcome]]
    /// When writes were acknowledged: nanoseconds on the monotonic clock, in their order.
    private(set) var acknowledgements: [UInt64] = []
    /// The texts behind outcomes other than an acknowledgement, with their number.
    private(set) var reasons: [String: Int] = [:]
    /// The write that was acknowledged at the highest revision so far.
    private(set) var newest: Newest?
    /// Values are at least this long, and cannot be compressed.
    let valueBytes: Int

    struct Newest: Sendable {
        var writer: Int
        var number: Int
        var revision: Int64
    }

    init(writerCount: Int, valueBytes: Int = 0) {
        outcomes = Array(repeating: [], count: writerCount)
        self.valueBytes = valueBytes
    }

    static func key(writer: Int, number: Int) -> String { "survive/\(writer)/\(number)" }
    func value(writer: Int, number: Int) -> [UInt8] {
        var value = Array("written by \(writer) as \(number)".utf8)
        var random = SplitMix64(seed: UInt64(writer) << 32 | UInt64(number))
        value.reserveCapacity(valueBytes + 8)
        while value.count < valueBytes {
            withUnsafeBytes(of: random.next()) { value.append(contentsOf: $0) }
        }
        return value
    }

    /// The writer and number of a key, or nil when no writer made it.
    static func place(of key: [UInt8]) -> (writer: Int, number: Int)? {
        let parts = String(decoding: key, as: UTF8.self).split(separator: "/")
        guard parts.count == 3, parts[0] == "survive", let writer = Int(parts[1]),
            let number = Int(parts[2])
        else { return nil }
        return (writer, number)
    }

    /// Takes down a write that is about to be sent; returns its number.
    mutating func begin(writer: Int) -> Int {
        outcomes[writer].append(.pending)
        return outcomes[writer].count - 1
    }

    mutating func acknowledge(writer: Int, number: Int, revision: Int64, at nanoseconds: UInt64) {
        outcomes[writer][number] = .acknowledged(revision: revision)
        if revision > newest?.revision ?? 0 {
            newest = Newest(writer: writer, number: number, revision: revision)
        }
        acknowledgements.append(nanoseconds)
    }

    mutating func fail(writer: Int, number: Int, definitely: Bool, reason: String) {
        outcomes[writer][number] = definitely ? .refused : .unknown
        reasons[(definitely ? "refused: " : "unknown: ") + reason, default: 0] += 1
    }

    struct Counts: Encodable, Equatable {
        var acknowledged = 0
        var refused = 0
        var unknown = 0
        var pending = 0
    }

    var counts: Counts {
        var counts = Counts()
        for outcome in outcomes.joined() {
            switch outcome {
            case .acknowledged: counts.acknowledged += 1
            case .refused: counts.refused += 1
            case .unknown: counts.unknown += 1
            case .pending: counts.pending += 1
            }
        }
        return counts
    }

    /// How many writes were acknowledged in each interval from `start` to `end`.
    func acknowledgedCounts(
        from start: UInt64, to end: UInt64, intervalNanoseconds: UInt64
    ) -> [Int] {
        var counts = [Int](repeating: 0, count: Int((end - start) / intervalNanoseconds))
        for time in acknowledgements where time >= start {
            let place = Int((time - start) / intervalNanoseconds)
            guard place < counts.count else { break }
            counts[place] += 1
        }
        return counts
    }

    /// The longest time between acknowledgements from `start` to `end`, in milliseconds; the times
    /// before the first and after the last count too.
    func longestGapMilliseconds(from start: UInt64, to end: UInt64) -> Double {
        var low = 0
        var high = acknowledgements.count
        while low < high {
            let middle = (low + high) / 2
            if acknowledgements[middle] < start { low = middle + 1 } else { high = middle }
        }
        var previous = start
        var longest: UInt64 = 0
        for time in acknowledgements[low...] {
            if time > end { break }
            longest = max(longest, time - previous)
            previous = time
        }
        return Double(max(longest, end - previous)) / 1e6
    }
}
