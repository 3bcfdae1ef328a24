import AgentLogic
import Primitives
import Scheduling
import StateMachine

/// Executors on an agent's machine: what they and their agent say to each other, and what masters
/// hear of them, as the agent's session and its desk for executors do it.
extension SimulatedAgent {
    // MARK: From executors

    /// A call has reached the agent. Nil where nobody takes it.
    func call(of executor: SimulatedExecutor, _ update: ExecutorUpdate? = nil) -> ExecutorCallID? {
        guard isRunning, core != nil else { return nil }
        lastCall += 1
        let id = ExecutorCallID(lastCall)
        executorCalls[id] = ExecutorCall(run: executor.run, update: update)
        return id
    }

    func hear(_ input: ExecutorInput) {
        guard isRunning, core != nil else { return }
        nextHeard = max(world.now + random.draw(20...500), nextHeard + 1)
        later(nextHeard - world.now) { [self] in give(.executor(input)) }
    }

    func exited(_ container: ContainerID, _ outcome: ProcessOutcome) {
        guard runs[container]?.isLive == true else { return }
        finish(container, ExitReport(outcome, atMillis: nowMillis))
    }

    // MARK: To executors

    func perform(_ effect: ExecutorEffect) {
        switch effect {
        case .answer(let id, let refusal):
            guard let call = executorCalls.removeValue(forKey: id) else { return }
            executors[call.run]?.answered(id, call.update, refusal)
        case .subscribed(let id, _, _, let run): executors[run]?.subscribed(id)
        case .tell(let id, let event):
            guard let call = executorCalls[id] else { return }
            executors[call.run]?.told(id, event, sequences(event, of: call.run))
        case .close(let id):
            guard let call = executorCalls.removeValue(forKey: id) else { return }
            executors[call.run]?.closed(id)
        case .ended(let key, let status, let sequence):
            sayEnded(key, status: status, sequence: sequence)
        case .toScheduler: break
        }
    }

    /// Task infos do not say which launch they are of.
    private func sequences(_ event: ExecutorEvent, of run: ContainerID) -> [UInt64] {
        let infos: [[UInt8]]
        switch event {
        case .launch(let info): infos = [info]
        case .launchGroup(let group): infos = group
        case .kill, .acknowledged, .message, .shutdown, .error: return []
        }
        return infos.map { info in
            guard let executor = executors[run], let task = SimulatedExecutor.task(info) else {
                return 0
            }
            let key = AgentLogic.TaskKey(framework: executor.key.framework, task: task)
            return core?.record(of: key)?.container.launchSequence ?? 0
        }
    }

    /// The agent's process has ended.
    func leaveExecutors() {
        executorCalls = [:]
        for run in executors.keys.sorted() { executors[run]?.lostAgent() }
    }

    // MARK: To masters

    private func sayEnded(_ key: AgentLogic.ExecutorKey, status: Int32, sequence: UInt64) {
        guard case .registered(let link) = session, let name = name(of: key) else { return }
        link.toNode { process in
            process.master.take(.executorEnded(name, status: status, sequence: sequence), link)
        }
    }

    /// What ended since the master was told of it.
    func sayWhatEnded() {
        guard let core, !listedExecutors.isEmpty else { return }
        let living = core.executors
        for key in listedExecutors where !living.contains(key) {
            sayEnded(key, status: 0, sequence: core.mark.sequence)
        }
    }

    func name(of key: AgentLogic.ExecutorKey) -> StateMachine.ExecutorKey? {
        id.map {
            StateMachine.ExecutorKey(
                StateMachine.AgentID($0), StateMachine.FrameworkID(key.framework.text),
                StateMachine.ExecutorID(key.executor.text))
        }
    }

    // MARK: Of masters

    func shutDown(_ name: StateMachine.ExecutorKey, _ term: Term, _ link: DatacenterLink) {
        guard hears(term, link), let key = AgentLogic.ExecutorKey(name) else { return }
        for run in executors.keys.sorted() {
            guard let executor = executors[run], executor.isAlive, executor.key == key else {
                continue
            }
            for task in executor.liveTasks {
                world.datacenter.shutDown(StateMachine.TaskKey(task), by: name, on: self)
            }
        }
        give(.executor(.shutDown(key)))
    }

    func order(
        _ executor: ExecutorRecord, _ tasks: [StateMachine.TaskRecord], _ infos: [[UInt8]]
    ) -> ExecutorOrder? {
        guard let key = AgentLogic.ExecutorKey(executor.key),
            let task = try? AgentLogic.TaskID(key.executor.text)
        else { return nil }
        var spec = TaskSpec(
            frameworkID: key.framework, taskID: task, command: .shell("executor"))
        spec.executorID = key.executor
        spec.killGraceMillis = 1000
        return ExecutorOrder(
            spec: spec, key: key,
            terms: ExecutorTerms(info: [1], framework: [1], shutdownGraceMillis: 2000),
            taskInfos: infos, isGroup: tasks.contains { $0.group != 0 })
    }

    // MARK: What the rules are told

    func started(_ key: AgentLogic.TaskKey, _ sequence: UInt64) {
        world.datacenter.started(StateMachine.TaskKey(key), sequence, on: self)
    }

    func obeys(_ key: AgentLogic.TaskKey) {
        world.datacenter.killed(StateMachine.TaskKey(key), on: self)
    }
}

extension AgentLogic.ExecutorKey {
    /// Nil for what is no executor's name.
    init?(_ key: StateMachine.ExecutorKey) {
        guard let framework = try? AgentLogic.FrameworkID(key.framework.description),
            let executor = try? AgentLogic.ExecutorID(key.executor.description)
        else { return nil }
        self.init(framework: framework, executor: executor)
    }
}
