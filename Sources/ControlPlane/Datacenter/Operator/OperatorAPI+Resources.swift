internal import API
internal import NIOCore
internal import Primitives
internal import Scheduling
internal import StateMachine

/// What operators do to an agent's resources that nobody uses.
enum ResourceChange: Sendable {
    case reserve
    case unreserve
    case create
    case destroy

    fileprivate var isClaim: Bool {
        switch self {
        case .reserve, .create: true
        case .unreserve, .destroy: false
        }
    }

    fileprivate func operation(_ resources: Resources) -> Launch.Operation {
        switch self {
        case .reserve: .reserve(resources)
        case .unreserve: .unreserve(resources)
        case .create: .create(resources)
        case .destroy: .destroy(resources)
        }
    }
}

extension OperatorAPI {
    /// On the leader. Offers of what becomes something else are taken back; what tasks hold stays
    /// theirs, and is not there to be changed (409).
    func change(
        _ agent: MesosAgentID, _ change: ResourceChange, _ messages: [MesosResource],
        _ caller: Caller
    ) async throws -> SurfaceAnswer {
        let resources: Resources
        do throws(MesosConversionError) {
            let named =
                change.isClaim
                ? try MesosConversion.claim(messages, for: caller.userName) : messages
            resources = try MesosConversion.resources(named)
        } catch {
            return .text(400, "\(error)")
        }
        guard !resources.isEmpty else { return .text(400, "No resources are named") }
        if let problem = try await cannotOperate() { return problem }
        return try await operate(
            .resources(AgentID(agent.value), [change.operation(resources)]))
    }

    /// Members of an earlier build would not know what to do.
    private func cannotOperate() async throws -> SurfaceAnswer? {
        let level = try await access.run { $0.facade.store.members.clusterLevel }
        guard level < .operatorResources else { return nil }
        return .text(
            501,
            "Reservations by operators need feature level \(FeatureLevel.operatorResources) on "
                + "every server, and the cluster has \(level): upgrade the others first")
    }
}

extension LegacyEndpoints {
    /// `POST /reserve` and its like: a form with `slaveId` and `resources` or `volumes`, a list in
    /// JSON.
    func change(
        _ change: ResourceChange, _ list: String, _ request: SurfaceRequest
    ) async throws -> SurfaceAnswer {
        let form = String(decoding: request.body, as: UTF8.self)
        guard let agent = FormFields.first("slaveId", in: form) else {
            return .text(400, "Missing 'slaveId' query parameter in the request body")
        }
        guard let text = FormFields.first(list, in: form) else {
            return .text(400, "Missing '\(list)' query parameter in the request body")
        }
        let named: MesosMasterCall.ReserveResources
        do throws(MesosDecodingError) {
            named = try MesosMessage.decode(
                MesosMasterCall.ReserveResources.self,
                from: Array("{\"agent_id\":{\"value\":\"-\"},\"resources\":\(text)}".utf8),
                as: .json)
        } catch {
            return .text(400, "Error in parsing '\(list)' query parameter: \(error)")
        }
        if let elsewhere = try await operators.elsewhere(request) { return elsewhere }
        var id = MesosAgentID()
        id.value = agent
        let answer = try await operators.change(id, change, named.resources, request.caller)
        // As Mesos has it: what is asked for comes to pass later there.
        return answer.status == 200 ? .accepted : answer
    }
}
