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
        /// When what remains is worth a line in the log: so long after its time was started, or
        /// after the last such line.
        var checkpointTick: UInt64
        var checkpointEvery: UInt64
        /// When it comes to the top of the queue, when it is due or before; nil while its expiry is
        /// proposed and not yet applied. It cannot be renewed then.
        var queuedTick: UInt64?

        var dueTick: UInt64 { min(endTick, checkpointTick) }
    }

    /// What is due at a tick.
    package struct Due: Equatable, Sendable {
        /// Leases that have ended, earliest first; they count as expiring from now on.
        package var ended: [Int64]
        /// Leases that were not renewed for a while.
        package var toCheckpoint: [Int64]

        package var count: Int { ended.count + toCheckpoint.count }

        package init(ended: [Int64] = [], toCheckpoint: [Int64] = []) {
            self.ended = ended
            self.toCheckpoint = toCheckpoint
        }
    }

    private var timers: [Int64: Timer] = [:]
    /// One deadline a timer, where the lease is looked at again, and those of leases that are gone.
    private var queue = Heap<Deadline>()

    /// Deadlines of leases that are gone may be as many as those of living ones, and so many.
    package static let goneMax = 1024

    package var count: Int { timers.count }
    package var queueCount: Int { queue.count }

    package init() {}

    /// Starts or restarts the lease's time, at the tick `now`.
    package mutating func start(
        _ leaseID: Int64, endsAt end: UInt64, now: UInt64 = 0,
        checkpointEvery interval: UInt64 = .max
    ) {
        var timer = Timer(
            endTick: end, checkpointTick: LeaseKeeper.later(now, by: interval),
            checkpointEvery: interval, queuedTick: nil)
        if let known = timers[leaseID] {
            timer.queuedTick = known.queuedTick
            timers[leaseID] = timer
        } else {
            timers[leaseID] = timer
            enqueue(leaseID, at: timer.dueTick)
        }
    }

    private static func later(_ tick: UInt64, by interval: UInt64) -> UInt64 {
        let (sum, overflow) = tick.addingReportingOverflow(interval)
        return overflow ? .max : sum
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

    /// At most `limit` of what is due.
    package mutating func takeDue(at now: UInt64, limit: Int) -> Due {
        var due = Due()
        while due.count < limit, let top = queue.min, top.tick <= now {
            queue.removeMin()
            guard isCurrent(top), var timer = timers[top.leaseID] else { continue }
            if timer.endTick <= now {
                timers[top.leaseID]?.queuedTick = nil
                due.ended.append(top.leaseID)
                continue
            }
            if timer.checkpointTick <= now {
                timer.checkpointTick = LeaseKeeper.later(now, by: timer.checkpointEvery)
                timers[top.leaseID] = timer
                due.toCheckpoint.append(top.leaseID)
            }
            enqueue(top.leaseID, at: timer.dueTick)
        }
        return due
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
