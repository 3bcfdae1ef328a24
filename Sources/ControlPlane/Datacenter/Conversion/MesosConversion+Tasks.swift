package import API
package import Scheduling
package import StateMachine

/// What the offers of an accepting call were, and what is known of where they were made.
package struct AcceptContext: Sendable {
    package var framework: FrameworkID
    /// Nil where no offer of the call is known: the master refuses it as a whole.
    package var agent: AgentID?
    /// What the offers were allocated to.
    package var role: ByteText
    /// mesos.v1.ExecutorInfo, encoded, of the framework's executors on that agent.
    package var executors: [ExecutorID: [UInt8]]
    /// Whose the framework is; nil: nobody's.
    package var principal: String?

    package init(
        framework: FrameworkID, agent: AgentID?, role: ByteText,
        executors: [ExecutorID: [UInt8]] = [:], principal: String? = nil
    ) {
        self.framework = framework
        self.agent = agent
        self.role = role
        self.executors = executors
        self.principal = principal
    }
}

/// A framework's answer to offers, and what of it was left out.
package struct AcceptedOperations: Equatable, Sendable {
    package var operations: [AcceptedOperation] = []
    /// Operations without a task that make no sense: nobody but the log hears of them.
    package var problems: [String] = []
}

/// Tasks are judged as Mesos' master judges them (its docs, "Task validation" in the scheduler
/// API): what it would answer with TASK_ERROR becomes an operation that is invalid.
extension MesosConversion {
    package static func operations(
        _ messages: [MesosOffer.Operation], _ context: AcceptContext
    ) -> AcceptedOperations {
        var accepted = AcceptedOperations()
        for message in messages { add(message, context, to: &accepted) }
        // Beyond what one entry may hold, each further task is told that it was too many.
        var count = 0
        for place in accepted.operations.indices {
            let tasks = accepted.operations[place].taskIDs
            count += max(1, tasks.count)
            if count > DatacenterLimits.operationsMax {
                accepted.refuseRest(from: place)
                break
            }
        }
        return accepted
    }

    private static func add(
        _ message: MesosOffer.Operation, _ context: AcceptContext,
        to accepted: inout AcceptedOperations
    ) {
        func change(
            _ resources: [MesosResource], isClaim: Bool = false,
            _ operation: (Resources) -> AcceptedOperation
        ) {
            do throws(MesosConversionError) {
                let claimed = isClaim ? try claim(resources, for: context.principal) : resources
                accepted.operations.append(operation(try self.resources(claimed)))
            } catch {
                accepted.problems.append("\(message.type): \(error)")
            }
        }
        switch message.type {
        case .launch:
            accepted.operations += message.launch.taskInfos.map { launch($0, context) }
        case .launchGroup: accepted.operations += group(message.launchGroup, context)
        case .reserve: change(message.reserve.resources, isClaim: true) { .reserve($0) }
        case .unreserve: change(message.unreserve.resources) { .unreserve($0) }
        case .create: change(message.create.volumes, isClaim: true) { .create($0) }
        case .destroy: change(message.destroy.volumes) { .destroy($0) }
        case .unknown, .growVolume, .shrinkVolume, .createDisk, .destroyDisk:
            accepted.problems.append("operations of type \(message.type) are not served")
        }
    }

    static func launch(_ info: MesosTaskInfo, _ context: AcceptContext) -> AcceptedOperation {
        do throws(MesosConversionError) {
            guard info.hasCommand != info.hasExecutor else {
                throw MesosConversionError(
                    "Task should have at least one (but not both) of CommandInfo or "
                        + "ExecutorInfo present")
            }
            var task = try self.task(info, context)
            if info.hasExecutor { task.executor = try executor(info.executor, context) }
            return .launch(task)
        } catch {
            return .invalid(TaskID(info.taskID.value), error.description)
        }
    }

    /// Where the executor is Mesos' own, the agent runs the group's tasks itself, so that there is
    /// none to launch; what was asked for it is added to the first task.
    private static func group(
        _ group: MesosOffer.Operation.LaunchGroup, _ context: AcceptContext
    ) -> [AcceptedOperation] {
        let infos = group.taskGroup.tasks
        do throws(MesosConversionError) {
            guard infos.count <= MesosConversionLimits.groupTasksMax else {
                throw MesosConversionError(
                    "A task group has at most \(MesosConversionLimits.groupTasksMax) tasks")
            }
            if group.executor.hasType, group.executor.type == .custom {
                return try customGroup(group, context)
            }
            guard !group.executor.hasCommand else {
                throw MesosConversionError(
                    "'ExecutorInfo.command' must not be set for 'DEFAULT' executor")
            }
            var tasks: [TaskLaunch] = []
            for info in infos {
                guard !info.hasExecutor else {
                    throw MesosConversionError("'TaskInfo.executor' must not be set")
                }
                guard info.hasCommand else {
                    throw MesosConversionError("A task of a group needs 'command'")
                }
                tasks.append(try task(info, context))
            }
            let own = try resources(group.executor.resources)
            if !tasks.isEmpty, !own.isEmpty {
                guard let sum = try? tasks[0].resources.adding(own) else {
                    throw MesosConversionError("The group's resources do not add up")
                }
                tasks[0].resources = sum
            }
            return tasks.isEmpty ? [] : [.launchGroup(tasks)]
        } catch {
            return infos.map {
                .invalid(TaskID($0.taskID.value), "Task group is invalid: \(error)")
            }
        }
    }

    private static func customGroup(
        _ group: MesosOffer.Operation.LaunchGroup, _ context: AcceptContext
    ) throws(MesosConversionError) -> [AcceptedOperation] {
        let executor = try self.executor(group.executor, context)
        var tasks: [TaskLaunch] = []
        for info in group.taskGroup.tasks {
            guard !info.hasExecutor else {
                throw MesosConversionError("'TaskInfo.executor' must not be set")
            }
            var task = try self.task(info, context)
            task.executor = executor
            tasks.append(task)
        }
        return tasks.isEmpty ? [] : [.launchGroup(tasks)]
    }

    private static func task(
        _ info: MesosTaskInfo, _ context: AcceptContext
    ) throws(MesosConversionError) -> TaskLaunch {
        let id = TaskID(info.taskID.value)
        if let problem = MesosName.problem(ofID: info.taskID.value) {
            throw MesosConversionError("Task has invalid ID: \(problem)")
        }
        guard id.isValid else {
            throw MesosConversionError("Task has invalid ID: '\(id)' contains white space")
        }
        if let agent = context.agent, info.agentID.value != agent.description {
            throw MesosConversionError(
                "Task uses invalid agent \(info.agentID.value) while agent \(agent) is expected")
        }
        if info.killPolicy.gracePeriod.nanoseconds < 0 {
            throw MesosConversionError("Task's 'kill_policy.grace_period' must be non-negative")
        }
        if info.maxCompletionTime.nanoseconds < 0 {
            throw MesosConversionError("Task's 'max_completion_time' must be non-negative")
        }
        let resources = try self.resources(info.resources)
        guard !resources.isEmpty else { throw MesosConversionError("Task uses no resources") }
        try check(resources, info.resources, context)
        let bytes = encoded(info)
        guard bytes.count <= DatacenterLimits.infoBytesMax else {
            throw MesosConversionError(
                "TaskInfo has \(bytes.count) bytes, the limit is \(DatacenterLimits.infoBytesMax)")
        }
        return TaskLaunch(task: id, role: context.role, resources: resources, info: bytes)
    }

    /// That they are what the offer was made of.
    private static func check(
        _ resources: Resources, _ messages: [MesosResource], _ context: AcceptContext
    ) throws(MesosConversionError) {
        let roles = allocationRoles(messages)
        guard roles.count <= 1 else {
            throw MesosConversionError(
                "The resources of a task must be allocated to one role, not to "
                    + roles.joined(separator: ", "))
        }
        if let role = roles.first, role != context.role.text {
            throw MesosConversionError(
                "Resources allocated to role '\(role)', the offer was made to "
                    + "'\(context.role)'")
        }
        for entry in resources.entries where !entry.isAllocatable(to: context.role) {
            throw MesosConversionError(
                "Resource '\(entry.name)' is reserved to '\(entry.role?.text ?? "")', the offer "
                    + "was made to '\(context.role)'")
        }
    }

    private static func executor(
        _ info: MesosExecutorInfo, _ context: AcceptContext
    ) throws(MesosConversionError) -> TaskLaunch.Executor {
        let id = ExecutorID(info.executorID.value)
        if let problem = MesosName.problem(ofID: info.executorID.value) {
            throw MesosConversionError("Executor has invalid ID: \(problem)")
        }
        guard id.isValid else {
            throw MesosConversionError("Executor has invalid ID: '\(id)' contains white space")
        }
        if info.hasFrameworkID, info.frameworkID.value != context.framework.description {
            throw MesosConversionError(
                "ExecutorInfo has an invalid FrameworkID (Actual: \(info.frameworkID.value) vs "
                    + "Expected: \(context.framework))")
        }
        if info.hasType, info.type == .default {
            throw MesosConversionError("The 'DEFAULT' executor runs task groups only")
        }
        guard info.hasCommand else {
            throw MesosConversionError("'ExecutorInfo.command' must be set for 'CUSTOM' executor")
        }
        let resources = try self.resources(info.resources)
        try check(resources, info.resources, context)
        var kept = info
        kept.frameworkID.value = context.framework.description
        if let known = context.executors[id], decoded(MesosExecutorInfo.self, known) != kept {
            throw MesosConversionError(
                "Task has invalid ExecutorInfo (existing ExecutorInfo with same ExecutorID is "
                    + "not compatible)")
        }
        let bytes = encoded(kept)
        guard bytes.count <= DatacenterLimits.infoBytesMax else {
            throw MesosConversionError("ExecutorInfo has \(bytes.count) bytes, which is too many")
        }
        return TaskLaunch.Executor(id: id, resources: resources, info: bytes)
    }
}

extension AcceptedOperation {
    var taskIDs: [TaskID] {
        switch self {
        case .launch(let task): [task.task]
        case .launchGroup(let tasks): tasks.map(\.task)
        case .invalid(let task, _): [task]
        case .reserve, .unreserve, .create, .destroy: []
        }
    }
}

extension AcceptedOperations {
    fileprivate mutating func refuseRest(from place: Int) {
        let max = DatacenterLimits.operationsMax
        let rest = operations[place...]
        problems.append("\(rest.count) operations beyond the limit of \(max)")
        let refused = rest.flatMap(\.taskIDs).map { id in
            AcceptedOperation.invalid(id, "A call has at most \(max) operations")
        }
        operations = Array(operations[..<place]) + refused
    }
}
