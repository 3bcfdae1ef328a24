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
    fileprivate init(_ key: ExecutorKey) {
        self.init()
        frameworkID = key.framework.description
        executorID = key.executor.description
    }
}

extension KnownTask {
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
}

extension AgentDifferences {
    func orders(term: UInt64) -> [WireMasterMessage] {
        var orders: [WireMasterMessage] = []
        for task in strangers {
            var message = WireMasterMessage()
            message.term = term
            message.kill.task = WireTaskName(task.key, sequence: task.sequence)
            orders.append(message)
        }
        let names = questions.map { WireTaskName($0.key, sequence: $0.sequence) }
        for start in stride(from: 0, to: names.count, by: AgentServiceLimits.statusesMax) {
            let end = min(start + AgentServiceLimits.statusesMax, names.count)
            var message = WireMasterMessage()
            message.term = term
            message.reconcile.tasks = Array(names[start..<end])
            orders.append(message)
        }
        for key in foreignExecutors {
            var message = WireMasterMessage()
            message.term = term
            message.shutdownExecutor.executor = WireExecutorName(key)
            orders.append(message)
        }
        return orders
    }
}
