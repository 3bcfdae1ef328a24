internal import KeelsonClient
internal import Measuring
internal import NIOCore
internal import NIOPosix

/// The targets `tasks` and `agents`: a fleet of agents without processes registers, one framework
/// fills them with tasks or nobody does, and all is held for a while.
struct TaskLoad {
    let agentCount: Int
    let tasksPerAgent: Int
    /// Whether a framework of the benchmark's does it.
    let isFilled: Bool
    let hold: Duration
    let endpoints: [Endpoint]
    let cluster: Cluster
    let timeout: Duration
    /// A phase is given up where nothing happens for so long.
    let patience: Duration
    /// A line of progress, once a second.
    let tell: @Sendable (String) -> Void

    /// What each task takes.
    static let perTask = [("cpus", 0.1), ("mem", 16.0)]

    /// Room for one task is left on each agent: so there is always something to offer.
    var resources: String {
        let room = Double(tasksPerAgent + 1)
        return Self.perTask.map { "\($0):\($1 * room)" }.joined(separator: ";")
    }

    func run() async throws -> TaskReport {
        let loops = MultiThreadedEventLoopGroup.singleton
        let fleet = AgentFleet(loop: loops.next(), endpoints: endpoints, resources: resources)
        let scheduler = TaskScheduler(
            cluster, timeout: timeout, loop: loops.next(), tasksPerAgent: tasksPerAgent)
        var report = TaskReport(
            agents: agentCount, tasks: isFilled ? agentCount * tasksPerAgent : 0)
        let begin = monotonicNanoseconds()
        fleet.start(agentCount)
        try await wait("agents registered", of: agentCount) {
            try await fleet.state().count.registered
        }
        report.registeredNanoseconds = monotonicNanoseconds() - begin
        let following = isFilled ? Task { await scheduler.run() } : nil
        try await wait("tasks running", of: report.tasks) { await scheduler.seen.running }
        try await keep(fleet, scheduler)
        report.seen = await scheduler.seen
        (report.fleet, report.fleetFailures) = try await fleet.state()
        await scheduler.stop()
        following?.cancel()
        fleet.stop()
        return report
    }

    private func wait(
        _ what: String, of total: Int, _ count: () async throws -> Int
    ) async throws {
        var last = 0
        var lastChange = ContinuousClock.now
        var lastTold = ContinuousClock.now
        while true {
            let now = try await count()
            if now >= total { return tell("\(now) of \(total) \(what)") }
            if now != last { lastChange = .now }
            last = now
            guard ContinuousClock.now - lastChange < patience else {
                throw Failure(
                    .failed, "\(now) of \(total) \(what), and no more for \(patience)",
                    advice: "look at the servers' logs, or run it with fewer")
            }
            if ContinuousClock.now - lastTold >= .seconds(1) {
                lastTold = .now
                tell("\(now) of \(total) \(what)")
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    private func keep(_ fleet: AgentFleet, _ scheduler: TaskScheduler) async throws {
        let end = ContinuousClock.now + hold
        while ContinuousClock.now < end {
            try await Task.sleep(for: min(.seconds(1), end - .now))
            let (count, _) = try await fleet.state()
            let failovers = await scheduler.seen.failovers.count
            tell("held: \(count.registered) agents registered, \(failovers) changes of leader")
        }
    }
}
