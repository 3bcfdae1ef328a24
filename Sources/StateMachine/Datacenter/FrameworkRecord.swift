/// A framework as the cluster has agreed on it: `/keelson/local/frameworks/ID`.
package struct FrameworkRecord: Equatable, Sendable {
    package enum Phase: UInt8, Sendable {
        /// A scheduler has subscribed, and nobody has said that it is gone.
        case connected = 1
        /// Its tasks live until ``deadline``.
        case disconnected = 2
        /// Torn down, or its time ran out. Its id is never used again.
        case ended = 3
    }

    package var id: FrameworkID
    /// mesos.v1.FrameworkInfo, as the scheduler encoded it last.
    package var info: [UInt8]
    /// Who subscribed, where authentication is on.
    package var principal: [UInt8] = []
    /// Sorted.
    package var roles: [ByteText]
    package var suppressedRoles: [ByteText] = []
    /// Bit n: mesos.v1.FrameworkInfo.Capability.Type n.
    package var capabilities: UInt32 = 0
    /// How long it may be away, in milliseconds.
    package var failoverMilliseconds: UInt64 = 0
    /// Index of the entry of the last subscription: earlier connections have no say.
    package var session: UInt64
    package var phase: Phase = .connected
    /// The cluster's time at which a framework that is away ends, in milliseconds; `.max`: never.
    package var deadline: UInt64 = .max
    /// The leader's time of day in milliseconds since 1970; zero where it was not.
    package var registeredClock: UInt64 = 0
    package var reregisteredClock: UInt64 = 0
    package var endedClock: UInt64 = 0
    /// Index of the entry that ended it.
    package var endIndex: UInt64 = 0
    /// mesos.v1.scheduler.Call.Subscribe.offer_constraints, encoded.
    package var offerConstraints: [UInt8] = []

    package init(id: FrameworkID, info: [UInt8], roles: [ByteText], session: UInt64) {
        self.id = id
        self.info = info
        self.roles = roles
        self.session = session
    }

    package static let partitionAware: UInt32 = 1 << 5

    package var isPartitionAware: Bool { capabilities & Self.partitionAware != 0 }
}
