internal import Primitives

extension Store {
    // MARK: - Statuses

    /// A status is committed before it is acknowledged to the agent, and kept until the framework
    /// acknowledges it (DESIGN §8).
    func report(
        _ reports: [StatusReport], from id: AgentID, session: UInt64,
        _ batch: inout RecordBatch
    ) throws(DatacenterError) -> [StatusVerdict] {
        _ = try agent(id, session: session)
        var verdicts: [StatusVerdict] = []
        for report in reports { verdicts.append(take(report, from: id, &batch)) }
        return verdicts
    }

    private func take(
        _ report: StatusReport, from id: AgentID, _ batch: inout RecordBatch
    ) -> StatusVerdict {
        guard var task = datacenterTable.tasks[report.key], task.agent == id,
            task.sequence == report.sequence, task.holdsResources
        else { return .moot }
        let status = report.status
        let isKnown = task.lastUUID == status.uuid && !status.uuid.isEmpty
        // An agent that is back says what it said last: that is news again.
        if isKnown, task.state != .unreachable { return .duplicate }
        if isAwaited(report.key) {
            guard task.waiting.count < DatacenterLimits.waitingStatusesMax else { return .busy }
            if !task.waiting.contains(where: { $0.uuid == status.uuid }) {
                task.waiting.append(status)
                #if KEELSON_MUTANTS
                    if planted(.losesStatuses), status.state.isTerminal {
                        task.waiting.removeLast()
                    }
                #endif
            }
        }
        task.stateBefore = nil
        task.lastUUID = status.uuid
        task.lastStatus = status.body
        task.take(status.state, at: clock)
        if status.state.isTerminal { end(&task, &batch) } else { save(task, &batch) }
        return .committed
    }

    func acknowledge(
        _ key: TaskKey, _ uuid: [UInt8], _ batch: inout RecordBatch
    ) throws(DatacenterError) {
        guard var task = datacenterTable.tasks[key] else { throw .unknownTask(key) }
        // One that is not the oldest is of an earlier connection, or has come twice.
        guard task.waiting.first?.uuid == uuid else { return }
        task.waiting.removeFirst()
        save(task, &batch)
        trimEndedTasks(of: key.framework, &batch)
    }

    /// Nobody but the masters says this: it gets a uuid of its own, so that it is acknowledged like
    /// any other. For what ends a task, room is made.
    func take(_ state: TaskState, _ task: inout TaskRecord, _ batch: inout RecordBatch) {
        task.take(state, at: clock)
        guard isAwaited(task.key) else { return }
        if task.waiting.count >= DatacenterLimits.waitingStatusesMax {
            if !state.isTerminal { return }
            task.waiting.removeLast()
        }
        var uuid = ByteWriter(capacity: 16)
        uuid.write(appliedIndex.rawValue.bigEndian)
        uuid.write((task.sequence ^ UInt64(state.rawValue) << 56).bigEndian)
        task.waiting.append(WaitingStatus(uuid: uuid.bytes, state: state, body: []))
    }

    private func isAwaited(_ key: TaskKey) -> Bool {
        datacenterTable.frameworks[key.framework].map { $0.record.phase != .ended } ?? false
    }

    // MARK: - Ends

    func kill(
        _ key: TaskKey, grace: UInt64, _ batch: inout RecordBatch
    ) throws(DatacenterError) {
        guard let task = datacenterTable.tasks[key] else { throw .unknownTask(key) }
        guard task.holdsResources else { return }
        endTask(task, grace: grace, &batch)
    }

    /// Asks for the end of a task that has not ended.
    func endTask(_ task: TaskRecord, grace: UInt64, _ batch: inout RecordBatch) {
        var task = task
        task.killIndex = appliedIndex.rawValue
        task.killGraceMilliseconds = grace
        save(task, &batch)
    }

    /// Saves a task that is terminal now.
    func end(_ task: inout TaskRecord, _ batch: inout RecordBatch) {
        task.endIndex = appliedIndex.rawValue
        if !isAwaited(task.key) { task.waiting = [] }
        save(task, &batch)
        if task.key.framework == ServiceFramework.id { ended(task, &batch) }
        trimEndedTasks(of: task.key.framework, &batch)
    }

    /// Forgets the oldest tasks that have ended, but those whose end the framework does not know.
    private func trimEndedTasks(of id: FrameworkID, _ batch: inout RecordBatch) {
        guard let ended = datacenterTable.frameworks[id]?.endedTasks,
            ended.count > DatacenterLimits.endedTasksMax
        else { return }
        let oldest = ended.first { datacenterTable.tasks[$0.key]?.waiting.isEmpty ?? true }
        if let oldest { forgetTask(oldest.key, &batch) }
    }
}
