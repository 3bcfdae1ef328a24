import Primitives
import Replication
import StateMachine

// T9: behind all faults every service converges to its definition.
extension SimulatedDatacenter {
    private static let servicesConverge = "T9 every service converges to its definition"

    /// Whether every service is what it is to be: on record, and on the machines.
    private func areServicesThere(_ process: SimulatedProcess) -> Bool {
        let view = view(of: process)
        let table = view.table.services
        guard table.deployments.isEmpty else { return false }
        for id in table.serviceIDs {
            guard let service = table.services[id], !service.record.isEnding,
                service.record.deployment.rawValue == 0,
                service.record.active == service.record.latest,
                ServiceDecision.isConverged(service, view),
                let definition = service.latest?.definition,
                service.instances.count == Int(definition.instances),
                ServiceWish.canBe(definition, agents: world.settings.agentCount)
            else { return false }
        }
        let running = agents.flatMap(\.liveInstances).sorted()
        return running == table.instances.keys.map(\.description).sorted()
    }

    private func view(of process: SimulatedProcess) -> ServiceDecision.View {
        ServiceDecision.View(
            table: process.replica.store.datacenterTable, time: process.replica.leadersTime ?? 0,
            index: process.replica.store.appliedIndex)
    }

    /// Whether nothing of any service is left on record.
    private func areServicesGone(_ process: SimulatedProcess) -> Bool {
        let table = process.replica.store.datacenterTable.services
        return table.serviceIDs.isEmpty && table.deployments.isEmpty && table.instances.isEmpty
    }

    /// T9, and T6 once more: whatever began has ended.
    func checkServices() throws(Violation) {
        guard let user else { return }
        try waitUntil("every service is what it is to be") { process in
            user.mend(process)
            return areServicesThere(process)
        }
        world.counters.count(CoverageMark.servicesConverged)
        try waitUntil("what is deleted goes") { process in
            user.removeAll(process)
            return areServicesGone(process)
        }
        let lost = services.begunDeployments.subtracting(services.endedDeployments)
        if let first = lost.min() {
            throw Violation(
                property: "T6 no deployment is lost or run twice",
                what: "deployment \(first) never ended")
        }
    }

    private func waitUntil(
        _ what: String, _ isDone: (SimulatedProcess) -> Bool
    ) throws(Violation) {
        let bound = world.now + .seconds(180) + 40 * world.settings.electionMicros
        while world.now < bound {
            try world.run(until: world.now + 300_000)
            guard let process = world.nemesis.leader?.process else { continue }
            endForeigners(process)
            if isDone(process) { return }
        }
        throw Violation(
            property: Self.servicesConverge, what: "\(what): not yet. \(describeServices())")
    }

    private func describeServices() -> String {
        guard let process = world.nemesis.leader?.process else { return "nobody leads" }
        let view = view(of: process)
        let table = view.table.services
        let deployments = table.deploymentIDs.map { id in
            "deployment \(id) at \(table.deployments[id]?.step ?? 0)"
                + " of \(table.deployments[id]?.parts.map { "\($0.service) \($0.action)" } ?? [])"
        }
        let lines = table.serviceIDs.compactMap { id -> String? in
            guard let service = table.services[id] else { return nil }
            let facts = ServiceDecision.facts(of: service, view).map { fact in
                "\(fact.id)\(fact.isOld ? " old" : "")\(fact.isWaiting ? " waits" : "")"
                    + "\(fact.isStopping ? " ends" : "")\(fact.isWell ? " well" : "")"
                    + "\(fact.isInactive ? " inactive" : "") \(fact.agent?.description ?? "")"
            }
            let definition = service.latest?.definition
            return "\(id)\(service.record.isEnding ? " ends" : "") active \(service.record.active)"
                + " of \(service.record.latest) wants \(definition?.instances ?? 0)"
                + " as \(definition?.command?.text ?? "") with \(definition?.constraints ?? [])"
                + " delayed until \(service.record.delayedUntil) of \(view.time): \(facts)"
        }
        let running = agents.flatMap(\.liveInstances).sorted()
        return (deployments + lines + ["running: \(running)"]).joined(separator: "; ")
    }
}
