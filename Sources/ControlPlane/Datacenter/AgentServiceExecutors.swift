internal import API
internal import StateMachine

/// An executor as its agent names it.
struct ExecutorName {
    var framework: FrameworkID
    var executor: ExecutorID

    init(_ name: WireExecutorName) throws(AgentRefusal) {
        framework = try AgentRefusal.check(FrameworkID(name.frameworkID), "framework id")
        executor = try AgentRefusal.check(ExecutorID(name.executorID), "executor id")
    }

    func key(on agent: AgentID) -> ExecutorKey { ExecutorKey(agent, framework, executor) }

    static func list(_ names: [WireExecutorName]) throws(AgentRefusal) -> [ExecutorName] {
        guard names.count <= AgentServiceLimits.knownTasksMax else {
            throw .tooMany("executors", names.count)
        }
        var list: [ExecutorName] = []
        list.reserveCapacity(names.count)
        for name in names { list.append(try ExecutorName(name)) }
        return list
    }
}
