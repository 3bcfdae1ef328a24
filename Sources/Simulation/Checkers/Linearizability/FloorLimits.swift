internal import Primitives

/// How high the floor may be, given what was answered later: reads of the past that saw it, and
/// compactions that still had something to do. Without this a compaction that is put too early
/// shows only many revisions on.
struct FloorLimits {
    private let starts: [Int64]
    /// The lowest limit of this operation and all that began later.
    private let limits: [Int64]

    init(_ items: [SearchItem]) {
        let found = items.compactMap { item -> (start: Int64, limit: Int64)? in
            FloorLimits.limit(item).map { (item.start, $0) }
        }.sorted { $0.start < $1.start }
        var lowest = Int64.max
        var limits: [Int64] = []
        for item in found.reversed() {
            lowest = min(lowest, item.limit)
            limits.append(lowest)
        }
        starts = found.map(\.start)
        self.limits = limits.reversed()
    }

    private static func limit(_ item: SearchItem) -> Int64? {
        guard case .answer = item.expected else { return nil }
        switch item.request {
        case .range(let range):
            return range.revision > 0 && !range.isSerializable ? range.revision : nil
        case .compact(let revision): return revision - 1
        case .put, .deleteRange, .txn, .leaseGrant, .leaseRevoke, .leaseKeepAlive,
            .leaseTimeToLive:
            return nil
        }
    }

    /// For a compaction that takes effect before anything that began after `horizon`.
    func highest(before horizon: Int64) -> Int64 {
        var low = 0
        var high = starts.count
        while low < high {
            let middle = (low + high) / 2
            if starts[middle] <= horizon { low = middle + 1 } else { high = middle }
        }
        return low < limits.count ? limits[low] : .max
    }
}
