/// Tasks, executors, offers, agents and frameworks as the older endpoints show them. They say
/// `slave` where v1 says agent, and ids are plain text.
enum LegacyObjects {
    static func write(_ task: MesosTask, into writer: inout JSONWriter) {
        writer.field("id", task.taskID.value)
        writer.field("name", task.name)
        writer.field("framework_id", task.frameworkID.value)
        writer.field("executor_id", task.executorID.value)
        writer.field("slave_id", task.agentID.value)
        writer.field("state", name(of: task.state))
        writer.resources("resources", task.resources)
        if !task.limits.isEmpty {
            writer.object("limits") { limits in
                for name in task.limits.keys.sorted() {
                    limits.field(name, task.limits[name]?.value ?? 0)
                }
            }
        }
        writer.field("role", task.resources.first?.allocationInfo.role ?? "*")
        writer.array("statuses", of: task.statuses) { write($1, into: &$0) }
        writer.field("user", ifSet: task.hasUser ? task.user : nil)
        if task.hasLabels { writer.labels(task.labels) }
        if task.hasDiscovery { writer.field("discovery", json: MesosJSON.encode(task.discovery)) }
        if task.hasContainer { writer.field("container", json: MesosJSON.encode(task.container)) }
        if task.hasHealthCheck {
            writer.field("health_check", json: MesosJSON.encode(task.healthCheck))
        }
    }

    static func write(_ status: MesosTaskStatus, into writer: inout JSONWriter) {
        writer.field("state", name(of: status.state))
        writer.field("timestamp", status.timestamp)
        if status.hasLabels { writer.labels(status.labels) }
        if status.hasContainerStatus {
            writer.field("container_status", json: MesosJSON.encode(status.containerStatus))
        }
        if status.hasHealthy { writer.field("healthy", status.healthy) }
    }

    static func write(
        _ executor: MesosMasterResponse.GetExecutors.Executor, into writer: inout JSONWriter
    ) {
        let info = executor.executorInfo
        writer.field("executor_id", info.executorID.value)
        writer.field("name", info.name)
        writer.field("framework_id", info.frameworkID.value)
        writer.object("command") { write(info.command, into: &$0) }
        writer.resources("resources", info.resources)
        if info.hasLabels { writer.labels(info.labels) }
        switch info.type {
        case .default: writer.field("type", "DEFAULT")
        case .custom: writer.field("type", "CUSTOM")
        case .unknown: break
        }
        writer.field("slave_id", executor.agentID.value)
    }

    private static func write(_ command: MesosCommandInfo, into writer: inout JSONWriter) {
        if command.hasShell { writer.field("shell", command.shell) }
        writer.field("value", ifSet: command.hasValue ? command.value : nil)
        writer.array("argv", of: command.arguments)
        if command.hasEnvironment {
            writer.field("environment", json: MesosJSON.encode(command.environment))
        }
        writer.array("uris", of: command.uris) {
            $0.field("value", $1.value)
            $0.field("executable", $1.executable)
        }
    }

    static func write(_ offer: MesosOffer, into writer: inout JSONWriter) {
        writer.field("id", offer.id.value)
        writer.field("framework_id", offer.frameworkID.value)
        writer.field("allocation_info", json: MesosJSON.encode(offer.allocationInfo))
        writer.field("slave_id", offer.agentID.value)
        writer.resources("resources", offer.resources)
    }

    static func writeAgentInfo(_ info: MesosAgentInfo, into writer: inout JSONWriter) {
        writer.field("id", info.id.value)
        writer.field("hostname", info.hostname)
        writer.field("port", info.port)
        writer.object("attributes") { LegacyResources.write(info.attributes, into: &$0) }
        if info.hasDomain { writer.field("domain", json: MesosJSON.encode(info.domain)) }
    }

    static func write(
        _ agent: MesosMasterResponse.GetAgents.Agent, into writer: inout JSONWriter
    ) {
        writeAgentInfo(agent.agentInfo, into: &writer)
        writer.field("pid", agent.pid)
        writer.field("registered_time", agent.registeredTime.seconds)
        if agent.hasReregisteredTime {
            writer.field("reregistered_time", agent.reregisteredTime.seconds)
        }
        let reserved = LegacyReservations(agent.totalResources)
        writer.resources("resources", agent.totalResources)
        writer.resources("used_resources", agent.allocatedResources)
        writer.resources("offered_resources", agent.offeredResources)
        writer.object("reserved_resources") { roles in
            for role in reserved.roles { roles.resources(role, reserved[role]) }
        }
        writer.resources("unreserved_resources", reserved.unreserved)
        writer.field("active", agent.active)
        writer.field("deactivated", agent.deactivated)
        writer.field("version", agent.version)
        writer.capabilities(agent.capabilities.compactMap(\.name))
        guard agent.hasDrainInfo else { return }
        writer.field("drain_info", json: MesosJSON.encode(agent.drainInfo))
        if agent.hasEstimatedDrainStartTime {
            writer.field(
                "estimated_drain_start_time_seconds", agent.estimatedDrainStartTime.seconds)
        }
    }

    /// What `/slaves` has beyond `/state`: each resource as it is.
    static func writeFullResources(
        _ agent: MesosMasterResponse.GetAgents.Agent, into writer: inout JSONWriter
    ) {
        func list(_ name: String, _ resources: [MesosResource], in writer: inout JSONWriter) {
            writer.array(name) { list in
                for resource in resources { list.element(json: MesosJSON.encode(resource)) }
            }
        }
        let reserved = LegacyReservations(agent.totalResources)
        writer.object("reserved_resources_full") { roles in
            for role in reserved.roles { list(role, reserved[role], in: &roles) }
        }
        list("unreserved_resources_full", reserved.unreserved, in: &writer)
        list("used_resources_full", agent.allocatedResources, in: &writer)
        list("offered_resources_full", agent.offeredResources, in: &writer)
    }

    static func writeSummary(
        _ framework: MesosMasterResponse.GetFrameworks.Framework, into writer: inout JSONWriter
    ) {
        let info = framework.frameworkInfo
        writer.field("id", info.id.value)
        writer.field("name", info.name)
        writer.resources("used_resources", framework.allocatedResources)
        writer.resources("offered_resources", framework.offeredResources)
        writer.capabilities(info.capabilities.compactMap(\.name))
        writer.field("hostname", info.hostname)
        writer.field("webui_url", info.webuiURL)
        writer.field("active", framework.active)
        writer.field("connected", framework.connected)
        writer.field("recovered", framework.recovered)
    }

    /// The name in the .proto file.
    static func name(of state: MesosTaskState) -> String {
        switch state {
        case .taskStaging: "TASK_STAGING"
        case .taskStarting: "TASK_STARTING"
        case .taskRunning: "TASK_RUNNING"
        case .taskKilling: "TASK_KILLING"
        case .taskFinished: "TASK_FINISHED"
        case .taskFailed: "TASK_FAILED"
        case .taskKilled: "TASK_KILLED"
        case .taskError: "TASK_ERROR"
        case .taskLost: "TASK_LOST"
        case .taskDropped: "TASK_DROPPED"
        case .taskUnreachable: "TASK_UNREACHABLE"
        case .taskGone: "TASK_GONE"
        case .taskGoneByOperator: "TASK_GONE_BY_OPERATOR"
        case .taskUnknown: "TASK_UNKNOWN"
        }
    }
}

/// An agent's resources by the role that they are reserved for.
struct LegacyReservations {
    let unreserved: [MesosResource]
    /// Sorted.
    let roles: [String]
    private let byRole: [String: [MesosResource]]

    init(_ resources: [MesosResource]) {
        unreserved = resources.filter { $0.reservationRole == nil }
        byRole = Dictionary(grouping: resources.filter { $0.reservationRole != nil }) {
            $0.reservationRole ?? ""
        }
        roles = byRole.keys.sorted()
    }

    subscript(role: String) -> [MesosResource] { byRole[role] ?? [] }
}

extension MesosTimeInfo {
    /// Since the epoch.
    var seconds: Double { Double(nanoseconds) / 1e9 }
}

extension MesosFrameworkInfo.Capability {
    /// nil for one that is not known.
    var name: String? {
        switch type {
        case .unknown: nil
        case .revocableResources: "REVOCABLE_RESOURCES"
        case .taskKillingState: "TASK_KILLING_STATE"
        case .gpuResources: "GPU_RESOURCES"
        case .sharedResources: "SHARED_RESOURCES"
        case .partitionAware: "PARTITION_AWARE"
        case .multiRole: "MULTI_ROLE"
        case .reservationRefinement: "RESERVATION_REFINEMENT"
        case .regionAware: "REGION_AWARE"
        }
    }
}

extension MesosAgentInfo.Capability {
    /// nil for one that is not known.
    var name: String? {
        switch type {
        case .unknown: nil
        case .multiRole: "MULTI_ROLE"
        case .hierarchicalRole: "HIERARCHICAL_ROLE"
        case .reservationRefinement: "RESERVATION_REFINEMENT"
        case .resourceProvider: "RESOURCE_PROVIDER"
        case .resizeVolume: "RESIZE_VOLUME"
        case .agentOperationFeedback: "AGENT_OPERATION_FEEDBACK"
        case .agentDraining: "AGENT_DRAINING"
        case .taskResourceLimits: "TASK_RESOURCE_LIMITS"
        }
    }
}

extension MesosMasterInfo.Capability {
    /// nil for one that is not known.
    var name: String? {
        switch type {
        case .unknown: nil
        case .agentUpdate: "AGENT_UPDATE"
        case .agentDraining: "AGENT_DRAINING"
        case .quotaV2: "QUOTA_V2"
        }
    }
}
