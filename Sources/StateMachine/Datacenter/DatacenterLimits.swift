/// What the records of the datacenter may hold. Whatever passes a limit is refused before it is
/// proposed, and again at apply.
package enum DatacenterLimits {
    package static let nameBytesMax = 255
    /// AgentInfo, FrameworkInfo, ExecutorInfo or TaskInfo, as its sender encoded it.
    package static let infoBytesMax = 1 << 20
    /// A status with its data, as the agent or the executor encoded it.
    package static let statusBytesMax = 64 << 10
    /// Status updates of one task that its framework has not acknowledged. The agent keeps what
    /// finds no room, and sends it again.
    package static let waitingStatusesMax = 32
    /// Changes of state that a task's record remembers.
    package static let stepsMax = 16
    /// Tasks of a framework that have ended and are kept for whoever asks, as in Mesos.
    package static let endedTasksMax = 1000
    /// Frameworks that have ended and are kept.
    package static let endedFrameworksMax = 50
    package static let rolesMax = 1000
    /// Operations in one answer to offers, and tasks in one launch.
    package static let operationsMax = 1000
    package static let urlBytesMax = 4096
}
