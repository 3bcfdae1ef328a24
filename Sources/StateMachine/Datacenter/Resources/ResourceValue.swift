/// How much of a resource: Mesos's `Value` without text.
package enum ResourceValue: Hashable, Sendable {
    /// In thousandths of the unit; not negative.
    case scalar(Int64)
    case ranges(ResourceRanges)
    /// Sorted, without duplicates.
    case items([ByteText])

    package var isEmpty: Bool {
        switch self {
        case .scalar(let amount): return amount == 0
        case .ranges(let ranges): return ranges.isEmpty
        case .items(let items): return items.isEmpty
        }
    }

    /// The order of kinds, and their number in encodings.
    var kind: UInt8 {
        switch self {
        case .scalar: return 0
        case .ranges: return 1
        case .items: return 2
        }
    }

    /// Of two values of one kind.
    /// - Throws: `amountTooLarge`, `tooManyRanges`, `tooManyItems`.
    func adding(
        _ other: ResourceValue, within bound: ResourceBound = .limits
    ) throws(ResourcesError) -> ResourceValue {
        switch (self, other) {
        case (.scalar(let one), .scalar(let two)):
            let (sum, isOver) = one.addingReportingOverflow(two)
            guard !isOver, sum <= ResourceLimits.amountMax else { throw .amountTooLarge }
            return .scalar(sum)
        case (.ranges(let one), .ranges(let two)): return .ranges(try one.union(two, within: bound))
        case (.items(let one), .items(let two)):
            let union = ResourceValue.union(one, two)
            guard bound == .amounts || union.count <= ResourceLimits.itemsMax else {
                throw .tooManyItems(limit: ResourceLimits.itemsMax)
            }
            return .items(union)
        case (.scalar, .ranges), (.scalar, .items), (.ranges, .scalar), (.ranges, .items),
            (.items, .scalar), (.items, .ranges):
            return self
        }
    }

    /// What is here and not in `other`; a scalar does not fall below zero.
    func subtracting(_ other: ResourceValue) -> ResourceValue {
        switch (self, other) {
        case (.scalar(let one), .scalar(let two)): return .scalar(max(0, one - two))
        case (.ranges(let one), .ranges(let two)): return .ranges(one.subtracting(two))
        case (.items(let one), .items(let two)):
            return .items(one.filter { !ResourceValue.contains(two, $0) })
        case (.scalar, .ranges), (.scalar, .items), (.ranges, .scalar), (.ranges, .items),
            (.items, .scalar), (.items, .ranges):
            return self
        }
    }

    func contains(_ other: ResourceValue) -> Bool {
        switch (self, other) {
        case (.scalar(let one), .scalar(let two)): return one >= two
        case (.ranges(let one), .ranges(let two)): return one.contains(two)
        case (.items(let one), .items(let two)):
            return two.allSatisfy { ResourceValue.contains(one, $0) }
        case (.scalar, .ranges), (.scalar, .items), (.ranges, .scalar), (.ranges, .items),
            (.items, .scalar), (.items, .ranges):
            return false
        }
    }

    /// Negative, zero or positive; for values of one kind.
    static func compare(_ a: ResourceValue, _ b: ResourceValue) -> Int {
        switch (a, b) {
        case (.scalar(let one), .scalar(let two)): return one < two ? -1 : one > two ? 1 : 0
        case (.ranges(let one), .ranges(let two)):
            for (left, right) in zip(one.ranges, two.ranges) where left != right {
                let isLess =
                    (left.lowerBound, left.upperBound) < (right.lowerBound, right.upperBound)
                return isLess ? -1 : 1
            }
            return one.ranges.count - two.ranges.count
        case (.items(let one), .items(let two)): return ByteText.compare(one, two)
        case (.scalar, .ranges), (.scalar, .items), (.ranges, .scalar), (.ranges, .items),
            (.items, .scalar), (.items, .ranges):
            return Int(a.kind) - Int(b.kind)
        }
    }

    private static func union(_ one: [ByteText], _ two: [ByteText]) -> [ByteText] {
        var result: [ByteText] = []
        result.reserveCapacity(one.count + two.count)
        var left = 0
        var right = 0
        while left < one.count, right < two.count {
            let order = ByteText.compare(one[left], two[right])
            result.append(order <= 0 ? one[left] : two[right])
            if order <= 0 { left += 1 }
            if order >= 0 { right += 1 }
        }
        result += one[left...]
        result += two[right...]
        return result
    }

    private static func contains(_ sorted: [ByteText], _ item: ByteText) -> Bool {
        var low = 0
        var high = sorted.count
        while low < high {
            let middle = (low + high) / 2
            if sorted[middle] < item { low = middle + 1 } else { high = middle }
        }
        return low < sorted.count && sorted[low] == item
    }
}

extension ByteText {
    static func compare(_ a: [ByteText], _ b: [ByteText]) -> Int {
        for (left, right) in zip(a, b) {
            let order = compare(left, right)
            if order != 0 { return order }
        }
        return a.count - b.count
    }

    static func compare(_ a: ByteText?, _ b: ByteText?) -> Int {
        guard let a else { return b == nil ? 0 : -1 }
        guard let b else { return 1 }
        return compare(a, b)
    }
}
