internal import Primitives

/// One agent as a value: what it was ordered, what became of it, what it still has to report.
///
/// No clock, file, process or socket: inputs come in, effects go out, in order. The same value runs
/// on a machine and in the simulator.
///
/// What holds after every step:
/// - An order of a lower term than the highest seen, or of another life, has no effect.
/// - A sequence at or below the mark starts nothing, and before anything is forked, or a task that
///   was never seen is reported lost, a mark that covers it is durable.
/// - A status is durable before it is sent, and kept until its id is acknowledged; a task's
///   statuses are sent one at a time, in their order.
/// - A terminal state is final.
package struct AgentCore: Sendable {
    package struct Settings: Equatable, Sendable {
        /// Milliseconds that an executor may live without a connection to this agent.
        package var executorMillis: UInt64 = 60_000
        /// Milliseconds that the sandbox of an ended task is kept while the disk is empty.
        package var sandboxMillis: UInt64 = 7 * 86_400_000
        /// Thousandths of the disk that are to stay free. The age shrinks as it fills up.
        package var headroomPermille: UInt32 = 100
        package init() {}
    }

    /// A run and what only this life of the agent knows of it.
    struct Entry: Equatable, Sendable {
        var record: TaskRecord
        var isFetched = false
        /// When the first pending update is sent again; nil while it was not sent.
        var resendAtMillis: UInt64?
        var resendMillis = AgentLimits.resendMillisMin
        var hasChecks = false

        // Of an executor.

        /// The subscription through which it is told things.
        var connection: ExecutorCallID?
        /// Milliseconds until it is ended for want of a connection, or for taking too long to end.
        var remainingMillis: UInt64?
        /// How its process ended, as wait(2) gives it.
        var waitStatus: Int32 = 0

        // Of an executor or of one of its tasks.

        /// An executor: it has been connected. A task: its executor was told to launch it.
        var wasTold = false
        /// Milliseconds that the last order to kill a task gave its executor.
        var killGraceMillis: UInt64?
    }

    /// What one step changed; it becomes one write and what waits for it.
    struct Step {
        var isMarkChanged = false
        var changed: [ContainerID] = []
        var removed: [ContainerID] = []
        var effects: [AgentEffect] = []
    }

    package internal(set) var mark: AgentMark
    package internal(set) var isConnected = false
    /// By container, oldest first.
    var entries: [Entry] = []
    /// The newest run of each task. Looked up, never iterated.
    var containerOfKey: [TaskKey: ContainerID] = [:]
    /// The newest run of each executor. Looked up, never iterated.
    var runOfExecutor: [ExecutorKey: ContainerID] = [:]
    var nowMillis: UInt64
    var diskPermille: UInt32 = 0
    var work = Step()
    let settings: Settings
    private var random: SplitMix64

    /// - Parameters:
    ///   - mark: what the disk says; its life is the last life's.
    ///   - recovered: the records on disk, and what became of each run.
    ///   - seed: from which the ids of updates are drawn: another one for each start.
    package init(
        mark: AgentMark, recovered: [RecoveredTask], settings: Settings = Settings(),
        seed: UInt64, nowMillis: UInt64, into effects: inout [AgentEffect]
    ) {
        self.mark = mark
        self.settings = settings
        self.nowMillis = nowMillis
        random = SplitMix64(seed: seed)
        recover(recovered)
        finishStep(into: &effects)
    }

    package mutating func step(_ input: AgentInput, into effects: inout [AgentEffect]) {
        switch input {
        case .connected(let term): connected(term)
        case .disconnected: isConnected = false
        case .launch(let order): launch(order)
        case .kill(let order): kill(order)
        case .reconcile(let order): reconcile(order)
        case .acknowledge(let key, let id): acknowledge(key, id)
        case .fetched(let container, let fault): fetched(container, fault: fault)
        case .supervisor(let container, let event): supervisor(container, event)
        case .health(let container, let isHealthy, let mustEnd):
            health(container, isHealthy: isHealthy, mustEnd: mustEnd)
        case .check(let container, let result): check(container, result)
        case .executor(let input): take(input)
        case .tick(let millis): tick(millis)
        case .diskUse(let permille):
            diskPermille = min(permille, 1000)
            collectSandboxes()
        }
        let changed = work.changed
        finishStep(into: &effects)
        for container in changed { checkRun(container) }
    }

    /// Every task that is remembered, oldest first: what the master is told at registration.
    package var records: [TaskRecord] { entries.map { $0.record }.filter { !$0.isExecutor } }

    /// Executors that live.
    package var executors: [ExecutorKey] {
        entries.compactMap { entry in
            let isAlive = entry.record.isExecutor && !entry.record.state.isTerminal
            return isAlive ? entry.record.executorKey : nil
        }
    }

    package func record(of key: TaskKey) -> TaskRecord? {
        containerOfKey[key].flatMap { index(of: $0) }.map { entries[$0].record }
    }

    // MARK: What all parts use

    /// Cost: a binary search.
    func index(of container: ContainerID) -> Int? {
        let place = insertionIndex(of: container)
        return place < entries.count && entries[place].record.container == container ? place : nil
    }

    func insertionIndex(of container: ContainerID) -> Int {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].record.container < container {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }

    mutating func insert(_ entry: Entry) {
        let place = insertionIndex(of: entry.record.container)
        entries.insert(entry, at: place)
        if entry.record.isExecutor {
            if let key = entry.record.executorKey { runOfExecutor[key] = entry.record.container }
        } else if !isAlive(entry.record.key) {
            containerOfKey[entry.record.key] = entry.record.container
        }
        markChanged(entry.record.container)
    }

    func isAlive(_ key: TaskKey) -> Bool { record(of: key).map { !$0.state.isTerminal } ?? false }

    mutating func markChanged(_ container: ContainerID) {
        if !work.changed.contains(container) { work.changed.append(container) }
    }

    mutating func drawID() -> UpdateID { UpdateID(high: random.next(), low: random.next()) }

    /// All that a step wants done waits for all that it changed: one rule, and no step is so hot
    /// that it needs a finer one.
    private mutating func finishStep(into effects: inout [AgentEffect]) {
        var write = StateWrite()
        write.mark = work.isMarkChanged ? mark : nil
        write.records = work.changed.sorted().compactMap { container in
            index(of: container).map { entries[$0].record }
        }
        write.removed = work.removed.sorted()
        let wanted = work.effects
        work = Step()
        #if KEELSON_MUTANTS
            if planted(.startsBeforeDurable), !write.isEmpty {
                effects += wanted
                effects.append(.persist(write, then: []))
                return
            }
        #endif
        if write.isEmpty {
            effects += wanted
        } else {
            effects.append(.persist(write, then: wanted))
        }
    }

    /// Facts of one run; of all of them where `container` is nil, at a cost that grows with them.
    package func checkRun(_ container: ContainerID?) {
        guard let container else {
            for entry in entries { checkRun(entry.record.container) }
            return
        }
        guard let place = index(of: container) else { return }
        let record = entries[place].record
        invariant(
            container.sequence <= mark.sequence,
            "the run \(container) is behind the mark \(mark.sequence)")
        invariant(
            place == 0 || entries[place - 1].record.container < container, "the runs are sorted")
        invariant(
            record.state.isTerminal == (record.endedAtMillis != nil),
            "the run \(container) is \(record.state) and its end is remembered")
        invariant(
            record.pending.count <= AgentLimits.pendingUpdatesMax,
            "\(record.pending.count) updates of \(container) wait")
        invariant(
            record.pending.isEmpty || record.pending.last == record.latest,
            "the newest update of \(container) is the last that waits")
    }
}
