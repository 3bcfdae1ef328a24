internal import API
internal import HTTPTypes
internal import Logging
internal import NIOCore
internal import Scheduling
internal import StateMachine

/// `POST /api/v1/scheduler`: what is no stream. Each call is judged as Mesos judges it: first what
/// it is by itself, then who leads, then what the framework may do.
struct SchedulerAPI: Sendable {
    let access: DeskAccess
    let logger: Logger

    /// A call that is well formed by itself.
    struct Checked: Sendable {
        var call: MesosSchedulerCall
        var requestEncoding: MesosMessage.Encoding
        /// Of the answer.
        var encoding: MesosMessage.Encoding
    }

    static func check(_ request: SurfaceRequest) throws(MesosRefusal) -> Checked {
        let encoding = try request.encoding()
        let call: MesosSchedulerCall
        do throws(MesosDecodingError) {
            call = try MesosMessage.decode(
                MesosSchedulerCall.self, from: request.body, as: encoding)
        } catch {
            throw MesosRefusal(error)
        }
        try call.validate(principal: request.caller.userName)
        var answer = encoding
        if call.wantsAnswer {
            answer = try MesosEncodings.response(accept: request.header(.accept)).encoding
        }
        if call.type == .subscribe {
            try call.validateStream(header: request.header(.streamID), current: nil)
        }
        return Checked(call: call, requestEncoding: encoding, encoding: answer)
    }

    /// Any call but SUBSCRIBE.
    func answer(_ checked: Checked, _ request: SurfaceRequest) async throws -> SurfaceAnswer {
        switch try await access.runAsync({ $0.leadership.ask() }) {
        case .there(let place): return .redirect(to: place, request.target)
        case .nobody(let reason): return .unavailable(reason)
        case .here: break
        }
        let call = checked.call
        let framework = FrameworkID(call.frameworkID.value)
        let caller = request.caller
        let (isKnown, isHis, current) = try await access.run { desk in
            let record = desk.facade.table.frameworks[framework]?.record
            return (
                record != nil, desk.callers.mayBe(record, caller),
                desk.schedulers.stream(of: framework)?.name
            )
        }
        guard isKnown else { return .text(400, "Framework cannot be found") }
        guard isHis else {
            return .text(
                403,
                "The framework is not user '\(caller.userName ?? "")'s: another has subscribed it")
        }
        do throws(MesosRefusal) {
            try call.validateStream(header: request.header(.streamID), current: current)
        } catch {
            return SurfaceAnswer(error)
        }
        guard let current else { return .text(403, "Framework is not subscribed") }
        let speaker = Speaker(framework: framework, stream: current, caller: caller)
        return try await perform(checked, speaker)
    }

    /// For which framework, on which stream, somebody calls.
    private struct Speaker {
        var framework: FrameworkID
        var stream: String
        var caller: Caller
    }

    private func perform(
        _ checked: Checked, _ speaker: Speaker
    ) async throws -> SurfaceAnswer {
        let call = checked.call
        let (framework, stream) = (speaker.framework, speaker.stream)
        switch call.type {
        case .accept:
            return try await accept(call.accept, of: framework, stream: stream)
        case .updateFramework:
            return try await update(call.updateFramework, speaker)
        case .reconcileOperations:
            return .encoded(
                MesosMessage.encode(
                    Self.operations(call.reconcileOperations), as: checked.encoding),
                as: checked.encoding)
        case .teardown, .decline, .revive, .suppress, .kill, .shutdown, .acknowledge, .reconcile,
            .message, .request, .acceptInverseOffers, .declineInverseOffers,
            .acknowledgeOperationStatus, .subscribe, .unknown:
            guard let value = MesosConversion.call(call) else { return .accepted }
            return try await send(value, of: framework, stream: stream)
        }
    }

    private func send(
        _ call: SchedulerCall, of framework: FrameworkID, stream: String,
        _ done: SurfaceAnswer = .accepted
    ) async throws -> SurfaceAnswer {
        let isTaken = try await access.run {
            $0.schedulers.call(framework, stream: stream, call)
        }
        return isTaken ? done : .text(403, "Framework is not subscribed")
    }

    private func accept(
        _ message: MesosSchedulerCall.Accept, of framework: FrameworkID, stream: String
    ) async throws -> SurfaceAnswer {
        let offers = MesosConversion.offerIDs(message.offerIds)
        let context = try await access.run {
            $0.schedulers.context(of: framework, offers: offers)
        }
        guard let context else { return .text(403, "Framework is not subscribed") }
        let accepted = MesosConversion.operations(message.operations, context)
        for problem in accepted.problems {
            logger.notice(
                "an offer operation was left out",
                metadata: ["framework": "\(framework)", "reason": "\(problem)"])
        }
        let refuse = MesosConversion.refuseMilliseconds(
            message.hasFilters ? message.filters : nil)
        return try await send(
            .accept(offers: offers, accepted.operations, refuseMilliseconds: refuse),
            of: framework, stream: stream)
    }

    private func update(
        _ message: MesosSchedulerCall.UpdateFramework, _ speaker: Speaker
    ) async throws -> SurfaceAnswer {
        let (framework, stream, caller) = (speaker.framework, speaker.stream, speaker.caller)
        let principal = try await access.run {
            $0.callers.principal(of: caller, subscribing: framework)
        }
        let subscription: Subscription
        do throws(MesosConversionError) {
            subscription = try MesosConversion.subscription(
                message.frameworkInfo, suppressedRoles: message.suppressedRoles,
                constraints: message.offerConstraints, newID: framework, principal: principal,
                isUpdate: true)
        } catch {
            return .text(400, "'UpdateFramework.framework_info' is not valid: \(error)")
        }
        return try await send(.update(subscription), of: framework, stream: stream, .done)
    }

    /// Nobody keeps a record of operations by their ids: what they made of resources is in the
    /// agents' records.
    private static func operations(
        _ call: MesosSchedulerCall.ReconcileOperations
    ) -> MesosSchedulerResponse {
        var response = MesosSchedulerResponse()
        response.type = .reconcileOperations
        response.reconcileOperations.operationStatuses = call.operations.map { operation in
            var status = MesosOperationStatus()
            status.operationID = operation.operationID
            status.state = .operationUnknown
            status.message = "Reconciliation: Operation is unknown"
            if operation.hasAgentID { status.agentID = operation.agentID }
            return status
        }
        return response
    }
}
