package import Primitives
import RaftCore
package import StateMachine
package import Storage

/// When this node's state is written to disk, and what of the log may go then.
package struct CheckpointPlan: Sendable {
    /// A state as it was at one index, and the header of the checkpoint that it becomes.
    package struct Frozen: Sendable {
        package var store: FrozenStore
        package var header: CheckpointHeader
        /// Sequences of the checkpoints that hold earlier states of this very store: what changed
        /// since one of those can be written into its file.
        package var bases: [UInt64]
    }

    /// A checkpoint is being written.
    package private(set) var isWriting = false
    /// Index of the newest checkpoint.
    package private(set) var newest: LogIndex
    /// Entries applied since the last checkpoint before the next is written.
    let entriesMin: Int
    /// Entries kept in the log behind the older checkpoint, for followers that are a little behind.
    let catchUpEntries: Int
    /// Of a snapshot that has come and was not taken, for the node had gone past it, the rows
    /// divide the same records in other ways.
    private var bases: [UInt64]
    /// There is one checkpoint only, and no log from before it: the next is due soon, so that one
    /// that rots loses nothing.
    private var isAlone: Bool
    /// A state that is to be written once this node's own disk has the log up to its index.
    private var frozen: Frozen?

    package static let catchUpEntriesDefault = 10_000

    /// - Parameters:
    ///   - loaded: the checkpoint that the state was made of; nil: it begins empty.
    ///   - previous: the one before it.
    package init(
        loaded: CheckpointHeader?, previous: CheckpointHeader? = nil, entriesMin: Int,
        catchUpEntries: Int = CheckpointPlan.catchUpEntriesDefault
    ) {
        newest = loaded?.index ?? .zero
        bases = loaded.map { [$0.sequence] } ?? []
        isAlone = loaded != nil && previous == nil
        self.entriesMin = entriesMin
        self.catchUpEntries = catchUpEntries
    }

    /// Whether ``consider(_:mayFreeze:isUrgent:)`` would do anything: it is asked far more often
    /// than there is something to do, and need not be handed a whole replica for that.
    package func isDue(
        applied: LogIndex, durable: LogIndex, mayFreeze: Bool, isUrgent: Bool = false
    ) -> Bool {
        guard !isWriting else { return false }
        if let frozen { return durable >= frozen.header.index }
        let wanted = isUrgent || isAlone ? 1 : entriesMin
        return mayFreeze && applied.distance(from: newest) >= wanted
            && (!isUrgent || applied <= durable)
    }

    /// Freezes the state when enough was applied since the last checkpoint, and gives it back to be
    /// written once it is not ahead of this node's own durable log.
    ///
    /// - Parameters:
    ///   - mayFreeze: false while the last checkpoint is too short ago.
    ///   - isUrgent: the log found no room, and a checkpoint lets some of it go. Only where all
    ///     that is applied is durable: any other would wait for the log, and the log for it.
    package mutating func consider(
        _ replica: Replica, mayFreeze: Bool, isUrgent: Bool = false
    ) -> Frozen? {
        guard
            isDue(
                applied: replica.appliedIndex, durable: replica.raft.durableIndex,
                mayFreeze: mayFreeze, isUrgent: isUrgent)
        else { return nil }
        if let due = frozen {
            frozen = nil
            isWriting = true
            return due
        }
        let header = CheckpointHeader(
            index: replica.appliedIndex, term: replica.store.appliedTerm,
            configuration: replica.appliedConfiguration.encode())
        frozen = Frozen(store: replica.store.freeze(), header: header, bases: bases)
        return nil
    }

    /// A snapshot is about to take the state's place.
    package mutating func forgetFrozen() { frozen = nil }

    /// The state is that of a snapshot now, which is on this node's disk.
    package mutating func installed(_ checkpoint: CheckpointHeader) {
        newest = checkpoint.index
        bases = [checkpoint.sequence]
        isAlone = true
    }

    /// Writing ended; nil: there was no checkpoint made.
    package mutating func written(_ header: CheckpointHeader?) {
        isWriting = false
        guard let header else { return }
        isAlone = false
        newest = header.index
        // There are two files.
        bases = bases.suffix(1) + [header.sequence]
    }

    /// The log may be released up to here: only behind the checkpoint before the newest, so that
    /// one that rots loses nothing. Where it is urgent, nothing is kept for followers.
    package func releasable(
        behind previous: CheckpointHeader?, isUrgent: Bool = false
    ) -> LogIndex? {
        guard let previous else { return nil }
        let behind = min(previous.index, newest)
        let kept = UInt64(isUrgent ? 0 : catchUpEntries)
        guard behind.rawValue > kept else { return nil }
        return LogIndex(behind.rawValue - kept)
    }
}

extension CheckpointStore {
    /// Writes what changed since the file that is written next, or everything.
    package func write(_ frozen: CheckpointPlan.Frozen) throws(StorageError) -> CheckpointHeader {
        do {
            let own = nextBase.flatMap { frozen.bases.contains($0.sequence) ? $0.index : nil }
            #if KEELSON_MUTANTS
                let base = planted(.buildsOnForeignRows) ? nextBase?.index : own
            #else
                let base = own
            #endif
            return try write(frozen, changesSince: base)
        } catch .rottenCheckpoint {
            // What was to be built on is damaged: everything is written anew.
            return try write(frozen, changesSince: nil)
        }
    }

    private func write(
        _ frozen: CheckpointPlan.Frozen, changesSince base: LogIndex?
    ) throws(StorageError) -> CheckpointHeader {
        let changes = frozen.store.changes(since: base)
        return try write(
            frozen.header, upserts: changes.upserts.lazy.map(Row.init),
            deletes: changes.deletes.map { ($0.table, $0.key) },
            replacingAll: changes.replacesAll, rowCount: frozen.store.rows().count)
    }
}

extension Row {
    /// The state machine's row as the checkpoint's: the same three fields.
    package init(_ row: StoreRow) { self.init(table: row.table, key: row.key, value: row.value) }
}

extension StoreLoader {
    package mutating func add(_ row: Row) throws(StoreLoadError) {
        try add(table: row.table, key: row.key, value: row.value)
    }
}
