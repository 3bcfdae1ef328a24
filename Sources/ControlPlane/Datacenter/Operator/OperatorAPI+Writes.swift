internal import API
internal import NIOCore
internal import Scheduling
internal import StateMachine

extension OperatorAPI {
    /// On the leader.
    func write(_ call: MesosMasterCall, caller: Caller) async throws -> SurfaceAnswer {
        switch call.type {
        case .reserveResources:
            let wanted = call.reserveResources
            return try await change(wanted.agentID, .reserve, wanted.resources, caller)
        case .unreserveResources:
            let named = call.unreserveResources
            return try await change(named.agentID, .unreserve, named.resources, caller)
        case .createVolumes:
            let wanted = call.createVolumes
            return try await change(wanted.agentID, .create, wanted.volumes, caller)
        case .destroyVolumes:
            let named = call.destroyVolumes
            return try await change(named.agentID, .destroy, named.volumes, caller)
        case .teardown: return try await teardown(FrameworkID(call.teardown.frameworkID.value))
        case .markAgentGone:
            return try await operate(.agentGone(AgentID(call.markAgentGone.agentID.value)))
        case .drainAgent: return try await drain(call.drainAgent)
        case .deactivateAgent:
            return try await setMode(call.deactivateAgent.agentID, .deactivated)
        case .reactivateAgent: return try await setMode(call.reactivateAgent.agentID, .active)
        case .updateWeights: return try await updateWeights(call.updateWeights.weightInfos)
        case .updateQuota: return try await updateQuota(call.updateQuota.quotaConfigs)
        case .setQuota: return try await setQuota(call.setQuota.quotaRequest)
        case .removeQuota:
            return try await change(role: call.removeQuota.role) { record in
                record.guarantee = nil
                record.limit = nil
            }
        default: return .text(501, "Calls of type \(call.type) are not served by this version")
        }
    }

    func teardown(_ id: FrameworkID) async throws -> SurfaceAnswer {
        let isLive = try await access.run { desk in
            desk.facade.table.frameworks[id].map { $0.record.phase != .ended } ?? false
        }
        guard isLive else { return .text(400, "No framework found with specified ID") }
        return try await operate(.teardown(id))
    }

    func kill(_ key: TaskKey, graceMilliseconds: UInt64) async throws -> SurfaceAnswer {
        try await operate(.kill(key, graceMilliseconds: graceMilliseconds))
    }

    private func drain(_ drain: MesosMasterCall.DrainAgent) async throws -> SurfaceAnswer {
        let (seconds, nanos) = (drain.maxGracePeriod.seconds, drain.maxGracePeriod.nanos)
        guard seconds >= 0, nanos >= 0 else {
            return .text(400, "'max_grace_period' must not be negative")
        }
        let milliseconds = min(UInt64(seconds), 86_400) * 1_000 + UInt64(nanos) / 1_000_000
        return try await operate(
            .agentMode(
                AgentID(drain.agentID.value), .draining, graceMilliseconds: milliseconds,
                goneWhenDrained: drain.markGone))
    }

    private func setMode(
        _ id: MesosAgentID, _ mode: AgentRecord.Mode
    ) async throws -> SurfaceAnswer {
        try await operate(
            .agentMode(AgentID(id.value), mode, graceMilliseconds: 0, goneWhenDrained: false))
    }

    // MARK: - Roles

    private func updateWeights(_ infos: [MesosWeightInfo]) async throws -> SurfaceAnswer {
        for info in infos {
            if let problem = Self.problem(ofRole: info.role) { return problem }
            let weight = (info.weight * 1_000).rounded()
            guard weight.isFinite, weight >= 1, weight <= Double(AllocatorLimits.weightMax) else {
                return .text(400, "Invalid weight '\(info.weight)' of role '\(info.role)'")
            }
        }
        for info in infos {
            let answer = try await change(role: info.role) {
                $0.weight = Int64((info.weight * 1_000).rounded())
            }
            if answer.status != 200 { return answer }
        }
        return .done
    }

    private func updateQuota(_ configs: [MesosQuotaConfig]) async throws -> SurfaceAnswer {
        var changes: [(role: String, guarantee: Resources?, limit: Resources?)] = []
        for config in configs {
            if let problem = Self.problem(ofQuotaRole: config.role) { return problem }
            do throws(MesosConversionError) {
                let guarantee = try Self.quantities(config.guarantees, isLimit: false)
                let limit = try Self.quantities(config.limits, isLimit: true)
                if let entry = Self.guaranteeAbove(limit, guarantee) {
                    return .text(
                        400,
                        "The limit of '\(entry)' for role '\(config.role)' is below what is "
                            + "guaranteed")
                }
                changes.append((config.role, guarantee, limit))
            } catch {
                return .text(400, "Invalid QuotaConfig of role '\(config.role)': \(error)")
            }
        }
        for (role, guarantee, limit) in changes {
            let answer = try await change(role: role) { record in
                record.guarantee = guarantee
                record.limit = limit
            }
            if answer.status != 200 { return answer }
        }
        return .done
    }

    /// The older way: what is guaranteed is the limit too.
    private func setQuota(_ request: MesosQuotaRequest) async throws -> SurfaceAnswer {
        if let problem = Self.problem(ofQuotaRole: request.role) { return problem }
        let guarantee: Resources
        do throws(MesosConversionError) {
            guarantee = try MesosConversion.resources(request.guarantee)
        } catch {
            return .text(400, "Invalid QuotaRequest: \(error)")
        }
        let isPlain = guarantee.entries.allSatisfy { entry in
            if case .scalar = entry.value { !entry.isReserved && entry.disk == nil } else { false }
        }
        guard isPlain else {
            return .text(400, "Invalid QuotaRequest: only plain scalars can be guaranteed")
        }
        return try await change(role: request.role) { record in
            record.guarantee = guarantee.isEmpty ? nil : guarantee
            record.limit = record.guarantee
        }
    }

    private static func quantities(
        _ quantities: [String: MesosValue.Scalar], isLimit: Bool
    ) throws(MesosConversionError) -> Resources? {
        var entries: [ResourceEntry] = []
        for (name, scalar) in quantities.sorted(by: { $0.key < $1.key }) {
            let amount: Int64
            do throws(ResourcesError) {
                amount = try Thousandths.amount(scalar.value)
            } catch {
                throw MesosConversionError("'\(name)': \(error)")
            }
            // Records cannot tell nothing from no limit.
            guard amount > 0 || !isLimit else {
                throw MesosConversionError("'\(name)': a limit of zero is not served")
            }
            entries.append(ResourceEntry(ByteText(name), .scalar(amount)))
        }
        do throws(ResourcesError) {
            let resources = try Resources(entries)
            return resources.isEmpty ? nil : resources
        } catch {
            throw MesosConversionError("\(error)")
        }
    }

    private static func guaranteeAbove(_ limit: Resources?, _ guarantee: Resources?) -> ByteText? {
        guard let limit, let guarantee else { return nil }
        return limit.entries.first { guarantee.scalar($0.name) > $0.amount }?.name
    }

    private static func problem(ofRole role: String) -> SurfaceAnswer? {
        let isValid = (try? ByteText(role).validateRole()) != nil
        if isValid, MesosName.problem(ofRole: role) == nil { return nil }
        return .text(400, "'\(role)' is not a valid role")
    }

    private static func problem(ofQuotaRole role: String) -> SurfaceAnswer? {
        if let problem = problem(ofRole: role) { return problem }
        if role == "*" { return .text(400, "Role '*' has no quota") }
        if role.contains("/") { return .text(400, "A role below another one has no quota here") }
        return nil
    }

    /// The rest of what is on record for the role stays.
    private func change(
        role: String, _ body: @escaping @Sendable (inout RoleRecord) -> Void
    ) async throws -> SurfaceAnswer {
        let name = ByteText(role)
        return Self.answer(
            try await access.runAsync { desk in
                var record = desk.facade.table.roles[name] ?? RoleRecord(role: name)
                body(&record)
                return desk.operate(.role(record))
            })
    }

    // MARK: - Outcomes

    func operate(_ call: OperatorCall) async throws -> SurfaceAnswer {
        Self.answer(try await access.runAsync { $0.operate(call) })
    }

    private static func answer(_ outcome: DecisionOutcome) -> SurfaceAnswer {
        switch outcome {
        case .done: .done
        case .refused(.invalidOperation(_, .notContained(let name))):
            .text(
                409,
                "The agent has no such '\(name)' that is free: what tasks hold, and what is "
                    + "reserved otherwise than it is named, cannot be changed")
        case .refused(let error?): .text(status(error), "\(error)")
        case .refused(nil): .unavailable("The master cannot take it now; nothing was changed")
        case .unknown:
            .unavailable("The master cannot say whether it takes effect: look before you repeat it")
        }
    }

    private static func status(_ error: DatacenterError) -> Int {
        switch error {
        case .unknownAgent: 404
        case .agentGone, .frameworkEnded, .service, .notCompactable, .invalidOperation: 409
        case .invalidName, .tooLarge, .otherIncarnation, .oldAgentSession, .agentNotOffered,
            .agentShrank, .unknownFramework, .otherPrincipal, .oldFrameworkSession,
            .frameworkNotConnected, .unknownTask, .duplicateTask, .unknownExecutor, .executorInUse,
            .notFree, .tooManyRoles, .invalidRole:
            400
        }
    }
}

extension DatacenterDesk {
    func operate(_ call: OperatorCall) -> EventLoopFuture<DecisionOutcome> {
        let promise = facade.eventLoop.makePromise(of: DecisionOutcome.self)
        facade.operate(call) { promise.succeed($0) }
        return promise.futureResult
    }
}
