internal import DequeModule
package import Primitives

/// Knows how much of the log is durable.
///
/// Each write on its way to disk claims the log's end as it was when it was issued. Completion
/// names the write's id and grants its claim. A truncation cuts the claims of all earlier ids, so
/// that an entry that was written, truncated and written again counts only once its *second* write
/// is complete, even where index and term are the same.
package struct WriteLedger: Sendable {
    private struct Pending: Sendable {
        var id: WriteID
        var claim: LogIndex
        var holdsHardState: Bool
        var issuedTick: UInt64
    }

    private var pending: Deque<Pending> = []
    private var lastID = WriteID(0)
    private var hardStatesPending = 0
    /// The log up to here is durable as it is now.
    package private(set) var durableIndex: LogIndex

    package init(durableIndex: LogIndex) { self.durableIndex = durableIndex }

    /// Whether term and vote are durable as they were last issued.
    package var isHardStateDurable: Bool { hardStatesPending == 0 }
    package var isIdle: Bool { pending.isEmpty }
    /// What the next write will be called.
    package var nextID: WriteID { WriteID(lastID.rawValue + 1) }
    /// When the oldest write that is not complete was issued.
    package var oldestTick: UInt64? { pending.first?.issuedTick }

    package mutating func issue(claim: LogIndex, holdsHardState: Bool, tick: UInt64) -> WriteID {
        lastID.rawValue += 1
        if holdsHardState { hardStatesPending += 1 }
        pending.append(
            Pending(id: lastID, claim: claim, holdsHardState: holdsHardState, issuedTick: tick))
        return lastID
    }

    /// Completes the write and all before it. Completing one twice changes nothing.
    package mutating func complete(_ id: WriteID) {
        invariant(id <= lastID, "write \(id) completed, the last one issued is \(lastID)")
        while let write = pending.first, write.id <= id {
            durableIndex = max(durableIndex, write.claim)
            if write.holdsHardState { hardStatesPending -= 1 }
            pending.removeFirst()
        }
    }

    /// The entries from `first` on are superseded: no earlier write can make them durable any more.
    package mutating func truncate(from first: LogIndex) {
        durableIndex = min(durableIndex, first.previous)
        #if KEELSON_MUTANTS
            if planted(.countsSupersededWrites) { return }
        #endif
        for position in pending.indices {
            pending[position].claim = min(pending[position].claim, first.previous)
        }
    }

    /// A durable snapshot at `index` has taken the log's place.
    package mutating func reset(to index: LogIndex) {
        durableIndex = index
        for position in pending.indices { pending[position].claim = index }
    }

    /// A durable snapshot covers the log through `index`, whatever its own entries there are.
    package mutating func cover(through index: LogIndex) { durableIndex = max(durableIndex, index) }
}
