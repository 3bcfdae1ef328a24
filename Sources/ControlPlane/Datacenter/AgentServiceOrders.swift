internal import API
internal import Foundation
internal import Scheduling
internal import StateMachine

extension WireMasterMessage {
    /// Nil for what has no message of this kind, and for a launch of which nothing is known any
    /// more.
    init?(_ order: AgentOrder, term: UInt64, facade: any DatacenterFacade) {
        self.init()
        self.term = term
        switch order {
        case .registered, .refused: return nil
        case .launch(let tasks):
            for record in tasks {
                guard let task = WireLaunchTask(record, facade) else { return nil }
                launch.tasks.append(task)
            }
            launch.isGroup = tasks.contains { $0.group != 0 }
        case .kill(let key, let sequence, let grace):
            kill.task = WireTaskName(key, sequence: sequence)
            kill.graceMilliseconds = grace
        case .acknowledge(let key, let sequence, let uuid):
            acknowledge.task = WireTaskName(key, sequence: sequence)
            acknowledge.uuid = Data(uuid)
        case .shutdown(let key): shutdownExecutor.executor = WireExecutorName(key)
        case .message(let key, let data):
            frameworkMessage.executor = WireExecutorName(key)
            frameworkMessage.data = Data(data)
        }
    }
}

extension WireLaunchTask {
    fileprivate init?(_ record: TaskRecord, _ facade: any DatacenterFacade) {
        let table = facade.table
        guard let info = facade.launchInfo(of: record.key),
            let framework = table.frameworks[record.key.framework]
        else { return nil }
        self.init()
        sequence = record.sequence
        frameworkID = record.key.framework.description
        frameworkInfo = Data(framework.record.info)
        taskInfo = Data(info)
        guard let executor = record.executor else { return }
        let key = ExecutorKey(record.agent, record.key.framework, executor)
        guard let known = table.executors[key] else { return nil }
        executorID = executor.description
        executorInfo = Data(known.info)
    }
}

extension WireTaskName {
    init(_ key: TaskKey, sequence: UInt64) {
        self.init()
        frameworkID = key.framework.description
        taskID = key.task.description
        self.sequence = sequence
    }
}

extension WireExecutorName {
    init(_ key: ExecutorKey) {
        self.init()
        frameworkID = key.framework.description
        executorID = key.executor.description
    }
}

/// What an agent that connects says of a task.
struct KnownTask: Equatable {
    var key: TaskKey
    var sequence: UInt64
    var state: TaskState
    /// Its statuses follow by themselves, in their order.
    var isPending: Bool

    static func list(_ tasks: [WireKnownTask]) throws(AgentRefusal) -> [KnownTask] {
        guard tasks.count <= AgentServiceLimits.knownTasksMax else {
            throw .tooMany("tasks", tasks.count)
        }
        var list: [KnownTask] = []
        list.reserveCapacity(tasks.count)
        for task in tasks {
            list.append(
                KnownTask(
                    key: try TaskKey(framework: task.frameworkID, task: task.taskID),
                    sequence: task.sequence, state: try TaskState.ofAgent(task.state),
                    isPending: task.pending))
        }
        return list
    }

    /// What makes the agent and the records agree again: questions about tasks of which they
    /// differ, and the end of tasks that are on no record. A launch that is still to be answered is
    /// the master's to send.
    ///
    /// An agent that is back costs what has changed, not what runs on it.
    static func orders(
        for agent: AgentID, known: [KnownTask], table: DatacenterTable, term: UInt64
    ) -> [WireMasterMessage] {
        let records = (table.agents[agent]?.tasks ?? []).compactMap { table.tasks[$0] }
        var agreed: Set<TaskKey> = []
        var orders: [WireMasterMessage] = []
        for task in known {
            if let record = table.tasks[task.key], record.agent == agent, record.holdsResources,
                record.sequence == task.sequence
            {
                if task.isPending || record.state == task.state { agreed.insert(task.key) }
                continue
            }
            if task.state.isTerminal { continue }
            var message = WireMasterMessage()
            message.term = term
            message.kill.task = WireTaskName(task.key, sequence: task.sequence)
            orders.append(message)
        }
        var questions: [WireTaskName] = []
        // In the order of their launches: agents count on it.
        for record in records.sorted(by: { $0.sequence < $1.sequence })
        where record.state != .staging && !agreed.contains(record.key) {
            questions.append(WireTaskName(record.key, sequence: record.sequence))
        }
        for start in stride(from: 0, to: questions.count, by: AgentServiceLimits.statusesMax) {
            let end = min(start + AgentServiceLimits.statusesMax, questions.count)
            var message = WireMasterMessage()
            message.term = term
            message.reconcile.tasks = Array(questions[start..<end])
            orders.append(message)
        }
        return orders
    }
}
