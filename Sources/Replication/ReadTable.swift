import DequeModule
import Primitives

/// Linearizable reads on their way: gathered, asked, and waiting for the store to reach their
/// index.
struct ReadTable: Sendable {
    struct Asked: Sendable {
        var id: UInt64
        var sequences: [UInt64]
        /// When the oldest of them is given up, and when the leader is asked once more.
        var deadline: UInt64
        var askAgainAt: UInt64
    }

    struct Waiting: Sendable {
        var index: LogIndex
        var sequences: [UInt64]
        var deadline: UInt64
    }

    /// Ids are boot number and counter, so that no restart reuses one (B17).
    var nextID: UInt64 = 0
    var gathered: [UInt64] = []
    var asked: [Asked] = []
    var waiting: [Waiting] = []
    /// As a leader: whose question each read of consensus answers.
    var remote: [UInt64: (peer: NodeID, id: UInt64)] = [:]
    private(set) var count = 0

    mutating func add(_ sequence: UInt64) {
        gathered.append(sequence)
        count += 1
    }

    mutating func newID() -> UInt64 {
        nextID += 1
        return nextID
    }

    mutating func finished(_ reads: Int) {
        count -= reads
        invariant(count >= 0, "\(count) reads are waiting")
    }

    mutating func takeAsked(_ id: UInt64) -> Asked? {
        guard let position = asked.firstIndex(where: { $0.id == id }) else { return nil }
        return asked.remove(at: position)
    }

    /// Takes out the reads that wait for the store and meet the condition, in order.
    mutating func takeWaiting(where condition: (Waiting) -> Bool) -> [Waiting] {
        guard waiting.contains(where: condition) else { return [] }
        var taken: [Waiting] = []
        var left: [Waiting] = []
        for read in waiting {
            if condition(read) { taken.append(read) } else { left.append(read) }
        }
        waiting = left
        for read in taken { finished(read.sequences.count) }
        return taken
    }

    /// Gives new ids to the questions that are to be asked once more, and returns these.
    mutating func renameDue(at now: UInt64, askAgainAt: UInt64) -> [UInt64] {
        var due: [UInt64] = []
        for position in asked.indices where asked[position].askAgainAt <= now {
            asked[position].id = newID()
            asked[position].askAgainAt = askAgainAt
            due.append(asked[position].id)
        }
        return due
    }
}
