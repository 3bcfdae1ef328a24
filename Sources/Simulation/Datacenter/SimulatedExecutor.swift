import AgentLogic
import Primitives

/// The process of an executor that a framework brings along. It lives beside its agent: connects to
/// it and comes back to it, runs the tasks that it is told to, and says what became of them until
/// it hears that this is on the agent's disk.
final class SimulatedExecutor {
    unowned let agent: SimulatedAgent
    let key: AgentLogic.ExecutorKey
    let run: ContainerID
    private(set) var isAlive = true
    /// Of the call that subscribed, or is to.
    private var connection: ExecutorCallID?
    private var isSubscribed = false
    private var nextInbox: Micros = 0

    private var work: [AgentLogic.TaskID: Work] = [:]
    /// None of their updates was acknowledged.
    private var quiet: Set<AgentLogic.TaskID> = []
    private var unacknowledged: [ExecutorUpdate] = []
    private let endsWhenIdle: Bool

    private struct Work {
        var sequence: UInt64
        var isLive = true
        var isToEnd = false
    }

    init(agent: SimulatedAgent, key: AgentLogic.ExecutorKey, run: ContainerID) {
        self.agent = agent
        self.key = key
        self.run = run
        endsWhenIdle = agent.random.chance(1, in: 2)
        // One that never finds its agent is ended by it.
        if agent.random.chance(1, in: 30) { return }
        connectLater()
    }

    private var world: SimulatedCluster { agent.world }

    /// While it lives; the agent's end is none of its own.
    private func later(_ delay: Micros, _ body: @escaping () -> Void) {
        world.schedule(after: delay, .client, machine: -1, life: 0) { [self] in
            if isAlive { body() }
        }
    }

    func runs(_ task: AgentLogic.TaskKey, _ sequence: UInt64) -> Bool {
        guard isAlive, task.framework == key.framework, let work = work[task.task] else {
            return false
        }
        return work.isLive && work.sequence == sequence
    }

    /// By their names.
    var liveTasks: [AgentLogic.TaskKey] {
        work.keys.sorted().filter { work[$0]?.isLive == true }.map {
            AgentLogic.TaskKey(framework: key.framework, task: $0)
        }
    }

    /// The machine, the system or its supervisor ends it.
    func die() { isAlive = false }

    private func exit(_ outcome: ProcessOutcome) {
        guard isAlive else { return }
        isAlive = false
        if let connection { agent.hear(.closed(connection, key)) }
        agent.exited(run, outcome)
    }

    // MARK: Its connection

    private func connectLater() {
        later(agent.random.draw(500...300_000)) { [self] in
            guard connection == nil else { return }
            guard let call = agent.call(of: self) else { return connectLater() }
            connection = call
            agent.hear(
                .subscribes(call, key, unacknowledged: quiet, updates: unacknowledged))
        }
    }

    /// The agent's process has ended, and with it what it had to say on this connection.
    func lostAgent() { inbox(connection) { [self] in disconnected() } }

    /// What comes over one connection comes in its order; nothing does once it was given up here.
    private func inbox(_ call: ExecutorCallID?, _ body: @escaping () -> Void) {
        guard let call else { return }
        nextInbox = max(world.now + agent.random.draw(20...500), nextInbox + 1)
        later(nextInbox - world.now) { [self] in if connection == call { body() } }
    }

    private func disconnected() {
        connection = nil
        isSubscribed = false
        connectLater()
    }

    /// It loses its connection, and does not read what is on its way.
    private func dropConnection() {
        guard let connection else { return }
        agent.hear(.closed(connection, key))
        disconnected()
    }

    func subscribed(_ call: ExecutorCallID) {
        inbox(call) { [self] in
            isSubscribed = true
            // What it came to meanwhile was not in the call.
            for update in unacknowledged { send(update) }
        }
    }

    func closed(_ call: ExecutorCallID) { inbox(call) { [self] in disconnected() } }

    /// The answer to the call that subscribes, or to one that brought an update.
    func answered(_ call: ExecutorCallID, _ update: ExecutorUpdate?, _ refusal: ExecutorRefusal?) {
        guard let refusal else { return }
        inbox(connection) { [self] in
            switch refusal {
            case .unknownExecutor, .notSubscribed: disconnected()
            case .unknownTask, .taskEnded:
                unacknowledged.removeAll { $0.id == update?.id }
            case .busy:
                later(1_000_000) { [self] in
                    if let update, unacknowledged.contains(update) { send(update) }
                }
            }
        }
    }

    // MARK: What it is told

    /// - Parameter sequences: of the launches that it is told of, in their order.
    func told(_ call: ExecutorCallID, _ event: ExecutorEvent, _ sequences: [UInt64]) {
        inbox(call) { [self] in take(event, sequences) }
    }

    private func take(_ event: ExecutorEvent, _ sequences: [UInt64]) {
        switch event {
        case .launch(let info): for sequence in sequences { launch(info, sequence) }
        case .launchGroup(let infos):
            for (info, sequence) in zip(infos, sequences) where isAlive { launch(info, sequence) }
        case .kill(let task, let grace): kill(task, grace)
        case .acknowledged(let task, let id):
            quiet.remove(task)
            unacknowledged.removeAll { $0.id == id }
            endIfIdle()
        case .shutdown: later(agent.random.draw(500...900_000)) { [self] in exit(.exited(code: 0)) }
        case .message: break
        case .error: break
        }
    }

    static func task(_ info: [UInt8]) -> AgentLogic.TaskID? {
        try? AgentLogic.TaskID(
            String(decoding: info.prefix { $0 != UInt8(ascii: " ") }, as: UTF8.self))
    }

    private func launch(_ info: [UInt8], _ sequence: UInt64) {
        guard let task = Self.task(info),
            let script = TaskScript(String(decoding: info, as: UTF8.self))
        else { return }
        work[task] = Work(sequence: sequence)
        quiet.insert(task)
        agent.started(AgentLogic.TaskKey(framework: key.framework, task: task), sequence)
        if agent.random.chance(1, in: 40) {
            return later(agent.random.draw(0...500_000)) { [self] in exit(.signaled(9)) }
        }
        if agent.random.chance(1, in: 20) {
            later(agent.random.draw(0...500_000)) { [self] in dropConnection() }
        }
        later(agent.random.draw(100...30_000)) { [self] in
            if work[task]?.isLive == true { say(task, .running) }
        }
        guard let duration = script.duration else { return }
        later(30_001 + duration) { [self] in end(task, script.code == 0 ? .finished : .failed) }
    }

    private func kill(_ task: AgentLogic.TaskID, _ graceMillis: UInt64?) {
        guard work[task]?.isLive == true, work[task]?.isToEnd == false else { return }
        work[task]?.isToEnd = true
        agent.obeys(AgentLogic.TaskKey(framework: key.framework, task: task))
        let grace = Int(min(graceMillis ?? 1000, 5000)) * 1000
        later(agent.random.draw(500...max(1000, grace))) { [self] in end(task, .killed) }
    }

    private func end(_ task: AgentLogic.TaskID, _ state: AgentLogic.TaskState) {
        guard work[task]?.isLive == true else { return }
        work[task]?.isLive = false
        say(task, state)
    }

    // MARK: What it says

    private func say(_ task: AgentLogic.TaskID, _ state: AgentLogic.TaskState) {
        let id = UpdateID(high: agent.random.next(), low: agent.random.next())
        let update = ExecutorUpdate(task: task, id: id, state: state, body: [1])
        unacknowledged.append(update)
        send(update)
    }

    private func send(_ update: ExecutorUpdate) {
        guard isSubscribed, let call = agent.call(of: self, update) else { return }
        agent.hear(.updates(call, key, update))
    }

    private func endIfIdle() {
        guard endsWhenIdle, unacknowledged.isEmpty, liveTasks.isEmpty else { return }
        later(agent.random.draw(1000...3_000_000)) { [self] in
            if unacknowledged.isEmpty, liveTasks.isEmpty { exit(.exited(code: 0)) }
        }
    }
}
