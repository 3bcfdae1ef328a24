/// What a change comes to, before any of it is done.
struct ServicePlan {
    struct Item {
        var service: ServiceID
        var action: DeploymentRecord.Action
        /// Nil: it is to go.
        var definition: ServiceDefinition?
        /// Nil: a new one, unless a version that is kept was the same.
        var configuration: UInt64?
        var isRestart = false
    }

    var items: [Item] = []
    /// Deployments that end for it.
    var cancelled: [DeploymentID] = []
    var groups: [(id: ServiceID, dependencies: [ServiceID]?)] = []
    var layers: [ServiceID: Int] = [:]
    /// Of services that go: those that others depend on come last.
    var endLayers: [ServiceID: Int] = [:]

    func parts(from version: (ServiceID) -> UInt64, to new: (ServiceID) -> UInt64)
        -> [DeploymentRecord.Part]
    {
        let isStop = { (item: Item) in item.action == .stop }
        let starts = items.filter { !isStop($0) }.map { layers[$0.service] ?? 0 }
        let ends = items.filter(isStop).map { endLayers[$0.service] ?? 0 }
        // Steps without a part are none: layers are counted among what is changed.
        let order = Set(starts).sorted()
        let endOrder = Set(ends).sorted(by: >)
        return items.map { item in
            let step: Int
            if isStop(item) {
                step =
                    order.count + (endOrder.firstIndex(of: endLayers[item.service] ?? 0) ?? 0)
            } else {
                step = order.firstIndex(of: layers[item.service] ?? 0) ?? 0
            }
            return DeploymentRecord.Part(
                service: item.service, action: item.action, from: version(item.service),
                to: isStop(item) ? 0 : new(item.service), step: UInt32(step))
        }.sorted { ($0.step, $0.service) < ($1.step, $1.service) }
    }
}

extension ServiceTable {
    /// Judges a change.
    func plan(_ change: ServiceChange) throws(ServiceError) -> ServicePlan {
        guard change.parts.count <= ServiceLimits.changesMax else {
            throw .tooMany(what: "changes", max: ServiceLimits.changesMax)
        }
        var plan = ServicePlan()
        var overlay = ServiceOverlay(self)
        var named: Set<ServiceID> = []
        for part in change.parts {
            if let id = part.service, !named.insert(id).inserted { throw .named(twice: id) }
            try add(part, to: &plan, &overlay)
        }
        try lock(&plan, isForced: change.isForced)
        for item in plan.items where item.definition != nil && services[item.service] == nil {
            if let other = overlay.conflict(with: item.service) {
                throw .conflictingPath(item.service, with: other)
            }
        }
        let new = plan.items.count { $0.definition != nil && services[$0.service] == nil }
        guard services.count + new <= ServiceLimits.servicesMax else {
            throw .tooMany(what: "services", max: ServiceLimits.servicesMax)
        }
        plan.layers = try overlay.layers(
            plan.items.filter { $0.definition != nil }.map(\.service))
        plan.endLayers = try ServiceOverlay(self).layers(
            plan.items.filter { $0.definition == nil }.map(\.service))
        return plan
    }

    private func add(
        _ part: ServiceChange.Part, to plan: inout ServicePlan, _ overlay: inout ServiceOverlay
    ) throws(ServiceError) {
        switch part {
        case .put(let definition, let basis):
            try check(basis, of: definition.id)
            let problems = definition.problems
            if !problems.isEmpty { throw .invalid(definition.id, problems) }
            overlay.put(definition)
            if let item = item(definition) { plan.items.append(item) }
        case .remove(let id):
            guard services[id] != nil else { throw .unknownService(id) }
            overlay.remove(id)
            plan.items.append(ServicePlan.Item(service: id, action: .stop))
        case .restart(let id):
            guard let latest = services[id]?.latest else { throw .unknownService(id) }
            var item = ServicePlan.Item(
                service: id, action: .restart, definition: latest.definition)
            item.isRestart = true
            plan.items.append(item)
        case .putGroup(let id, let dependencies):
            guard id.isValid, services[id] == nil else {
                throw services[id] == nil
                    ? .invalid(id, [ServiceProblem("/id", "is not the name of a group")])
                    : .conflictingPath(id, with: id)
            }
            guard groups[id] != nil || groups.count < ServiceLimits.groupsMax else {
                throw .tooMany(what: "groups", max: ServiceLimits.groupsMax)
            }
            overlay.setGroup(id, dependencies: dependencies)
            plan.groups.append((id, dependencies))
        case .removeGroup(let id):
            guard groups[id] != nil else { throw .unknownGroup(id) }
            overlay.setGroup(id, dependencies: [])
            plan.groups.append((id, nil))
        }
    }

    private func check(
        _ basis: ServiceChange.Basis, of id: ServiceID
    ) throws(ServiceError) {
        let latest = services[id]?.record.latest
        switch basis {
        case .any: break
        case .none: if latest != nil { throw .exists(id) }
        case .version(let number):
            guard let latest else { throw .unknownService(id) }
            if latest != number { throw .moved(id, known: latest, got: number) }
        }
    }

    /// Nil where nothing is to be done.
    private func item(_ definition: ServiceDefinition) -> ServicePlan.Item? {
        guard let service = services[definition.id], let latest = service.latest else {
            return ServicePlan.Item(
                service: definition.id, action: .start, definition: definition)
        }
        let isSame = latest.definition.isSame(but: definition)
        if isSame, latest.definition.instances == definition.instances, !service.record.isEnding {
            return nil
        }
        var item = ServicePlan.Item(
            service: definition.id, action: isSame ? .scale : .restart, definition: definition)
        // Of versions that were the same, instances may be there still.
        item.configuration =
            isSame
            ? latest.configuration
            : service.versions.last { $0.definition.isSame(but: definition) }?.configuration
        return item
    }

    private func lock(_ plan: inout ServicePlan, isForced: Bool) throws(ServiceError) {
        for item in plan.items {
            guard let id = services[item.service]?.record.deployment, id.rawValue != 0 else {
                continue
            }
            if !isForced { throw .locked(item.service, by: [id]) }
            plan.cancelled.insertSorted(id)
        }
        let running = deployments.count - plan.cancelled.count
        guard plan.items.isEmpty || running < ServiceLimits.deploymentsMax else {
            throw .tooManyDeployments(max: ServiceLimits.deploymentsMax)
        }
    }

    /// What takes a deployment back.
    func planRollBack(_ record: DeploymentRecord) throws(ServiceError) -> ServicePlan {
        var plan = ServicePlan()
        var overlay = ServiceOverlay(self)
        for part in record.parts {
            guard let service = services[part.service] else { continue }
            guard part.from != 0 else {
                overlay.remove(part.service)
                plan.items.append(ServicePlan.Item(service: part.service, action: .stop))
                continue
            }
            guard let before = service.version(part.from) else { continue }
            overlay.put(before.definition)
            plan.items.append(
                ServicePlan.Item(
                    service: part.service, action: .restart, definition: before.definition,
                    configuration: before.configuration))
        }
        plan.cancelled = [record.id]
        plan.layers = try overlay.layers(
            plan.items.filter { $0.definition != nil }.map(\.service))
        plan.endLayers = try ServiceOverlay(self).layers(
            plan.items.filter { $0.definition == nil }.map(\.service))
        return plan
    }
}

extension ServiceChange.Part {
    /// Whose name it is about; a group and a service may not share one.
    package var service: ServiceID? {
        switch self {
        case .put(let definition, _): definition.id
        case .remove(let id), .restart(let id): id
        case .putGroup, .removeGroup: nil
        }
    }
}
