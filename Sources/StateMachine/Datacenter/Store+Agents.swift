internal import Primitives

extension Store {
    func register(
        _ registration: AgentRegistration, _ batch: inout RecordBatch
    ) throws(DatacenterError) -> DatacenterOutcome {
        // One that never heard the answer to its first registration asks again: its work directory
        // tells who it is.
        let known = datacenterTable.agentOfIncarnation[registration.incarnation]
        let isNew = registration.id.isEmpty && known == nil
        let id =
            registration.id.isEmpty ? known ?? registration.newID : registration.id
        guard id.isValid else { throw .invalidName(id.description) }
        let index = appliedIndex.rawValue
        var record: AgentRecord
        if let known = datacenterTable.agents[id] {
            record = known.record
            if isNew { throw .otherIncarnation(id, known: record.incarnation, got: 0) }
            if record.phase == .gone { throw .agentGone(id) }
            if record.incarnation != registration.incarnation {
                throw .otherIncarnation(
                    id, known: record.incarnation, got: registration.incarnation)
            }
            // What operators reserved stays the agent's; it offers what it has beneath that.
            guard let total = registration.total.keepingOperations(of: record.total),
                total.contains(known.used)
            else { throw .agentShrank(id) }
            record.total = total
        } else {
            // An id that nobody knows is an agent of another cluster, or one that was forgotten.
            if !isNew { throw .unknownAgent(id) }
            record = AgentRecord(
                id: id, info: [], total: registration.total,
                incarnation: registration.incarnation, session: index)
            record.registeredClock = clock
        }
        record.info = registration.info
        record.url = registration.url
        record.session = index
        record.reregisteredClock = clock
        if record.phase != .reachable || record.phaseClock == 0 {
            enter(.reachable, &record)
        }
        save(record, &batch)
        launchAgain(on: id, &batch)
        return .agent(id, session: index)
    }

    /// What the agent may never have heard of is to be sent again. What it knows it tells itself.
    private func launchAgain(on id: AgentID, _ batch: inout RecordBatch) {
        for key in datacenterTable.agents[id]?.tasks ?? [] {
            guard var task = datacenterTable.tasks[key], task.state == .unreachable,
                task.stateBefore == .staging
            else { continue }
            task.stateBefore = nil
            task.take(.staging, at: clock)
            save(task, &batch)
        }
    }

    /// Its tasks may well run: they hold what they hold, and end only when it comes back and says
    /// so, or never comes back.
    func lose(
        _ id: AgentID, session: UInt64, _ batch: inout RecordBatch
    ) throws(DatacenterError) {
        let agent = try self.agent(id, session: session)
        guard agent.record.phase == .reachable else { return }
        var record = agent.record
        enter(.unreachable, &record)
        save(record, &batch)
        for key in agent.tasks {
            guard var task = datacenterTable.tasks[key], task.state != .unreachable else {
                continue
            }
            task.stateBefore = task.state
            #if KEELSON_MUTANTS
                if planted(.freesUnreachable) {
                    take(.lost, &task, &batch)
                    end(&task, &batch)
                    continue
                }
            #endif
            take(.unreachable, &task, &batch)
            save(task, &batch)
        }
    }

    func end(
        _ id: AgentID, byOperator: Bool, _ batch: inout RecordBatch
    ) throws(DatacenterError) {
        guard let agent = datacenterTable.agents[id] else { throw .unknownAgent(id) }
        guard agent.record.phase != .gone else { return }
        var record = agent.record
        enter(.gone, &record)
        save(record, &batch)
        for key in agent.tasks {
            guard var task = datacenterTable.tasks[key] else { continue }
            take(byOperator ? .goneByOperator : .gone, &task, &batch)
            end(&task, &batch)
        }
        for key in agent.executors { removeExecutor(key, &batch) }
    }

    func setMode(
        _ id: AgentID, _ mode: AgentRecord.Mode, grace: UInt64, _ goneWhenDrained: Bool,
        _ batch: inout RecordBatch
    ) throws(DatacenterError) {
        guard let agent = datacenterTable.agents[id] else { throw .unknownAgent(id) }
        var record = agent.record
        guard record.phase != .gone else { throw .agentGone(id) }
        record.mode = mode
        record.drainGraceMilliseconds = mode == .draining ? grace : 0
        record.isGoneWhenDrained = mode == .draining && goneWhenDrained
        save(record, &batch)
    }

    func endExecutor(
        _ key: ExecutorKey, session: UInt64, _ batch: inout RecordBatch
    ) throws(DatacenterError) {
        _ = try agent(key.agent, session: session)
        guard datacenterTable.executors[key] != nil else { throw .unknownExecutor(key) }
        // Whoever launched a task on it counts on what it holds.
        if members.clusterLevel >= .executorsInUse, hasTasks(key) { throw .executorInUse(key) }
        removeExecutor(key, &batch)
    }

    private func hasTasks(_ executor: ExecutorKey) -> Bool {
        datacenterTable.agents[executor.agent]?.tasks.contains { key in
            key.framework == executor.framework
                && datacenterTable.tasks[key]?.executor == executor.executor
        } ?? false
    }

    func removeExecutor(_ key: ExecutorKey, _ batch: inout RecordBatch) {
        datacenterTable.removeExecutor(key)
        remove(RecordKeys.executor(key), &batch)
        batch.changes.append(.executor(key))
    }

    /// The agent, where what is said or decided is about its last registration.
    func agent(
        _ id: AgentID, session: UInt64
    ) throws(DatacenterError) -> DatacenterTable.Agent {
        guard let agent = datacenterTable.agents[id] else { throw .unknownAgent(id) }
        guard agent.record.phase != .gone else { throw .agentGone(id) }
        #if KEELSON_MUTANTS
            if planted(.trustsOldSessions) { return agent }
        #endif
        guard agent.record.session == session else {
            throw .oldAgentSession(id, known: agent.record.session, got: session)
        }
        return agent
    }

    private func enter(_ phase: AgentRecord.Phase, _ record: inout AgentRecord) {
        record.phase = phase
        record.phaseSince = clusterTime
        record.phaseClock = clock
    }
}

extension Resources {
    /// What an agent offers by itself, with the dynamic reservations and the volumes that
    /// operations have made of it; nil where it has too little for them.
    fileprivate func keepingOperations(of known: Resources) -> Resources? {
        let made = known.filter { entry in
            entry.isPersistentVolume || entry.reservations.contains { $0.kind == .dynamic }
        }
        do throws(ResourcesError) {
            let plain = try Resources(
                made.entries.map { entry in
                    var plain = entry
                    plain.reservations.removeAll { $0.kind == .dynamic }
                    if entry.isPersistentVolume {
                        plain.disk = DiskInformation(opaque: entry.disk?.opaque ?? [])
                        plain.isShared = false
                        plain.copies = 1
                    }
                    return plain
                })
            guard let rest = subtracting(plain) else { return nil }
            return try rest.adding(made)
        } catch {
            return nil
        }
    }
}
