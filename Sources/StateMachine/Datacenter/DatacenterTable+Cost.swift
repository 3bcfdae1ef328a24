extension DatacenterTable {
    /// Records that a command changes, about: what a step of apply is bounded by.
    func cost(_ command: DatacenterCommand) -> Int {
        switch command {
        case .registerAgent(let registration):
            1 + (agents[registration.id]?.tasks.count ?? 0)
        case .agentMode, .subscribe, .frameworkDisconnected, .acknowledge, .kill,
            .executorEnded, .role, .time, .master, .compact, .operate:
            1
        case .agentUnreachable(let id, _): 1 + (agents[id]?.tasks.count ?? 0)
        case .agentGone(let id, _):
            1 + (agents[id].map { $0.tasks.count + $0.executors.count } ?? 0)
        // The oldest one may be forgotten, with what it had.
        case .endFramework: 1 + 2 * DatacenterLimits.endedTasksMax
        case .launch(let launch): 2 * launch.operations.count
        case .reportStatuses(_, _, let reports): reports.count
        case .service(let command): cost(command)
        }
    }

    private func cost(_ command: ServiceCommand) -> Int {
        switch command {
        // A record and a version of each, and again the record when its step comes.
        case .change(let change): 1 + 3 * change.parts.count
        case .rollBack(let id), .cancel(let id), .advance(let id, _):
            1 + 3 * (services.deployments[id]?.parts.count ?? 0)
        case .adjust(let adjustment):
            2 + Int(adjustment.starts) + adjustment.stops.count + adjustment.forgets.count
        case .stop(let instances, _, _): 1 + 4 * instances.count
        case .resetDelay: 1
        }
    }
}
