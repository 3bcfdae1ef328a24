package import API
package import AgentLogic

/// From what a framework wrote of an executor to what this machine runs.
extension TaskTranslation {
    private static let shutdownGraceMillis: UInt64 = 5000

    /// A launch, but for its stamp.
    /// - Parameter runsExecutors: false where an executor could not reach this agent.
    /// - Throws: ``AgentError/invalid(field:why:)``.
    package static func launch(
        _ launch: WireLaunch, runsExecutors: Bool
    ) throws(AgentError) -> (tasks: [TaskSpec], executor: ExecutorOrder?) {
        var specs: [TaskSpec] = []
        guard let first = launch.tasks.first, !first.executorID.isEmpty else {
            for task in launch.tasks { specs.append(try spec(task)) }
            return (specs, nil)
        }
        guard runsExecutors else {
            throw .invalid(
                field: "executor", why: "this agent serves no executors: it has no --listen-url")
        }
        let isOne = launch.tasks.allSatisfy {
            $0.executorID == first.executorID && $0.frameworkID == first.frameworkID
        }
        guard isOne else {
            throw .invalid(field: "executor", why: "the tasks of a group have several")
        }
        let executor = try self.executor(first, launch)
        for task in launch.tasks { specs.append(try remoteSpec(task, executor.spec)) }
        return (specs, executor)
    }

    private static func executor(
        _ task: WireLaunchTask, _ launch: WireLaunch
    ) throws(AgentError) -> ExecutorOrder {
        var info = try decode(MesosExecutorInfo.self, Array(task.executorInfo), "executor")
        var framework = try decode(
            MesosFrameworkInfo.self, Array(task.frameworkInfo), "framework")
        guard info.executorID.value == task.executorID else {
            throw .invalid(field: "executor", why: "its id contradicts its description")
        }
        guard info.hasCommand else {
            throw .invalid(field: "executor", why: "it has no command")
        }
        if info.hasContainer { try refuseForeign(info.container) }
        // What it is told of itself; the records keep it apart.
        framework.id.value = task.frameworkID
        info.frameworkID.value = task.frameworkID
        let key = ExecutorKey(
            framework: try FrameworkID(task.frameworkID),
            executor: try ExecutorID(task.executorID))
        var spec = TaskSpec(
            frameworkID: key.framework, taskID: try TaskID(task.executorID),
            command: try command(info.command))
        spec.executorID = key.executor
        spec.name = info.name
        try describe(&spec, info.command, framework)
        return ExecutorOrder(
            spec: spec, key: key,
            terms: ExecutorTerms(
                info: MesosMessage.encode(info, as: .protobuf),
                framework: MesosMessage.encode(framework, as: .protobuf),
                shutdownGraceMillis: try grace(info)),
            taskInfos: launch.tasks.map { Array($0.taskInfo) }, isGroup: launch.isGroup)
    }

    private static func grace(_ info: MesosExecutorInfo) throws(AgentError) -> UInt64 {
        guard info.hasShutdownGracePeriod else { return shutdownGraceMillis }
        let nanoseconds = info.shutdownGracePeriod.nanoseconds
        guard nanoseconds >= 0 else {
            throw .invalid(field: "executor", why: "its shutdown grace is negative")
        }
        return min(UInt64(nanoseconds) / 1_000_000, AgentLimits.durationMillisMax)
    }

    /// What the agent has to know of a task that an executor runs: what runs it is the executor.
    private static func remoteSpec(
        _ task: WireLaunchTask, _ executor: TaskSpec
    ) throws(AgentError) -> TaskSpec {
        let info = try decode(MesosTaskInfo.self, Array(task.taskInfo), "task")
        var spec = TaskSpec(
            frameworkID: executor.frameworkID, taskID: try TaskID(info.taskID.value),
            command: executor.command)
        spec.executorID = executor.executorID
        spec.name = info.name
        spec.resources = try resources(info)
        spec.labels = info.labels.labels.map { TaskLabel($0.key, $0.hasValue ? $0.value : nil) }
        return spec
    }
}
