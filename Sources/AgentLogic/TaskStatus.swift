/// Where a task is on its way. The names and their meaning are those of Mesos.
package enum TaskState: UInt8, CaseIterable, Sendable {
    /// Ordered, and nothing forked yet: its files are being fetched.
    case staging = 1
    /// Its supervisor is being started.
    case starting
    case running
    /// Asked to end; it still runs.
    case killing
    /// Ended by itself with exit code 0.
    case finished
    /// Ended by itself otherwise, or could not be started.
    case failed
    /// Ended because it was asked to.
    case killed
    /// Its description is wrong: it can run nowhere.
    case error
    /// Nobody is sure what became of it; it does not run and never will.
    case lost
    /// It was never started, for want of something on this machine.
    case dropped

    /// No other state follows.
    package var isTerminal: Bool {
        switch self {
        case .staging, .starting, .running, .killing: false
        case .finished, .failed, .killed, .error, .lost, .dropped: true
        }
    }
}

/// Why a task is in its state.
package enum StatusReason: UInt8, CaseIterable, Sendable {
    case none = 0
    /// It ended by itself.
    case commandEnded
    case commandCouldNotStart
    case fetchFailed
    /// The kernel ended it, or one of its processes, for the memory that it may have.
    case outOfMemory
    /// An order to kill.
    case killedByOrder
    case killedByHealthCheck
    /// Another task of its group ended badly.
    case groupMemberEnded
    case taskInvalid
    /// A live task of the same framework has this id.
    case taskDuplicate
    case agentFull
    /// The agent was restarted before it had started the task.
    case agentRestarted
    /// The supervisor is gone and left no word; the task was swept away.
    case supervisorGone
    /// The order's sequence is at or below the mark, and nothing is known of the task.
    case sequencePassed
    case taskUnknown
    case healthChanged
    case checkChanged
    /// The task's executor ended, or is about to.
    case executorGone
    /// The executor did not connect in time.
    case executorSilent
}

/// 16 bytes that name one status update.
package struct UpdateID: Hashable, Sendable, CustomStringConvertible {
    package var high: UInt64
    package var low: UInt64
    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
    package var bytes: [UInt8] {
        [high, low].flatMap { half in
            stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: half >> $0) }
        }
    }
    package var description: String { "\(String(high, radix: 16))-\(String(low, radix: 16))" }
}

/// How a process ended.
package enum ProcessOutcome: Equatable, Sendable {
    case exited(code: Int32)
    case signaled(Int32)
    /// It never ran: the user, directory, program or interpreter is missing.
    case notStarted(String)
}

/// What a supervisor records about the end of its task.
package struct ExitReport: Equatable, Sendable {
    package var outcome: ProcessOutcome
    /// Milliseconds since 1970 by the machine's clock.
    package var atMillis: UInt64
    package var isOutOfMemory = false
    /// The supervisor had been asked to end it.
    package var wasKilled = false
    /// Bytes of output that no file would take (a full disk).
    package var lostOutputBytes: UInt64 = 0
    /// What did not go as it should and did not end it; empty: nothing.
    package var note = ""
    package init(_ outcome: ProcessOutcome, atMillis: UInt64) {
        self.outcome = outcome
        self.atMillis = atMillis
    }
}

/// What the last check of a task saw.
package enum CheckResult: Equatable, Sendable {
    case exitCode(Int32)
    case httpStatus(UInt16)
    case tcp(accepted: Bool)
    /// No answer, or none within the time.
    case nothing
}

/// One step of a task, reported until it is acknowledged.
package struct StatusUpdate: Equatable, Sendable {
    package var id: UpdateID
    package var key: TaskKey
    package var container: ContainerID
    package var state: TaskState
    package var reason: StatusReason
    package var message: String
    /// Nil: no health check has said anything.
    package var isHealthy: Bool?
    package var check: CheckResult?
    /// Milliseconds since 1970 by the machine's clock.
    package var atMillis: UInt64
    /// mesos.v1.TaskStatus as the task's executor wrote it; empty where the agent speaks.
    package var body: [UInt8] = []

    package init(
        id: UpdateID, key: TaskKey, container: ContainerID, state: TaskState,
        reason: StatusReason = .none, message: String = "", atMillis: UInt64
    ) {
        self.id = id
        self.key = key
        self.container = container
        self.state = state
        self.reason = reason
        self.message = Self.cut(message)
        self.atMillis = atMillis
    }

    /// The longest prefix of whole characters within ``AgentLimits/messageBytesMax``.
    private static func cut(_ message: String) -> String {
        guard message.utf8.count > AgentLimits.messageBytesMax else { return message }
        var text = ""
        var count = 0
        for character in message {
            count += character.utf8.count
            if count > AgentLimits.messageBytesMax { break }
            text.append(character)
        }
        return text
    }
}
