/// A set of unsigned integers as closed ranges: sorted, disjoint, and joined where they touch.
package struct ResourceRanges: Hashable, Sendable {
    package private(set) var ranges: [ClosedRange<UInt64>]

    package static let empty = ResourceRanges(sorted: [])

    /// In any order, overlapping or not.
    /// - Throws: `backwardRange`, `tooManyRanges`.
    package init(_ pairs: [(begin: UInt64, end: UInt64)]) throws(ResourcesError) {
        guard pairs.count <= ResourceLimits.rangesMax else {
            throw .tooManyRanges(limit: ResourceLimits.rangesMax)
        }
        for (begin, end) in pairs where begin > end {
            throw .backwardRange(begin: begin, end: end)
        }
        ranges = ResourceRanges.joined(
            pairs.map { $0.begin...$0.end }.sorted { $0.lowerBound < $1.lowerBound })
    }

    /// Already sorted, disjoint and apart.
    private init(sorted: [ClosedRange<UInt64>]) { ranges = sorted }

    package var isEmpty: Bool { ranges.isEmpty }

    /// How many integers there are; at most `UInt64.max`, which is also said of all of them.
    package var count: UInt64 {
        var sum: UInt64 = 0
        for range in ranges {
            let (size, isFull) = (range.upperBound - range.lowerBound)
                .addingReportingOverflow(1)
            let (next, isOver) = sum.addingReportingOverflow(size)
            if isFull || isOver { return .max }
            sum = next
        }
        return sum
    }

    /// - Throws: `tooManyRanges`.
    package func union(_ other: ResourceRanges) throws(ResourcesError) -> ResourceRanges {
        try union(other, within: .limits)
    }

    func union(
        _ other: ResourceRanges, within bound: ResourceBound
    ) throws(ResourcesError) -> ResourceRanges {
        if other.isEmpty { return self }
        if isEmpty { return other }
        var merged: [ClosedRange<UInt64>] = []
        merged.reserveCapacity(ranges.count + other.ranges.count)
        var left = 0
        var right = 0
        while left < ranges.count || right < other.ranges.count {
            let takesLeft =
                right == other.ranges.count
                || (left < ranges.count
                    && ranges[left].lowerBound <= other.ranges[right].lowerBound)
            merged.append(takesLeft ? ranges[left] : other.ranges[right])
            if takesLeft { left += 1 } else { right += 1 }
        }
        let joined = ResourceRanges.joined(merged)
        guard bound == .amounts || joined.count <= ResourceLimits.rangesMax else {
            throw .tooManyRanges(limit: ResourceLimits.rangesMax)
        }
        return ResourceRanges(sorted: joined)
    }

    package func intersection(_ other: ResourceRanges) -> ResourceRanges {
        var common: [ClosedRange<UInt64>] = []
        var left = 0
        var right = 0
        while left < ranges.count, right < other.ranges.count {
            let one = ranges[left]
            let two = other.ranges[right]
            let begin = max(one.lowerBound, two.lowerBound)
            let end = min(one.upperBound, two.upperBound)
            if begin <= end { common.append(begin...end) }
            if one.upperBound <= two.upperBound { left += 1 } else { right += 1 }
        }
        return ResourceRanges(sorted: common)
    }

    /// What is here and not in `other`.
    package func subtracting(_ other: ResourceRanges) -> ResourceRanges {
        var rest: [ClosedRange<UInt64>] = []
        var next = 0
        for range in ranges {
            var begin = range.lowerBound
            var isUsedUp = false
            while next < other.ranges.count, other.ranges[next].upperBound < begin { next += 1 }
            var place = next
            while place < other.ranges.count,
                other.ranges[place].lowerBound <= range.upperBound
            {
                let hole = other.ranges[place]
                if hole.lowerBound > begin { rest.append(begin...(hole.lowerBound - 1)) }
                if hole.upperBound >= range.upperBound {
                    isUsedUp = true
                    break
                }
                begin = max(begin, hole.upperBound + 1)
                place += 1
            }
            next = place
            if !isUsedUp { rest.append(begin...range.upperBound) }
        }
        return ResourceRanges(sorted: rest)
    }

    package func contains(_ other: ResourceRanges) -> Bool {
        var place = 0
        for range in other.ranges {
            while place < ranges.count, ranges[place].upperBound < range.lowerBound { place += 1 }
            guard place < ranges.count, ranges[place].lowerBound <= range.lowerBound,
                range.upperBound <= ranges[place].upperBound
            else { return false }
        }
        return true
    }

    /// Joins what overlaps or touches, of ranges sorted by their beginnings.
    private static func joined(_ sorted: [ClosedRange<UInt64>]) -> [ClosedRange<UInt64>] {
        var result: [ClosedRange<UInt64>] = []
        result.reserveCapacity(sorted.count)
        for range in sorted {
            guard let last = result.last else {
                result.append(range)
                continue
            }
            let touches =
                range.lowerBound <= last.upperBound || range.lowerBound - 1 == last.upperBound
            if touches {
                result[result.count - 1] =
                    last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                result.append(range)
            }
        }
        return result
    }
}
