internal import API
internal import HTTPTypes
internal import Logging
internal import NIOCore
internal import Scheduling
internal import StateMachine

/// `POST /api/v1`: what is no stream. Any node answers what only reads; the leader what changes
/// something.
struct OperatorAPI: Sendable {
    let access: DeskAccess
    let settings: SurfaceSettings
    let identity: MasterIdentity
    let logger: Logger

    struct Checked: Sendable {
        var call: MesosMasterCall
        var encoding: MesosMessage.Encoding
    }

    static func check(_ request: SurfaceRequest) throws(MesosRefusal) -> Checked {
        let encoding = try request.encoding()
        let call: MesosMasterCall
        do throws(MesosDecodingError) {
            call = try MesosMessage.decode(MesosMasterCall.self, from: request.body, as: encoding)
        } catch {
            throw MesosRefusal(error)
        }
        try call.validate()
        let answer = try MesosEncodings.response(accept: request.header(.accept)).encoding
        return Checked(call: call, encoding: answer)
    }

    func answer(_ checked: Checked, _ request: SurfaceRequest) async throws -> SurfaceAnswer {
        let call = checked.call
        if let response = try await read(call) {
            return .encoded(
                MesosMessage.encode(response, as: checked.encoding), as: checked.encoding)
        }
        if let refusal = Self.notServed(call.type) { return refusal }
        if let elsewhere = try await elsewhere(request) { return elsewhere }
        return try await write(call, caller: request.caller)
    }

    /// Where somebody else than this node is to answer; nil where it is the leader.
    func elsewhere(_ request: SurfaceRequest) async throws -> SurfaceAnswer? {
        switch try await access.runAsync({ $0.leadership.ask() }) {
        case .here: nil
        case .there(let place): .redirect(to: place, request.target)
        case .nobody(let reason): .unavailable(reason)
        }
    }

    private static func notServed(_ type: MesosMasterCall.TypeEnum) -> SurfaceAnswer? {
        switch type {
        case .setLoggingLevel, .listFiles, .readFile, .growVolume, .shrinkVolume,
            .updateMaintenanceSchedule, .startMaintenance, .stopMaintenance:
            return .text(501, "Calls of type \(type) are not served by this version")
        case .unknown, .getHealth, .getFlags, .getVersion, .getMetrics, .getLoggingLevel,
            .getState, .getAgents, .getFrameworks, .getExecutors, .getTasks, .getRoles,
            .getWeights, .updateWeights, .getMaster, .subscribe, .getMaintenanceStatus,
            .getMaintenanceSchedule, .getQuota, .setQuota, .removeQuota, .teardown,
            .markAgentGone, .getOperations, .updateQuota, .drainAgent, .deactivateAgent,
            .reactivateAgent, .reserveResources, .unreserveResources, .createVolumes,
            .destroyVolumes:
            return nil
        }
    }

    // MARK: - What this node knows by itself

    var flags: [MesosFlag] {
        settings.flags.map { name, value in
            var flag = MesosFlag()
            flag.name = name
            flag.value = value
            return flag
        }
    }

    func writeFlags(into writer: inout JSONWriter) {
        writer.object("flags") { writer in
            for (name, value) in settings.flags { writer.field(name, value) }
        }
    }

    func metrics() async throws -> [MesosMetric] {
        let snapshot = try await DatacenterSnapshot.take(access)
        return MetricsView(
            snapshot: snapshot, uptime: MasterIdentity.now - identity.startTime
        ).metrics()
    }
}
