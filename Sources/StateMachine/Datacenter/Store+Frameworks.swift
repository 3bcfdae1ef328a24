internal import Primitives

extension Store {
    func subscribe(
        _ subscription: Subscription, _ batch: inout RecordBatch
    ) throws(DatacenterError) -> DatacenterOutcome {
        let isNew = subscription.id.isEmpty
        let id = isNew ? subscription.newID : subscription.id
        guard id.isValid else { throw .invalidName(id.description) }
        guard subscription.roles.count <= DatacenterLimits.rolesMax else {
            throw .tooManyRoles(max: DatacenterLimits.rolesMax)
        }
        let index = appliedIndex.rawValue
        var record: FrameworkRecord
        if let known = datacenterTable.frameworks[id]?.record {
            record = known
            if record.phase == .ended { throw .frameworkEnded(id) }
            if isNew || record.principal != subscription.principal { throw .otherPrincipal(id) }
        } else if isNew || !subscription.isUpdate {
            // As in Mesos, a scheduler may bring an id that nobody knows, from before a restore or
            // of another cluster.
            record = FrameworkRecord(id: id, info: [], roles: [], session: index)
            record.registeredClock = clock
        } else {
            throw .unknownFramework(id)
        }
        record.info = subscription.info
        record.principal = subscription.principal
        record.roles = subscription.roles
        record.suppressedRoles = subscription.suppressedRoles
        record.capabilities = subscription.capabilities
        record.failoverMilliseconds = subscription.failoverMilliseconds
        record.offerConstraints = subscription.offerConstraints
        if !subscription.isUpdate {
            record.phase = .connected
            record.deadline = .max
            record.session = index
            record.reregisteredClock = clock
        }
        save(record, &batch)
        return .framework(id, session: record.session)
    }

    /// Its tasks go on until the framework's time has run out.
    func disconnect(
        _ id: FrameworkID, session: UInt64, _ batch: inout RecordBatch
    ) throws(DatacenterError) {
        var record = try framework(id, session: session)
        guard record.phase == .connected else { return }
        record.phase = .disconnected
        let (deadline, overflow) = clusterTime.addingReportingOverflow(
            record.failoverMilliseconds)
        record.deadline = overflow ? .max : deadline
        save(record, &batch)
    }

    /// From here on none of its tasks may run: agents are told to end them, and what they hold is
    /// free when they have ended. Nobody acknowledges their statuses any more.
    /// - Parameter session: zero where it ends whoever has subscribed.
    func endFramework(
        _ id: FrameworkID, session: UInt64, _ batch: inout RecordBatch
    ) throws(DatacenterError) {
        if id == ServiceFramework.id, mayHaveServices { throw .service(.ownFramework) }
        var record: FrameworkRecord
        if session == 0 {
            guard let known = datacenterTable.frameworks[id]?.record else {
                throw .unknownFramework(id)
            }
            record = known
        } else {
            record = try framework(id, session: session)
        }
        guard record.phase != .ended else { return }
        record.phase = .ended
        record.endedClock = clock
        record.endIndex = appliedIndex.rawValue
        record.deadline = .max
        save(record, &batch)
        forgetEndedFrameworks(&batch)
    }

    /// The oldest of those of which nothing runs any more.
    private func forgetEndedFrameworks(_ batch: inout RecordBatch) {
        guard datacenterTable.endedFrameworks.count > DatacenterLimits.endedFrameworksMax else {
            return
        }
        let oldest = datacenterTable.endedFrameworks.first {
            datacenterTable.frameworks[$0]?.liveTasks == 0
        }
        guard let id = oldest, let framework = datacenterTable.frameworks[id] else { return }
        for ended in framework.endedTasks { forgetTask(ended.key, &batch) }
        datacenterTable.removeFramework(id)
        remove(RecordKeys.framework(id), &batch)
        batch.changes.append(.framework(id))
    }

    /// The framework, where what is said or decided is about its last subscription.
    private func framework(
        _ id: FrameworkID, session: UInt64
    ) throws(DatacenterError) -> FrameworkRecord {
        guard let record = datacenterTable.frameworks[id]?.record else {
            throw .unknownFramework(id)
        }
        guard record.session == session else {
            throw .oldFrameworkSession(id, known: record.session, got: session)
        }
        return record
    }
}
