/// What a log entry is to consensus.
package enum EntryKind: UInt8, Sendable {
    /// A command for the state machine; the payload is opaque here.
    case command = 0
    /// The empty entry with which a leader opens its term (Raft §8).
    case noop = 1
    /// A change of the cluster's configuration (Ongaro's dissertation, chapter 4).
    case configuration = 2
}

/// One entry of the replicated log.
package struct LogEntry: Equatable, Sendable {
    package var index: LogIndex
    package var term: Term
    package var kind: EntryKind
    package var payload: [UInt8]

    @inlinable
    package init(index: LogIndex, term: Term, kind: EntryKind, payload: [UInt8]) {
        self.index = index
        self.term = term
        self.kind = kind
        self.payload = payload
    }

    /// What the entry weighs against limits: its payload and 32 bytes of bookkeeping.
    @inlinable package var weightBytes: Int { payload.count + 32 }
}

/// The term and the vote that must survive a crash before a message that depends on them leaves
/// (Raft, Figure 2, "persistent state").
package struct HardState: Equatable, Sendable {
    package var term: Term
    package var votedFor: NodeID?

    package init(term: Term, votedFor: NodeID?) {
        self.term = term
        self.votedFor = votedFor
    }

    package static let initial = HardState(term: .zero, votedFor: nil)
}

/// A run of entries of one term: it starts at `first` and ends before the next run, or at the log's
/// end.
package struct TermRun: Equatable, Sendable {
    package var first: LogIndex
    package var term: Term

    package init(first: LogIndex, term: Term) {
        self.first = first
        self.term = term
    }
}
