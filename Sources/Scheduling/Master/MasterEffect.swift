package import StateMachine

/// What a master wants done, in this order.
package enum MasterEffect: Equatable, Sendable {
    /// To be proposed in the master's own term, fenced, and never handed on.
    case propose(DecisionID, DatacenterCommand)
    case toAgent(AgentConnectionID, AgentOrder)
    case toScheduler(SchedulerStreamID, SchedulerEvent)
    /// Behind what was sent to it.
    case closeStream(SchedulerStreamID)
}

/// What an agent is told. The driver adds the master's term to each.
package enum AgentOrder: Equatable, Sendable {
    case registered(AgentID, session: UInt64)
    /// - Parameter isFinal: the agent has to end; else it tries again later.
    case refused(String, isFinal: Bool)
    /// One task, or a group that begins and ends together: their launches are in the store.
    case launch([TaskRecord])
    /// An agent that does not know the task never starts it, and says that it is lost, as Mesos'
    /// agents do.
    /// - Parameter graceMilliseconds: zero: as the task itself says.
    case kill(TaskKey, sequence: UInt64, graceMilliseconds: UInt64)
    case acknowledge(TaskKey, sequence: UInt64, uuid: [UInt8])
    case shutdown(ExecutorKey)
    case message(ExecutorKey, [UInt8])
}

package enum SchedulerEvent: Equatable, Sendable {
    case subscribed(FrameworkID)
    case offers([MasterOffer])
    case rescind(OfferID)
    case update(TaskUpdate)
    case message(AgentID, ExecutorID, [UInt8])
    /// An executor ended, or, without one, an agent is gone.
    case failure(AgentID, ExecutorID?, status: Int32?)
    /// The stream ends behind it.
    case error(String)
}

package struct MasterOffer: Equatable, Sendable {
    package var id: OfferID
    package var framework: FrameworkID
    package var agent: AgentID
    package var role: ByteText
    package var resources: Resources
}

/// A status as its framework is to hear it.
package struct TaskUpdate: Equatable, Sendable {
    package enum Cause: Equatable, Sendable {
        /// ``body`` is what the agent or the executor said.
        case agent
        case agentUnreachable
        case agentGone(byOperator: Bool)
        case reconciliation
        case invalidOffers
        case invalidTask
        case invalidFramework
    }

    package var key: TaskKey
    package var state: TaskState
    package var agent: AgentID?
    package var executor: ExecutorID?
    /// Empty where nothing is to be acknowledged.
    package var uuid: [UInt8] = []
    /// mesos.v1.TaskStatus as the agent encoded it; empty where the master speaks.
    package var body: [UInt8] = []
    package var cause: Cause
    package var message = ""
    /// Since when its agent is unreachable, by the leader's time of day, in milliseconds; nil where
    /// it is not. To frameworks that do not know partitions it tells such a task from one that is
    /// lost.
    package var unreachableSince: UInt64?

    package init(
        key: TaskKey, state: TaskState, agent: AgentID? = nil, executor: ExecutorID? = nil,
        uuid: [UInt8] = [], body: [UInt8] = [], cause: Cause, message: String = "",
        unreachableSince: UInt64? = nil
    ) {
        self.key = key
        self.state = state
        self.agent = agent
        self.executor = executor
        self.uuid = uuid
        self.body = body
        self.cause = cause
        self.message = message
        self.unreachableSince = unreachableSince
    }
}

/// How a master goes about its work.
package struct MasterSettings: Equatable, Sendable {
    /// An agent that was not heard of for so long is unreachable.
    package var agentTimeoutMilliseconds: UInt64 = 10_000
    /// What agents get after a change of leader beside that, for each that is reachable; a minute
    /// at most with the other settings as they are here.
    package var reconnectMicrosecondsPerAgent: UInt64 = 2_000
    /// What a framework that is on record as connected gets after a change of leader, to come back.
    package var reconnectMilliseconds: UInt64 = 15_000
    /// Offers that are not answered are taken back after it; zero: never.
    package var offerTimeoutMilliseconds: UInt64 = 120_000
    /// An order that nothing was heard of is sent again.
    package var orderRetryMilliseconds: UInt64 = 5_000
    /// A status whose acknowledgement came to nothing is told again.
    package var acknowledgeRetryMilliseconds: UInt64 = 1_000
    /// While a deadline is on record, the cluster's time is written down so often.
    package var timeRecordMilliseconds: UInt64 = 5_000
    /// Decisions on their way; beyond that, calls are refused and agents wait.
    package var decisionsMax = 10_000

    package init() {}
}
