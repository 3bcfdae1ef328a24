package import Primitives
package import RaftCore
package import Storage

/// What one node says to another: consensus, and requests on their way to the leader.
package enum PeerMessage: Equatable, Sendable {
    case raft(Message)
    /// Commands for the leader of exactly this term, in the order of their request sequences.
    case forward(Term, [[UInt8]])
    /// The leader took none of these sequences into its log, and never will.
    case forwardRefused(sequences: [UInt64], ForwardRefusal)
    /// Asks the leader for an index at which reads that began before now are linearizable.
    case readRequest(id: UInt64)
    case readResponse(id: UInt64, index: LogIndex)
    case readRefused(id: UInt64)
    /// Asks the leader to renew leases; `(sequence, lease id)`.
    case leaseRenew([LeaseQuestion])
    /// Asks the leader for what remains of leases.
    case leaseRemaining([LeaseQuestion])
    case leaseAnswers([LeaseReply])
    /// The sender's state digest after applying the entry at `index`.
    case digest(index: LogIndex, UInt64)
    /// A member whose log has holes asks the leader for a snapshot: it knows no newer term than
    /// this, and has acknowledged nothing since it was started with this boot number.
    case snapshotRequest(boot: BootNumber, Term)
    /// The leader's answer: a snapshot at this index or later has everything that the member may
    /// ever have acknowledged.
    case snapshotFloor(boot: BootNumber, LogIndex)
    /// A member whose log has a hole asks for its entries from whoever holds an entry of this term
    /// behind it.
    case entriesRequest(boot: BootNumber, LogHole)
    /// Entries of such a hole from the first one that was asked for on, in order; perhaps not all.
    case entriesResponse(boot: BootNumber, [LogEntry])

    /// Whether it carries log entries: the messages that are large, and alike for several peers.
    package var hasEntries: Bool {
        if case .raft(let message) = self { !message.entries.isEmpty } else { false }
    }

    /// About how many bytes it takes encoded, where that is easily known.
    package var encodedByteCountHint: Int {
        if case .entriesResponse(_, let entries) = self {
            return entries.reduce(64) { $0 + $1.payload.count + 16 }
        }
        guard case .raft(let message) = self else { return 256 }
        return message.entries.reduce(128) { $0 + $1.payload.count + 16 }
    }

    /// Heartbeats and votes travel on a connection of their own, so that no large append delays
    /// them.
    package var isUrgent: Bool {
        switch self {
        case .raft(let message): message.isUrgent
        case .forward, .forwardRefused, .readRequest, .readResponse, .readRefused, .leaseRenew,
            .leaseRemaining, .leaseAnswers, .digest, .snapshotRequest, .snapshotFloor,
            .entriesRequest, .entriesResponse:
            false
        }
    }
}

/// A question about one lease; the sequence is the asking node's own.
package struct LeaseQuestion: Equatable, Sendable {
    package var sequence: UInt64
    package var leaseID: Int64

    package init(sequence: UInt64, leaseID: Int64) {
        self.sequence = sequence
        self.leaseID = leaseID
    }
}

/// The leader's reply to a ``LeaseQuestion``.
package struct LeaseReply: Equatable, Sendable {
    package var sequence: UInt64
    package var answer: LeaseAnswer

    package init(sequence: UInt64, answer: LeaseAnswer) {
        self.sequence = sequence
        self.answer = answer
    }
}

/// Why a leader took none of what was forwarded to it. Part of the peer protocol.
package enum ForwardRefusal: UInt8, Sendable, CaseIterable {
    case leaderChanged = 0
    case tooManyRequests = 1
    case notEnoughStartedMembers = 2
    case unhealthyCluster = 3
    case learnerNotReady = 4
    case rejoinForbidden = 5
    case memberAnswers = 6
    case memberJoining = 7

    package var failure: RequestFailure {
        switch self {
        case .leaderChanged: .leaderChanged
        case .tooManyRequests: .tooManyRequests
        case .notEnoughStartedMembers: .notEnoughStartedMembers
        case .unhealthyCluster: .unhealthyCluster
        case .learnerNotReady: .learnerNotReady
        case .rejoinForbidden: .rejoinForbidden
        case .memberAnswers: .memberAnswers
        case .memberJoining: .memberJoining
        }
    }
}
