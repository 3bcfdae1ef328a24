package import Primitives
package import StateMachine

/// How a master reads what agents and frameworks wrote of themselves: the records hold it as Mesos'
/// messages, which are not the master's to know.
package struct RecordReading: Sendable {
    /// What an agent is to the allocator. Its resources are the record's to say.
    package var agent: @Sendable (AgentRecord) -> AllocatorAgent
    /// Which agents a framework wants.
    package var constraints: @Sendable (FrameworkRecord) -> [OfferConstraints]

    package init(
        agent: @escaping @Sendable (AgentRecord) -> AllocatorAgent,
        constraints: @escaping @Sendable (FrameworkRecord) -> [OfferConstraints]
    ) {
        self.agent = agent
        self.constraints = constraints
    }
}

/// The datacenter's master as a value: sessions of agents and schedulers, offers, and the orders
/// that follow from the records. It decides, and the log has the last word: what it wants changed
/// it proposes, and it acts on what was applied.
///
/// There is one on a node that leads and has applied the first entry of its own term; it goes with
/// the leadership. Nothing in it has to survive: what must is in the records, and offers are void
/// with the leader that made them (DESIGN §8).
package struct Master: Sendable {
    struct AgentSession: Sendable {
        var connection: AgentConnectionID
        /// Of the registration that made it: ``AgentRecord/session``.
        var session: UInt64
    }

    struct Stream: Sendable {
        /// Nil until its subscription is applied.
        var framework: FrameworkID?
    }

    /// A decision on its way.
    enum Decision: Sendable {
        case register(AgentConnectionID)
        case subscribe(SchedulerStreamID, FrameworkID?)
        case accept(AcceptedOffers)
        case reports(AgentConnectionID, [StatusReport])
        case acknowledge(TaskKey)
        /// Looked at again when its time comes, if it came to nothing.
        case agentLoss(AgentID)
        case frameworkLoss(FrameworkID)
        case executorEnd(ExecutorKey, heard: UInt64)
        case other
    }

    struct AcceptedTask: Sendable {
        var id: TaskID
        /// The sequence of an earlier task of that id that was on record; zero: there was none.
        var after: UInt64
    }

    struct AcceptedOffers: Sendable {
        var framework: FrameworkID
        var agent: AgentID
        var offers: [OfferNumber]
        var tasks: [AcceptedTask]
        var refuseUntil: UInt64?
    }

    /// A launch of which nobody can say yet whether the log has it.
    struct UncertainLaunch: Sendable {
        var decision: DecisionID
        var accepted: AcceptedOffers
    }

    /// A task whose launch is on its way through the log: on no record yet, and not unknown.
    struct Committing: Sendable {
        var agent: AgentID
        /// Its end was asked for meanwhile, with so much grace.
        var killGrace: UInt64?
    }

    /// What an agent was told of a task.
    struct SentOrders: Sendable {
        var connection: AgentConnectionID
        var wasLaunched = false
        /// The launch was sent at some time, though it may have to be sent again.
        var mayBeHeard = false
        var killIndex: UInt64 = 0
    }

    package let settings: MasterSettings
    package let term: Term
    let reading: RecordReading

    var now: UInt64
    var clusterTime: UInt64
    package internal(set) var allocator: Allocator
    var lastDecision: UInt64 = 0
    var decisions: [DecisionID: Decision] = [:]

    // Agents.
    var sessions: [AgentID: AgentSession] = [:]
    var agentOfConnection: [AgentConnectionID: AgentID] = [:]
    var lastHeard: [AgentID: UInt64] = [:]
    /// When agents are to be looked at.
    var watch = Wakes<AgentID>()
    /// Agents of which tasks end, for operators want them empty.
    var draining: Set<AgentID> = []
    /// Of what an agent holds, what the allocator was told last:
    /// ``DatacenterTable/Agent/holdings``.
    var booked: [AgentID: UInt64] = [:]
    var agentsLeaving: Set<AgentID> = []
    var sent: [TaskKey: SentOrders] = [:]
    /// When launches were sent that their agents have not answered.
    var launching: [TaskKey: UInt64] = [:]
    /// Executors that their agents say have ended, by the highest launch that the agent had heard
    /// of; on record until none of their tasks is.
    var endedExecutors: [ExecutorKey: UInt64] = [:]

    // Schedulers.
    var streams: [SchedulerStreamID: Stream] = [:]
    var streamOfFramework: [FrameworkID: SchedulerStreamID] = [:]
    /// Until when a framework that is on record as connected may come back to this master.
    var awaited: [FrameworkID: UInt64] = [:]
    var frameworksLeaving: Set<FrameworkID> = []
    /// The uuid of the status that the framework was told last, of those that it has not
    /// acknowledged.
    var told: [TaskKey: [UInt8]] = [:]
    /// Tasks of which an acknowledgement came to nothing, and when they are told again. Their
    /// frameworks count on it, and would never hear what waits behind it.
    var unacknowledged: [TaskKey: UInt64] = [:]

    // Offers.
    var offeredAt: [OfferNumber: UInt64] = [:]
    /// Accepted, and on its way through the log.
    var accepting: Set<OfferNumber> = []
    /// Until the log has them or refuses them.
    var committing: [TaskKey: Committing] = [:]
    /// In the order of their decisions. Their offers stay accepted: what may be taken is not free.
    var uncertain: [UncertainLaunch] = []
    var timeRecordedAt: UInt64

    /// A node has come to lead, and `table` has all that was decided before.
    package init(
        settings: MasterSettings, term: Term, table: DatacenterTable, now: UInt64,
        clusterTime: UInt64, reading: RecordReading
    ) {
        self.settings = settings
        self.term = term
        self.reading = reading
        self.now = now
        self.clusterTime = clusterTime
        timeRecordedAt = now
        allocator = Allocator()
        for id in table.frameworkIDs { frameworkChanged(id, in: table) }
        // All of them come at once, and none is lost for having had to wait.
        let coming = table.agentIDs.count { table.agents[$0]?.record.phase == .reachable }
        let rush = min(
            UInt64(coming) * settings.reconnectMicrosecondsPerAgent / 1_000,
            settings.reconnectMilliseconds * 4)
        for id in table.agentIDs {
            lastHeard[id] = now + rush
            agentChanged(id, in: table)
        }
        for name in table.roleNames { roleChanged(name, in: table) }
        #if KEELSON_MUTANTS
            if planted(.awaitsNobody) { return }
        #endif
        for id in table.frameworkIDs where table.frameworks[id]?.record.phase == .connected {
            awaited[id] = now + settings.reconnectMilliseconds
        }
    }

    package mutating func step(
        _ input: MasterInput, in table: DatacenterTable, into effects: inout [MasterEffect]
    ) {
        switch input {
        case .tick(let now, let clusterTime):
            self.now = max(self.now, now)
            self.clusterTime = max(self.clusterTime, clusterTime)
            tick(in: table, into: &effects)
        case .applied(let changes): follow(changes, in: table, into: &effects)
        case .decided(let id, let outcome): decided(id, outcome, in: table, into: &effects)
        case .agent(let connection, let input):
            take(input, from: connection, in: table, into: &effects)
        case .scheduler(let stream, let input):
            take(input, from: stream, in: table, into: &effects)
        }
    }

    /// - Returns: false where too much is on its way.
    @discardableResult
    mutating func decide(
        _ command: DatacenterCommand, _ decision: Decision = .other,
        into effects: inout [MasterEffect]
    ) -> Bool {
        guard decisions.count < settings.decisionsMax else { return false }
        lastDecision += 1
        let id = DecisionID(lastDecision)
        decisions[id] = decision
        effects.append(.propose(id, command))
        return true
    }

    private mutating func decided(
        _ id: DecisionID, _ outcome: DecisionOutcome, in table: DatacenterTable,
        into effects: inout [MasterEffect]
    ) {
        guard let decision = decisions.removeValue(forKey: id) else { return }
        if outcome.isApplied { settleLaunches(before: id, in: table, into: &effects) }
        switch decision {
        case .register(let connection):
            registered(connection, outcome, in: table, into: &effects)
        case .subscribe(let stream, let framework):
            subscribed(stream, framework, outcome, in: table, into: &effects)
        case .accept(let accepted): launched(id, accepted, outcome, in: table, into: &effects)
        case .reports(let connection, let reports):
            reported(connection, reports, outcome, into: &effects)
        case .acknowledge(let key):
            switch outcome {
            case .done: break
            case .refused, .unknown: tellLater(key)
            }
        case .agentLoss(let agent): agentsLeaving.remove(agent)
        case .frameworkLoss(let framework): frameworksLeaving.remove(framework)
        case .executorEnd(let key, let heard):
            switch outcome {
            // A task came first: judged once more when that has ended.
            case .refused(.executorInUse), .refused(nil), .unknown: endedExecutors[key] = heard
            case .done, .refused(_?): break
            }
        case .other: break
        }
    }
}
