import RaftCore
package import Storage

/// What a node does while its disk is full: it hands leadership on, takes no part in votes and
/// acknowledgements, and looks for room.
package struct SpaceShortage: Sendable {
    /// What found no room; nil while the log goes on.
    package private(set) var cause: StorageError?
    private var retryTicks = 0
    private var ticksUntilRetry = 0
    /// So long a leader waits for a successor to have all of its log; nil once this node takes no
    /// part.
    private var ticksUntilLeaving: Int?

    package init() {}

    /// The log's writer reports that there is no room. What is to be stepped: the entries that the
    /// disk does not take are in memory, and go to a successor from there. One that has the whole
    /// log is elected for certain, and at once.
    package mutating func began(_ cause: StorageError, _ settings: ReplicaSettings) -> ReplicaInput
    {
        self.cause = cause
        retryTicks = settings.ticksPerSecond
        ticksUntilRetry = retryTicks
        ticksUntilLeaving = settings.raft.electionTicks
        return .transferLeadership(to: nil)
    }

    /// The log's writer reports that there is room again. What is to be stepped.
    package mutating func ended() -> ReplicaInput {
        cause = nil
        return .storageFull(false)
    }

    /// Once a tick: what is to be stepped, and whether ``LogJob/retry`` is to be submitted. A
    /// leader that finds no successor in time goes without.
    package mutating func tick(
        isTransferring: @autoclosure () -> Bool
    ) -> (input: ReplicaInput?, retries: Bool) {
        guard cause != nil else { return (nil, false) }
        ticksUntilRetry -= 1
        let retries = ticksUntilRetry <= 0
        if retries { ticksUntilRetry = retryTicks }
        guard let ticks = ticksUntilLeaving else { return (nil, retries) }
        ticksUntilLeaving = isTransferring() && ticks > 0 ? ticks - 1 : nil
        return (ticksUntilLeaving == nil ? .storageFull(true) : nil, retries)
    }
}
