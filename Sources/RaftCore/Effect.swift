package import Primitives

/// A member's part in its term (Raft §5.1), with the dissertation's pre-vote (§9.6) as one of its
/// own.
package enum Role: UInt8, Sendable, CaseIterable {
    case follower = 0
    case preCandidate = 1
    case candidate = 2
    case leader = 3
}

/// What a ``RaftCore`` wants done, in this order.
package enum Effect: Equatable, Sendable {
    /// Send now. Loss is allowed.
    case send(Envelope)
    case persist(Write)
    /// Entries up to here are committed and may be applied. Grows with every such effect.
    case committed(through: LogIndex)
    /// Read these entries, as many as fit `bytesMax` but at least one, and step ``Input/loaded``.
    case load(first: LogIndex, last: LogIndex, bytesMax: Int)
    /// These reads may be served once the index is applied.
    case readReady([ReadID], LogIndex)
    /// Leadership was lost before these reads were confirmed.
    case readAborted([ReadID])
    /// Stream any snapshot at or behind `leastIndex`, then step ``Input/snapshotSent``.
    case sendSnapshot(to: NodeID, leastIndex: LogIndex)
    case roleChanged(Role, Term, leader: NodeID?)
    /// This configuration is in force now, because its entry was appended, or one behind it
    /// truncated.
    case configurationChanged(ClusterConfiguration, LogIndex)
}

/// Why a leader-only request was turned away. Nothing was appended.
package enum ProposalRefusal: Error, Equatable, Sendable {
    case notLeader(leader: NodeID?)
    /// Leadership is being handed over.
    case transferring
    /// `limit` bytes of entries already wait for their commitment or for this member's disk.
    case tooManyUncommittedBytes(pending: Int, limit: Int)
    /// The last change is not committed, or the configuration is still joint.
    case configurationChangeInProgress(since: LogIndex)
    case invalidConfiguration(String)
    /// No entry of the leader's own term is committed yet, so a change is not safe (Ongaro,
    /// raft-dev 2015).
    case notYetCommittedInTerm
}
