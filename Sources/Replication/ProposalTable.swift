import DequeModule
import Primitives
import StateMachine

/// The proposals of this node's own clients that have no outcome yet.
struct ProposalTable: Sendable {
    /// A proposal that was handed to a leader.
    struct Pending: Sendable {
        var sequence: UInt64
        /// Only the leader of this term may take it into its log.
        var meantFor: Term
        var deadline: UInt64
    }

    /// A proposal that waits for a leader: nobody has seen it.
    struct Parked: Sendable {
        var sequence: UInt64
        var payload: [UInt8]
        var deadline: UInt64
    }

    /// In the order of sequences, and so of `meantFor` and of deadlines. Answered ones stay as
    /// holes until they reach the front.
    var pending = Deque<Pending>()
    var unanswered: [UInt64: Term] = [:]
    var parked = Deque<Parked>()
    var parkedBytes = 0
    /// Commands gathered since the last flush.
    var gathered: [(EntryKind, [UInt8])] = []
    var gatheredSequences: [UInt64] = []
    /// When those of the gathered that were parked are given up, in the order of sequences: they do
    /// not get another deadline because a leader came and went.
    private var deadlines = Deque<(sequence: UInt64, tick: UInt64)>()
    var lastLeader: NodeID?
    /// As a leader: the highest sequence taken from each origin's start, so that a duplicated
    /// forward is dropped (a call takes effect at most once).
    var takenForwards: [NodeID: (boot: BootNumber, sequence: UInt64)] = [:]

    var count: Int { unanswered.count + parked.count + gathered.count }

    mutating func keepDeadline(of parked: Parked) {
        deadlines.append((parked.sequence, parked.deadline))
    }

    /// When a gathered proposal is given up: `fresh` where it was never parked. Asked once of each,
    /// in order.
    mutating func deadline(of sequence: UInt64, orElse fresh: UInt64) -> UInt64 {
        while let first = deadlines.first, first.sequence <= sequence {
            deadlines.removeFirst()
            if first.sequence == sequence { return first.tick }
        }
        return fresh
    }

    mutating func forgetForwards() { takenForwards = [:] }

    mutating func add(_ sequence: UInt64, meantFor term: Term, deadline: UInt64) {
        pending.append(Pending(sequence: sequence, meantFor: term, deadline: deadline))
        unanswered[sequence] = term
    }

    /// True once for each pending sequence.
    mutating func settle(_ sequence: UInt64) -> Bool {
        guard unanswered.removeValue(forKey: sequence) != nil else { return false }
        dropSettledFront()
        return true
    }

    mutating func dropSettledFront() {
        while let first = pending.first, unanswered[first.sequence] == nil { pending.removeFirst() }
    }

    /// Pending proposals from the front while `condition` holds; they are settled by it.
    mutating func settleFront(while condition: (Pending) -> Bool) -> [UInt64] {
        var settled: [UInt64] = []
        while let first = pending.first, condition(first) {
            pending.removeFirst()
            if unanswered.removeValue(forKey: first.sequence) != nil {
                settled.append(first.sequence)
            }
        }
        return settled
    }
}
