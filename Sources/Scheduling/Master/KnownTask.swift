package import StateMachine

/// What an agent that connects says of a task that it remembers.
package struct KnownTask: Equatable, Sendable {
    package var key: TaskKey
    /// Of its launch.
    package var sequence: UInt64
    package var state: TaskState
    /// Its statuses follow by themselves, in their order.
    package var isPending: Bool

    package init(key: TaskKey, sequence: UInt64, state: TaskState, isPending: Bool) {
        self.key = key
        self.sequence = sequence
        self.state = state
        self.isPending = isPending
    }
}

/// A task by the launch that is meant.
package struct LaunchedTask: Equatable, Sendable {
    package var key: TaskKey
    package var sequence: UInt64

    package init(key: TaskKey, sequence: UInt64) {
        self.key = key
        self.sequence = sequence
    }
}

/// An executor on record that has ended.
package struct EndedExecutor: Equatable, Sendable {
    package var key: ExecutorKey
    /// The highest launch that it had.
    package var sequence: UInt64

    package init(key: ExecutorKey, sequence: UInt64) {
        self.key = key
        self.sequence = sequence
    }
}

/// What makes an agent that is back and the records agree again. A launch that is still to be
/// answered is no difference: it is the master's to send.
///
/// An agent that is back costs what has changed, not what runs on it.
package struct AgentDifferences: Equatable, Sendable {
    /// Live runs that are on no record: to be killed.
    package var strangers: [LaunchedTask] = []
    /// Tasks of which the agent is to say its latest, in the order of their launches: agents count
    /// on it.
    package var questions: [LaunchedTask] = []
    /// Executors that are to end: they are on no record, or their framework has ended.
    package var foreignExecutors: [ExecutorKey] = []
    /// But for one of which a task is still to be launched: that begins with it.
    package var endedExecutors: [EndedExecutor] = []

    /// - Parameter executors: that live on the agent.
    package init(
        of agent: AgentID, known: [KnownTask], executors: [ExecutorKey] = [],
        in table: DatacenterTable
    ) {
        let records = (table.agents[agent]?.tasks ?? []).compactMap { table.tasks[$0] }
        var agreed: Set<TaskKey> = []
        for task in known {
            if let record = table.tasks[task.key], record.agent == agent, record.holdsResources,
                record.sequence == task.sequence
            {
                if task.isPending || record.state == task.state { agreed.insert(task.key) }
                continue
            }
            if task.state.isTerminal { continue }
            strangers.append(LaunchedTask(key: task.key, sequence: task.sequence))
        }
        for record in records.sorted(by: { $0.sequence < $1.sequence })
        where record.state != .staging && !agreed.contains(record.key) {
            questions.append(LaunchedTask(key: record.key, sequence: record.sequence))
        }
        compare(executors, on: agent, records, in: table)
    }

    private mutating func compare(
        _ living: [ExecutorKey], on agent: AgentID, _ tasks: [TaskRecord],
        in table: DatacenterTable
    ) {
        foreignExecutors = living.filter { key in
            table.executors[key] == nil
                || table.frameworks[key.framework]?.record.phase == .ended
        }
        let alive = Set(living)
        var launches: [ExecutorKey: [TaskRecord]] = [:]
        for task in tasks {
            guard let executor = task.executor else { continue }
            launches[ExecutorKey(agent, task.key.framework, executor), default: []].append(task)
        }
        for key in table.agents[agent]?.executors ?? [] where !alive.contains(key) {
            let tasks = launches[key] ?? []
            // One whose end was asked for is not launched any more: its executor begins nowhere.
            let isOver = table.frameworks[key.framework]?.record.phase == .ended
            if !isOver, tasks.contains(where: { $0.state == .staging && $0.killIndex == 0 }) {
                continue
            }
            endedExecutors.append(
                EndedExecutor(key: key, sequence: tasks.map(\.sequence).max() ?? 0))
        }
    }
}
