package import Primitives

/// Timings in ticks and limits in bytes: everything that bounds one ``RaftCore``.
package struct RaftSettings: Equatable, Sendable {
    /// This member.
    package var id: NodeID
    /// Seeds the election timeouts. Two members should not share one.
    package var seed: UInt64
    /// The base election timeout, in ticks. Each wait is drawn from `electionTicks ..< 2 *
    /// electionTicks`. Also how long a member sticks to a leader that it heard from.
    package var electionTicks: Int
    /// The base election timeout until this start has known a leader: a cluster that was down as a
    /// whole need not wait for the full one, and where there is a leader PreVote keeps the peace.
    /// Each election that the member starts doubles it, up to `electionTicks`. Nil: the same.
    package var firstElectionTicks: Int?
    /// Between two rounds of heartbeats, in ticks. A tenth of `electionTicks` is a good value.
    package var heartbeatTicks: Int
    /// How many appends may be unacknowledged on the way to one follower.
    package var inflightMessagesMax: Int
    /// How many bytes of entries may be unacknowledged on the way to one follower. One message may
    /// pass it, so that a single large entry cannot block for ever.
    package var inflightBytesMax: Int
    /// Weight of the entries in one append. One entry may pass it.
    package var messageBytesMax: Int
    /// Weight of the newest entries that are kept in memory; older ones are loaded from disk.
    package var windowBytesMax: Int
    /// Weight of entries that a leader accepts before they are committed, or durable on its own
    /// disk.
    package var uncommittedBytesMax: Int
    /// Weight of the newest entries that a member whose disk is full keeps in memory before it asks
    /// for no more.
    package var unstoredBytesMax: Int
    /// Serve reads under the leader's lease. Must be the same on every member (a replicated
    /// setting).
    package var leaseReads: Bool

    package init(
        id: NodeID, seed: UInt64, electionTicks: Int = 100, heartbeatTicks: Int = 10,
        inflightMessagesMax: Int = 256, inflightBytesMax: Int = 64 << 20,
        messageBytesMax: Int = 1 << 20, windowBytesMax: Int = 8 << 20,
        uncommittedBytesMax: Int = 256 << 20, unstoredBytesMax: Int = 256 << 20,
        leaseReads: Bool = false
    ) {
        self.id = id
        self.seed = seed
        self.electionTicks = electionTicks
        self.heartbeatTicks = heartbeatTicks
        self.inflightMessagesMax = inflightMessagesMax
        self.inflightBytesMax = inflightBytesMax
        self.messageBytesMax = messageBytesMax
        self.windowBytesMax = windowBytesMax
        self.uncommittedBytesMax = uncommittedBytesMax
        self.unstoredBytesMax = unstoredBytesMax
        self.leaseReads = leaseReads
    }

    /// The leader's lease, in ticks of its own clock, counted from the start of a confirmed round.
    ///
    /// Drift bound: a follower sticks to its leader for `electionTicks` of *its* clock. The lease
    /// is three quarters of that less one tick for rounding, so it holds as long as no follower's
    /// clock runs more than a third faster than the leader's.
    package var leaseTicks: Int { max(0, electionTicks * 3 / 4 - 1) }

    /// Stops the process when limits do not fit each other: a caller's mistake.
    package func checkInvariants() {
        invariant(id != .none, "a member's id is not zero")
        invariant(heartbeatTicks > 0, "heartbeatTicks is \(heartbeatTicks)")
        invariant(
            electionTicks > 2 * heartbeatTicks,
            "electionTicks \(electionTicks) leaves no room for two heartbeats of \(heartbeatTicks)")
        invariant(
            (firstElectionTicks ?? 1) > 0 && (firstElectionTicks ?? 1) <= electionTicks,
            "firstElectionTicks \(firstElectionTicks ?? 0) of \(electionTicks)")
        invariant(inflightMessagesMax > 0, "inflightMessagesMax is \(inflightMessagesMax)")
        invariant(
            messageBytesMax > 0 && inflightBytesMax >= messageBytesMax,
            "a message of \(messageBytesMax) bytes in a window of \(inflightBytesMax)")
        invariant(windowBytesMax >= 0, "windowBytesMax is \(windowBytesMax)")
        invariant(uncommittedBytesMax > 0, "uncommittedBytesMax is \(uncommittedBytesMax)")
        invariant(unstoredBytesMax >= 0, "unstoredBytesMax is \(unstoredBytesMax)")
    }
}
