package import Scheduling
package import StateMachine

/// The records of services as Marathon shows them. Everything is in the order of its name.
package struct MarathonView: Sendable {
    package let table: DatacenterTable
    /// In milliseconds.
    package let clusterTime: UInt64
    let traits: @Sendable (AgentRecord) -> AllocatorAgent
    let explain: @Sendable (ServiceID) -> ServiceExplanation?

    /// - Parameter explain: what the scheduler knows of a service that waits, on the node that
    ///   leads.
    package init(
        table: DatacenterTable, clusterTime: UInt64,
        traits: @escaping @Sendable (AgentRecord) -> AllocatorAgent,
        explain: @escaping @Sendable (ServiceID) -> ServiceExplanation? = { _ in nil }
    ) {
        self.table = table
        self.clusterTime = clusterTime
        self.traits = traits
        self.explain = explain
    }

    var services: ServiceTable { table.services }

    static func timestamp(_ clock: UInt64) -> MarathonJSON { .text(ServiceTimestamp.text(clock)) }

    // MARK: - Apps

    /// An app with what it comes to; nil where there is none.
    package func app(_ id: ServiceID, withTasks: Bool = false) -> MarathonJSON? {
        guard let service = services.services[id], let latest = service.latest else { return nil }
        let record = service.record
        var app = MarathonAppEncoder.encode(latest.definition)
        let views = instances(of: service)
        app.append("version", Self.timestamp(record.latest))
        app.append(
            "versionInfo",
            .object(
                ("lastScalingAt", Self.timestamp(max(record.scaledClock, 1))),
                ("lastConfigChangeAt", Self.timestamp(max(record.configuredClock, 1)))))
        app.append(
            "deployments",
            .list(
                record.deployment.rawValue == 0
                    ? [] : [.object(("id", .text(record.deployment.description)))]))
        let running = views.filter { if case .running = $0.state { true } else { false } }
        let staged = views.count { $0.state == .starting }
        let hasChecks = !latest.definition.healthChecks.isEmpty
        app.append("tasksStaged", .integer(Int64(staged)))
        app.append("tasksRunning", .integer(Int64(running.count)))
        let healthy = hasChecks ? running.filter { health($0.record.id) == true } : []
        let unhealthy = hasChecks ? running.filter { health($0.record.id) == false } : []
        app.append("tasksHealthy", .integer(Int64(healthy.count)))
        app.append("tasksUnhealthy", .integer(Int64(unhealthy.count)))
        if let failure = record.lastFailure {
            app.append("lastTaskFailure", self.failure(failure, id))
        }
        if withTasks { app.append("tasks", .list(tasks(of: id))) }
        return app
    }

    package func apps(withTasks: Bool = false) -> [MarathonJSON] {
        services.serviceIDs.compactMap { app($0, withTasks: withTasks) }
    }

    private func failure(_ failure: ServiceRecord.Failure, _ id: ServiceID) -> MarathonJSON {
        .object(
            ("appId", .text(id.path.text)), ("host", host(failure.agent)),
            ("message", .text(failure.message.text)),
            ("state", .text(failure.state.marathonName)),
            ("taskId", .text(failure.instance.description)),
            ("timestamp", Self.timestamp(failure.clock)),
            ("version", Self.timestamp(failure.version)),
            ("slaveId", .text(failure.agent.description)))
    }

    package func versions(of id: ServiceID) -> MarathonJSON? {
        guard let service = services.services[id] else { return nil }
        let versions = service.versions.reversed().map { Self.timestamp($0.number) }
        return .object(("versions", .list(Array(versions))))
    }

    /// The app as it was to be at a version; nil where that is not kept.
    package func version(_ number: UInt64, of id: ServiceID) -> MarathonJSON? {
        guard let version = services.services[id]?.version(number) else { return nil }
        var app = MarathonAppEncoder.encode(version.definition)
        app.append("version", Self.timestamp(number))
        return app
    }

    // MARK: - Tasks

    private func instances(of service: ServiceTable.Service) -> [InstanceView] {
        service.instances.compactMap { id in
            guard let record = services.instances[id],
                let version = service.version(record.version)
            else { return nil }
            return InstanceView(
                record, of: version.definition, in: table, clusterTime: clusterTime)
        }
    }

    private func task(_ id: InstanceID) -> TaskRecord? {
        table.tasks[TaskKey(ServiceFramework.id, id)]
    }

    private func health(_ id: InstanceID) -> Bool? {
        task(id).flatMap { TaskStatusFacts($0.lastStatus).isHealthy }
    }

    private func host(_ agent: AgentID) -> MarathonJSON {
        .text(table.agents[agent].map { traits($0.record).hostname.text } ?? "")
    }

    package func tasks(of id: ServiceID) -> [MarathonJSON] {
        (services.services[id]?.instances ?? []).compactMap { task(json: $0) }
    }

    package func tasks() -> [MarathonJSON] { services.serviceIDs.flatMap { tasks(of: $0) } }

    /// Nil for an instance that has not been launched.
    package func task(json id: InstanceID) -> MarathonJSON? {
        guard let instance = services.instances[id], instance.phase == .launched,
            let task = task(id),
            let definition = services.services[instance.service]?.version(instance.version)?
                .definition
        else { return nil }
        let agent = table.agents[task.agent].map { traits($0.record) }
        let ports = ServicePorts.ports(task.resources, of: definition)
        let host = agent?.hostname.text ?? ""
        var json = MarathonJSON.object(
            ("appId", .text(instance.service.path.text)), ("host", .text(host)),
            ("id", .text(id.description)),
            ("ipAddresses", .list(Self.addresses(of: host))),
            ("ports", .list(ports.map { .integer(Int64($0)) })),
            ("servicePorts", .list(definition.ports.map { .integer(Int64($0.number)) })),
            ("slaveId", .text(task.agent.description)),
            ("state", .text(task.state.marathonName)),
            ("version", Self.timestamp(instance.version)), ("localVolumes", []),
            ("role", .text(task.role.text)))
        json.append("stagedAt", task.steps.first.map { Self.timestamp($0.clock) })
        json.append(
            "startedAt",
            task.steps.first { $0.state == .running }.map { Self.timestamp($0.clock) })
        json.append("region", agent?.region.map { .text($0.text) })
        json.append("zone", agent?.zone.map { .text($0.text) })
        guard !definition.healthChecks.isEmpty, let isHealthy = health(id) else { return json }
        json.append(
            "healthCheckResults",
            .list([
                .object(
                    ("alive", .bool(isHealthy)), ("consecutiveFailures", isHealthy ? 0 : 1),
                    ("instanceId", .text(id.description)), ("taskId", .text(id.description)))
            ]))
        return json
    }

    /// A machine that is named by its address has that.
    private static func addresses(of host: String) -> [MarathonJSON] {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4, parts.allSatisfy({ UInt8($0) != nil }) else { return [] }
        return [.object(("ipAddress", .text(host)), ("protocol", "IPv4"))]
    }
}

extension TaskState {
    package var marathonName: String {
        switch self {
        case .starting: "TASK_STARTING"
        case .running: "TASK_RUNNING"
        case .finished: "TASK_FINISHED"
        case .failed: "TASK_FAILED"
        case .killed: "TASK_KILLED"
        case .lost: "TASK_LOST"
        case .staging: "TASK_STAGING"
        case .error: "TASK_ERROR"
        case .killing: "TASK_KILLING"
        case .dropped: "TASK_DROPPED"
        case .unreachable: "TASK_UNREACHABLE"
        case .gone: "TASK_GONE"
        case .goneByOperator: "TASK_GONE_BY_OPERATOR"
        case .unknown: "TASK_UNKNOWN"
        }
    }
}
