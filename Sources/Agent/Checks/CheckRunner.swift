internal import AgentLogic
internal import Dispatch

/// Runs the health checks and checks of this agent's tasks. Confined to the runner's queue.
final class CheckRunner {
    private struct Watch {
        var state: HealthCheckState
        let probe: Probe
        let record: TaskRecord
        let sandbox: String
        /// Tells this watch from an earlier one of the same run.
        let number: UInt64
    }

    private let queue: DispatchQueue
    private let give: @Sendable (AgentInput) -> Void
    private var watches: [ContainerID: [Watch]] = [:]
    private var nextNumber: UInt64 = 0

    init(queue: DispatchQueue, give: @escaping @Sendable (AgentInput) -> Void) {
        self.queue = queue
        self.give = give
    }

    func start(_ record: TaskRecord, sandbox: String) {
        stop(record.container)
        let now = MachineClock.steadyMillis
        if let check = record.spec.healthCheck {
            add(HealthCheckState(check, nowMillis: now), check.probe, record, sandbox)
        }
        if let check = record.spec.check {
            add(HealthCheckState(check, nowMillis: now), check.probe, record, sandbox)
        }
    }

    func stop(_ container: ContainerID) { watches[container] = nil }
    func stopAll() { watches = [:] }

    private func add(
        _ state: HealthCheckState, _ probe: Probe, _ record: TaskRecord, _ sandbox: String
    ) {
        nextNumber += 1
        let watch = Watch(
            state: state, probe: probe, record: record, sandbox: sandbox, number: nextNumber)
        watches[record.container, default: []].append(watch)
        schedule(watch)
    }

    private func schedule(_ watch: Watch) {
        guard let next = watch.state.nextMillis else { return }
        let now = MachineClock.steadyMillis
        let wait = Int(min(next > now ? next - now : 0, AgentLimits.durationMillisMax))
        let (container, number) = (watch.record.container, watch.number)
        let box = Weak(self)
        queue.asyncAfter(deadline: .now() + .milliseconds(wait)) {
            box.runner?.update(container, number) { $0.tick(MachineClock.steadyMillis) }
        }
    }

    private func update(
        _ container: ContainerID, _ number: UInt64,
        _ body: (inout HealthCheckState) -> [HealthCheckState.Action]
    ) {
        guard let place = watches[container]?.firstIndex(where: { $0.number == number }),
            var watch = watches[container]?[place]
        else { return }
        let before = watch.state.nextMillis
        let actions = body(&watch.state)
        watches[container]?[place] = watch
        for action in actions { perform(action, watch) }
        if watch.state.nextMillis != before { schedule(watch) }
    }

    private func perform(_ action: HealthCheckState.Action, _ watch: Watch) {
        let container = watch.record.container
        switch action {
        case .probe(let id, let timeout):
            let box = Weak(self)
            let number = watch.number
            let queue = queue
            Task.detached {
                let result = await ProbeRunner.run(
                    watch.probe, watch.record.spec, sandbox: watch.sandbox, timeoutMillis: timeout)
                queue.async {
                    box.runner?.update(container, number) {
                        $0.result(of: id, result, MachineClock.steadyMillis)
                    }
                }
            }
        // Each probe has its own deadline: it ends by itself.
        case .abandon: break
        case .reportHealth(let isHealthy):
            give(.health(container, isHealthy: isHealthy, mustEnd: false))
        case .reportCheck(let result): give(.check(container, result))
        case .end: give(.health(container, isHealthy: false, mustEnd: true))
        }
    }

    /// Timers and probes may not keep the runner alive. Only used on the queue.
    private final class Weak: @unchecked Sendable {
        weak var runner: CheckRunner?
        init(_ runner: CheckRunner) { self.runner = runner }
    }
}
