internal import API
internal import HTTPTypes
internal import NIOCore
internal import StateMachine

/// The endpoints from before the versioned API. Any node answers what only reads.
struct LegacyEndpoints: Sendable {
    let operators: OperatorAPI

    func answer(
        _ endpoint: LegacyEndpoint, _ request: SurfaceRequest
    ) async throws -> SurfaceAnswer {
        switch endpoint {
        case .health: return .done
        case .version: return .json(LegacyBodies.version())
        case .flags: return .json(JSONWriter.object { operators.writeFlags(into: &$0) })
        case .systemStats: return .json(SystemView.body())
        case .redirect: return try await redirect()
        case .teardown: return try await teardown(request)
        case .metrics:
            return .json(LegacyState.metricsBody(try await operators.metrics()))
        case .roles, .quota, .weights: return try await roles(endpoint)
        case .state, .stateSummary, .slaves, .frameworks, .tasks:
            return try await state(endpoint, request)
        case .maintenanceSchedule, .maintenanceStatus: return .json(Array("{}".utf8))
        case .reserve: return try await change(.reserve, "resources", request)
        case .unreserve: return try await change(.unreserve, "resources", request)
        case .createVolumes: return try await change(.create, "volumes", request)
        case .destroyVolumes: return try await change(.destroy, "volumes", request)
        case .machineUp, .machineDown:
            return .text(501, "'/\(endpoint.rawValue)' is not served by this version")
        }
    }

    private func state(
        _ endpoint: LegacyEndpoint, _ request: SurfaceRequest
    ) async throws -> SurfaceAnswer {
        let state = try await legacyState()
        switch endpoint {
        case .state: return .json(state.stateBody())
        case .stateSummary: return .json(state.summaryBody())
        case .slaves: return .json(state.slavesBody(agentID: request.parameter("slave_id")))
        case .frameworks:
            return .json(state.frameworksBody(frameworkID: request.parameter("framework_id")))
        default:
            var query = LegacyState.TaskQuery()
            query.limit = request.parameter("limit").flatMap { Int($0) } ?? query.limit
            query.offset = request.parameter("offset").flatMap { Int($0) } ?? 0
            query.isAscending = request.parameter("order") == "asc"
            query.frameworkID = request.parameter("framework_id")
            query.taskID = request.parameter("task_id")
            return .json(state.tasksBody(query))
        }
    }

    private func legacyState() async throws -> LegacyState {
        let snapshot = try await DatacenterSnapshot.take(operators.access, withLaunches: true)
        let identity = operators.identity
        var state = LegacyState(
            state: StateView(snapshot).state(), master: identity.info,
            version: MasterIdentity.version, startTime: identity.startTime)
        state.flags = operators.flags
        if let record = snapshot.table.master {
            state.electedTime = Double(record.clock) / 1_000
            state.leader = MasterIdentity.leader(record)
        }
        state.cluster = operators.settings.clusterName
        state.unreachableAgents = snapshot.table.agents.values.count {
            $0.record.phase == .unreachable
        }
        return state
    }

    private func roles(_ endpoint: LegacyEndpoint) async throws -> SurfaceAnswer {
        let view = StateView(try await DatacenterSnapshot.take(operators.access))
        switch endpoint {
        case .quota: return .json(MesosJSON.encode(view.quota()))
        case .weights:
            var text: [UInt8] = [UInt8(ascii: "[")]
            for (place, info) in view.weights().enumerated() {
                if place > 0 { text.append(UInt8(ascii: ",")) }
                text += MesosJSON.encode(info)
            }
            return .json(text + [UInt8(ascii: "]")])
        default: return .json(LegacyState.rolesBody(view.roleViews()))
        }
    }

    /// To whoever leads, this node too.
    private func redirect() async throws -> SurfaceAnswer {
        switch try await operators.access.runAsync({ $0.leadership.ask() }) {
        case .here: return .redirect(to: operators.identity.place, "")
        case .there(let place): return .redirect(to: place, "")
        case .nobody(let reason): return .unavailable(reason)
        }
    }

    /// A form with `frameworkId`.
    private func teardown(_ request: SurfaceRequest) async throws -> SurfaceAnswer {
        let form = String(decoding: request.body, as: UTF8.self)
        guard let id = FormFields.first("frameworkId", in: form) else {
            return .text(400, "Missing 'frameworkId' query parameter in the request body")
        }
        if let elsewhere = try await operators.elsewhere(request) { return elsewhere }
        return try await operators.teardown(FrameworkID(id))
    }
}

enum LegacyBodies {
    static func version() -> [UInt8] {
        JSONWriter.object {
            $0.field("version", MasterIdentity.mesosVersion)
            $0.field("build_user", MasterIdentity.version.buildUser)
            $0.field("build_date", "")
            $0.field("build_time", 0.0)
        }
    }
}
