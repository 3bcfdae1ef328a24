internal import Primitives

/// Applies what masters decided about the datacenter's records. The rules are judged here, on every
/// node alike, so that no interleaving and no deposed master can promise a resource twice, bring a
/// task back or lose a status.
extension Store {
    func changeDatacenter(
        _ body: UnsafeRawBufferPointer, _ applied: inout Applied
    ) throws(StoreError) -> Outcome {
        let command = try DatacenterCommand.decode(body, known: known)
        var batch = RecordBatch(write: beginWrite())
        let outcome: DatacenterOutcome
        do throws(DatacenterError) {
            outcome = try perform(command, &batch)
        } catch {
            invariant(batch.changes.isEmpty, "\(error), behind \(batch.changes)")
            throw .datacenter(error)
        }
        endWrite(batch.write, &applied)
        applied.datacenterChanges = batch.changes
        return .datacenter(outcome)
    }

    /// Either throws before the first change, or does it whole.
    private func perform(
        _ command: DatacenterCommand, _ batch: inout RecordBatch
    ) throws(DatacenterError) -> DatacenterOutcome {
        switch command {
        case .registerAgent(let registration): return try register(registration, &batch)
        case .agentUnreachable(let id, let session):
            try lose(id, session: session, &batch)
        case .agentGone(let id, let byOperator): try end(id, byOperator: byOperator, &batch)
        case .agentMode(let id, let mode, let grace, let goneWhenDrained):
            try setMode(id, mode, grace: grace, goneWhenDrained, &batch)
        case .subscribe(let subscription): return try subscribe(subscription, &batch)
        case .frameworkDisconnected(let id, let session):
            try disconnect(id, session: session, &batch)
        case .endFramework(let id, let session): try endFramework(id, session: session, &batch)
        case .launch(let launch): try self.launch(launch, &batch)
        case .reportStatuses(let id, let session, let reports):
            return .statuses(try report(reports, from: id, session: session, &batch))
        case .acknowledge(let key, let uuid): try acknowledge(key, uuid, &batch)
        case .kill(let key, let grace): try kill(key, grace: grace, &batch)
        case .executorEnded(let key, let session):
            try endExecutor(key, session: session, &batch)
        case .role(let record): try setRole(record, &batch)
        case .master(let record):
            datacenterTable.master = record
            datacenterTable.master?.clock = clock
            put(RecordKeys.master.storage, datacenterTable.master?.encode() ?? [], &batch)
            batch.changes.append(.master)
        case .time: break
        case .service(let command): return try performService(command, &batch)
        case .compact(let revision): try compactRecords(through: revision.rawValue)
        case .operate(let id, let operations): try operate(operations, on: id, &batch)
        }
        return .done
    }

    // MARK: - Compaction

    /// What is there at the revision stays readable, as after a compaction of clients' keys.
    private func compactRecords(through revision: Int64) throws(DatacenterError) {
        let known = max(0, datacenter.floor)
        guard known < revision, revision <= mainRevision else {
            throw .notCompactable(
                Revision(revision), compacted: Revision(known), newest: self.revision)
        }
        datacenter.raiseFloor(to: revision)
        digest.fold(.recordFloor, UInt64(bitPattern: revision))
    }

    // MARK: - Roles

    private func setRole(
        _ record: RoleRecord, _ batch: inout RecordBatch
    ) throws(DatacenterError) {
        if record.role.isEmpty || record.weight <= 0 { throw .invalidRole }
        let isPlain = record == RoleRecord(role: record.role)
        if !isPlain, datacenterTable.roles[record.role] == nil,
            datacenterTable.roles.count >= DatacenterLimits.rolesMax
        {
            throw .tooManyRoles(max: DatacenterLimits.rolesMax)
        }
        if isPlain {
            datacenterTable.removeRole(record.role)
            remove(RecordKeys.role(record.role), &batch)
        } else {
            datacenterTable.set(record)
            put(RecordKeys.role(record.role), record.encode(), &batch)
        }
        batch.changes.append(.role(record.role))
    }

    // MARK: - Records

    func save(_ record: AgentRecord, _ batch: inout RecordBatch) {
        datacenterTable.set(record)
        put(RecordKeys.agent(record.id), record.encode(), &batch)
        batch.changes.append(.agent(record.id))
    }

    func save(_ record: FrameworkRecord, _ batch: inout RecordBatch) {
        datacenterTable.set(record)
        put(RecordKeys.framework(record.id), record.encode(), &batch)
        batch.changes.append(.framework(record.id))
    }

    func save(_ record: TaskRecord, _ batch: inout RecordBatch) {
        datacenterTable.set(record)
        put(RecordKeys.task(record.key), record.encode(), &batch)
        batch.changes.append(.task(record.key))
    }

    func save(_ record: ExecutorRecord, _ batch: inout RecordBatch) {
        datacenterTable.set(record)
        put(RecordKeys.executor(record.key), record.encode(), &batch)
        batch.changes.append(.executor(record.key))
    }

    func forgetTask(_ key: TaskKey, _ batch: inout RecordBatch) {
        datacenterTable.forgetTask(key)
        remove(RecordKeys.task(key), &batch)
        remove(RecordKeys.launch(key), &batch)
        batch.changes.append(.task(key))
    }

    func put(_ key: [UInt8], _ value: [UInt8], _ batch: inout RecordBatch) {
        let (record, _) = key.withUnsafeBytes { key in
            value.withUnsafeBytes { value in
                datacenter.put(
                    key, value: value, lease: 0, revision: batch.write.revision,
                    sub: batch.write.sub, stamp: batch.write.stamp)
            }
        }
        note(record, &batch)
    }

    func remove(_ key: [UInt8], _ batch: inout RecordBatch) {
        guard let live = key.withUnsafeBytes({ datacenter.get($0, at: .max) }) else { return }
        let tombstone = datacenter.delete(
            live, revision: batch.write.revision, sub: batch.write.sub, stamp: batch.write.stamp)
        note(tombstone, &batch)
    }

    private func note(_ record: Record, _ batch: inout RecordBatch) {
        batch.write.events.append(record)
        digest.fold(record, .datacenter)
    }
}

/// The changes of one transition, while they are made.
struct RecordBatch {
    var write: WriteBatch
    var changes: [DatacenterChange] = []
}
