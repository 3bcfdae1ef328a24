/// What a call to the scheduler API must have before anything is looked up for it. The order of
/// the checks and what is checked are Mesos'.
extension MesosSchedulerCall {
    /// - Parameter principal: who the connection was authenticated for.
    /// - Throws: 400, and 501 for a call of type UNKNOWN.
    package func validate(principal: String? = nil) throws(MesosRefusal) {
        guard hasType else { throw Self.refusal("Expecting 'type' to be present") }
        if type == .subscribe { return try validateSubscribe(principal) }
        guard hasFrameworkID else {
            throw Self.refusal("Expecting 'framework_id' to be present")
        }
        if let missing = missingPart {
            throw Self.refusal("Expecting '\(missing)' to be present")
        }
        try validateParts()
    }

    private static func refusal(_ problem: String) -> MesosRefusal {
        .badRequest("Failed to validate scheduler::Call: \(problem)")
    }

    private func validateSubscribe(_ principal: String?) throws(MesosRefusal) {
        guard hasSubscribe else { throw Self.refusal("Expecting 'subscribe' to be present") }
        let info = subscribe.frameworkInfo
        // An id that is absent equals one that is empty.
        guard info.id.value == frameworkID.value else {
            throw Self.refusal("'framework_id' differs from 'subscribe.framework_info.id'")
        }
        if let principal, info.hasPrincipal, info.principal != principal {
            throw Self.refusal(
                "Authenticated principal '\(principal)' does not match principal "
                    + "'\(info.principal)' set in `FrameworkInfo`")
        }
    }

    /// The field that belongs to the call's type and is not set.
    private var missingPart: String? {
        switch type {
        case .subscribe: hasSubscribe ? nil : "subscribe"
        case .accept: hasAccept ? nil : "accept"
        case .decline: hasDecline ? nil : "decline"
        case .acceptInverseOffers: hasAcceptInverseOffers ? nil : "accept_inverse_offers"
        case .declineInverseOffers: hasDeclineInverseOffers ? nil : "decline_inverse_offers"
        case .kill: hasKill ? nil : "kill"
        case .shutdown: hasShutdown ? nil : "shutdown"
        case .acknowledge: hasAcknowledge ? nil : "acknowledge"
        case .acknowledgeOperationStatus:
            hasAcknowledgeOperationStatus ? nil : "acknowledge_operation_status"
        case .reconcile: hasReconcile ? nil : "reconcile"
        case .reconcileOperations: hasReconcileOperations ? nil : "reconcile_operations"
        case .message: hasMessage ? nil : "message"
        case .request: hasRequest ? nil : "request"
        case .updateFramework: hasUpdateFramework ? nil : "update_framework"
        case .teardown, .revive, .suppress, .unknown: nil
        }
    }

    private func validateParts() throws(MesosRefusal) {
        switch type {
        case .acknowledge:
            try Self.checkUUID(count: acknowledge.uuid.count)
        case .acknowledgeOperationStatus:
            try Self.checkUUID(count: acknowledgeOperationStatus.uuid.count)
            guard acknowledgeOperationStatus.hasAgentID else {
                throw Self.refusal("Expecting 'agent_id' to be present")
            }
        case .updateFramework:
            guard updateFramework.frameworkInfo.id.value == frameworkID.value else {
                throw Self.refusal(
                    "'framework_id' differs from 'update_framework.framework_info.id'")
            }
        case .unknown: throw MesosRefusal(501, "Received 'UNKNOWN' call")
        case .subscribe, .teardown, .accept, .decline, .revive, .kill, .shutdown, .reconcile,
            .message, .request, .suppress, .acceptInverseOffers, .declineInverseOffers,
            .reconcileOperations:
            return
        }
    }

    private static func checkUUID(count: Int) throws(MesosRefusal) {
        guard count == 16 else { throw refusal("UUID has \(count) bytes, not 16") }
    }

    /// Whether the answer has a body, so that its Accept header counts.
    package var wantsAnswer: Bool { type == .subscribe || type == .reconcileOperations }

    /// Whether a call and the headers that it came with fit a subscription.
    ///
    /// - Parameters:
    ///   - header: Mesos-Stream-Id of the request.
    ///   - current: that of the framework's live subscription; nil where it has none.
    /// - Throws: 400, and 403 where the framework has no subscription.
    package func validateStream(header: String?, current: String?) throws(MesosRefusal) {
        if type == .subscribe {
            guard header == nil else {
                throw .badRequest(
                    "Subscribe calls should not include the 'Mesos-Stream-Id' header")
            }
            return
        }
        guard let current else { throw MesosRefusal(403, "Framework is not subscribed") }
        guard let header else {
            throw .badRequest("All non-subscribe calls should include the 'Mesos-Stream-Id' header")
        }
        guard header == current else {
            throw .badRequest(
                "The stream ID '\(header.prefix(Self.streamIDCharactersMax))' included in this "
                    + "request didn't match the stream ID currently associated with framework ID "
                    + frameworkID.value)
        }
    }

    /// Of an id that is told back.
    private static let streamIDCharactersMax = 128
}
