package import Primitives

/// Everything that the agent keeps of one run of a task: what was ordered, how far it came and
/// which updates nobody has acknowledged. One file each, replaced as a whole.
package struct TaskRecord: Equatable, Sendable {
    package var container: ContainerID
    /// The term of the master whose order it was.
    package var term: Term
    package var spec: TaskSpec
    package var role = TaskRole.command
    package var state: TaskState = .staging
    /// Why it is being ended by us, or ``StatusReason/none``.
    package var killReason: StatusReason = .none
    package var isHealthy: Bool?
    package var check: CheckResult?
    /// The newest update, acknowledged or not.
    package var latest: StatusUpdate?
    /// Unacknowledged, oldest first; only the first is on its way.
    package var pending: [StatusUpdate] = []
    /// When it reached a terminal state, in milliseconds since 1970.
    package var endedAtMillis: UInt64?

    package init(container: ContainerID, term: Term, spec: TaskSpec) {
        self.container = container
        self.term = term
        self.spec = spec
    }

    package var key: TaskKey { spec.key }
    package var isExecutor: Bool { if case .executor = role { true } else { false } }
    package var remote: RemoteTask? { if case .remote(let task) = role { task } else { nil } }
    /// Whose directory the task works in.
    package var sandboxContainer: ContainerID { remote?.run ?? container }
    /// Nil for a task that is its own executor.
    package var executorKey: ExecutorKey? {
        spec.executorID.map { ExecutorKey(framework: spec.frameworkID, executor: $0) }
    }
    /// Ended, and the master knows.
    package var isSettled: Bool { state.isTerminal && pending.isEmpty }
}

/// What an agent knows of itself. It never goes back in any field.
package struct AgentMark: Equatable, Sendable {
    package var agentID: AgentID
    /// Counts the starts of the agent on this work directory, from 1.
    package var life: UInt64
    /// The highest term that any order carried.
    package var term: Term
    /// The highest sequence that any order carried: nothing at or below it is ever started again.
    package var sequence: UInt64

    package init(agentID: AgentID) {
        self.agentID = agentID
        life = 0
        term = .zero
        sequence = 0
    }
}
