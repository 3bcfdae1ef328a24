/// What a sum may not pass.
enum ResourceBound {
    /// Whatever is said, recorded or sent.
    case limits
    /// What is kept in memory of things that were within their limits one by one: many of them
    /// together may have more parts than one may.
    case amounts
}

extension Resources {
    package static func + (
        one: Resources, other: Resources
    ) throws(ResourcesError) -> Resources { try one.adding(other) }

    /// Nil when `other` is not contained in `one`.
    package static func - (one: Resources, other: Resources) -> Resources? {
        one.subtracting(other)
    }

    /// Scalars add up; ranges and sets are united; equal volumes are counted. O(n + m).
    /// - Throws: `amountTooLarge`, `tooManyRanges`, `tooManyItems`, `tooManyCopies`,
    ///   `tooManyEntries`.
    package func adding(_ other: Resources) throws(ResourcesError) -> Resources {
        try adding(other, within: .limits)
    }

    func adding(
        _ other: Resources, within bound: ResourceBound
    ) throws(ResourcesError) -> Resources {
        if other.isEmpty { return self }
        if isEmpty { return other }
        var sum: [ResourceEntry] = []
        sum.reserveCapacity(entries.count + other.entries.count)
        var left = 0
        var right = 0
        while left < entries.count, right < other.entries.count {
            let order = ResourceEntry.compare(entries[left], other.entries[right])
            if order == 0 {
                sum.append(try Resources.sum(entries[left], other.entries[right], bound))
            } else {
                sum.append(order < 0 ? entries[left] : other.entries[right])
            }
            if order <= 0 { left += 1 }
            if order >= 0 { right += 1 }
        }
        sum += entries[left...]
        sum += other.entries[right...]
        guard bound == .amounts || sum.count <= ResourceLimits.entriesMax else {
            throw .tooManyEntries(limit: ResourceLimits.entriesMax)
        }
        return Resources(normalised: sum)
    }

    /// Nil when `other` is not contained. O(n + m).
    package func subtracting(_ other: Resources) -> Resources? {
        contains(other) ? subtractingWhatIsThere(other) : nil
    }

    /// What is here and not in `other`; more than there is takes all there is. O(n + m).
    package func subtractingWhatIsThere(_ other: Resources) -> Resources {
        if other.isEmpty || isEmpty { return self }
        var rest: [ResourceEntry] = []
        rest.reserveCapacity(entries.count)
        var right = 0
        for entry in entries {
            var order = 1
            while right < other.entries.count, order > 0 {
                order = ResourceEntry.compare(entry, other.entries[right])
                if order > 0 { right += 1 }
            }
            guard right < other.entries.count, order == 0 else {
                rest.append(entry)
                continue
            }
            if let left = Resources.difference(entry, other.entries[right]) { rest.append(left) }
        }
        return Resources(normalised: rest)
    }

    /// Whether all of `other` is here. O(n + m).
    package func contains(_ other: Resources) -> Bool {
        var left = 0
        for entry in other.entries {
            var order = -1
            while left < entries.count, order < 0 {
                order = ResourceEntry.compare(entries[left], entry)
                if order < 0 { left += 1 }
            }
            guard left < entries.count, order == 0 else { return false }
            let own = entries[left]
            guard
                entry.isIndivisible
                    ? own.copies >= entry.copies : own.value.contains(entry.value)
            else { return false }
        }
        return true
    }

    /// Two entries that compare as one.
    static func sum(
        _ one: ResourceEntry, _ other: ResourceEntry, _ bound: ResourceBound = .limits
    ) throws(ResourcesError) -> ResourceEntry {
        var sum = one
        if one.isIndivisible {
            let copies = one.copies + other.copies
            guard copies <= ResourceLimits.copiesMax else {
                throw .tooManyCopies(limit: ResourceLimits.copiesMax)
            }
            sum.copies = copies
            try sum.checkAmount()
        } else {
            sum.value = try one.value.adding(other.value, within: bound)
        }
        return sum
    }

    private static func difference(
        _ one: ResourceEntry, _ other: ResourceEntry
    ) -> ResourceEntry? {
        var rest = one
        if one.isIndivisible {
            rest.copies = one.copies - other.copies
            return rest.copies > 0 ? rest : nil
        }
        rest.value = one.value.subtracting(other.value)
        return rest.value.isEmpty ? nil : rest
    }
}
