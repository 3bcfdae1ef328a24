internal import Primitives

/// A set of keys as half-open intervals, joined where they touch, in order. An interval without an
/// end takes every key from its start on.
struct KeyIntervals: Equatable, Sendable {
    private struct Interval: Equatable {
        var start: Bytes
        /// Exclusive; nil for no end.
        var end: Bytes?
    }

    private var intervals: [Interval] = []

    var isEmpty: Bool { intervals.isEmpty }

    /// Adds the keys of a range; one that ends before it begins has none.
    /// Cost: O(log n), and O(n) to make room.
    mutating func insert(_ range: KeyRange) { insert(KeyIntervals.interval(range)) }

    mutating func formUnion(_ other: KeyIntervals) {
        for interval in other.intervals { insert(interval) }
    }

    func contains(_ key: Bytes) -> Bool {
        let place = firstAfter(key)
        guard place > 0 else { return false }
        return intervals[place - 1].end.map { key < $0 } ?? true
    }

    /// Whether every key of the range is in the set. A range that ends before it begins is judged
    /// by the key that it begins with: nothing is allowed for being empty.
    func covers(_ range: KeyRange) -> Bool {
        var wanted = KeyIntervals.interval(range)
        if let end = wanted.end, end <= wanted.start {
            wanted.end = Bytes(wanted.start.storage + [0])
        }
        let place = firstAfter(wanted.start)
        guard place > 0 else { return false }
        guard let end = intervals[place - 1].end else { return true }
        return wanted.end.map { $0 <= end } ?? false
    }

    private static func interval(_ range: KeyRange) -> Interval {
        if range.isSingleKey {
            return Interval(start: Bytes(range.start), end: Bytes(range.start + [0]))
        }
        return Interval(start: Bytes(range.start), end: range.end.map { Bytes($0) })
    }

    private mutating func insert(_ interval: Interval) {
        if let end = interval.end, end <= interval.start { return }
        var joined = interval
        var first = firstAfter(interval.start)
        if first > 0, intervals[first - 1].end.map({ interval.start <= $0 }) ?? true {
            first -= 1
            joined.start = intervals[first].start
            joined.end = KeyIntervals.later(joined.end, intervals[first].end)
        }
        var end = first
        while end < intervals.count, joined.end.map({ intervals[end].start <= $0 }) ?? true {
            joined.end = KeyIntervals.later(joined.end, intervals[end].end)
            end += 1
        }
        intervals.replaceSubrange(first..<end, with: [joined])
    }

    private static func later(_ a: Bytes?, _ b: Bytes?) -> Bytes? {
        guard let a, let b else { return nil }
        return max(a, b)
    }

    /// The first interval that starts after `key`.
    private func firstAfter(_ key: Bytes) -> Int {
        var low = 0
        var high = intervals.count
        while low < high {
            let middle = (low + high) / 2
            if intervals[middle].start <= key { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
