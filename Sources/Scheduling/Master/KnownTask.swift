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

    package init(of agent: AgentID, known: [KnownTask], in table: DatacenterTable) {
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
    }
}
