package import Primitives

/// Names one durable write. Ids of one run of a process only grow and are never used again in it.
package struct WriteID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    package static func < (a: WriteID, b: WriteID) -> Bool { a.rawValue < b.rawValue }
    package var description: String { "\(rawValue)" }
}

/// A position of the log: the index and term of one entry.
package struct LogPosition: Equatable, Sendable {
    package var index: LogIndex
    package var term: Term

    package init(index: LogIndex, term: Term) {
        self.index = index
        self.term = term
    }
}

/// One durable write. Writes are performed, and complete, in the order in which they were issued;
/// the completion of one is that of all before it. Any part may be empty: a write of nothing but
/// messages waits for the writes before it.
package struct Write: Equatable, Sendable {
    package var id: WriteID
    /// To be made durable, with a sync of its own, before anything else here.
    package var hardState: HardState?
    /// The log is emptied and starts behind this position, because a snapshot took its place.
    package var startAfter: LogPosition?
    /// The entries from here on are superseded.
    package var truncateFrom: LogIndex?
    /// Appended after the truncation.
    package var entries: [LogEntry]
    /// May leave only when all of the above, and every earlier write, is durable.
    package var thenSend: [Envelope]

    package init(
        id: WriteID, hardState: HardState? = nil, startAfter: LogPosition? = nil,
        truncateFrom: LogIndex? = nil, entries: [LogEntry] = [], thenSend: [Envelope] = []
    ) {
        self.id = id
        self.hardState = hardState
        self.startAfter = startAfter
        self.truncateFrom = truncateFrom
        self.entries = entries
        self.thenSend = thenSend
    }
}

/// A message and the member that it is for.
package struct Envelope: Equatable, Sendable {
    package var to: NodeID
    package var message: Message

    package init(to: NodeID, message: Message) {
        self.to = to
        self.message = message
    }
}
