package import NIOCore
package import Scheduling
package import StateMachine

/// What the datacenter's surfaces (Mesos' HTTP APIs, Marathon's, the agents' gRPC service) ask of
/// their node. Everything is called, and calls back, on ``eventLoop``.
package protocol DatacenterFacade: AnyObject {
    var eventLoop: any EventLoop { get }
    var leadership: MasterLeadership { get }
    /// Whether authentication is on.
    var asksWhoCalls: Bool { get }
    /// As of the last entry that was applied here: a value, to be read anywhere.
    var table: DatacenterTable { get }
    /// The revision that ``table`` is of.
    var revision: Int64 { get }
    /// The applied state. Another object once a snapshot was installed: never keep it.
    var store: Store { get }
    /// This node, and what it sees of the others.
    func overview() -> ClusterOverview
    /// mesos.v1.TaskInfo as its scheduler encoded it.
    func launchInfo(of key: TaskKey) -> [UInt8]?

    /// A scheduler subscribes. Only where this node is the master (``MasterLeadership/leading``).
    /// - Parameter receive: told each event in its order; nil: the stream ends.
    func subscribe(
        _ subscription: Subscription, _ receive: @escaping (SchedulerEvent?) -> Void
    ) -> SchedulerStreamID
    func call(_ stream: SchedulerStreamID, _ call: SchedulerCall)
    /// The scheduler's connection has gone.
    func closed(_ stream: SchedulerStreamID)

    /// An agent's connection; the same rules.
    /// - Parameter receive: told each order, with the master's term; nil: the connection ends.
    func connect(_ receive: @escaping ((term: UInt64, order: AgentOrder)?) -> Void)
        -> AgentConnectionID
    func take(_ input: AgentInput, from connection: AgentConnectionID)

    /// Calls back once the decision is applied, with what came of it.
    func operate(_ call: OperatorCall, _ done: @escaping (DecisionOutcome) -> Void)

    /// Tells every change that is applied here from now on, until it is taken out again.
    func observe(_ changed: @escaping ([DatacenterChange]) -> Void) -> ChangeObserverID
    func unobserve(_ id: ChangeObserverID)

    /// Offers that are neither answered nor taken back, by their numbers; empty where this node is
    /// not the master.
    func offers() -> [MasterOffer]

    /// Nil where this node is not the master.
    func explain(framework: FrameworkID) -> FrameworkExplanation?
    func explain(agent: AgentID) -> AgentExplanation?
}

package struct ChangeObserverID: Hashable, Comparable, Sendable {
    package let rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    package static func < (one: ChangeObserverID, other: ChangeObserverID) -> Bool {
        one.rawValue < other.rawValue
    }
}

package enum MasterLeadership: Equatable, Sendable {
    /// This node is the master.
    case leading(term: UInt64)
    /// Another one is, there: `http://host:port`, empty where it serves no HTTP.
    case following(url: String)
    /// Nobody is, or this node does not know: an election is going on.
    case unknown
}
