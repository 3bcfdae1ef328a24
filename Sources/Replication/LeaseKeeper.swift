import HeapModule
import Primitives

/// The clock of the leases, kept by the leader only, on its monotonic ticks (DESIGN §6).
///
/// A new leader gives every lease what the log says remains, and an election timeout on top: a
/// change of leader may lengthen a lease, never shorten it (L5).
struct LeaseKeeper: Sendable {
    private struct Deadline: Comparable, Sendable {
        var tick: UInt64
        var leaseID: Int64

        static func < (a: Deadline, b: Deadline) -> Bool {
            (a.tick, a.leaseID) < (b.tick, b.leaseID)
        }
    }

    /// When each lease ends. The heap may hold an earlier deadline of a lease that was renewed: it
    /// is looked up here when it comes to the top.
    private var endTicks: [Int64: UInt64] = [:]
    private var queue = Heap<Deadline>()
    /// Leases whose expiry is proposed and not yet applied. They cannot be renewed meanwhile.
    private var expiring: [Int64: Bool] = [:]

    var count: Int { endTicks.count }

    /// Starts or restarts the lease's time.
    mutating func start(_ leaseID: Int64, endsAt tick: UInt64) {
        if endTicks.updateValue(tick, forKey: leaseID) == nil {
            queue.insert(Deadline(tick: tick, leaseID: leaseID))
        }
    }

    mutating func remove(_ leaseID: Int64) {
        endTicks[leaseID] = nil
        expiring[leaseID] = nil
    }

    func endTick(of leaseID: Int64) -> UInt64? { endTicks[leaseID] }

    func isExpiring(_ leaseID: Int64) -> Bool { expiring[leaseID] != nil }

    /// The leases that have ended, at most `limit`, earliest first; they count as expiring from now
    /// on.
    mutating func takeExpired(at now: UInt64, limit: Int) -> [Int64] {
        var taken: [Int64] = []
        while taken.count < limit, let top = queue.min, top.tick <= now {
            queue.removeMin()
            guard let end = endTicks[top.leaseID], expiring[top.leaseID] == nil else { continue }
            if end > now {
                queue.insert(Deadline(tick: end, leaseID: top.leaseID))
            } else {
                expiring[top.leaseID] = true
                taken.append(top.leaseID)
            }
        }
        return taken
    }

    /// The expiry of these could not be proposed: they are due again.
    mutating func giveBack(_ leaseIDs: [Int64], at now: UInt64) {
        for leaseID in leaseIDs where endTicks[leaseID] != nil {
            expiring[leaseID] = nil
            queue.insert(Deadline(tick: now, leaseID: leaseID))
        }
    }
}
