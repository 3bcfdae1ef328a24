internal import Primitives

/// What an agent has, an offer holds or a task takes: Mesos's `Resources`, as a value.
///
/// Invariant: entries are valid, not empty, sorted, and no two of them could be one. Two values
/// hold the same exactly if they are equal. The role that something is allocated to is no part
/// of it: allocations are kept by role.
package struct Resources: Hashable, Sendable {
    package internal(set) var entries: [ResourceEntry]

    package static let empty = Resources(normalised: [])

    /// In any order. Empty values are left out.
    /// - Throws: what ``ResourceEntry/validate()`` and ``adding(_:)`` throw.
    package init(_ entries: [ResourceEntry]) throws(ResourcesError) {
        guard entries.count <= ResourceLimits.entriesMax else {
            throw .tooManyEntries(limit: ResourceLimits.entriesMax)
        }
        var sorted: [ResourceEntry] = []
        sorted.reserveCapacity(entries.count)
        for var entry in entries {
            if entry.disk?.isEmpty == true { entry.disk = nil }
            try entry.validate()
            if !entry.value.isEmpty { sorted.append(entry) }
        }
        sorted.sort { ResourceEntry.compare($0, $1) < 0 }
        var joined: [ResourceEntry] = []
        joined.reserveCapacity(sorted.count)
        for entry in sorted {
            if let last = joined.last, ResourceEntry.compare(last, entry) == 0 {
                joined[joined.count - 1] = try Resources.sum(last, entry)
            } else {
                joined.append(entry)
            }
        }
        self.entries = joined
    }

    /// Already normalised.
    init(normalised: [ResourceEntry]) { entries = normalised }

    package var isEmpty: Bool { entries.isEmpty }

    /// The sum of a scalar over all entries of its name, in thousandths.
    package func scalar(_ name: ByteText) -> Int64 {
        var sum: Int64 = 0
        for entry in entries where entry.name == name { sum += entry.amount }
        return sum
    }

    package var cpus: Int64 { scalar(ResourceNames.cpus) }
    /// In thousandths of a megabyte.
    package var mem: Int64 { scalar(ResourceNames.mem) }
    /// In thousandths of a megabyte.
    package var disk: Int64 { scalar(ResourceNames.disk) }
    package var gpus: Int64 { scalar(ResourceNames.gpus) }

    /// The union of all ranges of that name.
    package func ranges(_ name: ByteText) throws(ResourcesError) -> ResourceRanges {
        var union = ResourceRanges.empty
        for entry in entries where entry.name == name {
            if case .ranges(let ranges) = entry.value { union = try union.union(ranges) }
        }
        return union
    }

    /// Checks what the type promises.
    package func checkInvariants() {
        for (index, entry) in entries.enumerated() {
            invariant(!entry.value.isEmpty, "\(entry.name) is empty")
            invariant(entry.copies >= 1, "\(entry.name) is there \(entry.copies) times")
            let mayHaveCopies = entry.copies == 1 || entry.isIndivisible
            invariant(mayHaveCopies, "\(entry.name) has copies, and is divisible")
            let isInOrder = index == 0 || ResourceEntry.compare(entries[index - 1], entry) < 0
            invariant(isInOrder, "\(entry.name) is out of order, or twice")
        }
    }
}

extension ResourceEntry {
    /// In thousandths; zero for what is no scalar. Each copy counts.
    package var amount: Int64 {
        switch value {
        case .scalar(let amount): return amount * copies
        case .ranges, .items: return 0
        }
    }
}

/// The names that rules know.
package enum ResourceNames {
    package static let cpus: ByteText = "cpus"
    package static let mem: ByteText = "mem"
    package static let disk: ByteText = "disk"
    package static let gpus: ByteText = "gpus"
    package static let ports: ByteText = "ports"
    /// The role of whoever names none. Nothing is ever reserved to it.
    package static let anyRole: ByteText = "*"
}
