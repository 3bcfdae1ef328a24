package import Primitives

/// What an entry of kind `datacenter` asks for: one transition of the records, decided by a leader
/// for its own term and judged again where it is applied.
package enum DatacenterCommand: Equatable, Sendable {
    case registerAgent(AgentRegistration)
    /// The agent missed its lease, in this session.
    case agentUnreachable(AgentID, session: UInt64)
    case agentGone(AgentID, byOperator: Bool)
    case agentMode(AgentID, AgentRecord.Mode, graceMilliseconds: UInt64, goneWhenDrained: Bool)
    case subscribe(Subscription)
    case frameworkDisconnected(FrameworkID, session: UInt64)
    /// Torn down, or its time ran out: every task is to end.
    case endFramework(FrameworkID, session: UInt64)
    case launch(Launch)
    case reportStatuses(AgentID, session: UInt64, [StatusReport])
    case acknowledge(TaskKey, uuid: [UInt8])
    case kill(TaskKey, graceMilliseconds: UInt64)
    /// The agent says that an executor has ended.
    case executorEnded(ExecutorKey, session: UInt64)
    case role(RoleRecord)
    /// A master has taken office.
    case master(MasterRecord)
    /// Nothing but the cluster's time passes: what is due in it survives the leader.
    case time
    /// Of level ``FeatureLevel/services``.
    case service(ServiceCommand)
    /// What the records were before a revision is forgotten; clients' keys have a compaction of
    /// their own. Of level ``FeatureLevel/recordCompaction``.
    case compact(Revision)
    /// Operators reserve resources of an agent that nobody uses, take reservations back, make
    /// volumes or destroy them: never a task. Of level ``FeatureLevel/operatorResources``.
    case operate(AgentID, [Launch.Operation])

    /// What a node must know to apply it.
    package var level: FeatureLevel {
        switch self {
        case .service(.adjust(let adjustment)) where adjustment.basis != nil: .adjustmentBasis
        case .service: .services
        case .compact: .recordCompaction
        case .operate: .operatorResources
        case .registerAgent, .agentUnreachable, .agentGone, .agentMode, .subscribe,
            .frameworkDisconnected, .endFramework, .launch, .reportStatuses, .acknowledge, .kill,
            .executorEnded, .role, .master, .time:
            .datacenter
        }
    }
}

/// What an agent says when it connects.
package struct AgentRegistration: Equatable, Sendable {
    /// Empty: a new agent, which gets ``newID``.
    package var id: AgentID
    package var newID: AgentID
    package var info: [UInt8]
    package var total: Resources
    package var incarnation: UInt64
    package var url: [UInt8]

    package init(
        id: AgentID, newID: AgentID, info: [UInt8], total: Resources, incarnation: UInt64,
        url: [UInt8]
    ) {
        self.id = id
        self.newID = newID
        self.info = info
        self.total = total
        self.incarnation = incarnation
        self.url = url
    }
}

/// What a scheduler says when it subscribes, or changes what it said.
package struct Subscription: Equatable, Sendable {
    /// Empty: a new framework, which gets ``newID``.
    package var id: FrameworkID
    package var newID: FrameworkID
    package var info: [UInt8]
    package var principal: [UInt8] = []
    package var roles: [ByteText]
    package var suppressedRoles: [ByteText] = []
    package var capabilities: UInt32 = 0
    package var failoverMilliseconds: UInt64 = 0
    package var offerConstraints: [UInt8] = []
    /// UPDATE_FRAMEWORK: the connection stays the one that it is.
    package var isUpdate = false

    package init(id: FrameworkID, newID: FrameworkID, info: [UInt8], roles: [ByteText]) {
        self.id = id
        self.newID = newID
        self.info = info
        self.roles = roles
    }
}

/// A framework's answer to offers of one agent.
package struct Launch: Equatable, Sendable {
    package enum Operation: Equatable, Sendable {
        case reserve(Resources)
        case unreserve(Resources)
        case create(Resources)
        case destroy(Resources)
        case task(TaskLaunch)
    }

    package var framework: FrameworkID
    package var agent: AgentID
    /// Of the agent that the offers were of.
    package var session: UInt64
    package var operations: [Operation]

    package init(
        framework: FrameworkID, agent: AgentID, session: UInt64, operations: [Operation]
    ) {
        self.framework = framework
        self.agent = agent
        self.session = session
        self.operations = operations
    }
}

package struct TaskLaunch: Equatable, Sendable {
    package struct Executor: Equatable, Sendable {
        package var id: ExecutorID
        package var resources: Resources
        /// mesos.v1.ExecutorInfo, encoded.
        package var info: [UInt8]

        package init(id: ExecutorID, resources: Resources, info: [UInt8]) {
            self.id = id
            self.resources = resources
            self.info = info
        }
    }

    package var task: TaskID
    package var role: ByteText
    package var resources: Resources
    /// mesos.v1.TaskInfo, encoded.
    package var info: [UInt8]
    /// Nil: the agent runs the task's command itself.
    package var executor: Executor?
    /// Tasks of one group share a number, counted from 1 in the launch; 0: of none.
    package var group: UInt16 = 0

    package init(task: TaskID, role: ByteText, resources: Resources, info: [UInt8]) {
        self.task = task
        self.role = role
        self.resources = resources
        self.info = info
    }
}

package struct StatusReport: Equatable, Sendable {
    package var key: TaskKey
    /// Of the launch that the agent reports on.
    package var sequence: UInt64
    package var status: WaitingStatus

    package init(key: TaskKey, sequence: UInt64, status: WaitingStatus) {
        self.key = key
        self.sequence = sequence
        self.status = status
    }
}
