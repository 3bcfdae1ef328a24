import DequeModule
import NIOCore
import Primitives

/// Who waits for the answer to a request.
enum Completion {
    case proposal((ProposalOutcome) -> Void)
    /// With when it was asked for, to a turn of the event loop.
    case read((ReadFailure?) -> Void, since: NIODeadline)
    case renewal((Result<Int64, ReadFailure>) -> Void)
    case remaining((Result<Int64?, ReadFailure>) -> Void)
}

/// The waiting closures by their sequences. Sequences are dense, so that a slot is found by
/// subtraction.
struct CompletionTable {
    private var slots = Deque<Completion?>()
    private var base: UInt64 = 0
    private(set) var count = 0

    mutating func insert(_ completion: Completion, for sequence: UInt64) {
        if slots.isEmpty { base = sequence }
        invariant(
            sequence == base + UInt64(slots.count),
            "sequence \(sequence) follows \(base) + \(slots.count)")
        slots.append(completion)
        count += 1
    }

    mutating func take(_ sequence: UInt64) -> Completion? {
        guard sequence >= base, sequence - base < UInt64(slots.count) else { return nil }
        let position = Int(sequence - base)
        guard let completion = slots[position] else { return nil }
        slots[position] = nil
        count -= 1
        while let first = slots.first, first == nil {
            slots.removeFirst()
            base += 1
        }
        return completion
    }

    mutating func takeAll() -> [Completion] {
        let all = slots.compactMap { $0 }
        slots.removeAll()
        count = 0
        return all
    }
}
