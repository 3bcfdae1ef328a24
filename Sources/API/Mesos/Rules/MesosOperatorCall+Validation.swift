extension MesosMasterCall {
    /// What a call to the master's operator API must have before anything is looked up for it.
    ///
    /// - Throws: 400, and 501 for a call of type UNKNOWN.
    package func validate() throws(MesosRefusal) {
        guard hasType else { throw Self.refusal("Expecting 'type' to be present") }
        if type == .unknown { throw MesosRefusal(501, "Received 'UNKNOWN' call") }
        if let missing = missingPart {
            throw Self.refusal("Expecting '\(missing)' to be present")
        }
        let isResize = type == .growVolume || type == .shrinkVolume
        let hasAgentID = growVolume.hasAgentID || shrinkVolume.hasAgentID
        guard !isResize || hasAgentID else {
            throw Self.refusal("Expecting 'agent_id' to be present")
        }
    }

    private static func refusal(_ problem: String) -> MesosRefusal {
        .badRequest("Failed to validate master::Call: \(problem)")
    }

    /// The field that belongs to the call's type and is not set.
    private var missingPart: String? {
        switch type {
        case .getMetrics: hasGetMetrics ? nil : "get_metrics"
        case .setLoggingLevel: hasSetLoggingLevel ? nil : "set_logging_level"
        case .listFiles: hasListFiles ? nil : "list_files"
        case .readFile: hasReadFile ? nil : "read_file"
        case .updateWeights: hasUpdateWeights ? nil : "update_weights"
        case .reserveResources: hasReserveResources ? nil : "reserve_resources"
        case .unreserveResources: hasUnreserveResources ? nil : "unreserve_resources"
        case .createVolumes: hasCreateVolumes ? nil : "create_volumes"
        case .destroyVolumes: hasDestroyVolumes ? nil : "destroy_volumes"
        case .growVolume: hasGrowVolume ? nil : "grow_volume"
        case .shrinkVolume: hasShrinkVolume ? nil : "shrink_volume"
        case .updateMaintenanceSchedule:
            hasUpdateMaintenanceSchedule ? nil : "update_maintenance_schedule"
        case .startMaintenance: hasStartMaintenance ? nil : "start_maintenance"
        case .stopMaintenance: hasStopMaintenance ? nil : "stop_maintenance"
        case .drainAgent: hasDrainAgent ? nil : "drain_agent"
        case .deactivateAgent: hasDeactivateAgent ? nil : "deactivate_agent"
        case .reactivateAgent: hasReactivateAgent ? nil : "reactivate_agent"
        case .updateQuota: hasUpdateQuota ? nil : "update_quota"
        case .setQuota: hasSetQuota ? nil : "set_quota"
        case .removeQuota: hasRemoveQuota ? nil : "remove_quota"
        case .teardown: hasTeardown ? nil : "teardown"
        case .markAgentGone: hasMarkAgentGone ? nil : "mark_agent_gone"
        case .unknown, .getHealth, .getFlags, .getVersion, .getLoggingLevel, .getState,
            .getAgents, .getFrameworks, .getExecutors, .getTasks, .getRoles, .getWeights,
            .getMaster, .subscribe, .getMaintenanceStatus, .getMaintenanceSchedule, .getQuota,
            .getOperations:
            nil
        }
    }
}

extension MesosAgentCall {
    /// What a call to an agent's operator API must have before anything is looked up for it.
    ///
    /// - Throws: 400, and 501 for a call that Keelson's agents do not serve.
    package func validate() throws(MesosRefusal) {
        guard hasType else { throw Self.refusal("Expecting 'type' to be present") }
        if let missing = missingPart {
            throw Self.refusal("Expecting '\(missing)' to be present")
        }
        guard isServed else {
            throw MesosRefusal(501, "This agent does not serve calls of this type")
        }
    }

    private static func refusal(_ problem: String) -> MesosRefusal {
        .badRequest("Failed to validate agent::Call: \(problem)")
    }

    private var missingPart: String? {
        switch type {
        case .getMetrics where !hasGetMetrics: "get_metrics"
        case .setLoggingLevel where !hasSetLoggingLevel: "set_logging_level"
        case .listFiles where !hasListFiles: "list_files"
        case .readFile where !hasReadFile: "read_file"
        default: nil
        }
    }

    private var isServed: Bool {
        switch type {
        case .getHealth, .getFlags, .getVersion, .getMetrics, .getLoggingLevel, .setLoggingLevel,
            .listFiles, .readFile, .getState, .getContainers, .getFrameworks, .getExecutors,
            .getTasks, .getAgent, .getOperations:
            true
        case .unknown, .launchNestedContainer, .waitNestedContainer, .killNestedContainer,
            .removeNestedContainer, .launchNestedContainerSession, .attachContainerInput,
            .attachContainerOutput, .launchContainer, .waitContainer, .killContainer,
            .removeContainer, .getResourceProviders, .addResourceProviderConfig,
            .updateResourceProviderConfig, .removeResourceProviderConfig, .pruneImages,
            .markResourceProviderGone:
            false
        }
    }
}
