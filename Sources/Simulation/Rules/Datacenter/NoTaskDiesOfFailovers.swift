import Primitives
import Scheduling
import StateMachine

// T4: no task of a live framework is killed by a failover of the master.
extension SimulatedDatacenter {
    private static let failovers = "T4 no task of a live framework is killed by a failover"

    private func mayEnd(_ key: TaskKey) -> Bool {
        ledger.killsAsked.contains(key) || ledger.endedFrameworks.contains(key.framework)
            || (key.framework == ServiceFramework.id && services.stopped.contains(key.task))
    }

    /// An agent does as it is told and ends a task.
    func killed(_ key: TaskKey, on agent: SimulatedAgent) {
        if mayEnd(key) { return }
        world.violated(
            Self.failovers, "agent \(agent.id ?? "?") ends \(key), which nobody has asked for")
    }

    /// A master has an executor end that still runs a task.
    func shutDown(_ key: TaskKey, by executor: ExecutorKey, on agent: SimulatedAgent) {
        let wasAsked = framework(key.framework)?.shutdownsAsked.contains(executor.executor) ?? false
        if wasAsked || mayEnd(key) { return }
        world.violated(
            Self.failovers,
            "executor \(executor) with \(key) is to end, which nobody has asked for")
    }

    func checkKill(_ report: StatusReport) {
        let isOfGroup = ledger.launched[report.key]?.isOfGroup ?? false
        guard report.status.state == .killing, !isOfGroup, !mayEnd(report.key) else { return }
        world.violated(Self.failovers, "\(report.key) is being killed, which nobody has asked for")
    }

    /// A framework that has not gone by itself has time to find the next master.
    func frameworkDisconnected(_ id: FrameworkID, in term: Term) {
        guard !clocksLie, let framework = framework(id), let since = officeSince[term] else {
            return
        }
        let subscribed = ledger.subscribedAt[id] ?? 0
        if framework.lastLeft >= subscribed - 5_000_000 { return }
        let due = Int(world.settings.masterSettings.reconnectMilliseconds) * 1000
        if world.now - since < due * 9 / 10 {
            world.violated(
                Self.failovers,
                "framework \(id) is taken for gone \(world.now - since) us after a master came")
        }
    }

    /// It ends when its scheduler says so, or has been away for its time.
    func frameworkEnded(_ id: FrameworkID, session: UInt64) {
        guard let framework = framework(id), !framework.askedForItsEnd else { return }
        let due = Int(framework.failoverMilliseconds) * 1000
        guard due >= 360_000_000_000 || !clocksLie else { return }
        let away = ledger.disconnectedAt[id].map { world.now - $0 } ?? 0
        if session == 0 || away < due * 9 / 10 {
            world.violated(
                Self.failovers, "framework \(id) is ended after \(away) us of \(due)")
        }
    }
}
