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
        let call = checked.call
        let (caller, header) = (request.caller, request.header(.streamID))
        let value = MesosConversion.call(call)
        // Where this node leads, one visit to its loop does: calls of a connection wait for it.
        let begun = try await access.run { desk in
            desk.leadership.isHere ? Self.begin(call, value, caller, header, desk) : nil
        }
        if let begun { return try await finish(begun, checked) }
        switch try await access.runAsync({ $0.leadership.ask() }) {
        case .there(let place): return .redirect(to: place, request.target)
        case .nobody(let reason): return .unavailable(reason)
        case .here: break
        }
        return try await finish(
            try await access.run { Self.begin(call, value, caller, header, $0) }, checked)
    }

    /// For which framework, on which stream, somebody calls.
    private struct Speaker {
        var framework: FrameworkID
        var stream: String
        var caller: Caller
    }

    /// What came of a call on the node's loop.
    private enum Begun {
        case done(SurfaceAnswer)
        case accept(Speaker, AcceptContext)
        case update(Speaker)
        case reconcileOperations
    }

    /// Judges the call, and makes it where nothing has to be worked out for that.
    private static func begin(
        _ call: MesosSchedulerCall, _ value: SchedulerCall?, _ caller: Caller, _ header: String?,
        _ desk: DatacenterDesk
    ) -> Begun {
        let framework = FrameworkID(call.frameworkID.value)
        guard let record = desk.facade.table.frameworks[framework]?.record else {
            return .done(.text(400, "Framework cannot be found"))
        }
        guard desk.callers.mayBe(record, caller) else {
            return .done(
                .text(
                    403,
                    "The framework is not user '\(caller.userName ?? "")'s: another has subscribed"
                        + " it"))
        }
        let current = desk.schedulers.stream(of: framework)?.name
        do throws(MesosRefusal) {
            try call.validateStream(header: header, current: current)
        } catch {
            return .done(SurfaceAnswer(error))
        }
        guard let current else { return .done(gone) }
        let speaker = Speaker(framework: framework, stream: current, caller: caller)
        switch call.type {
        case .accept:
            let offers = MesosConversion.offerIDs(call.accept.offerIds)
            guard let context = desk.schedulers.context(of: framework, offers: offers) else {
                return .done(gone)
            }
            return .accept(speaker, context)
        case .updateFramework: return .update(speaker)
        case .reconcileOperations: return .reconcileOperations
        case .teardown, .decline, .revive, .suppress, .kill, .shutdown, .acknowledge, .reconcile,
            .message, .request, .acceptInverseOffers, .declineInverseOffers,
            .acknowledgeOperationStatus, .subscribe, .unknown:
            guard let value else { return .done(.accepted) }
            let isTaken = desk.schedulers.call(framework, stream: current, value)
            return .done(isTaken ? .accepted : gone)
        }
    }

    private static let gone = SurfaceAnswer.text(403, "Framework is not subscribed")

    private func finish(_ begun: Begun, _ checked: Checked) async throws -> SurfaceAnswer {
        switch begun {
        case .done(let answer): return answer
        case .accept(let speaker, let context):
            return try await accept(checked.call.accept, speaker, context)
        case .update(let speaker): return try await update(checked.call.updateFramework, speaker)
        case .reconcileOperations:
            return .encoded(
                MesosMessage.encode(
                    Self.operations(checked.call.reconcileOperations), as: checked.encoding),
                as: checked.encoding)
        }
    }

    private func send(
        _ call: SchedulerCall, _ speaker: Speaker, _ done: SurfaceAnswer = .accepted
    ) async throws -> SurfaceAnswer {
        let isTaken = try await access.run {
            $0.schedulers.call(speaker.framework, stream: speaker.stream, call)
        }
        return isTaken ? done : Self.gone
    }

    private func accept(
        _ message: MesosSchedulerCall.Accept, _ speaker: Speaker, _ context: AcceptContext
    ) async throws -> SurfaceAnswer {
        let offers = MesosConversion.offerIDs(message.offerIds)
        let accepted = MesosConversion.operations(message.operations, context)
        for problem in accepted.problems {
            logger.notice(
                "an offer operation was left out",
                metadata: ["framework": "\(speaker.framework)", "reason": "\(problem)"])
        }
        let refuse = MesosConversion.refuseMilliseconds(
            message.hasFilters ? message.filters : nil)
        return try await send(
            .accept(offers: offers, accepted.operations, refuseMilliseconds: refuse), speaker)
    }

    private func update(
        _ message: MesosSchedulerCall.UpdateFramework, _ speaker: Speaker
    ) async throws -> SurfaceAnswer {
        let (framework, caller) = (speaker.framework, speaker.caller)
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
        return try await send(.update(subscription), speaker, .done)
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
