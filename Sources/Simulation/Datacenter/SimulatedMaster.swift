import Primitives
import RaftCore
import Replication
import Scheduling
import StateMachine

/// The datacenter's master of one node, driven as ControlPlane's `MasterDriver` and `AgentService`
/// drive it.
final class SimulatedMaster {
    unowned(unsafe) let process: SimulatedProcess
    private(set) var office = MasterOffice()
    /// The scheduler of services, which is a framework without a connection.
    var services = ServiceOffice()
    var serviceStreams: [SchedulerStreamID: ServiceOffice.Stream] = [:]
    var serviceStream: SchedulerStreamID?
    private var agents: [AgentConnectionID: AgentSeat] = [:]
    private var schedulers: [SchedulerStreamID: DatacenterLink] = [:]
    private var lastID: UInt64 = 0
    private var records = RecordRetention(window: 5000, bytesMax: 64 << 10)
    private var isCompacting = false
    private var nextTick: UInt64 = 0

    private struct AgentSeat {
        var link: DatacenterLink
        unowned(unsafe) var agent: SimulatedAgent
        /// What it said of tasks, until its registration is answered.
        var known: [KnownTask]
        var executors: [ExecutorWords]
        /// On the node's clock, in milliseconds.
        var lastHeard: UInt64
    }

    private static let tickMilliseconds: UInt64 = 20

    init(process: SimulatedProcess) { self.process = process }

    var world: SimulatedCluster { process.world }
    var table: DatacenterTable { process.replica.store.datacenterTable }
    var now: UInt64 { UInt64(max(0, process.machine.localTime(world.now))) / 1000 }
    private var settings: MasterSettings { world.settings.masterSettings }

    /// How the simulated agents and frameworks are read: they have no messages of Mesos'.
    private static let reading = RecordReading(
        agent: { SimulatedPlace.traits(of: $0) }, constraints: { _ in [] })

    // MARK: Office

    func tick() {
        guard world.settings.agentCount > 0, now >= nextTick else { return }
        nextTick = now + Self.tickMilliseconds
        takeOffice()
        compactRecords()
        guard let time = process.replica.leadersTime else { return }
        step(.tick(now: now, clusterTime: time))
        if office.master != nil { tickServices(time) }
        endSilentAgents()
        if let master = office.master {
            world.datacenter.promised(by: master, table, on: process.machine)
        }
    }

    func takeOffice() {
        guard world.settings.agentCount > 0 else { return }
        let term = process.replica.mayDecide ? process.replica.raft.term : nil
        if office.resign(unlessIn: term) { resigned() }
        let isTaken = office.take(
            in: term, clusterTime: process.replica.leadersTime, now: now, table: table,
            settings: settings, reading: Self.reading)
        guard isTaken, let term else { return }
        world.counters.count(CoverageMark.masterTookOffice)
        world.trace.note(world.now, process.machine.index, "is the master in", term.rawValue)
        world.datacenter.officeTaken(in: term)
        decide(
            .master(
                MasterRecord(
                    member: process.identity.memberID.rawValue, term: term.rawValue, url: []))
        ) { _ in }
    }

    private func resigned() {
        resignServices()
        world.trace.note(world.now, process.machine.index, "is the master no more")
        let links =
            agents.keys.sorted().compactMap { agents[$0]?.link }
            + schedulers.keys.sorted().compactMap { schedulers[$0] }
        agents = [:]
        schedulers = [:]
        for link in links { link.closeAtNode() }
    }

    func applied(_ batch: [Applied]) {
        let changes = batch.flatMap(\.datacenterChanges)
        guard !changes.isEmpty else { return }
        if services.applied(changes) { performServices() }
        step(.applied(changes))
    }

    /// As ControlPlane's `Node` does it.
    private func compactRecords() {
        let store = process.replica.store
        records.note(store.revision, time: store.clusterTime)
        guard office.master != nil, !isCompacting, !store.isPurgePending,
            store.members.clusterLevel >= .recordCompaction,
            let revision = records.due(
                time: store.clusterTime, floor: store.compactedRevision(of: .datacenter),
                pastBytes: store.recordPastBytes, middle: store.recordMiddle)
        else { return }
        isCompacting = true
        decide(.compact(revision)) { [unowned self] _ in isCompacting = false }
    }

    // MARK: Steps

    func step(_ input: MasterInput) {
        guard office.add(input) else { return }
        while let effects = office.next(in: table) {
            for effect in effects { perform(effect) }
        }
    }

    private func perform(_ effect: MasterEffect) {
        switch effect {
        case .propose(let id, let command):
            let term = office.master?.term
            if case .frameworkDisconnected(let framework, _) = command {
                world.datacenter.ledger.leaves(framework, at: world.now)
            }
            decide(command) { [unowned self] outcome in
                guard office.master?.term == term else { return }
                step(.decided(id, outcome))
            }
        case .toAgent(let connection, let order):
            if let seat = agents[connection] { tell(order, connection, seat) }
        case .toScheduler(let stream, let event):
            if let own = serviceStreams[stream] {
                if services.heard(event, on: own) { performServices() }
                return
            }
            guard let link = schedulers[stream] else { return }
            let framework = link.client as? SimulatedFramework
            link.toClient { framework?.heard(event) }
        case .closeStream(let stream):
            if let own = serviceStreams.removeValue(forKey: stream) {
                if services.heard(nil, on: own) { performServices() }
                return
            }
            schedulers.removeValue(forKey: stream)?.closeAtNode()
        }
    }

    @discardableResult
    func decide(
        _ command: DatacenterCommand, _ done: @escaping (DecisionOutcome) -> Void
    ) -> RequestID {
        process.decide(command) { outcome in
            switch outcome {
            case .applied(let applied): done(DecisionOutcome(applied.outcome))
            case .refused: done(.refused(nil))
            case .unknown: done(.unknown)
            }
        }
    }

    /// What an operator decides.
    func operate(
        _ command: DatacenterCommand, _ done: @escaping (DecisionOutcome) -> Void = { _ in }
    ) { decide(command, done) }

    func nextID() -> UInt64 {
        lastID += 1
        return lastID
    }

    // MARK: Schedulers

    /// - Returns: false where this node is not the master.
    func subscribe(_ subscription: Subscription, _ link: DatacenterLink) -> Bool {
        guard office.master != nil else { return false }
        link.number = nextID()
        let id = SchedulerStreamID(link.number)
        schedulers[id] = link
        step(.scheduler(id, .subscribes(subscription)))
        return true
    }

    func call(_ call: SchedulerCall, _ link: DatacenterLink) {
        step(.scheduler(SchedulerStreamID(link.number), .call(call)))
    }

    /// A client has gone.
    func closed(_ link: DatacenterLink) {
        if schedulers.removeValue(forKey: SchedulerStreamID(link.number)) != nil {
            return step(.scheduler(SchedulerStreamID(link.number), .disconnected))
        }
        let connection = AgentConnectionID(link.number)
        if agents.removeValue(forKey: connection) != nil {
            step(.agent(connection, .disconnected))
        }
    }

    // MARK: Agents

    /// Whose turn it is, as far as this node knows.
    var leader: Int? {
        guard let id = process.replica.view.leader else { return nil }
        return world.machine(of: id)?.index
    }

    func register(_ agent: SimulatedAgent, _ words: AgentWords, _ link: DatacenterLink) {
        guard let term = office.master?.term else {
            let leader = leader
            link.toClient { agent.redirected(to: leader) }
            return link.closeAtNode()
        }
        guard words.highestTerm <= term else {
            link.toClient { agent.refused("an earlier term", isFinal: false, at: link) }
            return link.closeAtNode()
        }
        link.number = nextID()
        let connection = AgentConnectionID(link.number)
        agents[connection] = AgentSeat(
            link: link, agent: agent, known: words.known, executors: words.executors,
            lastHeard: now)
        step(.agent(connection, .registers(words.registration)))
    }

    func take(_ input: AgentInput, _ link: DatacenterLink) {
        let connection = AgentConnectionID(link.number)
        guard agents[connection] != nil else { return }
        agents[connection]?.lastHeard = now
        step(.agent(connection, input))
    }

    /// Answers that somebody is there.
    func ping(_ agent: SimulatedAgent, _ link: DatacenterLink) {
        take(.heartbeat, link)
        link.toClient { agent.ponged() }
    }

    private func endSilentAgents() {
        for connection in agents.keys.sorted() {
            guard let seat = agents[connection],
                now > seat.lastHeard + settings.agentTimeoutMilliseconds
            else { continue }
            agents[connection] = nil
            seat.link.closeAtNode()
            step(.agent(connection, .disconnected))
        }
    }

    private func tell(_ order: AgentOrder, _ connection: AgentConnectionID, _ seat: AgentSeat) {
        let agent = seat.agent
        let link = seat.link
        let term = office.master?.term ?? .zero
        switch order {
        case .registered(let id, _): registered(id, connection, seat, term)
        case .refused(let reason, let isFinal):
            agents[connection] = nil
            link.toClient { agent.refused(reason, isFinal: isFinal, at: link) }
            link.closeAtNode()
            step(.agent(connection, .disconnected))
        case .launch(let tasks):
            let infos = tasks.compactMap { record in
                RecordKeys.launch(record.key).withUnsafeBytes {
                    process.replica.store.get($0)?.value
                }
            }
            let executor = tasks.first.flatMap { task in
                task.executor.map { ExecutorKey(task.agent, task.key.framework, $0) }
            }
            let record = executor.flatMap { table.executors[$0] }
            guard infos.count == tasks.count, executor == nil || record != nil else { return }
            link.toClient { agent.launched(tasks, infos, by: record, term, link) }
        case .kill(let key, let sequence, let grace):
            link.toClient { agent.killed(key, sequence, grace, term, link) }
        case .acknowledge(let key, _, let uuid):
            world.datacenter.acknowledging(key, uuid, on: process.machine)
            link.toClient { agent.acknowledged(key, uuid, link) }
        case .shutdown(let key): link.toClient { agent.shutDown(key, term, link) }
        case .message: break
        }
    }

    private func registered(
        _ id: AgentID, _ connection: AgentConnectionID, _ seat: AgentSeat, _ term: Term
    ) {
        let agent = seat.agent
        let link = seat.link
        let executors = seat.executors.map {
            ExecutorKey(id, $0.framework, $0.executor)
        }
        let differences = AgentDifferences(
            of: id, known: seat.known, executors: executors, in: table)
        agents[connection]?.known = []
        link.toClient { agent.registered(id, term, link) }
        for task in differences.strangers {
            link.toClient { agent.killed(task.key, task.sequence, 0, term, link) }
        }
        if !differences.questions.isEmpty {
            link.toClient { agent.asked(differences.questions, term, link) }
        }
        for key in differences.foreignExecutors {
            link.toClient { agent.shutDown(key, term, link) }
        }
        for ended in differences.endedExecutors {
            let input = AgentInput.executorEnded(ended.key, status: 0, sequence: ended.sequence)
            step(.agent(connection, input))
        }
    }
}

extension SimulatedProcess {
    /// Has what the master decided agreed on in this leader's own term, or not at all.
    func decide(
        _ command: DatacenterCommand, _ done: @escaping (ReplicaOutcome) -> Void
    ) -> RequestID {
        let sequence = replica.nextSequence()
        let request = RequestID(
            origin: identity.memberID, boot: identity.boot, sequence: sequence)
        ownAnswers[sequence] = { [unowned self] outcome in
            if case .refused = outcome { world.rules.refused(request, on: machine) }
            done(outcome)
        }
        replica.decide(command.encode(), sequence: sequence, into: &effects)
        if !effects.isEmpty { perform() }
        flushSoon()
        return request
    }
}
