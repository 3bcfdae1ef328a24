package import Primitives

/// What members send each other. The names are those of Raft's Figure 2 and the dissertation.
package struct Message: Equatable, Sendable {
    /// The sender's term; for a pre-vote and its grant the term that the candidate would open.
    package var term: Term
    package var body: Body

    package init(term: Term, body: Body) {
        self.term = term
        self.body = body
    }

    package enum Body: Equatable, Sendable {
        case requestVote(RequestVote)
        case requestVoteResponse(RequestVoteResponse)
        case appendEntries(AppendEntries)
        case appendEntriesResponse(AppendEntriesResponse)
        case heartbeat(Heartbeat)
        case heartbeatResponse(HeartbeatResponse)
        /// Campaign at once: leadership is handed to you (dissertation §3.10).
        case timeoutNow
    }

    /// Whether it goes over the connection that large appends cannot delay.
    package var isUrgent: Bool {
        switch body {
        case .requestVote, .requestVoteResponse, .heartbeat, .heartbeatResponse, .timeoutNow: true
        case .appendEntries, .appendEntriesResponse: false
        }
    }

    /// The log entries that it carries.
    package var entries: [LogEntry] {
        if case .appendEntries(let append) = body { append.entries } else { [] }
    }

    /// Entries as `appendEntries` encodes them, for other messages that carry some.
    package static func carrying(_ entries: [LogEntry]) -> Message {
        Message(
            term: entries.last?.term ?? .zero,
            body: .appendEntries(
                AppendEntries(
                    prevLogIndex: entries.first?.index.previous ?? .zero, prevLogTerm: .zero,
                    leaderCommit: .zero, entries: entries)))
    }
}

package struct RequestVote: Equatable, Sendable {
    /// A question without consequences: would you vote for me in this term (dissertation §9.6)?
    package var isPreVote: Bool
    package var lastLogIndex: LogIndex
    package var lastLogTerm: Term
    /// The old leader wants this election, so stickiness does not apply (dissertation §4.2.3).
    package var isTransfer: Bool
    /// The candidate has evidence that the leader's process is gone.
    package var isFast: Bool

    package init(
        isPreVote: Bool, lastLogIndex: LogIndex, lastLogTerm: Term, isTransfer: Bool = false,
        isFast: Bool = false
    ) {
        self.isPreVote = isPreVote
        self.lastLogIndex = lastLogIndex
        self.lastLogTerm = lastLogTerm
        self.isTransfer = isTransfer
        self.isFast = isFast
    }
}

package struct RequestVoteResponse: Equatable, Sendable {
    package var isPreVote: Bool
    package var voteGranted: Bool

    package init(isPreVote: Bool, voteGranted: Bool) {
        self.isPreVote = isPreVote
        self.voteGranted = voteGranted
    }
}

package struct AppendEntries: Equatable, Sendable {
    package var prevLogIndex: LogIndex
    package var prevLogTerm: Term
    package var leaderCommit: LogIndex
    /// Of consecutive indexes from `prevLogIndex + 1`, their terms non-decreasing.
    package var entries: [LogEntry]

    package init(
        prevLogIndex: LogIndex, prevLogTerm: Term, leaderCommit: LogIndex, entries: [LogEntry]
    ) {
        self.prevLogIndex = prevLogIndex
        self.prevLogTerm = prevLogTerm
        self.leaderCommit = leaderCommit
        self.entries = entries
    }
}

package enum AppendEntriesResponse: Equatable, Sendable {
    /// The follower's log is durable, and equal to the leader's, up to here.
    case matched(LogIndex)
    /// The entry at `prevLogIndex` is missing or of another term. `hint` is the follower's last
    /// position at or before it whose term is not above the leader's there: where a match may be.
    case rejected(prevLogIndex: LogIndex, hint: LogPosition)
    /// From a member whose disk is full: its log is equal to the leader's up to here, in memory. It
    /// promises nothing, so it counts for nothing but the window: the member is sent
    /// more, and can serve reads.
    case received(LogIndex)
}

package struct Heartbeat: Equatable, Sendable {
    /// The round that it belongs to; zero: nothing is to be answered.
    package var context: UInt64
    /// The leader's commit index and the term of the entry there.
    package var leaderCommit: LogIndex
    package var leaderCommitTerm: Term

    package init(context: UInt64, leaderCommit: LogIndex, leaderCommitTerm: Term) {
        self.context = context
        self.leaderCommit = leaderCommit
        self.leaderCommitTerm = leaderCommitTerm
    }
}

package struct HeartbeatResponse: Equatable, Sendable {
    /// The round of the heartbeat that it answers.
    package var context: UInt64

    package init(context: UInt64) { self.context = context }
}
