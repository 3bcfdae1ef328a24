package import Primitives
package import RaftCore

/// What consensus says of itself, as plain stored numbers.
///
/// A computed property of another module's struct is a call with the whole struct copied for it:
/// for ``RaftCore`` that is some forty references counted up and down. Requests read these instead.
package struct ReplicaView: Equatable, Sendable {
    package internal(set) var role: Role
    package internal(set) var term: Term
    /// Who leads, as far as is known.
    package internal(set) var leader: NodeID?
    package internal(set) var commitIndex: LogIndex
    /// The log's last position, durable or not.
    package internal(set) var lastIndex: LogIndex
    package internal(set) var lastTerm: Term
    /// This member's own log is durable up to here.
    package internal(set) var durableIndex: LogIndex
    /// Whether this member votes in the configuration in force.
    package internal(set) var isVoter: Bool

    package init(_ raft: RaftCore, self id: NodeID) {
        self.init(raft, isVoter: raft.configuration.isVoter(id))
    }

    private init(_ raft: borrowing RaftCore, isVoter: Bool) {
        role = raft.role
        term = raft.term
        leader = raft.leader
        commitIndex = raft.commitIndex
        lastIndex = raft.lastIndex
        lastTerm = raft.lastTerm
        durableIndex = raft.durableIndex
        self.isVoter = isVoter
    }

    /// After each step of consensus; ``isVoter`` changes with the configuration only.
    mutating func refresh(_ raft: borrowing RaftCore) {
        self = ReplicaView(raft, isVoter: isVoter)
    }
}
