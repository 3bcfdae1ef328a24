internal import Primitives

/// A launch is committed before it is sent: one transaction, which the next leader sends if this
/// one cannot (DESIGN §8).
extension Store {
    func launch(_ launch: Launch, _ batch: inout RecordBatch) throws(DatacenterError) {
        guard let framework = datacenterTable.frameworks[launch.framework]?.record else {
            throw .unknownFramework(launch.framework)
        }
        if framework.phase == .ended { throw .frameworkEnded(launch.framework) }
        guard framework.phase == .connected else {
            throw .frameworkNotConnected(launch.framework)
        }
        let agent = try self.agent(launch.agent, session: launch.session)
        guard agent.isOffered else { throw .agentNotOffered(launch.agent) }
        var plan = LaunchPlan(agent, launch)
        for (place, operation) in launch.operations.enumerated() {
            try add(operation, at: place, to: &plan)
        }
        if plan.changesTotal {
            let used = plan.agent.used.with(plan.taken)
            plan.total = try used.total(with: plan.free, at: launch.operations.count - 1)
        }
        commit(plan, &batch)
    }

    /// What nobody uses of an agent is reserved for others, for whoever asks who may.
    func operate(
        _ operations: [Launch.Operation], on id: AgentID, _ batch: inout RecordBatch
    ) throws(DatacenterError) {
        guard let agent = datacenterTable.agents[id] else { throw .unknownAgent(id) }
        guard agent.record.phase != .gone else { throw .agentGone(id) }
        var free = agent.free
        for (place, operation) in operations.enumerated() {
            if case .task(let task) = operation { throw .invalidName(task.task.description) }
            free = try operation.changing(free, besides: agent.used, at: place)
        }
        guard !operations.isEmpty else { return }
        var record = agent.record
        record.total = try agent.used.total(with: free, at: operations.count - 1)
        save(record, &batch)
    }

    private func add(
        _ operation: Launch.Operation, at place: Int, to plan: inout LaunchPlan
    ) throws(DatacenterError) {
        if case .task(let task) = operation { return try add(task, at: place, to: &plan) }
        // Earlier builds looked among what is free only.
        let held =
            members.clusterLevel >= .operatorResources
            ? plan.agent.used.with(plan.taken) : Resources.empty
        plan.free = try operation.changing(plan.free, besides: held, at: place)
        plan.changesTotal = true
    }

    private func add(
        _ task: TaskLaunch, at place: Int, to plan: inout LaunchPlan
    ) throws(DatacenterError) {
        let key = TaskKey(plan.launch.framework, task.task)
        guard task.task.isValid else { throw .invalidName(task.task.description) }
        // An id may be used again when its last task has ended and its framework knows.
        if let known = datacenterTable.tasks[key], known.holdsResources || !known.waiting.isEmpty {
            #if KEELSON_MUTANTS
                if !planted(.reusesLivingNames) { throw .duplicateTask(key) }
            #else
                throw .duplicateTask(key)
            #endif
        }
        if plan.tasks.contains(where: { $0.record.key == key }) { throw .duplicateTask(key) }
        try plan.take(task.resources, at: place)
        if key.framework == ServiceFramework.id, mayHaveServices { try admit(task.task) }
        let sequence = TaskRecord.sequence(index: appliedIndex.rawValue, operation: place)
        var record = TaskRecord(
            key, on: plan.launch.agent, executor: nil, role: task.role, resources: task.resources,
            sequence: sequence)
        record.take(.staging, at: clock)
        record.group = task.group
        if let executor = task.executor {
            guard executor.id.isValid else { throw .invalidName(executor.id.description) }
            record.executor = executor.id
            try add(executor, role: task.role, sequence, at: place, to: &plan)
        }
        plan.tasks.append((record, task.info))
    }

    private func add(
        _ executor: TaskLaunch.Executor, role: ByteText, _ sequence: UInt64, at place: Int,
        to plan: inout LaunchPlan
    ) throws(DatacenterError) {
        let key = ExecutorKey(plan.launch.agent, plan.launch.framework, executor.id)
        let isThere =
            datacenterTable.executors[key] != nil || plan.executors.contains { $0.key == key }
        if isThere { return }
        try plan.take(executor.resources, at: place)
        plan.executors.append(
            ExecutorRecord(
                key: key, role: role, resources: executor.resources, info: executor.info,
                sequence: sequence))
    }

    private func commit(_ plan: LaunchPlan, _ batch: inout RecordBatch) {
        if let total = plan.total {
            var record = plan.agent.record
            record.total = total
            save(record, &batch)
        }
        for executor in plan.executors { save(executor, &batch) }
        for (record, info) in plan.tasks {
            save(record, &batch)
            put(RecordKeys.launch(record.key), info, &batch)
            if record.key.framework == ServiceFramework.id {
                launched(record.key.task, &batch)
            }
        }
    }
}

extension Launch.Operation {
    /// What becomes of what is free by an operation that is no task.
    /// - Parameter held: what somebody holds beside it.
    /// - Throws: `invalidOperation`, with its place.
    fileprivate func changing(
        _ free: Resources, besides held: Resources, at place: Int
    ) throws(DatacenterError) -> Resources {
        do throws(ResourcesError) {
            switch self {
            case .reserve(let resources): return try free.reserving(resources)
            case .unreserve(let resources): return try free.unreserving(resources)
            case .create(let resources):
                try resources.checkVolumes(besides: held)
                return try free.creating(resources)
            case .destroy(let resources): return try free.destroying(resources)
            case .task: return free
            }
        } catch {
            throw .invalidOperation(place, error)
        }
    }
}

extension Resources {
    /// What an agent has, of what is held and what is free, as its record may have it.
    /// - Throws: `invalidOperation` of the last operation, for what has too many parts.
    fileprivate func total(
        with free: Resources, at place: Int
    ) throws(DatacenterError) -> Resources {
        do throws(ResourcesError) {
            return try adding(free)
        } catch {
            throw .invalidOperation(place, error)
        }
    }
}

/// What a launch comes to, before any of it is done.
private struct LaunchPlan {
    let agent: DatacenterTable.Agent
    let launch: Launch
    var free: Resources
    var taken = Resources.empty
    var tasks: [(record: TaskRecord, info: [UInt8])] = []
    var executors: [ExecutorRecord] = []
    var changesTotal = false
    /// What the agent has in the end, where that changes.
    var total: Resources?

    init(_ agent: DatacenterTable.Agent, _ launch: Launch) {
        self.agent = agent
        self.launch = launch
        free = agent.free
    }

    mutating func take(_ resources: Resources, at place: Int) throws(DatacenterError) {
        #if KEELSON_MUTANTS
            if planted(.launchesBeyondWhatIsFree) { return taken = taken.with(resources) }
        #endif
        guard let rest = free.subtracting(resources) else {
            throw .notFree(launch.agent, operation: place)
        }
        free = rest
        taken = taken.with(resources)
    }
}
