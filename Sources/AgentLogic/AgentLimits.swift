/// The bounds of what a machine takes from outside. Whatever is larger is refused by name.
package enum AgentLimits {
    /// Bytes of an identifier: one component of a path.
    package static let identifierBytesMax = 255
    /// Bytes of a task's encoded specification.
    package static let specBytesMax = 1 << 20
    package static let argumentsMax = 4096
    package static let environmentMax = 4096
    package static let urisMax = 256
    package static let labelsMax = 1024
    package static let portRangesMax = 256
    /// Tasks in one launch order.
    package static let groupTasksMax = 64
    /// Tasks that an agent remembers, those that ended included.
    package static let tasksMax = 20_000
    /// Unacknowledged updates of one task. More than its states need: the rest is for health.
    package static let pendingUpdatesMax = 32
    /// Bytes of a status that an executor sends, encoded: with what the agent adds it is one that a
    /// master takes.
    package static let executorStatusBytesMax = 60 << 10
    /// Bytes of such statuses of one task that wait, but for the one that ends it.
    package static let executorPendingBytesMax = 512 << 10
    /// Updates of a task that are known again.
    package static let executorUpdatesKnownMax = 64
    /// Milliseconds that a sandbox stays behind its task's end on a disk that is full.
    package static let sandboxMillisMin: UInt64 = 60_000
    /// Milliseconds that a task of an executor's is remembered behind its end.
    package static let remoteMillis: UInt64 = 60_000
    /// Bytes of a message between an executor and its scheduler.
    package static let executorMessageBytesMax = 1 << 20
    /// Bytes of a status message; longer ones are cut.
    package static let messageBytesMax = 1024
    /// Milliseconds: a day. Longer graces, delays and timeouts are refused.
    package static let durationMillisMax: UInt64 = 86_400_000
    /// Bytes of one record file, frame and directory of them.
    package static let recordBytesMax = 4 << 20
    /// Milliseconds until a status that nobody acknowledged is sent again, and the longest wait.
    package static let resendMillisMin: UInt64 = 10_000
    package static let resendMillisMax: UInt64 = 600_000
}
