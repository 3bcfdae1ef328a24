import HeapModule
import Primitives

/// The clock of the leases, kept by the leader only, on its monotonic ticks (DESIGN §6).
///
/// A new leader gives every lease what the log says remains, and an election timeout on top: a
/// change of leader may lengthen a lease, never shorten it (L5).
package struct LeaseKeeper: Sendable {
    private struct Deadline: Comparable, Sendable {
        var tick: UInt64
        var leaseID: Int64

        static func < (a: Deadline, b: Deadline) -> Bool {
            (a.tick, a.leaseID) < (b.tick, b.leaseID)
        }
    }

    private struct Timer: Sendable {
        /// When the lease ends.
        var endTick: UInt64
        /// When it comes to the top of the queue, at its end or before; nil while its expiry is
        /// proposed and not yet applied. It cannot be renewed then.
        var queuedTick: UInt64?
    }

    private var timers: [Int64: Timer] = [:]
    /// One deadline a timer, where the lease is looked at again, and those of leases that are gone.
    private var queue = Heap<Deadline>()

    /// Deadlines of leases that are gone may be as many as those of living ones, and so many.
    package static let goneMax = 1024

    package var count: Int { timers.count }
    package var queueCount: Int { queue.count }

    package init() {}

    /// Starts or restarts the lease's time.
    package mutating func start(_ leaseID: Int64, endsAt tick: UInt64) {
        if timers[leaseID] == nil {
            timers[leaseID] = Timer(endTick: tick, queuedTick: tick)
            queue.insert(Deadline(tick: tick, leaseID: leaseID))
        } else {
            timers[leaseID]?.endTick = tick
        }
    }

    /// Cost: amortised constant.
    package mutating func remove(_ leaseID: Int64) {
        timers[leaseID] = nil
        if queue.count > 2 * timers.count + LeaseKeeper.goneMax {
            queue = Heap(queue.unordered.filter { isCurrent($0) })
        }
    }

    package func endTick(of leaseID: Int64) -> UInt64? { timers[leaseID]?.endTick }

    package func isExpiring(_ leaseID: Int64) -> Bool {
        timers[leaseID].map { $0.queuedTick == nil } ?? false
    }

    private func isCurrent(_ deadline: Deadline) -> Bool {
        timers[deadline.leaseID]?.queuedTick == deadline.tick
    }

    /// The leases that have ended, at most `limit`, earliest first; they count as expiring from now
    /// on.
    package mutating func takeExpired(at now: UInt64, limit: Int) -> [Int64] {
        var taken: [Int64] = []
        while taken.count < limit, let top = queue.min, top.tick <= now {
            queue.removeMin()
            guard isCurrent(top), let end = timers[top.leaseID]?.endTick else { continue }
            if end > now {
                enqueue(top.leaseID, at: end)
            } else {
                timers[top.leaseID]?.queuedTick = nil
                taken.append(top.leaseID)
            }
        }
        return taken
    }

    /// The expiry of these was not proposed, or came to nothing: they are looked at again at
    /// `tick`, and can be renewed.
    package mutating func giveBack(_ leaseIDs: [Int64], at tick: UInt64) {
        for leaseID in leaseIDs where isExpiring(leaseID) { enqueue(leaseID, at: tick) }
    }

    private mutating func enqueue(_ leaseID: Int64, at tick: UInt64) {
        timers[leaseID]?.queuedTick = tick
        queue.insert(Deadline(tick: tick, leaseID: leaseID))
    }
}
