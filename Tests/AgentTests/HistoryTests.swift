import Agent
import AgentLogic
import Primitives
import Testing

/// A world around one agent's core: masters that repeat and reorder orders, supervisors, a disk
/// that keeps what was persisted, and crashes between any two effects.
private struct AgentWorld {
    enum Life: Equatable { case alive, exited(ExitReport) }

    var random: SplitMix64
    var core: AgentCore
    var disk = ModelDisk()
    var term = Term(1)
    var sequence: UInt64 = 0
    var orders: [AgentInput] = []
    var runs: [ContainerID: Life] = [:]
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
            case .send(let update):
                let isDurable = disk.records.contains { $0.pending.first == update }
                demand(isDurable, "\(update.state) of \(update.container) sent before durable")
                inFlight.append(update)
            case .answer(let update):
                if update.reason == .sequencePassed { reportedLost.insert(update.container) }
            case .removeRun(let record):
                demand(record.isSettled, "\(record.container) removed unsettled")
                runs[record.container] = nil
            case .fetch, .cancelFetch, .attach, .kill, .startChecks, .stopChecks, .refuse: break
            }
        }
        return true
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
        switch random.next(below: 6) {
        case 0: return .kill(KillOrder(stamp: stamp, key: spec.key, graceMillis: 1))
        case 1: return .reconcile(ReconcileOrder(stamp: stamp, keys: [spec.key]))
        case 2:
            guard let other = try? task("g\(random.next(below: 12))") else { return nil }
            return .launch(LaunchOrder(stamp: stamp, tasks: [spec, other]))
        default: return .launch(LaunchOrder(stamp: stamp, tasks: [spec]))
        }
    }

    private func pick(_ count: Int, _ number: UInt64) -> Int { Int(number % UInt64(count)) }

    mutating func turn() {
        nowMillis += random.next(below: 20_000)
        if random.next(below: 25) == 0 { effectsUntilCrash = random.next(below: 6) }
        switch random.next(below: 12) {
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
        for container in startedEver.sorted() {
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
    }
}
