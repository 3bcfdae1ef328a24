import DequeModule
import Primitives

/// Questions about leases that this node's clients asked and the leader has not answered yet.
struct LeaseQuestionTable: Sendable {
    struct Pending: Sendable {
        var question: LeaseQuestion
        var renewing: Bool
        var deadline: UInt64
    }

    var gathered: [Pending] = []
    /// In the order of deadlines; answered ones stay until they reach the front.
    private var order = Deque<Pending>()
    private var unanswered: [UInt64: Bool] = [:]

    var count: Int { unanswered.count }

    mutating func add(_ pending: Pending) {
        gathered.append(pending)
        order.append(pending)
        unanswered[pending.question.sequence] = true
    }

    /// True once for each question.
    mutating func settle(_ sequence: UInt64) -> Bool {
        guard unanswered.removeValue(forKey: sequence) != nil else { return false }
        while let first = order.first, unanswered[first.question.sequence] == nil {
            order.removeFirst()
        }
        return true
    }

    mutating func settleLate(at now: UInt64) -> [UInt64] {
        var late: [UInt64] = []
        while let first = order.first, first.deadline <= now {
            order.removeFirst()
            if unanswered.removeValue(forKey: first.question.sequence) != nil {
                late.append(first.question.sequence)
            }
        }
        return late
    }

    /// All that are unanswered are asked once more: a repeated question does no harm.
    mutating func gatherAgain() {
        gathered = order.filter { unanswered[$0.question.sequence] != nil }
    }
}
