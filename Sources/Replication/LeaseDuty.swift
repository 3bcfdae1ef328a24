import Primitives

/// What a leader does about leases once it has applied the first entry of its own term.
struct LeaseDuty: Sendable {
    /// A client's question, and whose client it is.
    struct Asked: Sendable {
        var origin: NodeID
        var question: LeaseQuestion
        var renewing: Bool
    }

    var keeper = LeaseKeeper()
    var nextCheckpointAt: UInt64
    /// Questions since the last flush; one quorum round confirms them all.
    var gathered: [Asked] = []
    /// Rounds in flight. A renewal is acknowledged only after a round that began after it came in.
    var rounds: [UInt64: [Asked]] = [:]
    /// Confirmed by a round, waiting for the store to reach its index.
    var confirmed: [(index: LogIndex, asked: [Asked])] = []
    /// Renewals that wait for an entry about their lease: its expiry, or the clearing of its
    /// remainder.
    var waitingForEntry: [Int64: [Asked]] = [:]
    /// Leases whose remainder is to be cleared at the next flush.
    var toClear: [Int64] = []

    init(nextCheckpointAt: UInt64) { self.nextCheckpointAt = nextCheckpointAt }

    func isRound(_ id: UInt64) -> Bool { rounds[id] != nil }
}
