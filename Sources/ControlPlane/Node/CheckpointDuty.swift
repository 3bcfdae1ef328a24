import Logging
import NIOCore
import NIOPosix
import Primitives
import RaftCore
import Replication
import StateMachine
import Storage

/// When and how this node writes its state to disk, in the background.
struct CheckpointDuty {
    let store: CheckpointStore
    /// The thread that checkpoints, snapshot streams and installations share, one at a time.
    let worker: WorkerThread<@Sendable () -> Void>
    var running = false
    var preparingSpare = false
    /// Index of the newest checkpoint.
    var newest: LogIndex
    var lastEnd = NIODeadline.now()
    /// Nine times what the last one took: a tenth of the time at most goes into checkpoints.
    var pause = CheckpointDuty.pauseMin
    var durations = DurationHistogram.empty
    /// A state that is to be written once this node's own disk has the log up to its index.
    var frozen: Frozen?

    struct Frozen {
        var store: FrozenStore
        var header: CheckpointHeader
    }

    /// The least time between two checkpoints, however fast entries come.
    static let pauseMin: TimeAmount = .seconds(1)
    /// Entries kept in the log behind the older checkpoint, for followers that are a little behind.
    static let catchUpEntries = 10_000

    init(store: CheckpointStore, worker: WorkerThread<@Sendable () -> Void>) {
        self.store = store
        self.worker = worker
        newest = store.newest?.index ?? .zero
    }
}

extension Node {
    /// Freezes the state when enough was applied since the last checkpoint.
    func considerCheckpoint() {
        guard !stopping, !checkpoints.running, !snapshots.installing else { return }
        if let frozen = checkpoints.frozen {
            if replica.raft.durableIndex >= frozen.header.index { writeCheckpoint(frozen) }
            return
        }
        let applied = replica.appliedIndex
        guard applied.distance(from: checkpoints.newest) >= configuration.snapshotCount,
            NIODeadline.now() - checkpoints.lastEnd >= checkpoints.pause
        else { return }
        let header = CheckpointHeader(
            index: applied, term: replica.store.appliedTerm,
            configuration: replica.appliedConfiguration.encode())
        checkpoints.frozen = CheckpointDuty.Frozen(store: replica.store.freeze(), header: header)
    }

    private func writeCheckpoint(_ frozen: CheckpointDuty.Frozen) {
        checkpoints.frozen = nil
        checkpoints.running = true
        let store = checkpoints.store
        let start = NIODeadline.now()
        checkpoints.worker.submit { [weak self, eventLoop] in
            let result = Result { () throws(StorageError) in
                try Self.write(frozen, to: store)
            }
            let previous = store.previous
            let nextBase = store.nextBase?.index
            eventLoop.execute { [weak self] in
                self?.checkpointed(result, previous: previous, since: start)
                if let nextBase { self?.replica.store.forgetChanges(through: nextBase.previous) }
            }
        }
    }

    private static func write(
        _ frozen: CheckpointDuty.Frozen, to store: CheckpointStore
    ) throws(StorageError) -> CheckpointHeader {
        do {
            return try write(frozen, changesSince: store.nextBase?.index, to: store)
        } catch .rottenCheckpoint {
            // What was to be built on is damaged: everything is written anew.
            return try write(frozen, changesSince: nil, to: store)
        }
    }

    private static func write(
        _ frozen: CheckpointDuty.Frozen, changesSince base: LogIndex?, to store: CheckpointStore
    ) throws(StorageError) -> CheckpointHeader {
        let changes = frozen.store.changes(since: base)
        return try store.write(
            frozen.header, upserts: changes.upserts.lazy.map(Row.init),
            deletes: changes.deletes.map { ($0.table, $0.key) },
            replacingAll: changes.replacesAll)
    }

    private func checkpointed(
        _ result: Result<CheckpointHeader, StorageError>, previous: CheckpointHeader?,
        since start: NIODeadline
    ) {
        checkpoints.running = false
        checkpoints.lastEnd = NIODeadline.now()
        let took = checkpoints.lastEnd - start
        checkpoints.pause = max(CheckpointDuty.pauseMin, .nanoseconds(9 * took.nanoseconds))
        switch result {
        case .success(let header):
            checkpoints.newest = header.index
            checkpoints.durations.record(
                nanoseconds: UInt64((NIODeadline.now() - start).nanoseconds))
            logger.debug("checkpoint written", metadata: ["index": "\(header.index)"])
            releaseLog(behind: previous)
        case .failure(.outOfSpace(let operation, let path, let bytes)):
            logger.error(
                "no room for a checkpoint: free space on this disk",
                metadata: [
                    "operation": "\(operation)", "path": "\(path)", "bytes": "\(bytes)",
                ])
        case .failure(let error): halt(.storage(error))
        }
    }

    /// The log is released only behind the checkpoint before the newest: one that rots loses
    /// nothing.
    private func releaseLog(behind previous: CheckpointHeader?) {
        guard let previous, previous.index.rawValue > UInt64(CheckpointDuty.catchUpEntries) else {
            return
        }
        let through = LogIndex(previous.index.rawValue - UInt64(CheckpointDuty.catchUpEntries))
        step(.compacted(through: through))
        logThread?.submit(.release(through: through))
    }

    /// Keeps the log's next segment ready, so that no write waits for one.
    func prepareSpareSegment() {
        guard !stopping, !checkpoints.preparingSpare, let logThread, !logThread.hasSpare else {
            return
        }
        checkpoints.preparingSpare = true
        checkpoints.worker.submit { [weak self, eventLoop] in
            let result = Result { () throws(StorageError) in try logThread.prepareSpare() }
            eventLoop.execute { [weak self] in
                self?.checkpoints.preparingSpare = false
                if case .failure(let error) = result, error.isFatal { self?.halt(.storage(error)) }
            }
        }
    }

    /// Physical compaction in slices, so that no slice delays anybody.
    func purgeSome() {
        guard !stopping else { return }
        _ = replica.purge(budget: 2048)
    }
}

extension Row {
    /// The state machine's row as the checkpoint's: the same three fields.
    init(_ row: StoreRow) { self.init(table: row.table, key: row.key, value: row.value) }
}

extension StoreLoader {
    mutating func add(_ row: Row) throws(StoreLoadError) {
        try add(table: row.table, key: row.key, value: row.value)
    }
}

extension StorageError {
    /// Whether the process that met it must stop: the disk, not what was to be put on it, is at
    /// fault.
    var isFatal: Bool {
        switch self {
        case .io, .syncFailed, .database, .corrupt, .foreign, .newerFormat, .locked,
            .unsafeDirectory:
            true
        case .outOfSpace, .notFound, .alreadyExists, .rot, .notInLog, .entryTooLarge, .tooLarge,
            .rottenCheckpoint, .invalidSnapshot:
            false
        }
    }
}
