internal import StateMachine

extension Master {
    mutating func take(
        _ call: SchedulerCall, of id: FrameworkID, in table: DatacenterTable,
        into effects: inout [MasterEffect]
    ) {
        switch call {
        case .accept(let offers, let operations, let refuse):
            accept(
                offers, operations, refuseMilliseconds: refuse, of: id, in: table, into: &effects)
        case .decline(let offers, let refuse):
            decline(offers, of: id, refuseMilliseconds: refuse)
        case .revive(let roles): try? allocator.revive(id, roles: roles)
        case .suppress(let roles): try? allocator.suppress(id, roles: roles)
        case .kill(let task, let grace):
            let key = TaskKey(id, task)
            if table.tasks[key]?.holdsResources == true {
                decide(.kill(key, graceMilliseconds: grace), into: &effects)
            } else if committing[key] != nil {
                committing[key]?.killGrace = grace
            } else {
                reconcile(task, of: id, in: table, into: &effects)
            }
        case .shutdown(let executor, let agent):
            let key = ExecutorKey(agent, id, executor)
            guard table.executors[key] != nil, let session = sessions[agent] else { return }
            effects.append(.toAgent(session.connection, .shutdown(key)))
        case .acknowledge(let task, let uuid):
            let key = TaskKey(id, task)
            // One that nobody waits for costs no entry.
            guard table.tasks[key]?.waiting.first?.uuid == uuid else { return }
            if !decide(.acknowledge(key, uuid: uuid), .acknowledge(key), into: &effects) {
                tellLater(key)
            }
        case .reconcile(let tasks): reconcile(tasks, of: id, in: table, into: &effects)
        case .message(let agent, let executor, let data):
            guard let session = sessions[agent] else { return }
            effects.append(
                .toAgent(session.connection, .message(ExecutorKey(agent, id, executor), data)))
        case .update(let subscription): decide(.subscribe(subscription), into: &effects)
        case .teardown: decide(.endFramework(id, session: 0), into: &effects)
        }
    }

    /// Always from the complete state: there is no other.
    private func reconcile(
        _ tasks: [TaskID], of id: FrameworkID, in table: DatacenterTable,
        into effects: inout [MasterEffect]
    ) {
        if !tasks.isEmpty {
            for task in tasks { reconcile(task, of: id, in: table, into: &effects) }
            return
        }
        let live = table.tasks.values.filter { $0.key.framework == id && $0.holdsResources }
        let coming = committing.keys.filter { $0.framework == id }
        for key in Set(live.map(\.key)).union(coming).sorted() {
            reconcile(key.task, of: id, in: table, into: &effects)
        }
    }

    private func reconcile(
        _ task: TaskID, of id: FrameworkID, in table: DatacenterTable,
        into effects: inout [MasterEffect]
    ) {
        let isAware = table.frameworks[id]?.record.isPartitionAware ?? false
        let key = TaskKey(id, task)
        var update = TaskUpdate(
            key: key, state: TaskState.unknown.told(isPartitionAware: isAware),
            cause: .reconciliation, message: "Reconciliation: Task is unknown")
        let record = table.tasks[key]
        if let task = committing[key], record?.holdsResources != true {
            // As Mesos' masters say of launches that they are not done with.
            update.state = .staging
            update.agent = task.agent
            update.message = "Reconciliation: Latest task state"
        } else if let record {
            update.state = record.state.told(isPartitionAware: isAware)
            update.agent = record.agent
            update.executor = record.executor
            update.body = record.state == .unreachable ? [] : record.lastStatus
            update.message = "Reconciliation: Latest task state"
            if record.state == .unreachable {
                update.unreachableSince = record.unreachableSince
                update.message = "Reconciliation: Task is unreachable"
            }
        }
        tell(id, .update(update), into: &effects)
    }
}
