import DequeModule
import Primitives
import RaftCore
import Replication
import StateMachine
import Storage

/// The log thread and the background thread, as steps at later times.
extension SimulatedProcess {
    func submit(_ job: LogJob) {
        logJobs.append(job)
        if !isLogBusy { startLogRound() }
    }

    private func startLogRound() {
        isLogBusy = true
        after(world.random.draw(1...20), .disk) { [unowned self] in logTake() }
    }

    private func logTake() {
        let jobs = logJobs
        logJobs = []
        var reports: [LogReport] = []
        do {
            for case .load in jobs { world.counters.count(CoverageMark.entriesLoaded) }
            for case .write(let write) in jobs where write.truncateFrom != nil {
                world.counters.count(CoverageMark.logTruncated)
            }
            try writer.take(jobs) { reports.append($0) }
        } catch { return logFailed(error) }
        for report in reports { deliver(report) }
        let stall = max(0, machine.stalledUntil - world.now)
        let delay = stall + world.random.spread(world.settings.writeMicros, upTo: 8)
        after(delay, .disk) { [unowned self] in logSync() }
    }

    private func logSync() {
        guard writer.needsSync else { return logComplete() }
        do { try writer.sync() } catch { return logFailed(error) }
        let stall = max(0, machine.stalledUntil - world.now)
        let micros = world.settings.syncMicros + machine.syncPenalty
        let delay = stall + world.random.spread(micros, upTo: 8)
        after(delay, .disk) { [unowned self] in logComplete() }
    }

    private func logComplete() {
        if let report = writer.complete() { deliver(report) }
        if let report = writer.spaceChange() { deliver(report) }
        isLogBusy = false
        if !logJobs.isEmpty { startLogRound() }
    }

    /// Reports reach the event loop in the order in which the thread made them.
    private func deliver(_ report: LogReport) {
        lastReport = max(lastReport, world.now + world.random.draw(0...20))
        after(lastReport - world.now, .report) { [unowned self] in reported(report) }
    }

    private func reported(_ report: LogReport) {
        switch report {
        case .persisted(let writes):
            for write in writes {
                world.rules.persisted(write, on: machine)
                for envelope in write.thenSend { send(.raft(envelope.message), to: envelope.to) }
            }
            if let last = writes.last { step(.persisted(last.id)) }
        case .loaded(let first, let entries, let purpose):
            step(.loaded(first: first, entries, purpose))
        case .recovered(let entries): step(.recovered(entries))
        case .healed:
            gate.admission.healed()
            world.counters.count(CoverageMark.rotHealed)
            step(.healed)
            redialAll()
        case .remembered(let ticket):
            if gate.remembered(ticket) { admitted() }
            while let first = answersWaiting.first, first.ticket <= ticket {
                answersWaiting.removeFirst()
                first.answer()
            }
        case .outOfSpace(let error):
            world.counters.count(CoverageMark.diskFull)
            step(shortage.began(error, replica.settings))
            lookForRoom()
        case .roomAgain: step(shortage.ended())
        }
    }

    /// Once a tick.
    func lookForRoom() {
        guard isAlive else { return }
        let due = shortage.tick(isTransferring: replica.raft.isTransferring)
        if let input = due.input { step(input) }
        if due.retries { submit(.retry) }
    }

    private func logFailed(_ error: StorageError) {
        // Without power nothing is reported to anybody: the machine's end is noticed elsewhere.
        if machine.disk.isPowerOff { return }
        halt(.storage(error))
    }

    /// Queues a job for the background thread. It touches the disk at one time, and what it came to
    /// is told to the event loop later.
    func work(_ job: @escaping () -> (took: Micros, then: () -> Void)) {
        workJobs.append(job)
        if !isWorking { startWork() }
    }

    private func startWork() {
        isWorking = true
        let stall = max(0, machine.stalledUntil - world.now)
        after(stall + world.random.draw(1...100), .work) { [unowned self] in
            guard let job = workJobs.popFirst() else { return }
            let done = job()
            after(done.took, .work) { [unowned self] in
                isWorking = false
                done.then()
                if !workJobs.isEmpty, isAlive { startWork() }
            }
        }
    }

    // MARK: Checkpoints

    func considerCheckpoint() {
        guard !isInstalling, isAlive else { return }
        let local = world.now
        let mayFreeze = local - lastCheckpointEnd >= checkpointPause
        let isUrgent = shortage.cause != nil
        guard
            plan.isDue(
                applied: replica.store.appliedIndex, durable: replica.view.durableIndex,
                mayFreeze: mayFreeze, isUrgent: isUrgent),
            let frozen = plan.consider(replica, mayFreeze: mayFreeze, isUrgent: isUrgent)
        else { return }
        let start = world.now
        work { [unowned self] in
            let result = Result { () throws(StorageError) in try checkpoints.write(frozen) }
            let previous = checkpoints.previous
            let nextBase = checkpoints.nextBase?.index
            let took = world.random.spread(world.settings.checkpointMicros, upTo: 8)
            return (
                took,
                { [unowned self] in
                    isReserveDue = true
                    checkpointed(result, previous: previous, since: start)
                    if let nextBase { replica.store.forgetChanges(through: nextBase.previous) }
                }
            )
        }
    }

    private func checkpointed(
        _ result: Result<CheckpointHeader, StorageError>, previous: CheckpointHeader?,
        since start: Micros
    ) {
        lastCheckpointEnd = world.now
        checkpointPause = max(world.settings.checkpointPauseMin, 9 * (world.now - start))
        plan.written(try? result.get())
        switch result {
        case .success(let header):
            world.counters.count(CoverageMark.checkpointWritten)
            world.trace.note(world.now, machine.index, "checkpoint", header.index.rawValue)
            if let through = plan.releasable(
                behind: previous, isUrgent: shortage.cause != nil)
            {
                world.counters.count(CoverageMark.logReleased)
                step(.compacted(through: through))
                submit(.release(through: through))
            }
        case .failure(.outOfSpace): break
        case .failure(let error):
            if !machine.disk.isPowerOff { halt(.storage(error)) }
        }
    }

    func prepareSpare() {
        guard !isPreparingSpare, isAlive, writer.log.isPreparingDue || isReserveDue,
            world.now >= spareNotBefore
        else { return }
        isPreparingSpare = true
        isReserveDue = false
        work { [unowned self] in
            let result = Result { () throws(StorageError) in
                try checkpoints.refillReserve()
                if writer.log.isPreparingDue { _ = try writer.log.prepareSpare() }
            }
            return (
                world.random.spread(world.settings.syncMicros, upTo: 4),
                { [unowned self] in
                    isPreparingSpare = false
                    guard case .failure(let error) = result else { return }
                    isReserveDue = true
                    spareNotBefore = world.now + SegmentedLog.sparePauseMillis * 1000
                    if error.isFatal, !machine.disk.isPowerOff { halt(.storage(error)) }
                }
            )
        }
    }

    // MARK: Snapshots

    func sendSnapshot(to peer: NodeID, _ leastIndex: LogIndex) {
        let index = replica.store.appliedIndex
        let target = world.machine(of: peer)?.index
        guard let target, sending[target] == nil, index >= leastIndex,
            peers[target].links.contains(where: \.isReady)
        else {
            after(.milliseconds(100), .work) { [unowned self] in
                step(.snapshotSent(to: peer, index, succeeded: false))
            }
            return
        }
        let header = replica.snapshotHeader(sender: identity, snapshotID: nextSnapshotID)
        nextSnapshotID += 1
        world.trace.note(
            world.now, machine.index, "sends snapshot to", UInt64(target), index.rawValue)
        let transfer = SnapshotTransfer(
            process: self, target: target, header: header, frozen: replica.store.freeze())
        sending[target] = transfer
        transfer.start()
    }

    func snapshotSent(_ transfer: SnapshotTransfer, succeeded: Bool) {
        sending[transfer.target] = nil
        world.counters.count(
            succeeded ? CoverageMark.snapshotSent : CoverageMark.snapshotFailed)
        let peer = world.machines[transfer.target].id
        step(.snapshotSent(to: peer, transfer.header.index, succeeded: succeeded))
    }

    func snapshotArriving(on connection: Connection) {
        guard !isInstalling else { return world.network.close(connection, by: machine.index) }
        receiving?.abandon()
        let reception = SnapshotReception(process: self, connection: connection)
        receiving = reception
        connection.reception = reception
    }

    func shouldInstall(_ header: SnapshotHeader) -> Bool {
        guard isAlive, header.index > replica.store.appliedIndex else { return false }
        isInstalling = true
        plan.forgetFrozen()
        return true
    }

    func received(_ result: Result<SnapshotIntake.Installed, any Error>) {
        isInstalling = false
        receiving = nil
        switch result {
        case .success(let installed):
            guard installed.store.appliedIndex > replica.store.appliedIndex else { return }
            world.counters.count(CoverageMark.snapshotInstalled)
            world.trace.note(
                world.now, machine.index, "installed", installed.store.appliedIndex.rawValue)
            plan.installed(installed.checkpoint)
            lastCheckpointEnd = world.now
            toldIndex = installed.store.appliedIndex
            replica.install(
                installed.store, term: installed.term, configuration: installed.configuration,
                into: &effects)
            world.rules.loaded(replica.store, on: machine)
            hub.jump(to: max(hub.revision, replica.store.revision))
            turned(queued.storeReplaced(by: replica.store))
            for observer in observers { observer.look(at: self) }
            if hub.needsCatchUp { catchUpSoon() }
            perform()
            flushSoon()
        case .failure(let error as StorageError) where error.isFatal:
            if !machine.disk.isPowerOff { halt(.storage(error)) }
        case .failure(StoreLoadError.unknownFormat(let format)):
            let reason = "a snapshot has rows of format \(format)"
            halt(.replica(.outdated(known: machine.known, reason: reason)))
        case .failure: break
        }
    }
}

/// A snapshot on its way out: chunks, one after another, over a connection of its own.
final class SnapshotTransfer {
    unowned let process: SimulatedProcess
    let target: Int
    let header: SnapshotHeader
    private var writer: SnapshotWriter<AnyIterator<Row>>
    private var connection: Connection?
    private var isFinished = false
    private var isWelcomed = false

    init(process: SimulatedProcess, target: Int, header: SnapshotHeader, frozen: FrozenStore) {
        self.process = process
        self.target = target
        self.header = header
        var limits = SnapshotLimits()
        limits.chunkBytesMax = process.world.settings.chunkBytesMax
        writer = SnapshotWriter(
            header: header, rows: AnyIterator(frozen.rows().lazy.map(Row.init).makeIterator()),
            limits: limits)
    }

    func start() {
        process.world.network.dial(process, to: target, .snapshot) { [self] result in
            guard !isFinished else { return }
            guard case .connected(let connection) = result else { return finish(false) }
            self.connection = connection
            connection.transfer = self
            process.sayHello(on: connection)
        }
        process.after(.seconds(60), .work) { [self] in finish(false) }
    }

    func received(_ frame: [UInt8]) {
        if !isWelcomed {
            guard let welcome = try? PeerWelcome.decode(frame), welcome.verdict.isWelcome else {
                return finish(false)
            }
            isWelcomed = true
            return produce()
        }
        // The receiver's last word: whether the snapshot is now its state.
        finish(frame == [1])
    }

    private func produce() {
        guard !isFinished, let connection, let chunk = try? writer.nextChunk() else { return }
        process.world.network.send(connection, fromDialler: true, chunk)
        process.after(process.world.random.draw(20...500), .work) { [self] in produce() }
    }

    func finish(_ succeeded: Bool) {
        guard !isFinished else { return }
        isFinished = true
        if let connection {
            connection.transfer = nil
            process.world.network.close(connection, by: process.machine.index)
        }
        process.snapshotSent(self, succeeded: succeeded)
    }
}

/// A snapshot on its way in.
final class SnapshotReception {
    unowned let process: SimulatedProcess
    private let connection: Connection
    private var intake: SnapshotIntake
    private var isDone = false
    private var isCommitted = false

    init(process: SimulatedProcess, connection: Connection) {
        self.process = process
        self.connection = connection
        intake = SnapshotIntake(
            clusterID: SimulatedCluster.clusterID, known: process.machine.known)
    }

    func abandon() {
        if !isCommitted { finish(.failure(SnapshotIntake.Abandoned())) }
    }

    func take(_ chunk: [UInt8]) {
        process.work { [self] in
            do {
                guard let header = try intake.take(chunk) else { return (1, {}) }
                return (10, { [self] in complete(header) })
            } catch {
                return (1, { [self] in finish(.failure(error)) })
            }
        }
    }

    private func complete(_ header: SnapshotHeader) {
        guard !isDone, process.shouldInstall(header) else {
            return finish(.failure(SnapshotIntake.Abandoned()))
        }
        isCommitted = true
        process.work { [self] in
            let result = Result {
                try intake.makeDurable(header, in: process.checkpoints)
            }
            let took = process.world.random.spread(
                process.world.settings.checkpointMicros, upTo: 8)
            return (took, { [self] in finish(result) })
        }
    }

    private func finish(_ result: Result<SnapshotIntake.Installed, any Error>) {
        guard !isDone else { return }
        isDone = true
        var succeeded = false
        if case .success = result { succeeded = true }
        process.world.network.send(connection, fromDialler: false, [succeeded ? 1 : 0])
        process.received(result)
    }
}
