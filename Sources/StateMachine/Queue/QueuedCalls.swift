internal import Primitives

/// Names a call with a place in a queue, or on its way to one.
package struct QueueCallID: Hashable, Comparable, Sendable {
    let number: UInt64

    package static func < (left: QueueCallID, right: QueueCallID) -> Bool {
        left.number < right.number
    }
}

/// What ``QueuedCalls`` wants done.
package enum QueueEffect: Equatable, Sendable {
    /// The call's entry is the first, in a state that is not older than its turn. The end of it.
    case holds(QueueCallID, hasWaited: Bool)
    /// The call's entry went first. The end of it.
    case gone(QueueCallID)
    /// Whoever asked may not have the place. The end of it.
    case refused(QueueCallID, StoreError)
    /// Read linearizably, then say so: ``QueuedCalls/read(_:in:)``, or
    /// ``QueuedCalls/readFailed(_:)``.
    case read(QueueCallID)
    /// Delete the entry if it is still the one that was created then
    /// (``QueueEntry/departure(_:created:)``). Nobody waits for it.
    case leave(QueueEntry, as: Principal)
}

/// The way of one node's calls through the queues that locks and elections share, from the entry
/// that was put there to the answer. A driver performs the effects in their order.
package struct QueuedCalls: Sendable {
    private struct Place {
        let entry: QueueEntry
        let principal: Principal
        var stage: Stage
    }

    private enum Stage {
        case waits(QueueWaiterID)
        /// Its turn came in a state that may be old, and a linearizable read is on its way.
        case reads(isOpen: Bool)
    }

    private var queue = KeyQueue()
    private var places: [QueueCallID: Place] = [:]
    private var callOfWaiter: [QueueWaiterID: QueueCallID] = [:]
    private var lastNumber: UInt64 = 0

    package init() {}

    /// Those who wait for their turn.
    package var waiterCount: Int { queue.count }

    /// The name of a call that is about to enter.
    package mutating func nextID() -> QueueCallID {
        lastNumber += 1
        return QueueCallID(number: lastNumber)
    }

    /// A call's entry is in the store. Cost: O(keys under its prefix).
    /// - Parameters:
    ///   - principal: who is judged, now and when the turn comes.
    ///   - isOpen: false where whoever called has gone meanwhile: the place is given up.
    package mutating func entered(
        _ id: QueueCallID, _ entry: QueueEntry, of principal: Principal, isOpen: Bool,
        in store: Store
    ) -> [QueueEffect] {
        guard isOpen else { return [leaving(entry, principal)] }
        switch queue.wait(for: entry, in: store) {
        case .waits(let waiter):
            places[id] = Place(entry: entry, principal: principal, stage: .waits(waiter))
            callOfWaiter[waiter] = id
            return []
        case .over(.gone): return [.gone(id)]
        case .over(.first):
            return judge(id, entry, principal, hasWaited: false, in: store)
        }
    }

    package mutating func applied(_ batch: [Applied], in store: Store) -> [QueueEffect] {
        told(queue.applied(batch, in: store), in: store)
    }

    package mutating func storeReplaced(by store: Store) -> [QueueEffect] {
        told(queue.storeReplaced(by: store), in: store)
    }

    /// A linearizable read was served for the call.
    package mutating func read(_ id: QueueCallID, in store: Store) -> [QueueEffect] {
        guard let place = places.removeValue(forKey: id), case .reads(let isOpen) = place.stage
        else { return [] }
        guard isOpen else { return [leaving(place.entry, place.principal)] }
        return judge(id, place.entry, place.principal, hasWaited: true, in: store)
    }

    /// It was not served: the call ends with that, and gives its place up.
    package mutating func readFailed(_ id: QueueCallID) -> [QueueEffect] {
        guard let place = places.removeValue(forKey: id) else { return [] }
        return [leaving(place.entry, place.principal)]
    }

    /// Whoever called has gone, and with it goes its place.
    package mutating func cancelled(_ id: QueueCallID) -> [QueueEffect] {
        guard let place = places[id] else { return [] }
        switch place.stage {
        case .waits(let waiter):
            queue.cancel(waiter)
            callOfWaiter[waiter] = nil
            places[id] = nil
            return [leaving(place.entry, place.principal)]
        case .reads:
            places[id]?.stage = .reads(isOpen: false)
            return []
        }
    }

    private mutating func told(
        _ turns: [(waiter: QueueWaiterID, turn: QueueTurn)], in store: Store
    ) -> [QueueEffect] {
        turns.flatMap { waiter, turn -> [QueueEffect] in
            guard let id = callOfWaiter.removeValue(forKey: waiter), let place = places[id]
            else { return [] }
            switch turn {
            case .first(isConfirmed: false):
                places[id]?.stage = .reads(isOpen: true)
                return [.read(id)]
            case .first(isConfirmed: true):
                places[id] = nil
                return judge(id, place.entry, place.principal, hasWaited: true, in: store)
            case .gone:
                places[id] = nil
                return [.gone(id)]
            }
        }
    }

    private func judge(
        _ id: QueueCallID, _ entry: QueueEntry, _ principal: Principal, hasWaited: Bool,
        in store: Store
    ) -> [QueueEffect] {
        do throws(StoreError) {
            guard try store.confirms(entry, of: principal) else { return [.gone(id)] }
            return [.holds(id, hasWaited: hasWaited)]
        } catch {
            return [leaving(entry, principal), .refused(id, error)]
        }
    }

    /// The node itself takes back what it put there for a client who may have lost the right to.
    private func leaving(_ entry: QueueEntry, _ principal: Principal) -> QueueEffect {
        .leave(entry, as: entry.isOwn ? .node : principal)
    }
}
