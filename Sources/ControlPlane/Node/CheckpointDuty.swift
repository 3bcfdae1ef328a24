import Logging
import Monitoring
import NIOCore
import NIOPosix
import Primitives
import RaftCore
import Replication
import StateMachine
import Storage

/// How this node writes its state to disk, in the background.
struct CheckpointDuty {
    let store: CheckpointStore
    /// The thread that checkpoints, snapshot streams and installations share, one at a time.
    let worker: WorkerThread<@Sendable () -> Void>
    var plan: CheckpointPlan
    var preparingSpare = false
    /// A disk without room for a segment is not asked again before this.
    var spareNotBefore = NIODeadline.now()
    var spareHasFailed = false
    var lastEnd = NIODeadline.now()
    /// Nine times what the last one took: a tenth of the time at most goes into checkpoints.
    var pause = CheckpointDuty.pauseMin
    var durations = DurationHistogram.empty
    var purgePace = PurgePace()
    var isPurgeScheduled = false

    /// The least time between two checkpoints, however fast entries come.
    static let pauseMin: TimeAmount = .seconds(1)

    init(store: CheckpointStore, entriesMin: Int) {
        self.store = store
        plan = CheckpointPlan(
            loaded: store.newest, previous: store.previous, entriesMin: entriesMin)
        worker = WorkerThread { jobs in for job in jobs { job() } }
        worker.start()
    }
}

extension Node {
    /// Freezes the state when enough was applied since the last checkpoint.
    func considerCheckpoint() {
        guard !stopping, !snapshots.installing else { return }
        let mayFreeze = NIODeadline.now() - checkpoints.lastEnd >= checkpoints.pause
        let isUrgent = space.shortage.cause != nil
        guard
            checkpoints.plan.isDue(
                applied: replica.appliedIndex, durable: replica.view.durableIndex,
                mayFreeze: mayFreeze, isUrgent: isUrgent),
            let frozen = checkpoints.plan.consider(
                replica, mayFreeze: mayFreeze, isUrgent: isUrgent)
        else { return }
        writeCheckpoint(frozen)
    }

    private func writeCheckpoint(_ frozen: CheckpointPlan.Frozen) {
        let store = checkpoints.store
        let start = NIODeadline.now()
        checkpoints.worker.submit { [weak self, eventLoop] in
            let result = Result { () throws(StorageError) in try store.write(frozen) }
            let previous = store.previous
            let nextBase = store.nextBase?.index
            eventLoop.execute { [weak self] in
                self?.space.isReserveDue = true
                self?.checkpointed(result, previous: previous, since: start)
                if let nextBase { self?.replica.store.forgetChanges(through: nextBase.previous) }
            }
        }
    }

    private func checkpointed(
        _ result: Result<CheckpointHeader, StorageError>, previous: CheckpointHeader?,
        since start: NIODeadline
    ) {
        checkpoints.lastEnd = NIODeadline.now()
        let took = checkpoints.lastEnd - start
        checkpoints.pause = max(CheckpointDuty.pauseMin, .nanoseconds(9 * took.nanoseconds))
        checkpoints.plan.written(try? result.get())
        switch result {
        case .success(let header):
            space.checkpointFoundNone = false
            checkpoints.durations.record(nanoseconds: UInt64(took.nanoseconds))
            logger.debug("checkpoint written", metadata: ["index": "\(header.index)"])
            if let through = checkpoints.plan.releasable(
                behind: previous, isUrgent: space.shortage.cause != nil)
            {
                step(.compacted(through: through))
                submitLog(.release(through: through))
            }
        case .failure(let error) where error.isOutOfSpace: checkpointFoundNoRoom(error)
        case .failure(let error): halt(.storage(error))
        }
    }

    /// Keeps the room for the next checkpoint reserved, and the log's next segment ready, so that
    /// no write waits for one: in this order, where there is not room for both.
    func prepareSpareSegment() {
        guard !stopping, !checkpoints.preparingSpare, let logThread,
            logThread.isPreparingDue || space.isReserveDue,
            NIODeadline.now() >= checkpoints.spareNotBefore
        else { return }
        checkpoints.preparingSpare = true
        space.isReserveDue = false
        let store = checkpoints.store
        checkpoints.worker.submit { [weak self, eventLoop] in
            let result = Result { () throws(StorageError) in
                try store.refillReserve()
                if logThread.isPreparingDue { try logThread.prepareSpare() }
            }
            eventLoop.execute { [weak self] in self?.sparePrepared(result) }
        }
    }

    private func sparePrepared(_ result: Result<Void, StorageError>) {
        checkpoints.preparingSpare = false
        switch result {
        case .success: checkpoints.spareHasFailed = false
        case .failure(let error) where error.isFatal: halt(.storage(error))
        case .failure(let error):
            space.isReserveDue = true
            checkpoints.spareNotBefore =
                .now() + .milliseconds(Int64(SegmentedLog.sparePauseMillis))
            if !checkpoints.spareHasFailed {
                logger.warning(
                    "the log's next segment cannot be made ready: writes will wait for it",
                    metadata: ["reason": "\(error)"])
            }
            checkpoints.spareHasFailed = true
        }
    }

    /// Physical compaction in slices, so that no slice delays anybody.
    func purgeSome() {
        guard !stopping, checkpoints.purgePace.slice(of: &replica), !checkpoints.isPurgeScheduled
        else { return }
        checkpoints.isPurgeScheduled = true
        let pause = TimeAmount.milliseconds(Int64(PurgePace.pauseMilliseconds))
        eventLoop.assumeIsolated().scheduleTask(in: pause) { [weak self] in
            self?.checkpoints.isPurgeScheduled = false
            self?.purgeSome()
        }
    }
}
