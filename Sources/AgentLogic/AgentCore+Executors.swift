internal import Primitives

/// Executors that frameworks bring along, as the agent sees them: processes that are told which
/// tasks to run, and say what became of them.
///
/// What holds after every step, beside the rules of all tasks:
/// - An executor is told of a task only after the task's record is durable, and an update of its is
///   acknowledged only after it is.
/// - A task is launched by its executor once, unless the executor itself says that it has not heard
///   of it.
/// - No task outlives its executor.
extension AgentCore {
    /// Behind all tasks of its order.
    static let executorIndex: UInt32 = 1 << 16

    mutating func take(_ input: ExecutorInput) {
        switch input {
        case .subscribes(let call, let key, let unacknowledged, let updates):
            subscribe(call, key, unacknowledged, updates)
        case .updates(let call, let key, let update): take(update, call, key)
        case .says(let call, let key, let data):
            guard subscription(call, key) != nil else { return }
            emit(.toScheduler(key, data))
            emit(.answer(call, nil))
        case .beats(let call, let key):
            if subscription(call, key) != nil { emit(.answer(call, nil)) }
        case .closed(let call, let key):
            guard let place = self.place(ofExecutor: key), entries[place].connection == call else {
                return
            }
            entries[place].connection = nil
            awaitConnection(at: place)
        case .told(let key, let data):
            guard let place = self.place(ofExecutor: key),
                let connection = entries[place].connection
            else { return }
            emit(.tell(connection, .message(data)))
        case .shutDown(let key): shutDown(key)
        }
    }

    private mutating func emit(_ effect: ExecutorEffect) {
        work.effects.append(.executor(effect))
    }

    /// The run of an executor that has not ended.
    package func runningExecutor(_ key: ExecutorKey) -> TaskRecord? {
        place(ofExecutor: key).map { entries[$0].record }
    }

    /// Where the run of an executor is that has not ended.
    func place(ofExecutor key: ExecutorKey) -> Int? {
        guard let place = runOfExecutor[key].flatMap({ index(of: $0) }),
            !entries[place].record.state.isTerminal
        else { return nil }
        return place
    }

    /// Its tasks that have not ended, oldest first. Cost: all runs.
    private func livePlaces(of run: ContainerID) -> [Int] {
        entries.indices.filter {
            entries[$0].record.remote?.run == run && !entries[$0].record.state.isTerminal
        }
    }

    // MARK: Launches

    mutating func launch(_ order: LaunchOrder, by executor: ExecutorOrder) {
        let place = self.place(ofExecutor: executor.key)
        let isEnding = place.map { entries[$0].record.killReason != .none } ?? false
        let run =
            place.map { entries[$0].record.container }
            ?? ContainerID(sequence: order.stamp.sequence, index: Self.executorIndex)
        let refusal = self.refusal(of: order, by: executor, isEnding: isEnding)
        for ((number, spec), info) in zip(order.tasks.enumerated(), executor.taskInfos) {
            let container = ContainerID(sequence: order.stamp.sequence, index: UInt32(number))
            var record = TaskRecord(container: container, term: order.stamp.term, spec: spec)
            record.role = .remote(RemoteTask(run: run, info: info, isGroup: executor.isGroup))
            insert(Entry(record: record))
            if let refusal { end(container, as: refusal.state, refusal.reason, refusal.message) }
        }
        if refusal != nil {
            sayEndedUnlessAlive(order)
        } else {
            if place == nil { begin(executor, run, order.stamp.term) }
            tellLaunches(of: run)
        }
    }

    private func refusal(
        of order: LaunchOrder, by executor: ExecutorOrder, isEnding: Bool
    ) -> Refusal? {
        if let refusal = self.refusal(of: order) { return refusal }
        if let fault = executor.spec.fault {
            return Refusal(state: .error, reason: .taskInvalid, message: "\(fault)")
        }
        if isEnding {
            return Refusal(
                state: .dropped, reason: .executorGone,
                message: "the executor \(executor.key) is being shut down")
        }
        return nil
    }

    private mutating func begin(_ executor: ExecutorOrder, _ run: ContainerID, _ term: Term) {
        var record = TaskRecord(container: run, term: term, spec: executor.spec)
        record.role = .executor(executor.terms)
        var entry = Entry(record: record)
        entry.isFetched = executor.spec.uris.isEmpty
        insert(entry)
        if !entry.isFetched {
            work.effects.append(.fetch(record))
        } else if let place = index(of: run) {
            startExecutor(at: place)
        }
    }

    mutating func startExecutor(at place: Int) {
        report(at: place, .starting)
        work.effects.append(.startSupervisor(entries[place].record))
    }

    /// What the executor has not heard of, where it can be told; a group goes out as one.
    private mutating func tellLaunches(of run: ContainerID) {
        guard let place = index(of: run), entries[place].record.killReason == .none,
            let connection = entries[place].connection
        else { return }
        var group: (sequence: UInt64, infos: [[UInt8]])?
        for place in livePlaces(of: run) where !entries[place].wasTold {
            let record = entries[place].record
            guard let remote = record.remote, record.state == .staging,
                record.killReason == .none
            else { continue }
            entries[place].wasTold = true
            if let ready = group, !remote.isGroup || ready.sequence != record.container.sequence {
                emit(.tell(connection, .launchGroup(ready.infos)))
                group = nil
            }
            if remote.isGroup {
                let infos = (group?.infos ?? []) + [remote.info]
                group = (sequence: record.container.sequence, infos: infos)
            } else {
                emit(.tell(connection, .launch(remote.info)))
            }
        }
        if let group { emit(.tell(connection, .launchGroup(group.infos))) }
    }

    // MARK: What executors say

    private mutating func subscribe(
        _ call: ExecutorCallID, _ key: ExecutorKey, _ unacknowledged: Set<TaskID>,
        _ updates: [ExecutorUpdate]
    ) {
        guard let place = self.place(ofExecutor: key), entries[place].record.state != .staging,
            case .executor(let terms) = entries[place].record.role
        else { return emit(.answer(call, .unknownExecutor(key))) }
        let run = entries[place].record.container
        if let old = entries[place].connection {
            emit(.tell(old, .error("another connection of the executor has subscribed")))
            emit(.close(old))
        }
        entries[place].connection = call
        entries[place].wasTold = true
        emit(.subscribed(call, key, terms, run: run))
        for update in updates {
            // But for one that comes too early, what is refused is refused for good: it is
            // acknowledged, or it would come with each subscription.
            if case .busy = accept(update, key, run) { continue }
            emit(.tell(call, .acknowledged(update.task, update.id)))
        }
        guard entries[place].record.killReason == .none else {
            return emit(.tell(call, .shutdown))
        }
        entries[place].remainingMillis = nil
        for place in livePlaces(of: run) where entries[place].record.state == .staging {
            let record = entries[place].record
            entries[place].wasTold = unacknowledged.contains(record.spec.taskID)
            #if KEELSON_MUTANTS
                if planted(.tellsExecutorsAgain) { entries[place].wasTold = false }
            #endif
            if !entries[place].wasTold, record.killReason != .none {
                end(record.container, as: .killed, record.killReason, "")
            }
        }
        tellLaunches(of: run)
        for place in livePlaces(of: run) where entries[place].record.killReason != .none {
            emit(
                .tell(
                    call,
                    .kill(
                        entries[place].record.spec.taskID,
                        graceMillis: entries[place].killGraceMillis)))
        }
    }

    /// The run of an executor that is connected; nil after the call was refused.
    private mutating func subscription(_ call: ExecutorCallID, _ key: ExecutorKey) -> Int? {
        guard let place = self.place(ofExecutor: key) else {
            emit(.answer(call, .unknownExecutor(key)))
            return nil
        }
        guard entries[place].connection != nil else {
            emit(.answer(call, .notSubscribed(key)))
            return nil
        }
        return place
    }

    private mutating func take(
        _ update: ExecutorUpdate, _ call: ExecutorCallID, _ key: ExecutorKey
    ) {
        guard let place = subscription(call, key), let connection = entries[place].connection
        else { return }
        let refusal = accept(update, key, entries[place].record.container)
        emit(.answer(call, refusal))
        if refusal == nil { emit(.tell(connection, .acknowledged(update.task, update.id))) }
    }

    /// - Returns: why the update has no effect; nil for one that is known already too.
    private mutating func accept(
        _ update: ExecutorUpdate, _ key: ExecutorKey, _ run: ContainerID
    ) -> ExecutorRefusal? {
        let task = TaskKey(framework: key.framework, task: update.task)
        guard let place = containerOfKey[task].flatMap({ index(of: $0) }),
            var remote = entries[place].record.remote, remote.run == run
        else { return .unknownTask(update.task) }
        if remote.received.contains(update.id) { return nil }
        let record = entries[place].record
        if record.state.isTerminal { return .taskEnded(update.task, record.state) }
        if !update.state.isTerminal, isFull(record) { return .busy(update.task) }
        if remote.received.count == AgentLimits.executorUpdatesKnownMax {
            remote.received.removeFirst()
        }
        remote.received.append(update.id)
        entries[place].record.role = .remote(remote)
        if update.state.isTerminal { entries[place].record.endedAtMillis = nowMillis }
        var told = StatusUpdate(
            id: update.id, key: task, container: record.container, state: update.state,
            message: update.message, atMillis: nowMillis)
        told.body = update.body
        queue(told, at: place)
        return nil
    }

    /// The room that is left is for the task's end.
    private func isFull(_ record: TaskRecord) -> Bool {
        record.pending.count >= AgentLimits.pendingUpdatesMax - 1
            || record.pending.reduce(0) { $0 + $1.body.count }
                >= AgentLimits.executorPendingBytesMax
    }

    // MARK: Ends

    mutating func killRemote(
        at place: Int, _ remote: RemoteTask, _ reason: StatusReason, _ message: String,
        graceMillis: UInt64?
    ) {
        let record = entries[place].record
        if record.state.isTerminal { return }
        if record.killReason == .none {
            entries[place].record.killReason = reason
            markChanged(record.container)
        }
        entries[place].killGraceMillis = graceMillis
        if record.state == .staging, !entries[place].wasTold {
            end(record.container, as: .killed, reason, message)
            return endIdle(remote.run)
        }
        // One that is not connected is told when it is.
        guard let run = index(of: remote.run), let connection = entries[run].connection else {
            return
        }
        emit(.tell(connection, .kill(record.spec.taskID, graceMillis: graceMillis)))
    }

    /// An executor that never was told of a task has nothing to wait for.
    private mutating func endIdle(_ run: ContainerID) {
        guard let place = index(of: run), !entries[place].record.state.isTerminal,
            !entries[place].wasTold, livePlaces(of: run).isEmpty
        else { return }
        beginKill(at: place, .killedByOrder, "it has no task any more")
    }

    private mutating func shutDown(_ key: ExecutorKey) {
        guard let place = self.place(ofExecutor: key) else { return sayEnded(key, status: 0) }
        let record = entries[place].record
        if record.killReason != .none { return }
        guard let connection = entries[place].connection,
            case .executor(let terms) = record.role
        else { return beginKill(at: place, .killedByOrder, "") }
        entries[place].record.killReason = .killedByOrder
        report(at: place, .killing)
        entries[place].remainingMillis = terms.shutdownGraceMillis
        emit(.tell(connection, .shutdown))
    }

    /// Its process is gone, and its tasks with it.
    mutating func executorEnded(at place: Int, _ message: String) {
        let record = entries[place].record
        entries[place].remainingMillis = nil
        if let connection = entries[place].connection { emit(.close(connection)) }
        entries[place].connection = nil
        for place in livePlaces(of: record.container) {
            let task = entries[place].record
            let wasAsked = task.killReason != .none || record.killReason == .killedByOrder
            let state: TaskState =
                wasAsked ? .killed : record.state == .lost ? .lost : .failed
            end(task.container, as: state, .executorGone, "the executor ended: \(message)")
        }
        if let key = record.executorKey {
            sayEnded(key, status: entries[place].waitStatus)
        }
    }

    /// For whoever has it on record with a launch that comes to nothing.
    mutating func sayEndedUnlessAlive(_ order: LaunchOrder) {
        guard let key = order.executor?.key, place(ofExecutor: key) == nil else { return }
        let last = ContainerID(
            sequence: order.stamp.sequence, index: UInt32(max(order.tasks.count, 1) - 1))
        sayEnded(key, status: 0, heard: last.launchSequence)
    }

    private mutating func sayEnded(_ key: ExecutorKey, status: Int32, heard: UInt64 = 0) {
        let newest = entries.last { !$0.record.isExecutor }?.record.container.launchSequence ?? 0
        emit(.ended(key, status: status, sequence: max(mark.sequence, newest, heard)))
    }

    /// Tasks whose executor ended between the writes of the records, or is known no more.
    mutating func settleRemote() {
        for place in entries.indices {
            let record = entries[place].record
            guard let remote = record.remote, !record.state.isTerminal else { continue }
            let run = index(of: remote.run).map { entries[$0].record }
            if run?.state.isTerminal ?? true {
                let state: TaskState = record.killReason != .none ? .killed : .failed
                end(record.container, as: state, .executorGone, "the executor is gone")
            }
        }
    }

    // MARK: Time

    mutating func awaitConnection(at place: Int) {
        guard entries[place].connection == nil, entries[place].remainingMillis == nil else {
            return
        }
        entries[place].remainingMillis = settings.executorMillis
    }

    mutating func countDown(_ passed: UInt64) {
        for place in entries.indices {
            guard let left = entries[place].remainingMillis else { continue }
            if left > passed {
                entries[place].remainingMillis = left - passed
            } else {
                entries[place].remainingMillis = nil
                expire(at: place)
            }
        }
    }

    private mutating func expire(at place: Int) {
        let record = entries[place].record
        if record.state.isTerminal { return }
        if record.killReason == .none {
            beginKill(at: place, .executorSilent, "the executor did not connect in time")
        } else {
            // It had its time.
            work.effects.append(.kill(record.container, graceMillis: 0))
        }
    }
}

extension ProcessOutcome {
    /// As wait(2) gives it.
    var waitStatus: Int32 {
        switch self {
        case .exited(let code): (code & 0xFF) << 8
        case .signaled(let number): number & 0x7F
        case .notStarted: 127 << 8
        }
    }
}
