import StateMachine

// T2: a committed launch runs exactly once, or its agent reports it lost.
extension SimulatedDatacenter {
    private static let launchedOnce = "T2 a committed launch runs exactly once or is reported lost"

    func launchCommitted(_ launch: Launch) {
        for case .task(let task) in launch.operations {
            let key = TaskKey(launch.framework, task.task)
            if dropped.contains(key) {
                world.violated(
                    Self.launchedOnce,
                    "\(key) is launched, its framework was told that it never would be")
            }
        }
    }

    /// A framework was told that a task was never launched.
    func wasDropped(_ key: TaskKey) {
        dropped.insert(key)
        if ledger.launched[key] != nil {
            world.violated(Self.launchedOnce, "\(key) is launched, its framework is told it is not")
        }
    }

    /// A process begins.
    func started(_ key: TaskKey, _ sequence: UInt64, on agent: SimulatedAgent) {
        world.counters.count(CoverageMark.taskStarted)
        world.trace.note(
            world.now, -1, "starts task, agent", sequence, UInt64(agent.number), text: "\(key)")
        starts[key, default: 0] += 1
        if starts[key] != 1 {
            world.violated(
                Self.launchedOnce, "\(key) is started again, on agent \(agent.id ?? "?")")
        }
        guard let fact = ledger.launched[key], fact.sequence == sequence,
            fact.agent.description == agent.id
        else {
            return world.violated(
                Self.launchedOnce,
                "\(key) of sequence \(sequence) is started on agent \(agent.id ?? "?"), launched is"
                    + " \(String(describing: ledger.launched[key]))")
        }
        checkLoad(of: agent)
    }

    /// A process is ended for which there is no record, as if nobody had launched it.
    func swept(_ key: TaskKey, on agent: SimulatedAgent) {
        world.violated(
            Self.launchedOnce, "agent \(agent.id ?? "?") has no record of \(key), which runs there")
    }

    /// What an agent says has ended does not run.
    func checkEnd(_ report: StatusReport) {
        guard report.status.state.isTerminal else { return }
        for agent in agents where agent.isLive(report.key, report.sequence) {
            world.violated(
                Self.launchedOnce,
                "\(report.key) runs on agent \(agent.id ?? "?"), it is said to be"
                    + " \(report.status.state)")
        }
    }

    /// At the end: what finished has run.
    func checkRuns() {
        for key in ledger.order where ledger.states[key] == .finished && starts[key] == nil {
            world.violated(Self.launchedOnce, "\(key) has finished and never ran")
        }
    }
}
