internal import API
internal import StateMachine

/// An executor as its agent names it.
struct ExecutorName: Hashable {
    var framework: FrameworkID
    var executor: ExecutorID

    init(_ name: WireExecutorName) throws(AgentRefusal) {
        framework = try AgentRefusal.check(FrameworkID(name.frameworkID), "framework id")
        executor = try AgentRefusal.check(ExecutorID(name.executorID), "executor id")
    }

    private init(_ key: ExecutorKey) {
        framework = key.framework
        executor = key.executor
    }

    func key(on agent: AgentID) -> ExecutorKey { ExecutorKey(agent, framework, executor) }

    var message: WireExecutorName {
        var name = WireExecutorName()
        name.frameworkID = framework.description
        name.executorID = executor.description
        return name
    }

    static func list(_ names: [WireExecutorName]) throws(AgentRefusal) -> [ExecutorName] {
        guard names.count <= AgentServiceLimits.knownTasksMax else {
            throw .tooMany("executors", names.count)
        }
        var list: [ExecutorName] = []
        list.reserveCapacity(names.count)
        for name in names { list.append(try ExecutorName(name)) }
        return list
    }

    /// How the executors that live on an agent differ from those on record.
    ///
    /// - Returns: those that are to end, since they are on no record or their framework has ended;
    ///   and those on record that have ended, with the highest launch that they had. One of which
    ///   a task is still to be launched begins with it.
    static func compared(
        _ living: [ExecutorName], on agent: AgentID, _ table: DatacenterTable
    ) -> (foreign: [ExecutorName], ended: [(key: ExecutorKey, sequence: UInt64)]) {
        let foreign = living.filter { name in
            table.executors[name.key(on: agent)] == nil
                || table.frameworks[name.framework]?.record.phase == .ended
        }
        let alive = Set(living)
        var launches: [ExecutorName: [TaskRecord]] = [:]
        for task in (table.agents[agent]?.tasks ?? []).compactMap({ table.tasks[$0] }) {
            guard let executor = task.executor else { continue }
            let key = ExecutorKey(agent, task.key.framework, executor)
            launches[ExecutorName(key), default: []].append(task)
        }
        var ended: [(key: ExecutorKey, sequence: UInt64)] = []
        for key in table.agents[agent]?.executors ?? [] where !alive.contains(ExecutorName(key)) {
            let tasks = launches[ExecutorName(key)] ?? []
            if tasks.contains(where: { $0.state == .staging }) { continue }
            ended.append((key, tasks.map(\.sequence).max() ?? 0))
        }
        return (foreign, ended)
    }
}
