import AgentLogic
import Primitives

/// Task processes: they begin, end by themselves or because they are asked to, and go on while
/// their agent is down.
extension SimulatedAgent {
    func script(_ record: TaskRecord) -> TaskScript {
        guard case .shell(let text) = record.spec.command else { return TaskScript(duration: 0) }
        return TaskScript(text) ?? TaskScript(duration: 0)
    }

    func fetch(_ record: TaskRecord) {
        let fails = script(record).fetchFails
        later(random.draw(1000...800_000)) { [self] in
            give(.fetched(record.container, fault: fails ? "there is no such file" : nil))
        }
    }

    func startSupervisor(_ record: TaskRecord) {
        let container = record.container
        runs[container] = SimulatedRun(record: record, linkedLife: life)
        let incarnation = disk.incarnation
        // Its supervisor is a process of its own: it does not end with the agent.
        world.schedule(after: random.draw(500...50_000), .client, machine: -1, life: 0) {
            [self] in
            if disk.incarnation == incarnation { begin(container) }
        }
    }

    private func begin(_ container: ContainerID) {
        guard let run = runs[container], run.phase == .starting else { return }
        if run.isToEnd || random.chance(1, in: 60) {
            let report = ExitReport(
                run.isToEnd ? .signaled(15) : .notStarted("no such program"), atMillis: nowMillis)
            return finish(container, report)
        }
        runs[container]?.phase = .running
        if let key = run.record.executorKey {
            executors[container] = SimulatedExecutor(agent: self, key: key, run: container)
            return notify(container, .started)
        }
        started(run.record)
        notify(container, .started)
        let script = script(run.record)
        guard let duration = script.duration else { return }
        let incarnation = disk.incarnation
        world.schedule(after: duration, .client, machine: -1, life: 0) { [self] in
            guard disk.incarnation == incarnation, runs[container]?.isLive == true else { return }
            finish(container, ExitReport(.exited(code: script.code), atMillis: nowMillis))
        }
    }

    func finish(_ container: ContainerID, _ report: ExitReport) {
        executors[container]?.die()
        runs[container]?.phase = .exited(report)
        notify(container, .exited(report))
    }

    /// What a supervisor says to the agent that is connected to it.
    private func notify(_ container: ContainerID, _ event: SupervisorEvent) {
        guard isRunning, runs[container]?.linkedLife == life else { return }
        later(random.draw(50...2000)) { [self] in give(.supervisor(container, event)) }
    }

    func attach(_ record: TaskRecord) {
        let container = record.container
        runs[container]?.linkedLife = life
        switch runs[container]?.phase {
        case .starting: break
        case .running: notify(container, .started)
        case .exited(let report): notify(container, .exited(report))
        case .vanished, nil:
            later(random.draw(50...2000)) { [self] in
                give(.supervisor(container, .gone("the supervisor ended without a word")))
            }
        }
    }

    func kill(_ container: ContainerID, graceMillis: UInt64) {
        guard let run = runs[container], !run.isToEnd else { return }
        obeyed(run.record)
        runs[container]?.isToEnd = true
        guard run.phase == .running else { return }
        let incarnation = disk.incarnation
        let grace = Int(min(graceMillis, 5000)) * 1000
        world.schedule(after: random.draw(500...max(1000, grace)), .client, machine: -1, life: 0) {
            [self] in
            guard disk.incarnation == incarnation, runs[container]?.isLive == true else { return }
            var report = ExitReport(.signaled(15), atMillis: nowMillis)
            report.wasKilled = true
            finish(container, report)
        }
    }
}
