import Agent
import AgentLogic
import Primitives
import Testing

/// A world around one agent's core: masters that repeat and reorder orders, supervisors, a disk
/// that keeps what was persisted, executors that come and go and say what they like, and crashes
/// between any two effects.
private struct AgentWorld {
    enum Life: Equatable { case alive, exited(ExitReport) }

    /// An executor as it sees itself.
    struct Executor {
        var key: ExecutorKey
        var connection: ExecutorCallID?
        var launches: Set<[UInt8]> = []
        var tasks: [TaskID] = []
        /// None of their updates was acknowledged.
        var quiet: Set<TaskID> = []
        var unacknowledged: [ExecutorUpdate] = []
        /// The call that brought the newest of them.
        var lastCall: ExecutorCallID?
    }

    var random: SplitMix64
    var core: AgentCore
    var disk = ModelDisk()
    var term = Term(1)
    var sequence: UInt64 = 0
    var orders: [AgentInput] = []
    var runs: [ContainerID: Life] = [:]
    var executors: [ContainerID: Executor] = [:]
    var calls: UInt64 = 0
    var startedEver: Set<ContainerID> = []
    var reportedLost: Set<ContainerID> = []
    /// What each run's acknowledged updates were, in order.
    var acknowledged: [ContainerID: [UpdateID]] = [:]
    var inFlight: [StatusUpdate] = []
    var faults: [String] = []
    var nowMillis: UInt64 = 1000
    var effectsUntilCrash: UInt64?

    init(seed: UInt64) {
        random = SplitMix64(seed: seed)
        var wanted: [AgentEffect] = []
        core = AgentCore(
            mark: disk.mark, recovered: [], seed: random.next(), nowMillis: nowMillis,
            into: &wanted)
        perform(wanted)
    }

    private mutating func demand(_ fact: Bool, _ what: String) {
        if !fact { faults.append(what) }
    }

    /// False: the agent crashed on the way.
    @discardableResult
    private mutating func perform(_ wanted: [AgentEffect]) -> Bool {
        for effect in wanted {
            if let left = effectsUntilCrash {
                if left == 0 { return false }
                effectsUntilCrash = left - 1
            }
            switch effect {
            case .persist(let write, let then):
                disk.apply(write)
                if !perform(then) { return false }
            case .startSupervisor(let record):
                let container = record.container
                demand(startedEver.insert(container).inserted, "\(container) started twice")
                demand(!reportedLost.contains(container), "\(container) started after lost")
                demand(disk.mark.sequence >= container.sequence, "\(container) before its mark")
                runs[container] = .alive
                if record.isExecutor, let key = record.executorKey {
                    executors[container] = Executor(key: key)
                }
            case .executor(.subscribed(let call, _, _, let run)):
                executors[run]?.connection = call
            case .executor(.tell(let call, let event)): tell(call, event)
            case .executor(.answer(let call, _?)):
                // What is refused is not said again.
                let run = executors.first { $0.value.lastCall == call }?.key
                if let run { executors[run]?.unacknowledged.removeLast() }
            case .send(let update):
                let isDurable = disk.records.contains { $0.pending.first == update }
                demand(isDurable, "\(update.state) of \(update.container) sent before durable")
                inFlight.append(update)
            case .answer(let update):
                if update.reason == .sequencePassed { reportedLost.insert(update.container) }
            case .removeRun(let record):
                demand(record.isSettled, "\(record.container) removed unsettled")
                runs[record.container] = nil
            case .fetch, .cancelFetch, .attach, .kill, .startChecks, .stopChecks, .refuse,
                .executor:
                break
            }
        }
        return true
    }

    private mutating func tell(_ call: ExecutorCallID, _ event: ExecutorEvent) {
        guard let run = executors.first(where: { $0.value.connection == call })?.key else { return }
        switch event {
        case .launch(let info):
            let isNew = executors[run]?.launches.insert(info).inserted ?? true
            demand(isNew, "\(String(decoding: info, as: UTF8.self)) is launched twice")
            let isDurable = disk.records.contains { $0.remote?.info == info }
            demand(isDurable, "\(String(decoding: info, as: UTF8.self)) is told before durable")
            let name = String(decoding: info.prefix { $0 != UInt8(ascii: "/") }, as: UTF8.self)
            guard let task = try? TaskID(name) else { return }
            executors[run]?.tasks.append(task)
            executors[run]?.quiet.insert(task)
        case .acknowledged(let task, let id):
            executors[run]?.quiet.remove(task)
            executors[run]?.unacknowledged.removeAll { $0.id == id }
        case .launchGroup, .kill, .message, .shutdown, .error: break
        }
    }

    mutating func give(_ input: AgentInput) {
        var wanted: [AgentEffect] = []
        core.step(input, into: &wanted)
        if random.next(below: 16) == 0 { core.checkRun(nil) }
        if !perform(wanted) { restart() }
    }

    mutating func restart() {
        effectsUntilCrash = nil
        inFlight = []
        for run in executors.keys { executors[run]?.connection = nil }
        let recovered = disk.records.map { record in
            RecoveredTask(record: record, finding: record.state.isTerminal ? nil : finding(record))
        }
        var wanted: [AgentEffect] = []
        core = AgentCore(
            mark: disk.mark, recovered: recovered, seed: random.next(), nowMillis: nowMillis,
            into: &wanted)
        perform(wanted)
    }

    private func finding(_ record: TaskRecord) -> RunFinding {
        switch runs[record.container] {
        case .alive: .supervised
        case .exited(let report): .exited(report)
        case nil: startedEver.contains(record.container) ? .vanished : .neverStarted
        }
    }

    private mutating func newOrder() -> AgentInput? {
        sequence += 1
        let stamp = OrderStamp(
            term: term, sequence: sequence, life: core.mark.life)
        let name = "t\(random.next(below: 12))"
        guard let spec = try? task(name) else { return nil }
        if random.next(below: 4) == 0 { return try? executorOrder(stamp) }
        switch random.next(below: 6) {
        case 0: return .kill(KillOrder(stamp: stamp, key: spec.key, graceMillis: 1))
        case 1: return .reconcile(ReconcileOrder(stamp: stamp, keys: [spec.key]))
        case 2:
            guard let other = try? task("g\(random.next(below: 12))") else { return nil }
            return .launch(LaunchOrder(stamp: stamp, tasks: [spec, other]))
        default: return .launch(LaunchOrder(stamp: stamp, tasks: [spec]))
        }
    }

    private mutating func executorOrder(_ stamp: OrderStamp) throws -> AgentInput {
        let executor = "x\(random.next(below: 2))"
        let name = "r\(random.next(below: 6))"
        let spec = try CoreBench.remoteTask(name, of: executor)
        switch random.next(below: 8) {
        case 0: return .kill(KillOrder(stamp: stamp, key: spec.key))
        case 1: return .executor(.shutDown(CoreBench.executorKey(executor)))
        default:
            let order = try CoreBench.order(executor, tasks: ["\(name)/\(stamp.sequence)"])
            return .launch(LaunchOrder(stamp: stamp, tasks: [spec], executor: order))
        }
    }

    private mutating func executorTurn() {
        let alive = executors.keys.filter { runs[$0] == .alive }.sorted()
        guard !alive.isEmpty else { return }
        let run = alive[pick(alive.count, random.next())]
        guard let executor = executors[run] else { return }
        calls += 1
        let call = ExecutorCallID(calls)
        guard let connection = executor.connection else {
            return give(
                .executor(
                    .subscribes(
                        call, executor.key, unacknowledged: executor.quiet,
                        updates: executor.unacknowledged)))
        }
        guard !executor.tasks.isEmpty, random.next(below: 6) != 0 else {
            executors[run]?.connection = nil
            return give(.executor(.closed(connection, executor.key)))
        }
        let place = pick(executor.tasks.count, random.next())
        let states: [TaskState] = [.running, .running, .finished, .failed]
        let update = ExecutorUpdate(
            task: executor.tasks[place], id: UpdateID(high: random.next(), low: random.next()),
            state: states[pick(states.count, random.next())], body: [1])
        if update.state.isTerminal { executors[run]?.tasks.remove(at: place) }
        executors[run]?.unacknowledged.append(update)
        executors[run]?.lastCall = call
        give(.executor(.updates(call, executor.key, update)))
    }

    private func pick(_ count: Int, _ number: UInt64) -> Int { Int(number % UInt64(count)) }

    mutating func turn() {
        nowMillis += random.next(below: 20_000)
        if random.next(below: 25) == 0 { effectsUntilCrash = random.next(below: 6) }
        switch random.next(below: 15) {
        case 12, 13, 14: executorTurn()
        case 0, 1, 2:
            guard let order = newOrder() else { return }
            orders.append(order)
            if random.next(below: 8) != 0 { give(order) }
        case 3:
            guard !orders.isEmpty else { return }
            give(orders[pick(orders.count, random.next())])
        case 4:
            if random.next(below: 4) == 0 { term = term.next }
            give(.connected(term))
        case 5: give(.disconnected)
        case 6, 7: supervisorTurn()
        case 8, 9: acknowledgeOne()
        case 10: give(.tick(nowMillis: nowMillis))
        default:
            if random.next(below: 10) == 0 { restart() }
        }
    }

    private mutating func supervisorTurn() {
        let alive = runs.filter { $0.value == .alive }.map { $0.key }.sorted()
        guard !alive.isEmpty else { return }
        let container = alive[pick(alive.count, random.next())]
        if random.next(below: 2) == 0 {
            give(.supervisor(container, .started))
        } else {
            end(container)
        }
    }

    private mutating func end(_ container: ContainerID) {
        let report = ExitReport(
            .exited(code: Int32(random.next(below: 2))), atMillis: nowMillis)
        runs[container] = .exited(report)
        give(.supervisor(container, .exited(report)))
    }

    private mutating func acknowledgeOne() {
        guard !inFlight.isEmpty else { return }
        let update = inFlight.remove(at: pick(inFlight.count, random.next()))
        if acknowledged[update.container]?.contains(update.id) != true {
            acknowledged[update.container, default: []].append(update.id)
        }
        give(.acknowledge(update.key, update.id))
    }

    /// All faults healed: everything ends, is heard and acknowledged.
    mutating func heal() {
        effectsUntilCrash = nil
        for container in runs.filter({ $0.value == .alive }).map({ $0.key }).sorted() {
            end(container)
        }
        for _ in 0..<64 {
            give(.connected(term))
            for update in inFlight {
                acknowledged[update.container, default: []].append(update.id)
                give(.acknowledge(update.key, update.id))
            }
            inFlight = []
        }
        for record in core.records {
            demand(record.isSettled, "\(record.container) is \(record.state) after healing")
        }
        for container in startedEver.sorted() where executors[container] == nil {
            demand(
                acknowledged[container]?.isEmpty == false, "nobody heard of \(container)")
        }
    }
}

@Suite("Agent core: random histories")
struct HistoryTests {
    @Test(
        "nothing is started twice or after it was lost, no status is lost, whatever happens",
        arguments: UInt64(1)...60)
    func histories(seed: UInt64) {
        var world = AgentWorld(seed: seed)
        for _ in 0..<400 where world.faults.isEmpty { world.turn() }
        world.heal()
        #expect(world.faults.isEmpty, "seed \(seed): \(world.faults)")
        #expect(!world.startedEver.isEmpty)
        #expect(!world.executors.isEmpty)
    }
}
