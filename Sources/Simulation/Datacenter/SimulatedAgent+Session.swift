import AgentLogic
import Primitives
import Scheduling
import StateMachine

/// What an agent says when it registers.
struct AgentWords {
    var registration: AgentRegistration
    var known: [KnownTask]
    var executors: [ExecutorWords]
    var highestTerm: Term
}

/// An executor that lives.
struct ExecutorWords {
    var framework: StateMachine.FrameworkID
    var executor: StateMachine.ExecutorID
}

/// How an agent keeps its session with whoever leads, as the agent's session does it.
extension SimulatedAgent {
    // MARK: Dialling

    func dialLater(_ delay: Micros) { later(delay) { [self] in dial() } }

    private func dial() {
        guard case .away = session else { return }
        let machine = world.machines[target]
        guard let process = machine.process, process.isAlive, machine.isPowered,
            !isCut(from: target)
        else { return tryNext() }
        let link = world.datacenter.connect(self, to: process, &random)
        session = .registering(link)
        whenSettled { [self] in
            guard isOwn(link) else { return }
            let words = words
            listedExecutors = core?.executors ?? []
            link.toNode { [self] process in process.master.register(self, words, link) }
        }
        let life = life
        later(10_000_000) { [self] in
            guard self.life == life, case .registering(let open) = session, open === link else {
                return
            }
            lost()
        }
    }

    private func tryNext() {
        target = (target + 1) % world.settings.machineCount
        failures += 1
        let isRoundDone = failures % world.settings.machineCount == 0
        dialLater(isRoundDone ? random.draw(50_000...pauseMax) : random.draw(100...1000))
    }

    /// Doubles from round to round.
    private var pauseMax: Micros {
        min(5_000_000, 100_000 << min(6, failures / world.settings.machineCount))
    }

    private var words: AgentWords {
        let known = (core?.records ?? []).compactMap(\.known).map { run in
            KnownTask(
                key: StateMachine.TaskKey(run.key), sequence: run.sequence,
                state: StateMachine.TaskState(run.state), isPending: run.isPending)
        }
        let executors = (core?.executors ?? []).map { key in
            ExecutorWords(
                framework: StateMachine.FrameworkID(key.framework.text),
                executor: StateMachine.ExecutorID(key.executor.text))
        }
        let place = SimulatedPlace(agent: number, of: world.settings)
        let total = (try? ResourcesParser.parse(place.total)) ?? .empty
        return AgentWords(
            registration: AgentRegistration(
                id: StateMachine.AgentID(id ?? ""),
                newID: StateMachine.AgentID("a\(number)-\(random.next() % 1_000_000)"),
                info: place.info,
                total: total, incarnation: disk.incarnation, url: []),
            known: known, executors: executors, highestTerm: highestTerm)
    }

    // MARK: A session's end

    func closed(_ link: DatacenterLink) {
        switch session {
        case .away: return
        case .registering(let open), .registered(let open): if open === link { lost() }
        }
    }

    func lost() {
        let wasRegistered = isRegistered
        switch session {
        case .away: return
        case .registering(let link), .registered(let link): link.closeAtClient()
        }
        session = .away
        if wasRegistered {
            give(.disconnected)
            return dialLater(random.draw(0...500_000))
        }
        tryNext()
    }

    var isRegistered: Bool { if case .registered = session { true } else { false } }

    func redirected(to leader: Int?) {
        guard case .registering(let link) = session else { return }
        link.closeAtClient()
        session = .away
        guard let leader, leader != target else { return tryNext() }
        target = leader
        failures += 1
        dialLater(random.draw(100...20_000))
    }

    func refused(_ reason: String, isFinal: Bool, at link: DatacenterLink) {
        guard isOwn(link) else { return }
        if isFinal {
            world.violated(
                "T5 everything converges behind the faults",
                "agent \(id ?? "new") is refused for good: \(reason)")
        }
        failures = max(failures, world.settings.machineCount)
        lost()
    }

    private func isOwn(_ link: DatacenterLink) -> Bool {
        switch session {
        case .away: false
        case .registering(let open), .registered(let open): open === link
        }
    }

    /// Heartbeats, and whether somebody answers them.
    func watchSession() {
        guard case .registered(let link) = session else { return }
        if world.now - lastPong > 15_000_000 { return lost() }
        link.toNode { [self] process in process.master.ping(self, link) }
    }

    func ponged() { lastPong = world.now }

    // MARK: What masters say

    /// Whether a master is none that was deposed. The core asks the same again, from its disk.
    func hears(_ term: Term, _ link: DatacenterLink) -> Bool {
        guard isOwn(link) else { return false }
        guard term >= highestTerm else {
            lost()
            return false
        }
        highestTerm = term
        return true
    }

    func registered(_ id: StateMachine.AgentID, _ term: Term, _ link: DatacenterLink) {
        guard hears(term, link) else { return }
        if let own = self.id, own != id.description {
            return world.violated(
                "T5 everything converges behind the faults", "agent \(own) is called \(id)")
        }
        if core == nil, let given = try? AgentLogic.AgentID(id.description) {
            openCore(AgentMark(agentID: given), [])
        }
        failures = 0
        lastPong = world.now
        session = .registered(link)
        world.counters.count(CoverageMark.agentRegistered)
        give(.connected(term))
        whenSettled { [self] in if isOwn(link) { sayWhatEnded() } }
    }

    private func stamp(_ term: Term, _ sequence: UInt64) -> OrderStamp {
        OrderStamp(term: term, sequence: sequence, life: core?.mark.life ?? 0)
    }

    func launched(
        _ tasks: [StateMachine.TaskRecord], _ infos: [[UInt8]], by executor: ExecutorRecord?,
        _ term: Term, _ link: DatacenterLink
    ) {
        guard hears(term, link), let first = tasks.first else { return }
        var specs: [TaskSpec] = []
        for (task, info) in zip(tasks, infos) {
            guard let key = AgentLogic.TaskKey(task.key) else { return }
            if task.key.framework == ServiceFramework.id {
                guard let spec = Self.spec(ofInstance: info, key) else { return }
                specs.append(spec)
                continue
            }
            let text = String(decoding: info, as: UTF8.self)
            var spec = TaskSpec(
                frameworkID: key.framework, taskID: key.task, command: .shell(text))
            spec.killGraceMillis = 1000
            spec.executorID = task.executor.flatMap {
                try? AgentLogic.ExecutorID($0.description)
            }
            let isFetched = executor == nil && TaskScript(text)?.isFetched == true
            if isFetched { spec.uris = [TaskURI("file:///there")] }
            specs.append(spec)
        }
        give(
            .launch(
                LaunchOrder(
                    stamp: stamp(term, first.sequence), tasks: specs,
                    executor: executor.flatMap { order($0, tasks, infos) })))
    }

    func killed(
        _ key: StateMachine.TaskKey, _ sequence: UInt64, _ graceMillis: UInt64, _ term: Term,
        _ link: DatacenterLink
    ) {
        guard hears(term, link), let name = AgentLogic.TaskKey(key) else { return }
        give(
            .kill(
                KillOrder(
                    stamp: stamp(term, sequence), key: name,
                    graceMillis: graceMillis == 0 ? nil : graceMillis)))
    }

    func acknowledged(
        _ key: StateMachine.TaskKey, _ uuid: [UInt8], _ link: DatacenterLink
    ) {
        guard isOwn(link), let name = AgentLogic.TaskKey(key), uuid.count == 16 else { return }
        let number = { (part: ArraySlice<UInt8>) in part.reduce(0) { $0 << 8 | UInt64($1) } }
        give(.acknowledge(name, UpdateID(high: number(uuid[..<8]), low: number(uuid[8...]))))
    }

    func asked(_ tasks: [LaunchedTask], _ term: Term, _ link: DatacenterLink) {
        guard hears(term, link) else { return }
        whenSettled { [self] in answer(tasks, term) }
    }

    private func answer(_ tasks: [LaunchedTask], _ term: Term) {
        guard let core else { return }
        let plan = ReconciliationPlan(records: core.records, mark: core.mark)
        for task in tasks {
            guard let key = AgentLogic.TaskKey(task.key) else { continue }
            switch plan.answer(to: key, sequence: task.sequence) {
            case .latest:
                give(
                    .reconcile(
                        ReconcileOrder(stamp: stamp(term, task.sequence), keys: [key])))
            case .lost:
                let uuid = UpdateID(high: random.next(), low: random.next()).bytes
                send(
                    StatusReport(
                        key: task.key, sequence: task.sequence,
                        status: WaitingStatus(uuid: uuid, state: .lost, body: [1])))
            case .silence: break
            }
        }
    }

    // MARK: What the tasks say

    func say(_ update: StatusUpdate) {
        let status = WaitingStatus(
            uuid: update.id.bytes, state: StateMachine.TaskState(update.state),
            body: Self.body(of: update))
        send(
            StatusReport(
                key: StateMachine.TaskKey(update.key),
                sequence: update.container.launchSequence, status: status))
    }

    /// Without a session it goes nowhere: whoever is the master next will ask.
    private func send(_ report: StatusReport) {
        guard case .registered(let link) = session else { return }
        link.toNode { process in process.master.take(.reports([report]), link) }
    }

    // MARK: What the rules are told

    func started(_ record: AgentLogic.TaskRecord) {
        world.datacenter.started(
            StateMachine.TaskKey(record.key), record.container.launchSequence, on: self)
    }

    func swept(_ record: AgentLogic.TaskRecord) {
        world.datacenter.swept(StateMachine.TaskKey(record.key), on: self)
    }

    /// Of executors nobody knows more than what becomes of their tasks.
    func obeyed(_ record: AgentLogic.TaskRecord) {
        let known = core?.records.first { $0.container == record.container }
        guard known?.killReason == .killedByOrder else { return }
        world.datacenter.killed(StateMachine.TaskKey(record.key), on: self)
    }

    /// Whether a process of this launch runs on the machine.
    func isLive(_ key: StateMachine.TaskKey, _ sequence: UInt64) -> Bool {
        runs.values.contains {
            $0.isLive && $0.record.container.launchSequence == sequence
                && StateMachine.TaskKey($0.record.key) == key
        }
            || AgentLogic.TaskKey(key).map { name in
                executors.values.contains { $0.runs(name, sequence) }
            } ?? false
    }
}

extension StateMachine.TaskKey {
    init(_ key: AgentLogic.TaskKey) {
        self.init(
            StateMachine.FrameworkID(key.framework.text), StateMachine.TaskID(key.task.text))
    }
}

extension AgentLogic.TaskKey {
    /// Nil for what is no task's name.
    init?(_ key: StateMachine.TaskKey) {
        guard let framework = try? AgentLogic.FrameworkID(key.framework.description),
            let task = try? AgentLogic.TaskID(key.task.description)
        else { return nil }
        self.init(framework: framework, task: task)
    }
}

extension StateMachine.TaskState {
    init(_ state: AgentLogic.TaskState) {
        switch state {
        case .staging: self = .staging
        case .starting: self = .starting
        case .running: self = .running
        case .killing: self = .killing
        case .finished: self = .finished
        case .failed: self = .failed
        case .killed: self = .killed
        case .error: self = .error
        case .lost: self = .lost
        case .dropped: self = .dropped
        }
    }
}
