/// A status update as the agent sent it, until the framework has acknowledged it.
package struct WaitingStatus: Equatable, Sendable {
    /// mesos.v1.TaskStatus.uuid: 16 bytes that the agent drew.
    package var uuid: [UInt8]
    package var state: TaskState
    /// mesos.v1.TaskStatus, encoded.
    package var body: [UInt8]

    package init(uuid: [UInt8], state: TaskState, body: [UInt8]) {
        self.uuid = uuid
        self.state = state
        self.body = body
    }
}

/// A task as the cluster has agreed on it: `/keelson/local/tasks/FRAMEWORK/TASK`. What was asked
/// for, a mesos.v1.TaskInfo that never changes, stands beside it in
/// `/keelson/local/launches/FRAMEWORK/TASK`.
///
/// Facts: a task that is not terminal holds its resources on its agent, whether the agent answers
/// or not. ``sequence`` names its launch for ever, and grows with every launch.
package struct TaskRecord: Equatable, Sendable {
    package var key: TaskKey
    package var agent: AgentID
    /// Nil where the agent runs the task's command itself.
    package var executor: ExecutorID?
    /// What its resources are allocated to.
    package var role: ByteText
    package var resources: Resources
    package var sequence: UInt64
    package var state: TaskState = .staging
    /// The state before the agent became unreachable.
    package var stateBefore: TaskState?
    /// Oldest first.
    package var waiting: [WaitingStatus] = []
    /// The last status that the agent reported, encoded, and its uuid.
    package var lastStatus: [UInt8] = []
    package var lastUUID: [UInt8] = []
    /// Index of the entry that asked for its end; zero while nobody has.
    package var killIndex: UInt64 = 0
    package var killGraceMilliseconds: UInt64 = 0
    /// What it went through: states and the leader's time of day in milliseconds, oldest first.
    package var steps: [Step] = []
    /// Index of the entry that ended it.
    package var endIndex: UInt64 = 0
    /// Tasks of one launch and one group begin and end together; 0: of no group.
    package var group: UInt16 = 0

    package struct Step: Equatable, Sendable {
        package var state: TaskState
        package var clock: UInt64
    }

    package init(
        _ key: TaskKey, on agent: AgentID, executor: ExecutorID?, role: ByteText,
        resources: Resources, sequence: UInt64
    ) {
        self.key = key
        self.agent = agent
        self.executor = executor
        self.role = role
        self.resources = resources
        self.sequence = sequence
    }

    /// - Parameters:
    ///   - index: of the entry that launches it.
    ///   - operation: its place in the launch.
    static func sequence(index: UInt64, operation: Int) -> UInt64 {
        index << 12 | UInt64(operation)
    }

    /// Index of the entry that launched it.
    package var launchIndex: UInt64 { sequence >> 12 }

    package var holdsResources: Bool { !state.isTerminal }

    /// Where its agent keeps its files, below the work directory. The run is the latest of its
    /// executor where the task has one of its own, or is one of a group.
    package var sandbox: String {
        let run = group == 0 && executor == nil ? "\(sequence)-0" : "latest"
        return "slaves/\(agent)/frameworks/\(key.framework)/executors/"
            + "\(executor?.description ?? key.task.description)/runs/\(run)"
    }

    mutating func take(_ next: TaskState, at clock: UInt64) {
        if state == next, !steps.isEmpty { return }
        state = next
        // The first steps, how it began, are worth as much as the last.
        if steps.count == DatacenterLimits.stepsMax { steps.remove(at: steps.count / 2) }
        steps.append(Step(state: next, clock: clock))
    }
}
