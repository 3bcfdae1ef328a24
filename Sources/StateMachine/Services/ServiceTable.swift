internal import Primitives

/// The services as of the last entry: their records, decoded. The records in the key space are what
/// counts; this is made from them.
package struct ServiceTable: Equatable, Sendable {
    package struct Service: Equatable, Sendable {
        package internal(set) var record: ServiceRecord
        /// Oldest first.
        package internal(set) var versions: [ServiceVersion] = []
        /// Sorted, which is the order in which they were begun.
        package internal(set) var instances: [InstanceID] = []

        init(_ record: ServiceRecord) { self.record = record }

        package func version(_ number: UInt64) -> ServiceVersion? {
            versions.last { $0.number == number }
        }

        /// What the scheduler goes by; nil before a deployment has come to the service.
        package var active: ServiceVersion? {
            record.active == 0 ? nil : version(record.active)
        }

        package var latest: ServiceVersion? { version(record.latest) }
    }

    package internal(set) var services: [ServiceID: Service] = [:]
    package internal(set) var instances: [InstanceID: InstanceRecord] = [:]
    package internal(set) var deployments: [DeploymentID: DeploymentRecord] = [:]
    package internal(set) var groups: [ServiceID: ServiceGroupRecord] = [:]
    /// The same in their order, for whoever goes through all.
    package internal(set) var serviceIDs: [ServiceID] = []
    package internal(set) var deploymentIDs: [DeploymentID] = []
    package internal(set) var groupIDs: [ServiceID] = []

    package init() {}

    package var isEmpty: Bool { services.isEmpty && groups.isEmpty && deployments.isEmpty }

    /// The services below a path, in their order. Cost: logarithmic, and what is found.
    package func services(below path: ServiceID) -> ArraySlice<ServiceID> {
        serviceIDs.below(path)
    }

    package func groups(below path: ServiceID) -> ArraySlice<ServiceID> { groupIDs.below(path) }

    // MARK: - Changes, by the rules and by a load

    mutating func set(_ record: ServiceRecord) {
        if services[record.id]?.record == nil {
            services[record.id] = Service(record)
            serviceIDs.insertSorted(record.id)
        } else {
            services[record.id]?.record = record
        }
    }

    mutating func removeService(_ id: ServiceID) {
        services[id] = nil
        serviceIDs.removeSorted(id)
    }

    /// Newer than those that are there.
    mutating func add(_ version: ServiceVersion) {
        services[version.definition.id]?.versions.append(version)
    }

    mutating func removeVersion(_ number: UInt64, of id: ServiceID) {
        services[id]?.versions.removeAll { $0.number == number }
    }

    mutating func set(_ record: InstanceRecord) {
        if instances.updateValue(record, forKey: record.id) == nil {
            services[record.service]?.instances.insertSorted(record.id)
        }
    }

    mutating func removeInstance(_ id: InstanceID) {
        guard let record = instances.removeValue(forKey: id) else { return }
        services[record.service]?.instances.removeSorted(id)
    }

    mutating func set(_ record: DeploymentRecord) {
        if deployments.updateValue(record, forKey: record.id) == nil {
            deploymentIDs.insertSorted(record.id)
        }
    }

    mutating func removeDeployment(_ id: DeploymentID) {
        if deployments.removeValue(forKey: id) != nil { deploymentIDs.removeSorted(id) }
    }

    mutating func set(_ record: ServiceGroupRecord) {
        if groups.updateValue(record, forKey: record.id) == nil { groupIDs.insertSorted(record.id) }
    }

    mutating func removeGroup(_ id: ServiceID) {
        if groups.removeValue(forKey: id) != nil { groupIDs.removeSorted(id) }
    }

    /// O(n), for tests and the simulator.
    func checkInvariants(tasks: [TaskKey: TaskRecord]) {
        for id in serviceIDs {
            guard let service = services[id] else { impossible("service \(id) is in no table") }
            let record = service.record
            invariant(service.latest != nil, "\(id) has no version \(record.latest)")
            invariant(
                record.active == 0 || service.active != nil,
                "\(id) has no version \(record.active)")
            invariant(
                record.deployment.rawValue == 0 || deployments[record.deployment] != nil,
                "\(id) waits for deployment \(record.deployment), which is over")
            for instance in service.instances {
                let known = instances[instance]
                invariant(known?.service == id, "instance \(instance) is not in \(id)")
                invariant(
                    service.version(known?.version ?? 0) != nil, "\(instance) has no version")
            }
        }
        let counted = serviceIDs.reduce(0) { $0 + (services[$1]?.instances.count ?? 0) }
        invariant(counted == instances.count, "\(counted) instances, \(instances.count) records")
        for instance in instances.values where instance.phase == .launched {
            let task = tasks[TaskKey(ServiceFramework.id, instance.id)]
            invariant(task?.holdsResources == true, "\(instance.id) was launched and has no task")
        }
        for id in deploymentIDs {
            guard let record = deployments[id] else { impossible("deployment \(id): no record") }
            invariant(record.step < record.stepCount, "\(id) is beyond its last step")
            for part in record.parts where part.to != 0 || part.step >= record.step {
                invariant(
                    services[part.service]?.record.deployment == id,
                    "\(part.service) is in \(id) and does not know")
            }
        }
    }
}

extension Array where Element == ServiceID {
    /// Of sorted paths, those below one.
    func below(_ path: ServiceID) -> ArraySlice<ServiceID> {
        let first = place(of: path.below)
        var end = first
        while end < count, path.isAncestor(of: self[end]) { end += 1 }
        return self[first..<end]
    }

    private func place(of path: ServiceID) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < path { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension ServiceTable {
    /// Reads the live records of services. Cost: O(n log n).
    /// - Returns: nil where one is none.
    init?(_ visit: (Bytes, (UnsafeRawBufferPointer) -> Void) -> Void) {
        self.init()
        var isSound = true
        visit(RecordKeys.services) { value in
            ServiceRecord(value).map { set($0) } ?? { isSound = false }()
        }
        visit(RecordKeys.serviceVersions) { value in
            guard let version = ServiceVersion(value), services[version.definition.id] != nil
            else { return isSound = false }
            add(version)
        }
        visit(RecordKeys.instances) { value in
            guard let record = InstanceRecord(value), services[record.service] != nil else {
                return isSound = false
            }
            set(record)
        }
        visit(RecordKeys.deployments) { value in
            DeploymentRecord(value).map { set($0) } ?? { isSound = false }()
        }
        visit(RecordKeys.serviceGroups) { value in
            ServiceGroupRecord(value).map { set($0) } ?? { isSound = false }()
        }
        if !isSound { return nil }
    }
}
