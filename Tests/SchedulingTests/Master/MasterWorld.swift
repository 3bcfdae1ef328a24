import Primitives
import Scheduling
import StateMachine
import Testing

/// Masters that come and go, agents and schedulers that lose their connections, and decisions that
/// are committed, or are not, at any moment: all drawn from a seed.
final class MasterWorld {
    /// As an agent is to behave (DESIGN §8): what it says and does is durable before it is said and
    /// done, lower terms mean nothing, and no sequence at or below its mark is started.
    final class Agent {
        let number: Int
        var id = ""
        var connection: UInt64?
        var isRegistered = false
        var term: UInt64 = 0
        var mark: UInt64 = 0
        var tasks: [TaskKey: (sequence: UInt64, state: TaskState)] = [:]
        /// Not acknowledged yet, oldest first.
        var updates: [StatusReport] = []
        var started: [UInt64: Int] = [:]

        init(number: Int) { self.number = number }
    }

    final class Scheduler {
        let number: Int
        var id = ""
        var stream: UInt64?
        var isSubscribed = false
        var offers: [MasterOffer] = []
        var heard: Set<[UInt8]> = []
        var ended: Set<TaskID> = []
        var launched: [TaskID] = []

        init(number: Int) { self.number = number }
    }

    var random: SplitMix64
    let desk = MasterDesk()
    let agents = (0..<3).map { Agent(number: $0) }
    let schedulers = (0..<2).map { Scheduler(number: $0) }
    private var lastConnection: UInt64 = 0
    private var number = 0
    /// Orders on their way, in order for each connection.
    private var inbox: [(UInt64, AgentOrder, UInt64)] = []
    var killsAsked: Set<TaskKey> = []
    var acknowledged: [(TaskKey, [UInt8])] = []
    var violations: [String] = []
    var isCalm = false

    init(seed: UInt64) {
        random = SplitMix64(seed: seed)
        desk.holdsBack = true
    }

    func draw(_ below: Int) -> Int { Int(random.next(below: UInt64(below))) }

    func step() {
        switch draw(30) {
        case 0..<8: for _ in 0..<(isCalm ? 100 : 1 + draw(4)) { desk.commitOne() }
        case 8..<12: desk.tick(UInt64(draw(400)))
        case 12..<16: for _ in 0..<(isCalm ? 100 : 1 + draw(8)) { deliverOne() }
        case 16, 17: schedulerActs(schedulers[draw(schedulers.count)])
        case 18..<21: agentActs(agents[draw(agents.count)])
        case 21: connect(agents[draw(agents.count)])
        case 22: connect(schedulers[draw(schedulers.count)])
        case 23 where !isCalm: disconnect(agents[draw(agents.count)])
        case 24 where !isCalm && draw(4) == 0: disconnect(schedulers[draw(schedulers.count)])
        case 25 where !isCalm && draw(8) == 0: failOver()
        case 26 where !isCalm && draw(10) == 0: desk.tick(9_000)
        default:
            for agent in agents where agent.isRegistered {
                input(agent, .heartbeat)
            }
        }
        takeEvents()
    }

    // MARK: - Masters

    func failOver() {
        for _ in 0..<draw(4) { desk.commitOne(unseen: true) }
        takeEvents()
        desk.failOver()
        inbox = []
        for agent in agents { (agent.connection, agent.isRegistered) = (nil, false) }
        for scheduler in schedulers {
            (scheduler.stream, scheduler.isSubscribed, scheduler.offers) = (nil, false, [])
        }
    }

    private func takeEvents() {
        for (connection, order) in desk.orders {
            inbox.append((connection.rawValue, order, desk.term.rawValue))
        }
        desk.orders = []
        for (stream, event) in desk.events {
            let scheduler = schedulers.first { $0.stream == stream.rawValue }
            if let scheduler { take(event, scheduler) }
        }
        desk.events = []
    }

    // MARK: - Agents

    private func connect(_ agent: Agent) {
        guard agent.connection == nil else { return }
        lastConnection += 1
        agent.connection = lastConnection
        do {
            try desk.registers(
                lastConnection, id: agent.id, new: "a\(lastConnection)", "cpus:4;ports:[1-8]",
                incarnation: UInt64(agent.number + 1))
        } catch { violations.append("\(error)") }
    }

    private func disconnect(_ agent: Agent) {
        guard let connection = agent.connection else { return }
        (agent.connection, agent.isRegistered) = (nil, false)
        desk.step(.agent(AgentConnectionID(connection), .disconnected))
    }

    private func input(_ agent: Agent, _ input: AgentInput) {
        guard let connection = agent.connection, agent.isRegistered else { return }
        desk.step(.agent(AgentConnectionID(connection), input))
    }

    private func deliverOne() {
        guard !inbox.isEmpty else { return }
        let (connection, order, term) = inbox.removeFirst()
        guard let agent = agents.first(where: { $0.connection == connection }) else { return }
        take(order, term, agent)
    }

    private func take(_ order: AgentOrder, _ term: UInt64, _ agent: Agent) {
        guard term >= agent.term else { return }
        agent.term = term
        switch order {
        case .registered(let id, _):
            agent.id = id.description
            agent.isRegistered = true
            // What runs is said anew, and what was not acknowledged again.
            for (key, task) in agent.tasks.sorted(by: { $0.key < $1.key })
            where !task.state.isTerminal && !agent.updates.contains(where: { $0.key == key }) {
                report(agent, key, task.sequence, task.state)
            }
            resend(agent)
        case .refused(let reason, let isFinal):
            if isFinal { violations.append("agent \(agent.number) refused: \(reason)") }
            (agent.connection, agent.isRegistered) = (nil, false)
        case .launch(let tasks):
            for task in tasks { launch(task, agent) }
        case .kill(let key, let sequence, _):
            guard let task = agent.tasks[key], task.sequence >= sequence else {
                agent.mark = max(agent.mark, sequence)
                return report(agent, key, sequence, .killed)
            }
            guard !task.state.isTerminal, task.sequence == sequence else { return resend(agent) }
            if !killsAsked.contains(key) { violations.append("\(key) was killed unasked") }
            report(agent, key, task.sequence, .killed)
        case .acknowledge(let key, let sequence, let uuid):
            agent.updates.removeAll {
                $0.key == key && $0.sequence == sequence && $0.status.uuid == uuid
            }
        case .shutdown, .message: break
        }
    }

    private func launch(_ task: TaskRecord, _ agent: Agent) {
        if let known = agent.tasks[task.key], known.sequence == task.sequence {
            return resend(agent)
        }
        if task.sequence <= agent.mark { return report(agent, task.key, task.sequence, .lost) }
        agent.mark = task.sequence
        agent.started[task.sequence, default: 0] += 1
        report(agent, task.key, task.sequence, .running)
    }

    private func report(
        _ agent: Agent, _ key: TaskKey, _ sequence: UInt64, _ state: TaskState
    ) {
        number += 1
        agent.tasks[key] = (sequence, state)
        let status = WaitingStatus(
            uuid: Array("\(number)".utf8), state: state, body: Array("\(state)".utf8))
        let report = StatusReport(key: key, sequence: sequence, status: status)
        agent.updates.append(report)
        input(agent, .reports([report]))
    }

    private func resend(_ agent: Agent) {
        for update in agent.updates { input(agent, .reports([update])) }
    }

    private func agentActs(_ agent: Agent) {
        if draw(8) == 0 { return resend(agent) }
        let running = agent.tasks.filter { $0.value.state == .running }.keys.sorted()
        guard !running.isEmpty else { return }
        let key = running[draw(running.count)]
        let end: TaskState = draw(2) == 0 ? .finished : .failed
        report(agent, key, agent.tasks[key]?.sequence ?? 0, end)
    }

    // MARK: - Schedulers

    private func connect(_ scheduler: Scheduler) {
        guard scheduler.stream == nil else { return }
        lastConnection += 1
        scheduler.stream = lastConnection
        desk.subscribes(
            lastConnection, id: scheduler.id, new: "f\(lastConnection)",
            failoverMilliseconds: 100_000_000)
    }

    private func disconnect(_ scheduler: Scheduler) {
        guard let stream = scheduler.stream else { return }
        (scheduler.stream, scheduler.isSubscribed, scheduler.offers) = (nil, false, [])
        desk.step(.scheduler(SchedulerStreamID(stream), .disconnected))
    }

    private func take(_ event: SchedulerEvent, _ scheduler: Scheduler) {
        guard let stream = scheduler.stream else { return }
        switch event {
        case .subscribed(let id):
            scheduler.id = id.description
            scheduler.isSubscribed = true
        case .offers(let offers): scheduler.offers += offers
        case .rescind(let id): scheduler.offers.removeAll { $0.id == id }
        case .update(let update):
            scheduler.heard.insert(update.uuid)
            if update.state.isTerminal { scheduler.ended.insert(update.key.task) }
            guard !update.uuid.isEmpty else { return }
            desk.call(stream, .acknowledge(update.key.task, uuid: update.uuid))
        case .error: (scheduler.stream, scheduler.isSubscribed, scheduler.offers) = (nil, false, [])
        case .message, .failure: break
        }
    }

    private func schedulerActs(_ scheduler: Scheduler) {
        guard let stream = scheduler.stream, scheduler.isSubscribed else { return }
        if draw(6) == 0, let task = scheduler.launched.last, !isCalm || draw(2) == 0 {
            killsAsked.insert(TaskKey(FrameworkID(scheduler.id), task))
            return desk.call(stream, .kill(task, graceMilliseconds: 1))
        }
        guard !scheduler.offers.isEmpty else { return }
        let offer = scheduler.offers.remove(at: draw(scheduler.offers.count))
        if isCalm || draw(4) == 0 {
            return desk.call(stream, .decline(offers: [offer.id], refuseMilliseconds: 500))
        }
        var operations: [AcceptedOperation] = []
        for _ in 0...draw(2) {
            number += 1
            let task = TaskID("t\(number)")
            scheduler.launched.append(task)
            if let launch = try? MasterDesk.launch(task.description, "cpus:\(1 + draw(2))") {
                operations.append(launch)
            }
        }
        desk.call(
            stream, .accept(offers: [offer.id], operations, refuseMilliseconds: 100))
    }
}
