internal import API
internal import Foundation
internal import StateMachine

extension StateView {
    func tasks() -> MesosMasterResponse.GetTasks {
        var result = MesosMasterResponse.GetTasks()
        for key in table.tasks.keys.sorted() {
            guard let record = table.tasks[key] else { continue }
            let task = Self.task(record, launch: snapshot.launches[key])
            if record.state == .unreachable {
                result.unreachableTasks.append(task)
            } else if record.holdsResources {
                result.tasks.append(task)
            } else {
                result.completedTasks.append(task)
            }
        }
        return result
    }

    /// - Parameter launch: mesos.v1.TaskInfo, encoded; nil where it is not known any more.
    static func task(_ record: TaskRecord, launch: [UInt8]?) -> MesosTask {
        let info = MesosConversion.decoded(MesosTaskInfo.self, launch ?? [])
        var task = MesosTask()
        task.name = info.name
        task.taskID.value = record.key.task.description
        task.frameworkID.value = record.key.framework.description
        task.agentID.value = record.agent.description
        if let executor = record.executor { task.executorID.value = executor.description }
        task.state = MesosConversion.state(record.state)
        task.resources = MesosConversion.messages(
            record.resources, allocatedTo: record.role, .both)
        task.statuses = statuses(record)
        task.statusUpdateState = MesosConversion.state(record.state)
        if !record.lastUUID.isEmpty { task.statusUpdateUuid = Data(record.lastUUID) }
        if info.hasLabels { task.labels = info.labels }
        if info.hasDiscovery { task.discovery = info.discovery }
        if info.hasContainer { task.container = info.container }
        if info.hasHealthCheck { task.healthCheck = info.healthCheck }
        if info.hasKillPolicy { task.killPolicy = info.killPolicy }
        task.limits = info.limits
        if info.hasCommand, info.command.hasUser {
            task.user = info.command.user
        } else if info.executor.command.hasUser {
            task.user = info.executor.command.user
        }
        return task
    }

    /// One for each step; the last has what the agent said with it. What was launched and not heard
    /// of has none, as in Mesos.
    private static func statuses(_ record: TaskRecord) -> [MesosTaskStatus] {
        let steps = record.steps.filter { $0.state != .staging }
        return steps.enumerated().map { place, step in
            let isLast = place == steps.count - 1
            let said = MesosConversion.decoded(MesosTaskStatus.self, record.lastStatus)
            var status = MesosTaskStatus()
            if isLast, said.state == MesosConversion.state(step.state) { status = said }
            status.taskID.value = record.key.task.description
            status.agentID.value = record.agent.description
            if let executor = record.executor { status.executorID.value = executor.description }
            status.state = MesosConversion.state(step.state)
            if !status.hasTimestamp { status.timestamp = Double(step.clock) / 1_000 }
            return status
        }
    }

    /// What TASK_UPDATED tells.
    static func lastStatus(_ record: TaskRecord) -> MesosTaskStatus {
        if let last = statuses(record).last { return last }
        var status = MesosTaskStatus()
        status.taskID.value = record.key.task.description
        status.agentID.value = record.agent.description
        status.state = MesosConversion.state(record.state)
        return status
    }
}
