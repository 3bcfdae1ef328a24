package import Primitives

/// Names one linearizable read. The caller's: no restart may use one again.
package struct ReadID: Hashable, Sendable {
    package var rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// Everything that can happen to a ``RaftCore``, apart from proposals.
package enum Input: Sendable {
    /// One tick of the driver's clock. With lease reads on, the driver steps every tick that is due
    /// before it asks for a read.
    case tick
    case received(Message, from: NodeID)
    /// This ``Write`` and all before it are durable.
    case persisted(WriteID)
    /// The state machine has applied the log up to here.
    case applied(LogIndex)
    /// The answer to ``Effect/load(first:last:bytesMax:)``. It may hold fewer entries than were
    /// asked for, or none when they are gone or cannot be read: a snapshot is sent instead.
    case loaded(first: LogIndex, [LogEntry])
    /// All connections of that peer are closed, what came over them has been stepped, and a redial
    /// was refused: the process is gone.
    case connectionRefused(NodeID)
    /// Messages in flight to the peer are lost.
    case peerUnreachable(NodeID)
    /// How sending a snapshot at this index ended.
    case snapshotSent(to: NodeID, LogIndex, succeeded: Bool)
    /// The driver has durably switched to a received snapshot.
    case installed(index: LogIndex, term: Term, configuration: ClusterConfiguration)
    /// Hand leadership to a voter; nil: to the one that is best caught up. Ignored by all but
    /// leaders.
    case transferLeadership(to: NodeID?)
    /// Entries up to here may be forgotten.
    case compacted(through: LogIndex)
    /// Holes in the log were filled: these entries follow what it holds, and are durable. For a
    /// member that may not vote meanwhile.
    case recovered([LogEntry])
    /// While false this member neither votes, nor campaigns, nor acknowledges anything; it says
    /// only what it lacks. Starts true.
    case votingAllowed(Bool)
    /// The disk takes no more for now, and what was to be written waits. As long as it is so the
    /// member does as one that may not vote, but goes on receiving what its leader sends.
    case storageFull(Bool)
}
