internal import API
internal import NIOCore
internal import StateMachine

extension OperatorAPI {
    /// Nil for calls that do not read.
    func read(_ call: MesosMasterCall) async throws -> MesosMasterResponse? {
        var response = MesosMasterResponse()
        switch call.type {
        case .getHealth:
            response.type = .getHealth
            response.getHealth.healthy = true
        case .getFlags:
            response.type = .getFlags
            response.getFlags.flags = flags
        case .getVersion:
            response.type = .getVersion
            response.getVersion.versionInfo = MasterIdentity.version
        case .getMetrics:
            response.type = .getMetrics
            response.getMetrics.metrics = try await metrics()
        case .getLoggingLevel:
            response.type = .getLoggingLevel
            response.getLoggingLevel.level = 0
        case .getOperations:
            // None outlives the entry that it is in.
            response.type = .getOperations
            response.getOperations = .init()
        case .getMaintenanceStatus:
            response.type = .getMaintenanceStatus
            response.getMaintenanceStatus.status = .init()
        case .getMaintenanceSchedule:
            response.type = .getMaintenanceSchedule
            response.getMaintenanceSchedule.schedule = .init()
        case .getState, .getTasks, .getAgents, .getFrameworks, .getExecutors, .getRoles,
            .getWeights, .getQuota, .getMaster:
            try await readState(call.type, into: &response)
        case .unknown, .setLoggingLevel, .listFiles, .readFile, .updateWeights, .subscribe,
            .reserveResources, .unreserveResources, .createVolumes, .destroyVolumes,
            .updateMaintenanceSchedule, .startMaintenance, .stopMaintenance, .setQuota,
            .removeQuota, .teardown, .markAgentGone, .growVolume, .shrinkVolume, .updateQuota,
            .drainAgent, .deactivateAgent, .reactivateAgent:
            return nil
        }
        return response
    }

    private func readState(
        _ type: MesosMasterCall.TypeEnum, into response: inout MesosMasterResponse
    ) async throws {
        let withLaunches = type == .getState || type == .getTasks
        let snapshot = try await DatacenterSnapshot.take(access, withLaunches: withLaunches)
        let view = StateView(snapshot)
        switch type {
        case .getState:
            response.type = .getState
            response.getState = view.state()
        case .getTasks:
            response.type = .getTasks
            response.getTasks = view.tasks()
        case .getAgents:
            response.type = .getAgents
            response.getAgents = view.agents()
        case .getFrameworks:
            response.type = .getFrameworks
            response.getFrameworks = view.frameworks()
        case .getExecutors:
            response.type = .getExecutors
            response.getExecutors = view.executors()
        case .getRoles:
            response.type = .getRoles
            response.getRoles = view.roles()
        case .getWeights:
            response.type = .getWeights
            response.getWeights.weightInfos = view.weights()
        case .getQuota:
            response.type = .getQuota
            response.getQuota.status = view.quota()
        default:
            response.type = .getMaster
            response.getMaster.masterInfo =
                MasterIdentity.leader(snapshot.table.master) ?? identity.info
            response.getMaster.startTime = identity.startTime
            if let record = snapshot.table.master {
                response.getMaster.electedTime = Double(record.clock) / 1_000
            }
        }
    }
}
