internal import Primitives

/// Names one that waits in a ``KeyQueue``.
package struct QueueWaiterID: Hashable, Comparable, Sendable {
    let number: UInt64

    package static func < (left: QueueWaiterID, right: QueueWaiterID) -> Bool {
        left.number < right.number
    }
}

/// What became of a wait.
package enum QueueTurn: Equatable, Sendable {
    /// The entry is the first of its prefix in the state that was looked at. Whoever waited for
    /// that has to look again at a state that is not older than its turn
    /// (``Store/confirms(_:of:)`` behind a linearizable read): this node may not have seen that
    /// its lease ended.
    case first(isConfirmed: Bool)
    /// Its key is gone.
    case gone
}

/// Those of one node's clients who wait to be the first in a queue of keys. Each waits for the key
/// before its own only, so that a release wakes one.
///
/// It looks at the applied state, so what it says holds at a revision that this node has reached.
package struct KeyQueue: Sendable {
    private struct Waiter {
        let id: QueueWaiterID
        let entry: QueueEntry
        /// The key before its own.
        var predecessor: [UInt8]
    }

    /// By id: those who came first are first.
    private var waiters: [Waiter] = []
    /// Who is to be told when a key is deleted: its owner, and who comes behind.
    private var interested: [[UInt8]: [QueueWaiterID]] = [:]
    private var lastNumber: UInt64 = 0

    package init() {}

    package var count: Int { waiters.count }

    package enum Waiting: Equatable, Sendable {
        case over(QueueTurn)
        case waits(QueueWaiterID)
    }

    /// Cost: O(keys under the prefix).
    package mutating func wait(for entry: QueueEntry, in store: Store) -> Waiting {
        guard store.has(entry) else { return .over(.gone) }
        guard let before = store.predecessor(of: entry) else {
            return .over(.first(isConfirmed: true))
        }
        lastNumber += 1
        let waiter = Waiter(
            id: QueueWaiterID(number: lastNumber), entry: entry, predecessor: before.key.storage)
        waiters.append(waiter)
        note(waiter)
        return .waits(waiter.id)
    }

    /// Nobody waits any more.
    package mutating func cancel(_ id: QueueWaiterID) {
        guard let place = place(of: id) else { return }
        forget(waiters.remove(at: place))
    }

    /// Whose turn came with what was applied, in the order in which it came.
    package mutating func applied(
        _ batch: [Applied], in store: Store
    ) -> [(waiter: QueueWaiterID, turn: QueueTurn)] {
        if waiters.isEmpty { return [] }
        var turns: [(QueueWaiterID, QueueTurn)] = []
        for applied in batch {
            for event in applied.events where event.isTombstone {
                for id in interested[event.key.storage] ?? [] {
                    if let turn = look(id, in: store) { turns.append((id, turn)) }
                }
            }
        }
        return turns
    }

    /// The same where the store is another, perhaps many revisions ahead.
    package mutating func storeReplaced(
        by store: Store
    ) -> [(waiter: QueueWaiterID, turn: QueueTurn)] {
        waiters.map(\.id).compactMap { id in look(id, in: store).map { (id, $0) } }
    }

    /// Where the keys with a prefix end.
    package static func end(of prefix: [UInt8]) -> [UInt8] {
        var end = prefix
        while let last = end.last {
            if last < .max {
                end[end.count - 1] = last + 1
                return end
            }
            end.removeLast()
        }
        return [0]
    }

    /// What a waiter is to be told now; nil where it goes on waiting.
    private mutating func look(_ id: QueueWaiterID, in store: Store) -> QueueTurn? {
        guard let place = place(of: id) else { return nil }
        let waiter = waiters[place]
        forget(waiter)
        guard store.has(waiter.entry) else {
            waiters.remove(at: place)
            return .gone
        }
        if let before = store.predecessor(of: waiter.entry), !isDeaf {
            waiters[place].predecessor = before.key.storage
            note(waiters[place])
            return nil
        }
        waiters.remove(at: place)
        return .first(isConfirmed: isTrusting)
    }

    private func place(of id: QueueWaiterID) -> Int? {
        var low = 0
        var high = waiters.count
        while low < high {
            let middle = (low + high) / 2
            if waiters[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low < waiters.count && waiters[low].id == id ? low : nil
    }

    private mutating func note(_ waiter: Waiter) {
        interested[waiter.entry.key, default: []].append(waiter.id)
        interested[waiter.predecessor, default: []].append(waiter.id)
    }

    private mutating func forget(_ waiter: Waiter) {
        for key in [waiter.entry.key, waiter.predecessor] {
            interested[key]?.removeAll { $0 == waiter.id }
            if interested[key]?.isEmpty == true { interested[key] = nil }
        }
    }
}

extension KeyQueue {
    #if KEELSON_MUTANTS
        private var isDeaf: Bool { planted(.passesLocksTooEarly) }
        private var isTrusting: Bool { planted(.passesLocksUnconfirmed) }
    #else
        private var isDeaf: Bool { false }
        private var isTrusting: Bool { false }
    #endif
}
