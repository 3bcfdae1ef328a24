/// Counts of durations below doubling bounds: 62.5 µs, 125 µs, … 1 ms, … 8.192 s.
///
/// The bounds from a millisecond on are those of etcd's histograms of the disk. Cost of a record: a
/// shift and an addition.
package struct DurationHistogram: Equatable, Sendable {
    /// `counts[i]` durations were at most ``bound(_:)`` of `i` and more than the bound before; the
    /// last holds the rest.
    package private(set) var counts: [UInt64]
    package private(set) var sumNanoseconds: UInt64

    package static let boundsCount = 18
    package static let firstBoundNanoseconds: UInt64 = 62_500
    package static let empty = DurationHistogram()

    package init() {
        counts = Array(repeating: 0, count: Self.boundsCount + 1)
        sumNanoseconds = 0
    }

    /// The slot that a duration is counted in.
    package static func slot(of nanoseconds: UInt64) -> Int {
        guard nanoseconds > firstBoundNanoseconds else { return 0 }
        let whole = (nanoseconds - 1) / firstBoundNanoseconds
        return min(boundsCount, UInt64.bitWidth - whole.leadingZeroBitCount)
    }

    /// In seconds; infinite for the last slot.
    package static func bound(_ slot: Int) -> Double {
        slot < boundsCount ? Double(firstBoundNanoseconds << UInt64(slot)) / 1e9 : .infinity
    }

    package mutating func record(nanoseconds: UInt64) {
        sumNanoseconds &+= nanoseconds
        counts[Self.slot(of: nanoseconds)] &+= 1
    }

    package var count: UInt64 { counts.reduce(0, &+) }

    /// The same as cumulative counts.
    package var buckets: BucketCounts {
        var total = 0.0
        let cumulative = counts.map { count in
            total += Double(count)
            return total
        }
        return BucketCounts(
            bounds: counts.indices.map(Self.bound), counts: cumulative,
            sum: Double(sumNanoseconds) / 1e9)
    }
}

/// A histogram as Prometheus knows it: how many were at most each bound.
package struct BucketCounts: Equatable, Sendable {
    /// Ascending; the last is infinite where the histogram is whole.
    package private(set) var bounds: [Double]
    /// Of those at most the bound: never falling.
    package private(set) var counts: [Double]
    package private(set) var sum: Double

    package init(bounds: [Double] = [], counts: [Double] = [], sum: Double = 0) {
        let length = min(bounds.count, counts.count)
        self.bounds = Array(bounds.prefix(length))
        self.counts = Array(counts.prefix(length))
        self.sum = sum
    }

    package var count: Double { counts.last ?? 0 }

    /// Nil where there is none.
    package var mean: Double? { count > 0 ? sum / count : nil }

    /// What came since `earlier`; all of it where the counts have begun anew meanwhile, or where
    /// the bounds are others.
    package func since(_ earlier: BucketCounts) -> BucketCounts {
        guard earlier.bounds == bounds, earlier.count <= count else { return self }
        return BucketCounts(
            bounds: bounds, counts: zip(counts, earlier.counts).map { max(0, $0 - $1) },
            sum: max(0, sum - earlier.sum))
    }

    /// Both together; the other one's bounds must be the same, else it is left out.
    package func adding(_ other: BucketCounts) -> BucketCounts {
        if bounds.isEmpty { return other }
        guard other.bounds == bounds else { return self }
        return BucketCounts(
            bounds: bounds, counts: zip(counts, other.counts).map { $0 + $1 },
            sum: sum + other.sum)
    }

    /// The value that a share of all was at most, as Prometheus' `histogram_quantile` has it:
    /// within a bucket they are taken to lie evenly. Above the last finite bound, that bound. Nil
    /// where nothing was counted.
    /// - Parameter share: 0.5 for the median; 0 to 1.
    package func quantile(_ share: Double) -> Double? {
        guard count > 0 else { return nil }
        let rank = min(1, max(0, share)) * count
        let slot = counts.firstIndex { $0 >= rank } ?? counts.count - 1
        guard bounds[slot].isFinite else { return slot > 0 ? bounds[slot - 1] : nil }
        let lower = slot > 0 ? bounds[slot - 1] : 0
        let below = slot > 0 ? counts[slot - 1] : 0
        let inside = counts[slot] - below
        guard inside > 0 else { return bounds[slot] }
        return lower + (bounds[slot] - lower) * (rank - below) / inside
    }
}
