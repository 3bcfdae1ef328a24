internal import Primitives

/// Applies what users want of services, and how far deployments have come.
extension Store {
    func performService(
        _ command: ServiceCommand, _ batch: inout RecordBatch
    ) throws(DatacenterError) -> DatacenterOutcome {
        do throws(ServiceError) {
            return .service(try perform(command, &batch))
        } catch {
            throw .service(error)
        }
    }

    private var services: ServiceTable { datacenterTable.services }

    private func perform(
        _ command: ServiceCommand, _ batch: inout RecordBatch
    ) throws(ServiceError) -> ServiceOutcome {
        switch command {
        case .change(let change): return commit(try services.plan(change), &batch)
        case .rollBack(let id):
            return commit(try services.planRollBack(try deployment(id)), &batch)
        case .cancel(let id): cancel(try deployment(id), &batch)
        case .advance(let id, let step): try advance(id, step: step, &batch)
        case .adjust(let adjustment): try adjust(adjustment, &batch)
        case .stop(let instances, let scales, let isForced):
            return try stop(instances, scales: scales, isForced: isForced, &batch)
        case .resetDelay(let id):
            guard var record = services.services[id]?.record else { throw .unknownService(id) }
            (record.backoffMilliseconds, record.delayedUntil) = (0, 0)
            save(record, &batch)
        }
        return .done
    }

    /// Rules about the framework of services hold from their first record on, or where the
    /// cluster's level allows one: on every node alike.
    var mayHaveServices: Bool {
        members.clusterLevel >= .services || !services.isEmpty
    }

    private func deployment(_ id: DeploymentID) throws(ServiceError) -> DeploymentRecord {
        guard let record = services.deployments[id] else { throw .unknownDeployment(id) }
        return record
    }

    // MARK: - Changes

    func commit(_ plan: ServicePlan, _ batch: inout RecordBatch) -> ServiceOutcome {
        let id = DeploymentID(appliedIndex.rawValue)
        for cancelled in plan.cancelled {
            if let record = services.deployments[cancelled] { cancel(record, &batch) }
        }
        for (group, dependencies) in plan.groups {
            if let dependencies {
                save(
                    ServiceGroupRecord(id: group, dependencies: dependencies, clock: clock),
                    &batch)
            } else {
                removeGroup(group, &batch)
            }
        }
        var from: [ServiceID: UInt64] = [:]
        var newest = clock
        for item in plan.items {
            from[item.service] = services.services[item.service]?.record.latest ?? 0
            if let definition = item.definition { add(definition, item, &batch) }
            guard var record = services.services[item.service]?.record else { continue }
            record.deployment = id
            newest = max(newest, record.latest)
            save(record, &batch)
        }
        if !plan.items.isEmpty {
            let table = services
            let parts = plan.parts(
                from: { from[$0] ?? 0 }, to: { table.services[$0]?.record.latest ?? 0 })
            let record = DeploymentRecord(id: id, parts: parts, clock: clock)
            save(record, .began, &batch)
            enter(record, &batch)
        }
        return .deployment(id, version: newest)
    }

    private func add(
        _ definition: ServiceDefinition, _ item: ServicePlan.Item, _ batch: inout RecordBatch
    ) {
        let known = services.services[item.service]
        let number = max(clock, (known?.record.latest ?? 0) &+ 1, 1)
        let version = ServiceVersion(
            number: number, configuration: item.configuration ?? number, definition: definition)
        var record = known?.record ?? ServiceRecord(id: item.service, latest: number)
        record.latest = number
        record.isEnding = false
        if item.action == .scale || known == nil { record.scaledClock = number }
        if item.action != .scale { record.configuredClock = number }
        save(record, &batch)
        save(version, &batch)
        trimVersions(of: item.service, &batch)
    }

    /// Forgets the oldest versions that nothing refers to.
    private func trimVersions(of id: ServiceID, _ batch: inout RecordBatch) {
        guard let service = services.services[id] else { return }
        var surplus = service.versions.count - ServiceLimits.versionsMax
        guard surplus > 0 else { return }
        var used: Set<UInt64> = [service.record.latest, service.record.active]
        for instance in service.instances {
            if let record = services.instances[instance] { used.insert(record.version) }
        }
        let parts = services.deployments[service.record.deployment]?.parts ?? []
        for part in parts where part.service == id { used.formUnion([part.from, part.to]) }
        // What the deployment that is being made may be taken back to.
        if let before = service.versions.dropLast().last { used.insert(before.number) }
        for version in service.versions where surplus > 0 && !used.contains(version.number) {
            surplus -= 1
            removeVersion(version.number, of: id, &batch)
        }
    }

    // MARK: - Deployments

    /// The step's services become what they are to be.
    private func enter(_ record: DeploymentRecord, _ batch: inout RecordBatch) {
        for part in record.currentParts {
            guard let service = services.services[part.service] else { continue }
            var changed = service.record
            if part.to == 0 {
                changed.isEnding = true
            } else {
                activate(part.to, service, &changed)
            }
            save(changed, &batch)
        }
    }

    private func activate(
        _ version: UInt64, _ service: ServiceTable.Service, _ record: inout ServiceRecord
    ) {
        let before = service.active?.configuration
        record.active = version
        record.isEnding = false
        if service.version(version)?.configuration != before {
            (record.backoffMilliseconds, record.delayedUntil) = (0, 0)
        }
    }

    private func advance(
        _ id: DeploymentID, step: UInt32, _ batch: inout RecordBatch
    ) throws(ServiceError) {
        var record = try deployment(id)
        #if KEELSON_MUTANTS
            let isRepeated = planted(.repeatsSteps) && step < record.step
        #else
            let isRepeated = false
        #endif
        guard record.step == step || isRepeated else {
            throw .staleStep(id, known: record.step, got: step)
        }
        let ending = record.currentParts.filter { $0.to == 0 }.map(\.service)
        for service in ending where services.services[service]?.instances.isEmpty == false {
            throw .instancesRemain(service)
        }
        for service in ending { removeService(service, &batch) }
        if record.step &+ 1 < record.stepCount {
            record.step += 1
            save(record, .advanced, &batch)
            enter(record, &batch)
            return
        }
        for part in record.parts { unlock(part.service, from: id, &batch) }
        removeDeployment(id, .done, &batch)
    }

    /// Whatever it has not come to yet happens at once, but the end of services.
    private func cancel(_ record: DeploymentRecord, _ batch: inout RecordBatch) {
        for part in record.parts {
            guard let service = services.services[part.service],
                service.record.deployment == record.id
            else { continue }
            var changed = service.record
            changed.deployment = DeploymentID(0)
            activate(changed.latest, service, &changed)
            save(changed, &batch)
        }
        removeDeployment(record.id, .cancelled, &batch)
    }

    private func unlock(
        _ id: ServiceID, from deployment: DeploymentID, _ batch: inout RecordBatch
    ) {
        guard var record = services.services[id]?.record, record.deployment == deployment else {
            return
        }
        record.deployment = DeploymentID(0)
        save(record, &batch)
    }
}
