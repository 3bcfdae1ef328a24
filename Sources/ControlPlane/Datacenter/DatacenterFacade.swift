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
    /// Calls back once this node, since it started, has applied everything that was committed when
    /// it was asked, with true, or with false where that cannot be known now: until then it knows
    /// who may do what only as of its checkpoint. Once that was so, it calls back at once.
    func learnUsers(_ done: @escaping (Bool) -> Void)
    /// For whom a token is. May call back at once.
    /// - Parameter place: from where it is asked, such as the client's address.
    func identify(
        token: String, from place: String, _ done: @escaping (TokenOwner) -> Void)
    /// As of the last entry that was applied here: a value, to be read anywhere.
    var table: DatacenterTable { get }
    /// The revision that ``table`` is of.
    var revision: Int64 { get }
    /// The applied state. Another object once a snapshot was installed: never keep it.
    var store: Store { get }
    /// This node, and what it sees of the others.
    func overview() -> ClusterOverview
    /// The leader's time of day in milliseconds, as of ``table``.
    var clock: UInt64 { get }
    /// ``Store/clusterTime``, gone on from where this node leads.
    var clusterTime: UInt64 { get }
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

    /// Calls back once ``table`` has all that was acknowledged before the call, with true, or with
    /// false where that cannot be known: nobody leads, say.
    func catchUp(_ done: @escaping (Bool) -> Void)

    /// Tells every change that is applied here from now on, until it is taken out again.
    /// - Parameter changed: told entries in their order, none of them without changes; nil: the
    ///   records were replaced as a whole.
    func observe(_ changed: @escaping ([AppliedChanges]?) -> Void) -> ChangeObserverID
    func unobserve(_ id: ChangeObserverID)

    /// Offers that are neither answered nor taken back, by their numbers; empty where this node is
    /// not the master.
    func offers() -> [MasterOffer]
    /// Of ``offers()``; costs nothing.
    var offerCount: Int { get }
    /// When each of them was made, in milliseconds of the monotonic clock.
    func offerTimes() -> [OfferID: UInt64]

    /// Calls back with this node's metrics in Prometheus' text format.
    func metrics(_ done: @escaping ([UInt8]) -> Void)

    /// Nil where this node is not the master.
    func explain(framework: FrameworkID) -> FrameworkExplanation?
    func explain(agent: AgentID) -> AgentExplanation?
    /// Why instances wait, of services of which some do; empty where this node is not the master.
    func explainServices() -> [ServiceID: ServiceExplanation]
}

extension DatacenterFacade {
    /// Whoever is not part of a node counts nothing.
    package func metrics(_ done: @escaping ([UInt8]) -> Void) { done([]) }
}

/// What one entry changed.
package struct AppliedChanges: Sendable {
    /// That it made: the same on every node.
    package var revision: Int64
    package var changes: [DatacenterChange]
    /// As it wrote and deleted them: the tables may have come further.
    package var records: [Record]

    package init(revision: Int64, changes: [DatacenterChange], records: [Record]) {
        self.revision = revision
        self.changes = changes
        self.records = records
    }
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
