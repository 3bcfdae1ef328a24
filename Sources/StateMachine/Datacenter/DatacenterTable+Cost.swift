extension DatacenterTable {
    /// Records that a command changes, about: what a step of apply is bounded by.
    func cost(_ command: DatacenterCommand) -> Int {
        switch command {
        case .registerAgent(let registration):
            1 + (agents[registration.id]?.tasks.count ?? 0)
        case .agentMode, .subscribe, .frameworkDisconnected, .acknowledge, .kill,
            .executorEnded, .role, .time, .master:
            1
        case .agentUnreachable(let id, _): 1 + (agents[id]?.tasks.count ?? 0)
        case .agentGone(let id, _):
            1 + (agents[id].map { $0.tasks.count + $0.executors.count } ?? 0)
        // The oldest one may be forgotten, with what it had.
        case .endFramework: 1 + 2 * DatacenterLimits.endedTasksMax
        case .launch(let launch): 2 * launch.operations.count
        case .reportStatuses(_, _, let reports): reports.count
        }
    }
}
