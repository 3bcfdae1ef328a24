import Primitives
import StateMachine

// T6: no deployment is lost or run twice, and no instance is begun or launched twice.
extension SimulatedDatacenter {
    private static let once = "T6 no deployment is lost or run twice"

    func checkDeployments(
        _ changes: ServiceLedger.Changes, _ command: DatacenterCommand, _ index: LogIndex
    ) {
        for change in changes.deployments {
            switch (change.before, change.after) {
            case (nil, let record?): began(record, index)
            case (let before?, let after?): advanced(before, after, command)
            case (let before?, nil): ended(before, command)
            case (nil, nil): break
            }
        }
    }

    private func began(_ record: DeploymentRecord, _ index: LogIndex) {
        world.counters.count(CoverageMark.deploymentBegan)
        world.trace.note(
            world.now, -1, "deployment begins", record.id.rawValue, UInt64(record.stepCount))
        let isNew = services.begunDeployments.insert(record.id).inserted
        if !isNew || record.id.rawValue != index.rawValue || record.step != 0 {
            world.violated(
                Self.once, "deployment \(record.id) begins at step \(record.step), entry \(index)")
        }
    }

    private func advanced(
        _ before: DeploymentRecord, _ after: DeploymentRecord, _ command: DatacenterCommand
    ) {
        world.counters.count(CoverageMark.deploymentAdvanced)
        world.trace.note(
            world.now, -1, "deployment advances", after.id.rawValue, UInt64(after.step))
        guard case .service(.advance(after.id, step: before.step)) = command,
            after.step == before.step + 1, after.parts == before.parts
        else {
            return world.violated(
                Self.once,
                "deployment \(after.id) goes from step \(before.step) to \(after.step) by"
                    + " \(command)")
        }
    }

    private func ended(_ record: DeploymentRecord, _ command: DatacenterCommand) {
        world.trace.note(
            world.now, -1, "deployment ends", record.id.rawValue, UInt64(record.step))
        if !services.endedDeployments.insert(record.id).inserted {
            world.violated(Self.once, "deployment \(record.id) ends again")
        }
        if case .service(.advance(record.id, step: record.step)) = command,
            record.step + 1 == record.stepCount
        {
            return world.counters.count(CoverageMark.deploymentDone)
        }
        world.counters.count(CoverageMark.deploymentCancelled)
        if !mayCancel(command, record) {
            world.violated(
                Self.once,
                "deployment \(record.id) ends at step \(record.step) of \(record.stepCount) by"
                    + " \(command)")
        }
    }

    /// Whether somebody asked for the end of a deployment.
    private func mayCancel(_ command: DatacenterCommand, _ record: DeploymentRecord) -> Bool {
        guard case .service(let command) = command else { return false }
        switch command {
        case .rollBack(let id), .cancel(let id): return id == record.id
        case .change(let change): return change.isForced
        case .stop(_, let scales, let isForced): return scales && isForced
        case .advance, .adjust, .resetDelay: return false
        }
    }

    func checkInstances(_ changes: ServiceLedger.Changes, _ command: DatacenterCommand) {
        for id in changes.begun {
            world.counters.count(CoverageMark.instanceBegun)
            if !services.begunInstances.insert(id).inserted {
                world.violated(Self.once, "instance \(id) is begun again")
            }
        }
        for id in changes.launched {
            world.counters.count(CoverageMark.instanceLaunched)
            if !services.launchedInstances.insert(id).inserted
                || services.instances[id]?.phase != .launched
            {
                world.violated(Self.once, "instance \(id) is launched again, or is none")
            }
        }
        for _ in changes.stopped { world.counters.count(CoverageMark.instanceStopped) }
    }

    /// A scheduler says that a step has come to its end.
    func checkAdvance(_ id: DeploymentID, step: UInt32, _ view: ServiceDecision.View) {
        guard let record = view.table.services.deployments[id], record.step == step else {
            return world.violated(
                Self.once, "a step \(step) of deployment \(id) ends which it is not at")
        }
        for part in record.parts where part.step == step {
            guard let service = view.table.services.services[part.service] else { continue }
            if !ServiceDecision.isConverged(service, view) {
                world.violated(
                    Self.once,
                    "deployment \(id) leaves step \(step), and \(part.service) is not there:"
                        + " \(ServiceDecision.facts(of: service, view))")
            }
        }
    }

    /// What a user was told is on record.
    func checkAnswer(_ command: ServiceCommand, _ outcome: ServiceOutcome) {
        guard case .change(let change) = command,
            case .deployment(let id, let version) = outcome
        else { return }
        // An entry that changed nothing began none; then all that was put is there already.
        var asks = false
        for part in change.parts {
            switch part {
            case .put(let definition, _):
                let versions = services.versions[definition.id] ?? [:]
                let isThere = versions.values.contains { $0.definition == definition }
                // It may be gone by now.
                if !isThere, services.services[definition.id] != nil {
                    world.violated(
                        Self.once,
                        "\(definition.id) was acknowledged at \(version), and is on no record")
                }
            case .remove, .restart: asks = true
            case .putGroup, .removeGroup: break
            }
        }
        if asks, !services.begunDeployments.contains(id) {
            world.violated(Self.once, "deployment \(id) was acknowledged, and never began")
        }
    }
}
