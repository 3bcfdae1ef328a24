import Primitives
import Replication
import StateMachine

// T5: behind all faults everything converges.
extension SimulatedDatacenter {
    private static let converges = "T5 everything converges behind the faults"

    /// Whether every launch has ended, or runs and is known to.
    private func isAccountedFor(_ table: DatacenterTable) -> Bool {
        for key in ledger.order where !ledger.ended.contains(key) {
            guard let fact = ledger.launched[key], let agent = agent(fact.agent),
                let state = table.tasks[key]?.state, state == .running || state == .killing,
                agent.isLive(key, fact.sequence)
            else { return false }
        }
        return areAgentsBack(table)
    }

    private func areAgentsBack(_ table: DatacenterTable) -> Bool {
        agents.allSatisfy { agent in
            guard agent.isRegistered, let id = agent.id else { return false }
            return table.agents[AgentID(id)]?.record.phase == .reachable
        }
    }

    /// Whether nothing runs, nothing is held, and everybody knows.
    private func isFree(_ table: DatacenterTable) -> Bool {
        let isQuiet = ledger.order.allSatisfy { key in
            ledger.ended.contains(key)
                && (table.tasks[key]?.waiting.isEmpty ?? true
                    || ledger.endedFrameworks.contains(key.framework))
        }
        let areFree = table.agentIDs.allSatisfy { table.agents[$0]?.used.isEmpty ?? true }
        let isIdle = agents.allSatisfy { agent in !agent.runs.values.contains { $0.isLive } }
        return isQuiet && areFree && isIdle && areAgentsBack(table)
    }

    /// Everybody is healed, and nothing new is wanted.
    func rest() {
        for agent in agents { agent.recover() }
        for framework in frameworks { framework.rest() }
        user?.rest()
    }

    /// Whoever will never come back is marked as gone, as operators do.
    func endForeigners(_ process: SimulatedProcess) {
        let table = process.replica.store.datacenterTable
        for id in table.agentIDs {
            guard let record = table.agents[id]?.record, record.phase != .gone,
                !agents.contains(where: { $0.disk.incarnation == record.incarnation })
            else { continue }
            process.master.operate(.agentGone(id, byOperator: true))
        }
    }

    /// A member that lost its disk before it said what it knows is its operator's to bring back:
    /// until then nobody makes use of the records.
    private var hasNoRecords: Bool {
        guard let leader = world.nemesis.leader?.process else { return false }
        return leader.replica.store.members.clusterLevel < .datacenter
            && world.healthy.count < world.machines.filter(\.isMember).count
    }

    func checkConvergence() throws(Violation) {
        if agents.isEmpty || hasNoRecords { return }
        try settle("what was launched has ended or runs") { isAccountedFor($0) }
        for framework in frameworks { framework.finish() }
        try checkServices()
        try settle("everything is free again") { isFree($0) }
        checkRuns()
        checkHeard()
        if let violation = world.violation { throw violation }
    }

    private func settle(
        _ what: String, _ isDone: (DatacenterTable) -> Bool
    ) throws(Violation) {
        let bound = world.now + .seconds(120) + 40 * world.settings.electionMicros
        while world.now < bound {
            try world.run(until: world.now + 300_000)
            guard let process = world.nemesis.leader?.process else { continue }
            endForeigners(process)
            user?.mend(process)
            if isDone(process.replica.store.datacenterTable) { return }
        }
        throw Violation(property: Self.converges, what: "\(what): not yet. \(describe())")
    }

    private func describe() -> String {
        guard let process = world.nemesis.leader?.process else { return "nobody leads" }
        let table = process.replica.store.datacenterTable
        let left = ledger.order.filter {
            !ledger.ended.contains($0) || table.tasks[$0]?.waiting.isEmpty == false
        }
        let tasks = left.prefix(6).map { key in
            let record = table.tasks[key]
            let what = record.map { "\($0.state), \($0.waiting.count) wait" } ?? "unknown"
            return "\(key) \(what) on \(ledger.launched[key]?.agent.description ?? "?")"
        }
        let machines = agents.map { agent in
            let record = agent.id.flatMap { table.agents[AgentID($0)] }
            return "agent \(agent.id ?? "new") \(agent.isRegistered ? "registered" : "away")"
                + " \(record.map { "\($0.record.phase), \($0.used)" } ?? "unknown")"
        }
        let schedulers = frameworks.map { framework in
            let name = framework.id?.description ?? "new"
            return "framework \(name)\(framework.isSubscribed ? "" : " away")"
        }
        return (["\(left.count) tasks"] + tasks + machines + schedulers).joined(separator: "; ")
    }
}
