package import Primitives
package import RaftCore
package import StateMachine

/// Who this replica is and the limits that it keeps. Times are in ticks.
package struct ReplicaSettings: Sendable {
    package var raft: RaftSettings
    package var clusterID: ClusterID
    /// This start's number; it is part of every request id, so that no restart reuses one.
    package var boot: BootNumber
    package var ticksPerSecond: Int
    /// How long a request may wait before its outcome is called unknown (or, unproposed, refused).
    /// etcd: 5 s and two election timeouts.
    package var requestTicksMax: Int
    /// How long a read waits for an answer before it is asked again.
    package var readRetryTicks: Int
    /// Requests in flight from this node's clients; more are refused with "too many requests".
    package var pendingRequestsMax: Int
    /// Bytes of the largest command: what every member's log must be able to store.
    package var entryBytesMax: Int
    /// Bytes of proposals that wait for a leader.
    package var parkedBytesMax: Int
    /// Entries applied in one step, one that changes many records counted as so many; the rest
    /// waits for the next, so that heartbeats are not delayed. A single entry may pass it.
    package var applyEntriesMax: Int
    /// Bytes of the entries applied in one step. A single entry may pass it.
    package var applyBytesMax: Int
    /// The least time to live that a lease is granted, in seconds (etcd: one and a half election
    /// timeouts).
    package var leaseSecondsMin: UInt32 = 2
    /// Leases in one proposal.
    package var leaseBatchMax: Int
    /// Leases that end, or whose remainder is written down, in one tick: those that end together
    /// leave room for writes (10,000 a second).
    package var leasesPerTickMax: Int
    /// What remains of a lease that is not renewed is written to the log after so many ticks at the
    /// latest, and again; after two fifths of a shorter lease's time.
    package var leaseCheckpointTicks: Int
    /// The members with which the cluster began, where this node knows them: the first leader puts
    /// them on record.
    package var initialMembers: [MemberAttributes] = []
    /// Whether this node, as the leader, gives a member whose disk is lost its place under a new
    /// id.
    package var allowsRejoin = false
    /// After so long without a word from a voter the leader has a learner vote in its stead; 0:
    /// never.
    package var succeedDeadTicks = 0
    /// Digests are compared at multiples of this many log entries.
    package var digestIntervalEntries: UInt64

    package init(raft: RaftSettings, clusterID: ClusterID, boot: BootNumber, ticksPerSecond: Int) {
        self.raft = raft
        self.clusterID = clusterID
        self.boot = boot
        self.ticksPerSecond = ticksPerSecond
        requestTicksMax = 5 * ticksPerSecond + 2 * raft.electionTicks
        readRetryTicks = max(1, ticksPerSecond / 2)
        pendingRequestsMax = 100_000
        entryBytesMax = 40 << 20
        parkedBytesMax = 256 << 20
        applyEntriesMax = 4096
        applyBytesMax = 1 << 20
        leaseBatchMax = 1000
        leasesPerTickMax = max(1, 10_000 / ticksPerSecond)
        leaseCheckpointTicks = 60 * ticksPerSecond
        digestIntervalEntries = 8192
    }
}
