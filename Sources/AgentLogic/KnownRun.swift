/// What a master is told of a run when its agent registers.
package struct KnownRun: Equatable, Sendable {
    package var key: TaskKey
    /// ``ContainerID/launchSequence``
    package var sequence: UInt64
    package var state: TaskState
    /// Its statuses follow by themselves, in their order.
    package var isPending: Bool
}

extension TaskRecord {
    /// Nil where the master knows how it ended.
    package var known: KnownRun? {
        guard !isSettled else { return nil }
        return KnownRun(
            key: key, sequence: container.launchSequence, state: latest?.state ?? state,
            isPending: !pending.isEmpty)
    }
}

extension ContainerID {
    /// The number that the master knows the run by: those of a group follow one another.
    package var launchSequence: UInt64 { sequence &+ UInt64(index) }
}

/// How a master's questions about tasks are answered: of a task that is known the latest is told;
/// another is lost, once the mark on disk says that it never will be started.
package struct ReconciliationPlan: Sendable {
    package enum Answer: Equatable, Sendable {
        /// The core answers.
        case latest
        /// It was never started and never will be.
        case lost
        /// It may be on its way, or the question is about an earlier launch.
        case silence
    }

    /// Of each task, oldest first. Looked up, never iterated.
    private var sequences: [TaskKey: [UInt64]] = [:]
    private let mark: UInt64

    package init(records: [TaskRecord], mark: AgentMark) {
        for record in records {
            sequences[record.key, default: []].append(record.container.launchSequence)
        }
        self.mark = mark.sequence
    }

    /// - Parameter sequence: of the launch that is asked about.
    package func answer(to key: TaskKey, sequence: UInt64) -> Answer {
        let known = sequences[key] ?? []
        if known.isEmpty || known.last == sequence { return .latest }
        if !known.contains(sequence), sequence <= mark { return .lost }
        return .silence
    }
}
