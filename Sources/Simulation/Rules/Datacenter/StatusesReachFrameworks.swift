import StateMachine

// T3: a status acknowledged to an agent reaches its framework.
extension SimulatedDatacenter {
    private static let statusesReach = "T3 a status acknowledged to an agent reaches its framework"

    func statusCommitted(_ report: StatusReport, _ verdict: StatusVerdict, from agent: AgentID) {
        world.trace.note(
            world.now, -1, "status", report.sequence, UInt64(report.status.state.rawValue),
            text: "\(report.key) \(verdict)")
        switch verdict {
        case .committed:
            world.counters.count(CoverageMark.statusCommitted)
            checkEnd(report)
            checkKill(report)
        case .duplicate:
            if !ledger.committed.contains(report.status.uuid) {
                world.violated(
                    Self.statusesReach,
                    "a first \(report.status.state) of \(report.key) is a repeat")
            }
        case .moot:
            if !ledger.isMoot(report, from: agent) {
                world.violated(
                    Self.statusesReach, "\(report.status.state) of \(report.key) is dropped")
            }
        case .busy: break
        }
    }

    /// A master tells an agent that it may forget a status.
    func acknowledging(_ key: TaskKey, _ uuid: [UInt8], on machine: SimulatedMachine) {
        if ledger.committed.contains(uuid) || ledger.moot.contains(uuid) { return }
        world.violated(
            Self.statusesReach,
            "n\(machine.index + 1) acknowledges a status of \(key), which is on no record")
    }

    /// At the end: every framework that is there has heard all that was said of its tasks.
    func checkHeard() {
        for framework in frameworks {
            guard let id = framework.id, !ledger.endedFrameworks.contains(id) else { continue }
            for status in ledger.statuses
            where status.key.framework == id && !framework.heard.contains(status.uuid) {
                world.violated(
                    Self.statusesReach,
                    "framework \(id) was never told of a status of \(status.key)")
            }
        }
    }
}
