internal import Primitives

/// Applies what the scheduler decides about instances, and what their tasks come to.
extension Store {
    private var services: ServiceTable { datacenterTable.services }

    func adjust(
        _ adjustment: ServiceAdjustment, _ batch: inout RecordBatch
    ) throws(ServiceError) {
        guard let service = services.services[adjustment.service] else {
            throw .unknownService(adjustment.service)
        }
        let active = service.active
        #if KEELSON_MUTANTS
            let isBegunAgain = planted(.beginsAgain)
        #else
            let isBegunAgain = false
        #endif
        guard service.record.begun == adjustment.begun || isBegunAgain,
            (active?.configuration ?? 0) == adjustment.configuration
        else { throw .staleAdjustment(adjustment.service) }
        if let basis = adjustment.basis, basis != ServiceAdjustment.Basis(service.record) {
            #if KEELSON_MUTANTS
                if !planted(.endsForAnotherState) { throw .staleAdjustment(adjustment.service) }
            #else
                throw .staleAdjustment(adjustment.service)
            #endif
        }
        let count = adjustment.stops.count + adjustment.forgets.count + Int(adjustment.starts)
        guard count <= ServiceLimits.batchMax else {
            throw .tooMany(what: "instances in one decision", max: ServiceLimits.batchMax)
        }
        if adjustment.starts > 0 {
            guard let active, !service.record.isEnding else {
                throw .staleAdjustment(adjustment.service)
            }
            begin(adjustment.starts, of: service, active, &batch)
        }
        for id in adjustment.stops { stop(id, &batch) }
        for id in adjustment.forgets where services.instances[id]?.phase == .launched {
            stop(id, &batch)
            removeInstance(id, &batch)
        }
    }

    private func begin(
        _ count: UInt32, of service: ServiceTable.Service, _ version: ServiceVersion,
        _ batch: inout RecordBatch
    ) {
        var changed = service.record
        for place in 0..<count {
            let sequence = appliedIndex.rawValue << 12 | UInt64(place)
            let name = "\(changed.id.taskPrefix).instance-\(Hexadecimal.text(sequence))"
            var record = InstanceRecord(
                id: InstanceID(name), service: changed.id, version: version.number,
                configuration: version.configuration, sequence: sequence)
            record.clock = clock
            save(record, &batch)
        }
        changed.begun += UInt64(count)
        save(changed, &batch)
    }

    /// What waits is not launched any more; what was launched ends, and its record with it.
    private func stop(_ id: InstanceID, _ batch: inout RecordBatch) {
        guard let instance = services.instances[id] else { return }
        switch instance.phase {
        case .waiting: removeInstance(id, &batch)
        case .launched:
            let key = TaskKey(ServiceFramework.id, id)
            guard let task = datacenterTable.tasks[key], task.holdsResources,
                task.killIndex == 0
            else { return }
            let version = services.services[instance.service]?.version(instance.version)
            endTask(task, grace: version?.definition.killGraceMilliseconds ?? 0, &batch)
        }
    }

    func stop(
        _ instances: [InstanceID], scales: Bool, isForced: Bool, _ batch: inout RecordBatch
    ) throws(ServiceError) -> ServiceOutcome {
        guard instances.count <= ServiceLimits.batchMax else {
            throw .tooMany(what: "instances in one call", max: ServiceLimits.batchMax)
        }
        var counts: [(service: ServiceID, count: UInt32)] = []
        for id in Set(instances).sorted() {
            guard let service = services.instances[id]?.service else { continue }
            if let place = counts.firstIndex(where: { $0.service == service }) {
                counts[place].count += 1
            } else {
                counts.append((service, 1))
            }
        }
        var outcome = ServiceOutcome.done
        if scales, !counts.isEmpty {
            var change = ServiceChange([], isForced: isForced)
            for (service, count) in counts {
                guard var definition = services.services[service]?.latest?.definition else {
                    continue
                }
                definition.instances -= min(definition.instances, count)
                change.parts.append(.put(definition, .any))
            }
            outcome = commit(try services.plan(change), &batch)
        }
        for id in instances { stop(id, &batch) }
        return outcome
    }

    // MARK: - Tasks

    /// Whether a task of the services' framework may be launched: once, and only what is wanted.
    func admit(_ id: InstanceID) throws(DatacenterError) {
        guard let instance = services.instances[id], instance.phase == .waiting,
            let service = services.services[instance.service], !service.record.isEnding,
            service.active?.configuration == instance.configuration
        else { throw .service(.notWaiting(id)) }
    }

    func launched(_ id: InstanceID, _ batch: inout RecordBatch) {
        guard var instance = services.instances[id] else { return }
        instance.phase = .launched
        save(instance, &batch)
    }

    /// The task has ended, and so has the instance. One that nobody asked to end delays the next.
    func ended(_ task: TaskRecord, _ batch: inout RecordBatch) {
        let id = task.key.task
        guard let instance = services.instances[id], instance.phase == .launched,
            let service = services.services[instance.service]
        else { return }
        removeInstance(id, &batch)
        guard task.killIndex == 0, task.state.isFailure,
            datacenterTable.agents[task.agent]?.record.mode != .draining
        else { return }
        var record = service.record
        record.lastFailure = ServiceRecord.Failure(
            instance: id, agent: task.agent, state: task.state,
            message: TaskStatusFacts(task.lastStatus).message, clock: clock,
            version: instance.version)
        let active = service.active
        if let active, active.configuration == instance.configuration {
            delay(&record, active.definition, ran: ranFor(task))
        }
        save(record, &batch)
    }

    private func delay(
        _ record: inout ServiceRecord, _ definition: ServiceDefinition, ran: UInt64
    ) {
        let last = ran >= definition.backoffMaxMilliseconds ? 0 : record.backoffMilliseconds
        let (product, isOver) = last.multipliedReportingOverflow(
            by: UInt64(definition.backoffFactor))
        let next = last == 0 ? definition.backoffMilliseconds : isOver ? .max : product / 1_000
        record.backoffMilliseconds = min(next, definition.backoffMaxMilliseconds)
        let (end, isLate) = clusterTime.addingReportingOverflow(record.backoffMilliseconds)
        record.delayedUntil = isLate ? .max : end
    }

    /// In milliseconds.
    private func ranFor(_ task: TaskRecord) -> UInt64 {
        guard let began = task.steps.first(where: { $0.state == .running })?.clock else {
            return 0
        }
        return clock - min(clock, began)
    }

    // MARK: - Records

    func save(_ record: ServiceRecord, _ batch: inout RecordBatch) {
        datacenterTable.services.set(record)
        put(RecordKeys.service(record.id), record.encode(), &batch)
        batch.changes.append(.service(record.id))
    }

    func save(_ version: ServiceVersion, _ batch: inout RecordBatch) {
        datacenterTable.services.add(version)
        let key = RecordKeys.serviceVersion(version.definition.id, version.number)
        put(key, version.encode(), &batch)
    }

    func save(_ record: InstanceRecord, _ batch: inout RecordBatch) {
        datacenterTable.services.set(record)
        put(RecordKeys.instance(record.id), record.encode(), &batch)
        batch.changes.append(.instance(record.id, of: record.service))
    }

    func save(
        _ record: DeploymentRecord, _ event: DeploymentEvent, _ batch: inout RecordBatch
    ) {
        datacenterTable.services.set(record)
        put(RecordKeys.deployment(record.id), record.encode(), &batch)
        batch.changes.append(.deployment(record.id, event))
    }

    func save(_ record: ServiceGroupRecord, _ batch: inout RecordBatch) {
        datacenterTable.services.set(record)
        put(RecordKeys.serviceGroup(record.id), record.encode(), &batch)
    }

    func removeService(_ id: ServiceID, _ batch: inout RecordBatch) {
        for version in services.services[id]?.versions ?? [] {
            remove(RecordKeys.serviceVersion(id, version.number), &batch)
        }
        datacenterTable.services.removeService(id)
        remove(RecordKeys.service(id), &batch)
        batch.changes.append(.service(id))
    }

    func removeVersion(_ number: UInt64, of id: ServiceID, _ batch: inout RecordBatch) {
        datacenterTable.services.removeVersion(number, of: id)
        remove(RecordKeys.serviceVersion(id, number), &batch)
    }

    private func removeInstance(_ id: InstanceID, _ batch: inout RecordBatch) {
        guard let service = services.instances[id]?.service else { return }
        datacenterTable.services.removeInstance(id)
        remove(RecordKeys.instance(id), &batch)
        batch.changes.append(.instance(id, of: service))
    }

    func removeDeployment(
        _ id: DeploymentID, _ event: DeploymentEvent, _ batch: inout RecordBatch
    ) {
        datacenterTable.services.removeDeployment(id)
        remove(RecordKeys.deployment(id), &batch)
        batch.changes.append(.deployment(id, event))
    }

    func removeGroup(_ id: ServiceID, _ batch: inout RecordBatch) {
        datacenterTable.services.removeGroup(id)
        remove(RecordKeys.serviceGroup(id), &batch)
    }
}

extension TaskState {
    /// Whether a task that ends so delays the next one. A machine that is lost says nothing about
    /// what ran on it.
    fileprivate var isFailure: Bool {
        switch self {
        case .finished, .failed, .killed, .lost, .error, .dropped: true
        case .starting, .running, .staging, .killing, .unreachable, .gone, .goneByOperator,
            .unknown:
            false
        }
    }
}
