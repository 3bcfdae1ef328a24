package import StateMachine

/// What happens to a master. Times are in milliseconds of the node's monotonic clock.
package enum MasterInput: Sendable {
    /// - Parameter clusterTime: the leader's (``Store/clusterTime``, gone on from).
    case tick(now: UInt64, clusterTime: UInt64)
    /// An entry was applied on this node, the master's own or a client's.
    case applied([DatacenterChange])
    /// What came of a decision. Its changes were told before.
    case decided(DecisionID, DecisionOutcome)
    case agent(AgentConnectionID, AgentInput)
    case scheduler(SchedulerStreamID, SchedulerInput)
}

package enum DecisionOutcome: Equatable, Sendable {
    case done(DatacenterOutcome)
    /// The rules refused it, or it was not proposed.
    case refused(DatacenterError?)
    /// It may take effect still.
    case unknown

    /// Whether an entry of it was applied.
    var isApplied: Bool {
        switch self {
        case .done, .refused(_?): true
        case .refused(nil), .unknown: false
        }
    }
}

package enum AgentInput: Equatable, Sendable {
    case registers(AgentRegistration)
    /// It is there.
    case heartbeat
    case reports([StatusReport])
    /// - Parameter sequence: the highest of the launches that the agent had heard of. A later one
    ///   begins the executor anew.
    case executorEnded(ExecutorKey, status: Int32, sequence: UInt64 = .max)
    /// Of an executor to its framework's scheduler.
    case message(ExecutorKey, [UInt8])
    case disconnected
}

package enum SchedulerInput: Equatable, Sendable {
    case subscribes(Subscription)
    case call(SchedulerCall)
    case disconnected
}

/// A scheduler's calls, with what their messages mean as values.
package enum SchedulerCall: Equatable, Sendable {
    case accept(offers: [OfferID], [AcceptedOperation], refuseMilliseconds: UInt64)
    case decline(offers: [OfferID], refuseMilliseconds: UInt64)
    /// No roles: all of them.
    case revive(roles: [ByteText])
    case suppress(roles: [ByteText])
    case kill(TaskID, graceMilliseconds: UInt64)
    case shutdown(ExecutorID, AgentID)
    case acknowledge(TaskID, uuid: [UInt8])
    /// No tasks: all of the framework's that have not ended.
    case reconcile([TaskID])
    case message(AgentID, ExecutorID, [UInt8])
    case update(Subscription)
    case teardown
}

package enum AcceptedOperation: Equatable, Sendable {
    case reserve(Resources)
    case unreserve(Resources)
    case create(Resources)
    case destroy(Resources)
    case launch(TaskLaunch)
    /// All or none of them.
    case launchGroup([TaskLaunch])
    /// A task that cannot be, and why: its scheduler is told.
    case invalid(TaskID, String)
}

/// What operators ask for, which the log decides on without a master.
package enum OperatorCall: Equatable, Sendable {
    case agentMode(AgentID, AgentRecord.Mode, graceMilliseconds: UInt64, goneWhenDrained: Bool)
    case agentGone(AgentID)
    case teardown(FrameworkID)
    case kill(TaskKey, graceMilliseconds: UInt64)
    case role(RoleRecord)
    /// Reservations and volumes of an agent: no task is among them.
    case resources(AgentID, [Launch.Operation])
    /// What users want of services.
    case service(ServiceCommand)
}

/// The name of an offer: the term in which it was made, and its number there. A change of leader
/// makes all offers void.
package struct OfferID: Hashable, Sendable, CustomStringConvertible {
    package var term: UInt64
    package var number: UInt64

    package init(term: UInt64, number: UInt64) {
        self.term = term
        self.number = number
    }

    /// Nil for what is no offer's name.
    package init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "O", let term = UInt64(parts[1]),
            let number = UInt64(parts[2])
        else { return nil }
        self.init(term: term, number: number)
    }

    package var description: String { "O-\(term)-\(number)" }
}
