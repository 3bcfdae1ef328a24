internal import DequeModule
internal import Primitives

/// Reads that wait for proof that this leader still leads (dissertation §6.4).
///
/// A round is one heartbeat to every voter, numbered. A majority's answers to round n prove that no
/// other leader existed when round n *began*, so they confirm the reads that were requested before
/// that.
struct ReadQueue: Sendable {
    struct Round: Sendable {
        var number: UInt64
        var startTick: UInt64
        /// The commit index when the round began.
        var index: LogIndex
        var reads: [ReadID]
    }

    /// Requested, in no round yet.
    var waiting: [ReadID] = []
    private(set) var rounds: Deque<Round> = []
    private(set) var lastNumber: UInt64 = 0

    /// Whether a round that carries reads is unconfirmed.
    var isReading: Bool { rounds.contains { !$0.reads.isEmpty } }

    /// Begins a round; it takes along what waits, where that is allowed yet.
    mutating func begin(index: LogIndex, takesReads: Bool, tick: UInt64) -> UInt64 {
        lastNumber += 1
        var reads: [ReadID] = []
        if takesReads { swap(&reads, &waiting) }
        rounds.append(Round(number: lastNumber, startTick: tick, index: index, reads: reads))
        return lastNumber
    }

    /// Removes and returns the oldest round if it is confirmed by majorities that answered
    /// `number`.
    mutating func popConfirmed(through number: UInt64) -> Round? {
        guard let first = rounds.first, first.number <= number else { return nil }
        return rounds.removeFirst()
    }

    /// All reads that are not confirmed, oldest first.
    var unconfirmed: [ReadID] {
        var all: [ReadID] = []
        for round in rounds { all += round.reads }
        return all + waiting
    }
}
