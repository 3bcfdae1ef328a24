/// A connection of an agent to this node.
package struct AgentConnectionID: Hashable, Comparable, Sendable {
    package let rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    package static func < (one: AgentConnectionID, other: AgentConnectionID) -> Bool {
        one.rawValue < other.rawValue
    }
}

/// A scheduler's event stream on this node.
package struct SchedulerStreamID: Hashable, Comparable, Sendable {
    package let rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    package static func < (one: SchedulerStreamID, other: SchedulerStreamID) -> Bool {
        one.rawValue < other.rawValue
    }
}

/// A decision of the master's that is on its way through the log.
package struct DecisionID: Hashable, Comparable, Sendable {
    package let rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    package static func < (one: DecisionID, other: DecisionID) -> Bool {
        one.rawValue < other.rawValue
    }
}
