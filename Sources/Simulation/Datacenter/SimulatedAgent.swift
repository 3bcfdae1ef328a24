import AgentLogic
import Primitives

/// An agent on a machine of its own: production's ``AgentCore``, driven as the agent's task runner
/// and session drive it, on a disk and with task processes that outlive it.
final class SimulatedAgent: LinkClient {
    unowned(unsafe) let world: SimulatedCluster
    let number: Int
    var random: SplitMix64

    // The machine.
    var disk: AgentDisk
    /// By container. Looked up, and gone through in the containers' order.
    var runs: [ContainerID: SimulatedRun] = [:]
    /// Of the runs of executors that began: looked up, and gone through in the runs' order.
    var executors: [ContainerID: SimulatedExecutor] = [:]
    /// Machines of the cluster that it does not reach.
    private var cuts: Set<Int> = []

    // The process.
    private(set) var life: UInt32 = 0
    private(set) var isRunning = false
    private(set) var isPaused = false
    private var deferred: [() -> Void] = []
    private(set) var core: AgentCore?
    private var inputs: [Item] = []
    private var work: [AgentEffect] = []
    private var writing: StateWrite?
    /// It ends in the next write.
    var endsAtWrite = false

    // Its desk for executors.
    var executorCalls: [ExecutorCallID: ExecutorCall] = [:]
    var lastCall: UInt64 = 0
    var nextHeard: Micros = 0
    /// Executors that the master was told of when this session began.
    var listedExecutors: [AgentLogic.ExecutorKey] = []

    // The session.
    var session = Session.away
    var highestTerm = Term.zero
    var target = 0
    var failures = 0
    var lastPong: Micros = 0

    /// What waits for its turn.
    private enum Item {
        case input(AgentInput)
        case then(() -> Void)
    }

    /// Of an executor: what subscribes, or brings an update.
    struct ExecutorCall {
        var run: ContainerID
        var update: ExecutorUpdate?
    }

    enum Session {
        case away
        case registering(DatacenterLink)
        case registered(DatacenterLink)
    }

    init(world: SimulatedCluster, number: Int, random: SplitMix64) {
        self.world = world
        self.number = number
        self.random = random
        disk = AgentDisk(incarnation: self.random.next() | 1)
    }

    var id: String? { disk.mark?.agentID.text ?? core?.mark.agentID.text }

    // MARK: Time

    /// In this life of the process.
    func later(_ delay: Micros, _ body: @escaping () -> Void) {
        let life = life
        world.schedule(after: delay, .client, machine: -1, life: 0) { [self] in
            if self.life == life { deliver { if self.life == life { body() } } }
        }
    }

    func deliver(_ body: @escaping () -> Void) {
        if isPaused { return deferred.append(body) }
        body()
    }

    func pause() {
        if isRunning { isPaused = true }
    }

    func resume() {
        guard isPaused else { return }
        isPaused = false
        let waiting = deferred
        deferred = []
        for body in waiting {
            if isPaused { deferred.append(body) } else { body() }
        }
    }

    // MARK: The network

    func isCut(from machine: Int) -> Bool { cuts.contains(machine) }

    func cut(from machines: [Int]) { cuts.formUnion(machines) }

    func heal() {
        guard !cuts.isEmpty else { return }
        cuts = []
        world.datacenter.heal(links: self)
    }

    // MARK: Lives

    func start() {
        guard !isRunning else { return }
        life += 1
        isRunning = true
        world.trace.note(world.now, -1, "agent starts, life", UInt64(number), UInt64(life))
        if let mark = disk.mark { openCore(mark, disk.records) }
        dialLater(random.draw(1000...100_000))
        tickLater()
    }

    /// The process ends. What it was writing is there as far as it had come.
    /// - Parameter silently: nobody hears of it, as when the machine goes down.
    func end(silently: Bool = false) {
        guard isRunning else { return }
        world.trace.note(world.now, -1, "agent ends, life", UInt64(number), UInt64(life))
        life += 1
        isRunning = false
        isPaused = false
        endsAtWrite = false
        deferred = []
        if let writing { disk.apply(writing, steps: random.draw(0...AgentDisk.steps(of: writing))) }
        writing = nil
        inputs = []
        work = []
        core = nil
        leaveExecutors()
        switch session {
        case .away: break
        case .registering(let link), .registered(let link): if !silently { link.closeAtClient() }
        }
        session = .away
    }

    /// Everything heals.
    func recover() {
        endsAtWrite = false
        heal()
        resume()
        restartLater(after: random.draw(1000...100_000))
    }

    func restartLater(after delay: Micros) {
        world.schedule(after: delay, .client, machine: -1, life: 0) { [self] in start() }
    }

    /// The machine goes down, and with it what runs there.
    func losePower() {
        end(silently: true)
        for container in runs.keys.sorted() where runs[container]?.isLive == true {
            runs[container]?.phase = .vanished
        }
        for run in executors.keys.sorted() { executors[run]?.die() }
        executors = [:]
        // Nobody will ever take these up.
        for container in runs.keys.sorted() where runs[container]?.phase == .starting {
            runs[container] = nil
        }
    }

    /// A machine that was set up anew: another agent.
    func wipe() {
        losePower()
        runs = [:]
        disk = AgentDisk(incarnation: random.next() | 1)
        highestTerm = .zero
    }

    /// Finds out what became of the runs, as the task runner does when it starts.
    func openCore(_ mark: AgentMark, _ records: [TaskRecord]) {
        for container in runs.keys.sorted()
        where !records.contains(where: { $0.container == container }) {
            if let run = runs[container], run.isLive { swept(run.record) }
            removeRun(container)
        }
        highestTerm = max(highestTerm, mark.term)
        let recovered = records.map { record in
            let hasNone = record.state.isTerminal || record.remote != nil
            return RecoveredTask(
                record: record, finding: hasNone ? nil : finding(record.container))
        }
        var effects: [AgentEffect] = []
        core = AgentCore(
            mark: mark, recovered: recovered, seed: random.next(), nowMillis: nowMillis,
            into: &effects)
        work += effects
        perform()
    }

    private func removeRun(_ container: ContainerID) {
        runs[container] = nil
        executors.removeValue(forKey: container)?.die()
    }

    private func finding(_ container: ContainerID) -> RunFinding {
        switch runs[container]?.phase {
        case nil: .neverStarted
        case .starting, .running: .supervised
        case .exited(let report): .exited(report)
        case .vanished: .vanished
        }
    }

    // MARK: Steps

    var nowMillis: UInt64 { UInt64(1_700_000_000_000 + world.now / 1000) }

    private func tickLater() {
        later(1_000_000) { [self] in
            if core != nil { give(.tick(nowMillis: nowMillis)) }
            watchSession()
            tickLater()
        }
    }

    func give(_ input: AgentInput) {
        inputs.append(.input(input))
        perform()
    }

    /// Behind all that was given before: at once, where there is no core yet.
    func whenSettled(_ body: @escaping () -> Void) {
        guard core != nil else { return body() }
        inputs.append(.then(body))
        perform()
    }

    /// One thing after another, as on the task runner's queue: a write holds up all that follows.
    private func perform() {
        while isRunning, writing == nil {
            if !work.isEmpty {
                perform(work.removeFirst())
            } else if !inputs.isEmpty, core != nil {
                switch inputs.removeFirst() {
                case .input(let input): core?.step(input, into: &work)
                case .then(let body): body()
                }
            } else {
                return
            }
        }
    }

    private func perform(_ effect: AgentEffect) {
        switch effect {
        case .persist(let write, let then): persist(write, then)
        case .fetch(let record): fetch(record)
        case .startChecks(let record): startChecks(record)
        case .cancelFetch, .stopChecks: break
        case .startSupervisor(let record): startSupervisor(record)
        case .attach(let record): attach(record)
        case .kill(let container, let grace): kill(container, graceMillis: grace)
        case .send(let update), .answer(let update): say(update)
        case .removeRun(let record): removeRun(record.container)
        case .refuse(.staleTerm): lost()
        case .refuse: break
        case .executor(let effect): perform(effect)
        }
    }

    private func persist(_ write: StateWrite, _ then: [AgentEffect]) {
        writing = write
        if endsAtWrite {
            endsAtWrite = false
            end()
            return restartLater(after: random.draw(10_000...3_000_000))
        }
        later(random.draw(50...3000)) { [self] in
            disk.apply(write, steps: AgentDisk.steps(of: write))
            writing = nil
            work = then + work
            perform()
        }
    }
}
