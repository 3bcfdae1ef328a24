package import API
package import StateMachine

/// What a request needs, before anything is done for it: the one table for everything that the
/// HTTP port serves, and agents' ports.
///
/// To be an agent takes leave to write agents, and to be a framework leave to write frameworks.
/// What operators do to agents, frameworks and tasks ends tasks, or moves what they could have: it
/// takes leave to write tasks, or roles, too, so that neither an agent nor a framework can do it.
package enum AccessRule: Equatable, Sendable {
    /// Nothing, not even a user.
    case nobodyIsAsked
    /// All of these; none: any user may.
    case needs([AccessNeed])
    /// Any user may ask: what else is needed, the body or the query says.
    case byContent

    /// Nil for a path that leads nowhere, and for a method that it does not take.
    package init?(method: String, path: String) {
        guard let route = SurfaceRoute(path: path[...]), route.methods.contains(method) else {
            return nil
        }
        self = route.rule(method: method)
    }
}

extension SurfaceRoute {
    /// - Parameter method: one of ``methods``.
    func rule(method: String) -> AccessRule {
        switch self {
        case .scheduler: .needs(AccessNeed.write(.frameworks))
        case .operators: .byContent
        case .legacy(let endpoint): endpoint.rule
        case .own(let endpoint): .needs(endpoint.needs)
        case .dashboard(let page): page.rule
        case .marathon(let path):
            MarathonRoute(path: path)?.rule(isRead: ["GET", "HEAD"].contains(method))
                ?? .needs(AccessNeed.readMaster)
        case .admin(let page): .needs(page.needs)
        // As at the client port.
        case .prometheus: .nobodyIsAsked
        }
    }
}

extension LegacyEndpoint {
    fileprivate var rule: AccessRule {
        switch self {
        case .health, .version, .redirect: .nobodyIsAsked
        case .state: .needs(AccessNeed.readState)
        case .stateSummary: .needs(AccessNeed.read(.agents, .frameworks, .tasks))
        case .slaves: .needs(AccessNeed.read(.agents))
        case .frameworks: .needs(AccessNeed.read(.frameworks, .tasks, .launches, .executors))
        case .tasks: .needs(AccessNeed.read(.tasks, .launches))
        case .roles: .needs(AccessNeed.read(.roles, .frameworks))
        case .quota, .weights: .needs(AccessNeed.read(.roles))
        case .flags, .metrics, .systemStats: .needs(AccessNeed.readMaster)
        case .maintenanceSchedule, .maintenanceStatus: .needs(AccessNeed.read(.agents))
        case .teardown: .needs(AccessNeed.write(.frameworks, .tasks))
        case .reserve, .unreserve, .createVolumes, .destroyVolumes:
            .needs(AccessNeed.write(.agents, .roles))
        case .machineUp, .machineDown: .needs(AccessNeed.write(.agents, .tasks))
        }
    }
}

extension OwnEndpoint {
    fileprivate var needs: [AccessNeed] {
        switch self {
        case .explain, .offers: AccessNeed.read(.agents, .frameworks)
        case .kill: AccessNeed.write(.tasks)
        }
    }
}

extension DashboardRoute {
    fileprivate var rule: AccessRule {
        switch self {
        // The pages themselves tell nothing; who may not look is told so by them.
        case .door, .file, .alive: .nobodyIsAsked
        case .login: .needs([])
        case .overview: .needs(AccessNeed.readMaster)
        case .live, .state: .needs(AccessNeed.readState + AccessNeed.readMaster)
        case .keys, .history, .changes: .byContent
        case .sandboxList, .sandboxRead: .needs(AccessNeed.read(.tasks, .launches))
        }
    }
}

/// Of an agent's own port: it asks for each request (``AgentPortService``).
extension AgentPage {
    package var needs: [AccessNeed] {
        switch self {
        // As sandboxes in the dashboard.
        case .files: AccessNeed.read(.tasks, .launches)
        case .state: AccessNeed.read(.agents, .tasks, .launches, .executors)
        case .metrics: AccessNeed.readMaster
        }
    }
}

extension AdminPage {
    fileprivate var needs: [AccessNeed] {
        switch self {
        case .metadata, .capabilities, .version, .host: AccessNeed.readMaster
        case .agent: AccessNeed.read(.agents)
        }
    }
}

extension MarathonRoute {
    fileprivate func rule(isRead: Bool) -> AccessRule {
        switch self {
        case .ping: .nobodyIsAsked
        case .metrics, .leader, .info, .pods, .podStatuses, .plugins, .eventSubscriptions:
            .needs(AccessNeed.readMaster)
        case .apps, .app, .appsBelow, .restart, .appTasks, .appTask, .versions, .version, .groups,
            .group, .groupVersions, .tasks, .killTasks, .deployments, .deployment, .queue, .delay,
            .events:
            isRead ? .needs(AccessNeed.readServices) : .byContent
        }
    }
}

extension MesosMasterCall {
    package var needs: [AccessNeed] {
        switch type {
        case .getHealth, .getVersion: []
        case .unknown, .getFlags, .getMetrics, .getLoggingLevel, .setLoggingLevel, .getMaster,
            .listFiles, .readFile:
            AccessNeed.readMaster
        case .getState, .subscribe: AccessNeed.readState
        case .getAgents: AccessNeed.read(.agents)
        case .getFrameworks: AccessNeed.read(.frameworks)
        case .getExecutors: AccessNeed.read(.executors)
        case .getOperations, .getMaintenanceStatus, .getMaintenanceSchedule:
            AccessNeed.read(.agents)
        case .getTasks: AccessNeed.read(.tasks, .launches)
        case .getRoles: AccessNeed.read(.roles, .frameworks)
        case .getWeights, .getQuota: AccessNeed.read(.roles)
        case .updateWeights, .setQuota, .removeQuota, .updateQuota: AccessNeed.write(.roles)
        case .teardown: AccessNeed.write(.frameworks, .tasks)
        case .reserveResources, .unreserveResources, .createVolumes, .destroyVolumes, .growVolume,
            .shrinkVolume:
            AccessNeed.write(.agents, .roles)
        case .markAgentGone, .drainAgent, .deactivateAgent, .reactivateAgent,
            .updateMaintenanceSchedule, .startMaintenance, .stopMaintenance:
            AccessNeed.write(.agents, .tasks)
        }
    }
}

extension ServiceCommand {
    /// Of the records of services that users write; the rest follows from them.
    /// - Parameter table: as it is, to find whose instances are named.
    package func needs(in table: DatacenterTable) -> [AccessNeed] {
        switch self {
        case .change(let change):
            change.parts.map { .write(key: $0.key) }
                + (change.isForced
                    ? Self.others(than: change.parts.compactMap(\.service), in: table) : [])
        case .resetDelay(let id): [.write(key: RecordKeys.service(id))]
        case .stop(let instances, _, let isForced):
            Self.stopping(
                instances.compactMap { table.services.instances[$0]?.service },
                isForced: isForced, in: table)
        case .rollBack, .cancel, .advance, .adjust: AccessNeed.write(.services)
        }
    }

    private static func stopping(
        _ services: [ServiceID], isForced: Bool, in table: DatacenterTable
    ) -> [AccessNeed] {
        services.map { .write(key: RecordKeys.service($0)) }
            + (isForced ? others(than: services, in: table) : [])
    }

    /// Whoever forces a change ends the deployments that are in its way, for all their services.
    private static func others(
        than services: [ServiceID], in table: DatacenterTable
    ) -> [AccessNeed] {
        let deployments = Set(
            services.compactMap { table.services.services[$0]?.record.deployment })
        let affected = deployments.flatMap { id in
            (table.services.deployments[id]?.parts ?? []).map(\.service)
        }
        return Set(affected).subtracting(services).sorted().map {
            .write(key: RecordKeys.service($0))
        }
    }
}

extension ServiceChange.Part {
    fileprivate var key: [UInt8] {
        switch self {
        case .put(let definition, _): RecordKeys.service(definition.id)
        case .remove(let id), .restart(let id): RecordKeys.service(id)
        case .putGroup(let id, _), .removeGroup(let id): RecordKeys.serviceGroup(id)
        }
    }
}
