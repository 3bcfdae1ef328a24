/// A machine as the cluster has agreed on it: `/keelson/local/agents/ID`.
package struct AgentRecord: Equatable, Sendable {
    package enum Phase: UInt8, Sendable {
        /// It holds its lease, or its lease has not run out yet.
        case reachable = 1
        /// It missed its lease. Its tasks may well run.
        case unreachable = 2
        /// An operator, a time limit or the agent itself said that it never comes back under this
        /// id. Its tasks have ended.
        case gone = 3
    }

    /// What an operator lets the agent do.
    package enum Mode: UInt8, Sendable {
        case active = 1
        /// No offers; what runs goes on.
        case deactivated = 2
        /// No offers, and its tasks are killed.
        case draining = 3
    }

    package var id: AgentID
    /// mesos.v1.AgentInfo, as the agent encoded it.
    package var info: [UInt8]
    /// What it has in all, reservations and volumes included.
    package var total: Resources
    /// A number drawn for the agent's work directory: another directory is another agent.
    package var incarnation: UInt64
    /// Index of the entry of its last registration. Whatever an earlier connection still says, or
    /// an earlier master decided about it, is refused.
    package var session: UInt64
    package var phase: Phase = .reachable
    package var mode: Mode = .active
    package var drainGraceMilliseconds: UInt64 = 0
    /// Whether the drained agent is to be marked as gone.
    package var isGoneWhenDrained = false
    /// The cluster's time at which ``phase`` began, in milliseconds.
    package var phaseSince: UInt64 = 0
    /// The leader's time of day then, and at the first and the last registration, in milliseconds
    /// since 1970.
    package var phaseClock: UInt64 = 0
    package var registeredClock: UInt64 = 0
    package var reregisteredClock: UInt64 = 0
    /// Where the agent serves: `http://host:port`.
    package var url: [UInt8] = []

    package init(
        id: AgentID, info: [UInt8], total: Resources, incarnation: UInt64, session: UInt64
    ) {
        self.id = id
        self.info = info
        self.total = total
        self.incarnation = incarnation
        self.session = session
    }
}
