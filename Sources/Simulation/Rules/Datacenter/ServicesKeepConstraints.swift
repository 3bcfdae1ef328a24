import StateMachine

// T7: no constraint is ever violated.
extension SimulatedDatacenter {
    private static let constraints = "T7 no constraint is ever violated"

    /// As of the moment of a launch: all of the service that run or may run count, but those that
    /// were given up as out of reach.
    func checkPlaces(_ launch: Launch) {
        guard launch.framework == ServiceFramework.id else { return }
        var earlier: [InstanceID] = []
        for case .task(let task) in launch.operations {
            defer { earlier.append(task.task) }
            guard let service = services.instances[task.task]?.service,
                let constraints = services.active(service)?.definition.constraints
            else { continue }
            let others = (services.members[service] ?? []).compactMap { id -> AgentID? in
                if earlier.contains(id) { return launch.agent }
                return services.isLaunched(id) ? services.tasks[id]?.agent : nil
            }
            for constraint in constraints {
                world.counters.count(CoverageMark.constraintJudged)
                let place = value(constraint.field, launch.agent)
                var agents = others
                if constraint.test == .cluster { agents += left(by: service, since: task.task) }
                if allows(constraint, place, agents.map { value(constraint.field, $0) }) {
                    continue
                }
                world.violated(
                    Self.constraints,
                    "\(task.task) is launched on \(launch.agent) at \(place?.text ?? "nowhere"),"
                        + " others are on \(others), and \(constraint)")
            }
        }
    }

    /// Where instances were that ended while the launch was on its way. Only who wants company
    /// minds.
    private func left(by service: ServiceID, since launch: InstanceID) -> [AgentID] {
        guard let view = launchViews[launch] else { return [] }
        return services.places.reversed().prefix { $0.index > view }
            .filter { $0.service == service }.map { $0.agent }
    }

    private func value(_ field: ByteText, _ agent: AgentID) -> ByteText? {
        services.agents[agent].flatMap { SimulatedPlace.value(of: field, $0) }
    }

    private func allows(
        _ constraint: ServiceDefinition.Constraint, _ place: ByteText?, _ others: [ByteText?]
    ) -> Bool {
        let count = others.count { $0 == place }
        let wanted = constraint.value?.text ?? ""
        switch constraint.test {
        case .unique: return count == 0
        case .maxPer: return count < Int(wanted) ?? 0
        case .cluster:
            return wanted.isEmpty ? others.isEmpty || count > 0 : place?.text == wanted
        case .equal, .like: return place?.text == wanted
        case .unlike: return place?.text != wanted
        // Judged in rounds of launches by the nemesis of real processes.
        case .groupBy: return true
        }
    }
}
