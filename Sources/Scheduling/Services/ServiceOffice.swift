package import Primitives
package import StateMachine

/// The scheduler of services on one node, as a value: when there is one, what waits while a step is
/// performed, and whom an answer is for. What drives it performs effects, and has the streams.
///
/// There is one as soon as anything of services is on record, so that a change of leader costs
/// nothing where nobody uses them; it is made anew with each term, from the records alone.
package struct ServiceOffice: Sendable {
    /// A subscription of one scheduler: what is said on an earlier one counts no more.
    package struct Stream: Equatable, Sendable {
        fileprivate var life: UInt64
        fileprivate var number: UInt64
    }

    package private(set) var scheduler: ServiceScheduler?
    /// Grows with each end of a scheduler: what comes back from before has nobody to tell.
    package private(set) var life: UInt64 = 0
    private var subscriptions: UInt64 = 0
    private var inputs: [ServiceSchedulerInput] = []
    private var isStepping = false

    package init() {}

    /// This node is not the master any more.
    package mutating func resign() {
        scheduler = nil
        life += 1
        inputs = []
    }

    /// Time passes on the node that is the master, in milliseconds: of its monotonic clock, and
    /// the cluster's.
    /// - Parameter level: the cluster's: what may be written.
    /// - Returns: whether the caller is to perform steps.
    package mutating func tick(
        now: UInt64, clusterTime: UInt64, level: FeatureLevel, table: DatacenterTable,
        settings: ServiceSchedulerSettings,
        traits: @escaping @Sendable (AgentRecord) -> AllocatorAgent
    ) -> Bool {
        if scheduler == nil {
            guard !table.services.isEmpty else { return false }
            scheduler = ServiceScheduler(
                settings: settings, table: table, now: now, clusterTime: clusterTime,
                traits: traits)
        }
        return add(.tick(now: now, clusterTime: clusterTime, level: level), to: life)
    }

    /// Entries were applied on this node.
    /// - Returns: whether the caller is to perform steps.
    package mutating func applied(_ changes: [DatacenterChange]) -> Bool {
        add(.applied(changes), to: life)
    }

    /// What came of a decision of the scheduler of that life.
    /// - Returns: whether the caller is to perform steps.
    package mutating func decided(
        _ id: DecisionID, _ outcome: DecisionOutcome, in life: UInt64
    ) -> Bool {
        add(.decided(id, outcome), to: life)
    }

    /// The scheduler subscribes: the name of its new stream.
    package mutating func subscribe() -> Stream {
        subscriptions += 1
        return Stream(life: life, number: subscriptions)
    }

    /// - Parameter event: nil at the stream's end.
    /// - Returns: whether the caller is to perform steps.
    package mutating func heard(_ event: SchedulerEvent?, on stream: Stream) -> Bool {
        guard stream.number == subscriptions else { return false }
        return add(event.map { .event($0) } ?? .disconnected, to: stream.life)
    }

    /// The effects of the next input, to be performed in their order while ``life`` is the same;
    /// nil: that was all.
    package mutating func next(in table: DatacenterTable) -> [ServiceSchedulerEffect]? {
        guard !inputs.isEmpty else {
            isStepping = false
            return nil
        }
        let input = inputs.removeFirst()
        var effects: [ServiceSchedulerEffect] = []
        scheduler?.step(input, in: table, into: &effects)
        return effects
    }

    /// What an effect leads to at once joins those that wait.
    private mutating func add(_ input: ServiceSchedulerInput, to life: UInt64) -> Bool {
        guard scheduler != nil, life == self.life else { return false }
        inputs.append(input)
        guard !isStepping else { return false }
        isStepping = true
        return true
    }
}
