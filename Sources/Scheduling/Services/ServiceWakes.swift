internal import HeapModule
package import StateMachine

/// When services are to be looked at again though nothing happens: one time for each, the earliest
/// that was asked for. Whoever is looked at asks anew.
package struct ServiceWakes: Sendable {
    private struct Wake: Comparable, Sendable {
        var time: UInt64
        var service: ServiceID

        static func < (one: Wake, other: Wake) -> Bool {
            (one.time, one.service) < (other.time, other.service)
        }
    }

    private var heap = Heap<Wake>()
    private var times: [ServiceID: UInt64] = [:]

    package init() {}

    package var isEmpty: Bool { times.isEmpty }

    /// Entries that are kept, those that an earlier one has replaced among them.
    package var count: Int { heap.count }

    /// - Parameter time: the cluster's, in milliseconds.
    package mutating func add(_ service: ServiceID, at time: UInt64) {
        if let known = times[service], known <= time { return }
        times[service] = time
        heap.insert(Wake(time: time, service: service))
        // Those that others have replaced, and that are due only much later.
        guard heap.count > 2 * times.count + Self.surplusMax else { return }
        heap = Heap(heap.unordered.filter { times[$0.service] == $0.time })
    }

    private static let surplusMax = 64

    /// The services that are due, each once, in the order of their times.
    package mutating func take(until time: UInt64) -> [ServiceID] {
        var due: [ServiceID] = []
        while let wake = heap.min, wake.time <= time {
            heap.removeMin()
            guard times[wake.service] == wake.time else { continue }
            times[wake.service] = nil
            due.append(wake.service)
        }
        return due
    }
}
