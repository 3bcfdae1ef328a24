import DequeModule
import Primitives
import StateMachine

/// What a leader does about leases once it has applied the first entry of its own term.
struct LeaseDuty: Sendable {
    /// A client's question, and whose client it is.
    struct Asked: Sendable {
        var origin: NodeID
        var question: LeaseQuestion
        var renewing: Bool
    }

    /// A proposal of the duty's own that is not applied yet.
    struct Proposed: Sendable {
        var index: LogIndex
        var kind: CommandKind
        var leaseIDs: [Int64]
    }

    /// Renewals of one lease that wait for an entry. More are dropped, and asked again by their
    /// nodes.
    static let waitingMax = 1024

    var keeper = LeaseKeeper()
    /// A lease whose time began since the last tick.
    struct Started: Sendable {
        var leaseID: Int64
        /// What it got.
        var ticks: UInt64
        var grantedSeconds: Int64
    }

    /// In order.
    var started: [Started] = []
    /// Questions since the last flush; one quorum round confirms them all.
    var gathered: [Asked] = []
    /// Rounds in flight. A renewal is acknowledged only after a round that began after it came in.
    var rounds: [UInt64: [Asked]] = [:]
    /// Confirmed by a round, waiting for the store to reach its index.
    var confirmed: [(index: LogIndex, asked: [Asked])] = []
    /// Renewals that wait for an entry about their lease: its expiry, a checkpoint of it, or the
    /// clearing of its remainder.
    var waitingForEntry: [Int64: [Asked]] = [:]
    /// Leases whose remainder is to be cleared at the next flush. Each has renewals that wait.
    var toClear: [Int64] = []
    /// In log order.
    private var proposed = Deque<Proposed>()

    /// Whether a decision that leases ended is not applied yet.
    var isExpiryInFlight: Bool { proposed.contains { $0.kind == .leaseExpire } }
    /// How often each lease is in the checkpoints among them, clearings included.
    private var checkpointsInFlight: [Int64: Int] = [:]

    func isRound(_ id: UInt64) -> Bool { rounds[id] != nil }

    /// Keeps a renewal that must not be acknowledged yet: the next leader would find an expiry or a
    /// shorter remainder in the log, or one is on its way there, so that what the store says is not
    /// the last word (L1, L5). One that its node asks again is kept once. False where nothing is in
    /// its way.
    mutating func holdBack(_ asked: Asked, about lease: Lease) -> Bool {
        let isEntryInFlight =
            keeper.isExpiring(lease.id) || checkpointsInFlight[lease.id] != nil
        if !isEntryInFlight {
            if lease.remainingSeconds == 0 { return false }
            #if KEELSON_MUTANTS
                if planted(.keepsRemainders) { return false }
            #endif
            if waitingForEntry[lease.id] == nil { toClear.append(lease.id) }
        }
        let isKnown = waitingForEntry[lease.id, default: []].contains {
            $0.origin == asked.origin && $0.question == asked.question
                && $0.renewing == asked.renewing
        }
        if !isKnown, waitingForEntry[lease.id, default: []].count < LeaseDuty.waitingMax {
            waitingForEntry[lease.id, default: []].append(asked)
        }
        return true
    }

    /// Whether what remains of the lease may be written to the log: not while it is being renewed.
    func mayCheckpoint(_ leaseID: Int64) -> Bool {
        waitingForEntry[leaseID] == nil && checkpointsInFlight[leaseID] == nil
    }

    mutating func add(_ entry: Proposed) {
        proposed.append(entry)
        guard entry.kind == .leaseCheckpoint else { return }
        for leaseID in entry.leaseIDs { checkpointsInFlight[leaseID, default: 0] += 1 }
    }

    /// The entry at `index` is applied: what was proposed there is not in flight any more. Nil for
    /// the entries of others.
    mutating func settle(_ index: LogIndex) -> Proposed? {
        guard let first = proposed.first, first.index <= index else { return nil }
        invariant(first.index == index, "\(first.kind) at \(first.index), applied \(index)")
        proposed.removeFirst()
        guard first.kind == .leaseCheckpoint else { return first }
        for leaseID in first.leaseIDs {
            let left = (checkpointsInFlight[leaseID] ?? 0) - 1
            checkpointsInFlight[leaseID] = left > 0 ? left : nil
        }
        return first
    }
}
