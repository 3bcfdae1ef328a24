/// An executor on this agent, as its framework names it.
package struct ExecutorKey: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var framework: FrameworkID
    package var executor: ExecutorID

    package init(framework: FrameworkID, executor: ExecutorID) {
        self.framework = framework
        self.executor = executor
    }

    package static func < (a: ExecutorKey, b: ExecutorKey) -> Bool {
        a.framework == b.framework ? a.executor < b.executor : a.framework < b.framework
    }
    package var description: String { "\(framework)/\(executor)" }
}

/// What an executor is told of itself, and what it is held to.
package struct ExecutorTerms: Equatable, Sendable {
    /// mesos.v1.ExecutorInfo.
    package var info: [UInt8]
    /// mesos.v1.FrameworkInfo.
    package var framework: [UInt8]
    /// Milliseconds from being told to end until it is ended.
    package var shutdownGraceMillis: UInt64

    package init(info: [UInt8], framework: [UInt8], shutdownGraceMillis: UInt64) {
        self.info = info
        self.framework = framework
        self.shutdownGraceMillis = shutdownGraceMillis
    }
}

/// Who runs what a record is of.
package enum TaskRole: Equatable, Sendable {
    /// A task whose command the agent runs itself.
    case command
    /// No task: the process of an executor that a framework brought along.
    case executor(ExecutorTerms)
    /// A task that an executor runs. The agent starts nothing for it.
    case remote(RemoteTask)
}

package struct RemoteTask: Equatable, Sendable {
    /// The run of its executor.
    package var run: ContainerID
    /// mesos.v1.TaskInfo.
    package var info: [UInt8]
    package var isGroup: Bool
    /// Updates that the executor sent, the newest last, at most
    /// ``AgentLimits/executorUpdatesKnownMax``: one that comes again is known by its id.
    package var received: [UpdateID] = []

    package init(run: ContainerID, info: [UInt8], isGroup: Bool) {
        self.run = run
        self.info = info
        self.isGroup = isGroup
    }
}

/// Who is to run the tasks of a launch.
package struct ExecutorOrder: Equatable, Sendable {
    /// How it is started where it does not run: with an executor's id, and the same for a task's.
    package var spec: TaskSpec
    package var key: ExecutorKey
    package var terms: ExecutorTerms
    /// mesos.v1.TaskInfo of each of the launch's tasks, in their order.
    package var taskInfos: [[UInt8]]
    package var isGroup: Bool

    package init(
        spec: TaskSpec, key: ExecutorKey, terms: ExecutorTerms, taskInfos: [[UInt8]],
        isGroup: Bool
    ) {
        self.spec = spec
        self.key = key
        self.terms = terms
        self.taskInfos = taskInfos
        self.isGroup = isGroup
    }
}

/// A call of an executor's; one that subscribes is its connection from then on.
package struct ExecutorCallID: Hashable, Sendable {
    package let rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// What an executor says of one of its tasks.
package struct ExecutorUpdate: Equatable, Sendable {
    package var task: TaskID
    package var id: UpdateID
    package var state: TaskState
    package var message: String
    /// mesos.v1.TaskStatus, at most ``AgentLimits/executorStatusBytesMax``.
    package var body: [UInt8]

    package init(
        task: TaskID, id: UpdateID, state: TaskState, message: String = "", body: [UInt8] = []
    ) {
        self.task = task
        self.id = id
        self.state = state
        self.message = message
        self.body = body
    }
}

package enum ExecutorInput: Equatable, Sendable {
    /// - Parameters:
    ///   - unacknowledged: tasks that it was told to launch, and none of whose updates was
    ///     acknowledged.
    ///   - updates: those that were not.
    case subscribes(
        ExecutorCallID, ExecutorKey, unacknowledged: Set<TaskID>, updates: [ExecutorUpdate])
    case updates(ExecutorCallID, ExecutorKey, ExecutorUpdate)
    /// To its framework's scheduler.
    case says(ExecutorCallID, ExecutorKey, [UInt8])
    /// It is there.
    case beats(ExecutorCallID, ExecutorKey)
    /// The connection of that subscription has gone.
    case closed(ExecutorCallID, ExecutorKey)
    /// Of its framework's scheduler.
    case told(ExecutorKey, [UInt8])
    /// The master wants it to end, with all its tasks.
    case shutDown(ExecutorKey)
}

package enum ExecutorEvent: Equatable, Sendable {
    /// mesos.v1.TaskInfo.
    case launch([UInt8])
    case launchGroup([[UInt8]])
    /// - Parameter graceMillis: nil: as the task says.
    case kill(TaskID, graceMillis: UInt64?)
    /// The update is on disk.
    case acknowledged(TaskID, UpdateID)
    case message([UInt8])
    case shutdown
    /// The stream ends behind it.
    case error(String)
}

/// Why a call of an executor's has no effect.
package enum ExecutorRefusal: Equatable, Sendable {
    case unknownExecutor(ExecutorKey)
    case notSubscribed(ExecutorKey)
    /// Nobody's, or another executor's.
    case unknownTask(TaskID)
    case taskEnded(TaskID, TaskState)
    /// Too much of the task waits for the master.
    case busy(TaskID)
}

package enum ExecutorEffect: Equatable, Sendable {
    /// Nil: the call is taken.
    case answer(ExecutorCallID, ExecutorRefusal?)
    /// The answer to a subscription, before all that it is told.
    case subscribed(ExecutorCallID, ExecutorKey, ExecutorTerms, run: ContainerID)
    case tell(ExecutorCallID, ExecutorEvent)
    case close(ExecutorCallID)
    /// It does not run (any more).
    /// - Parameters:
    ///   - status: as wait(2) gives it.
    ///   - sequence: the highest of the launches that this agent has heard of.
    case ended(ExecutorKey, status: Int32, sequence: UInt64)
    case toScheduler(ExecutorKey, [UInt8])
}
