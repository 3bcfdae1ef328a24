package import API
package import Scheduling
internal import StateMachine

extension MesosConversion {
    /// A call that stands for itself: any but SUBSCRIBE, ACCEPT, UPDATE_FRAMEWORK and
    /// RECONCILE_OPERATIONS. Nil for one that nothing follows from: there are no inverse offers,
    /// and nobody is told of operations, so that there is nothing to acknowledge.
    package static func call(_ call: MesosSchedulerCall) -> SchedulerCall? {
        switch call.type {
        case .teardown: return .teardown
        case .decline:
            return .decline(
                offers: offerIDs(call.decline.offerIds),
                refuseMilliseconds: refuseMilliseconds(
                    call.decline.hasFilters ? call.decline.filters : nil))
        case .revive: return .revive(roles: call.revive.roles.map { ByteText($0) })
        case .suppress: return .suppress(roles: call.suppress.roles.map { ByteText($0) })
        case .kill:
            return .kill(
                TaskID(call.kill.taskID.value),
                graceMilliseconds: graceMilliseconds(call.kill.killPolicy))
        case .shutdown:
            return .shutdown(
                ExecutorID(call.shutdown.executorID.value), AgentID(call.shutdown.agentID.value))
        case .acknowledge:
            return .acknowledge(
                TaskID(call.acknowledge.taskID.value), uuid: Array(call.acknowledge.uuid))
        case .reconcile:
            return .reconcile(call.reconcile.tasks.map { TaskID($0.taskID.value) })
        case .message:
            return .message(
                AgentID(call.message.agentID.value), ExecutorID(call.message.executorID.value),
                Array(call.message.data))
        case .accept, .subscribe, .updateFramework, .reconcileOperations, .request,
            .acceptInverseOffers, .declineInverseOffers, .acknowledgeOperationStatus, .unknown:
            return nil
        }
    }

    /// Names that are no offer's are kept, so that the call is refused as one whose offer is not
    /// valid any more: no master makes offers in term 0.
    static func offerIDs(_ messages: [MesosOfferID]) -> [OfferID] {
        messages.map { OfferID($0.value) ?? OfferID(term: 0, number: 0) }
    }

    static func refuseMilliseconds(_ filters: MesosFilters?) -> UInt64 {
        let seconds: Double
        if let filters, filters.hasRefuseSeconds, filters.refuseSeconds.isFinite,
            filters.refuseSeconds >= 0
        {
            seconds = min(filters.refuseSeconds, MesosConversionLimits.refuseSecondsMax)
        } else {
            seconds = MesosConversionLimits.refuseSecondsDefault
        }
        return UInt64(seconds * 1_000)
    }

    /// Rounded up, and never less than one where a policy says something; zero where none does, so
    /// that the task's own counts.
    static func graceMilliseconds(_ policy: MesosKillPolicy) -> UInt64 {
        guard policy.hasGracePeriod else { return 0 }
        let nanoseconds = policy.gracePeriod.nanoseconds
        guard nanoseconds > 0 else { return 1 }
        let milliseconds = (UInt64(nanoseconds) + 999_999) / 1_000_000
        return min(milliseconds, MesosConversionLimits.graceMillisecondsMax)
    }
}
