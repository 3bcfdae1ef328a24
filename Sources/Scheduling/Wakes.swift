internal import HeapModule

/// When things are to be looked at again though nothing happens: one time for each, the earliest
/// that was asked for. Whoever is looked at asks anew.
package struct Wakes<Key: Hashable & Comparable & Sendable>: Sendable {
    private struct Wake: Comparable, Sendable {
        var time: UInt64
        var key: Key

        static func < (one: Wake, other: Wake) -> Bool {
            (one.time, one.key) < (other.time, other.key)
        }
    }

    private var heap = Heap<Wake>()
    private var times: [Key: UInt64] = [:]

    package init() {}

    package var isEmpty: Bool { times.isEmpty }

    /// Entries that are kept, those that an earlier one has replaced among them.
    package var count: Int { heap.count }

    package mutating func add(_ key: Key, at time: UInt64) {
        if let known = times[key], known <= time { return }
        times[key] = time
        heap.insert(Wake(time: time, key: key))
        // Those that others have replaced, and that are due only much later.
        guard heap.count > 2 * times.count + Self.surplusMax else { return }
        heap = Heap(heap.unordered.filter { times[$0.key] == $0.time })
    }

    private static var surplusMax: Int { 64 }

    /// Those that are due, each once, in the order of their times.
    package mutating func take(until time: UInt64) -> [Key] {
        var due: [Key] = []
        while let wake = heap.min, wake.time <= time {
            heap.removeMin()
            guard times[wake.key] == wake.time else { continue }
            times[wake.key] = nil
            due.append(wake.key)
        }
        return due
    }
}
