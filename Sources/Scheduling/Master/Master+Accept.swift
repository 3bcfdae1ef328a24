internal import StateMachine

extension Master {
    /// What was offered becomes a launch, if the log agrees: nothing is sent before that.
    mutating func accept(
        _ offers: [OfferID], _ operations: [AcceptedOperation], refuseMilliseconds: UInt64,
        of id: FrameworkID, in table: DatacenterTable, into effects: inout [MasterEffect]
    ) {
        let numbers = offers.compactMap { number(of: $0, to: id) }
        let offered = numbers.compactMap { allocator.offerable($0) }
        guard numbers.count == offers.count, let first = offered.first,
            offered.allSatisfy({ $0.agent == first.agent && $0.role == first.role }),
            Set(numbers).count == numbers.count,
            let agent = table.agents[first.agent]
        else {
            refuse(operations, of: id, "an offer is not valid any more", into: &effects)
            decline(offers, of: id, refuseMilliseconds: 0)
            return
        }
        var plan = AcceptPlan(
            offered.reduce(Resources.empty) { sum, offer in
                (try? sum.adding(offer.resources)) ?? sum
            },
            running: agent.executors.filter { $0.framework == id }.map(\.executor))
        for operation in operations {
            plan.add(operation) { reason, task in
                invalid(task, of: id, on: first.agent, reason, into: &effects)
            }
        }
        guard !plan.operations.isEmpty else {
            return decline(offers, of: id, refuseMilliseconds: refuseMilliseconds)
        }
        let launch = Launch(
            framework: id, agent: first.agent, session: agent.record.session,
            operations: plan.operations)
        let tasks = plan.tasks.map { task in
            AcceptedTask(id: task, after: table.tasks[TaskKey(id, task)]?.sequence ?? 0)
        }
        let accepted = AcceptedOffers(
            framework: id, agent: first.agent, offers: numbers, tasks: tasks,
            refuseUntil: until(refuseMilliseconds))
        guard decide(.launch(launch), .accept(accepted), into: &effects) else {
            refuse(operations, of: id, "the master is too busy", into: &effects)
            return decline(offers, of: id, refuseMilliseconds: 0)
        }
        accepting.formUnion(numbers)
        for task in plan.tasks where committing[TaskKey(id, task)] == nil {
            committing[TaskKey(id, task)] = Committing(agent: first.agent)
        }
    }

    /// A kill that came before the launch was on record follows it.
    mutating func committed(
        _ key: TaskKey, in table: DatacenterTable, into effects: inout [MasterEffect]
    ) {
        guard table.tasks[key]?.holdsResources == true,
            let grace = committing.removeValue(forKey: key)?.killGrace
        else { return }
        decide(.kill(key, graceMilliseconds: grace), into: &effects)
    }

    mutating func launched(
        _ decision: DecisionID, _ accepted: AcceptedOffers, _ outcome: DecisionOutcome,
        in table: DatacenterTable, into effects: inout [MasterEffect]
    ) {
        switch outcome {
        case .done:
            release(accepted)
            for task in accepted.tasks {
                let key = TaskKey(accepted.framework, task.id)
                committed(key, in: table, into: &effects)
                // It may have ended in the same turn.
                committing[key] = nil
            }
        // What is not certain is not said.
        case .unknown:
            uncertain.append(UncertainLaunch(decision: decision, accepted: accepted))
        case .refused(let error):
            release(accepted)
            let reason = error.map { "\($0)" } ?? "the master could not commit the launch"
            for task in accepted.tasks {
                committing[TaskKey(accepted.framework, task.id)] = nil
                dropped(
                    task.id, of: accepted.framework, on: accepted.agent, reason, in: table,
                    &effects)
            }
        }
        // An executor's record stays for as long as a launch that counts on it is uncertain, too.
        forgetEndedExecutors(on: accepted.agent, in: table, into: &effects)
    }

    private mutating func release(_ accepted: AcceptedOffers) {
        for number in accepted.offers {
            accepting.remove(number)
            offeredAt[number] = nil
            // What runs is counted by the records.
            try? allocator.accept(number, allocated: .empty, until: accepted.refuseUntil)
        }
    }

    /// A later decision of this term was applied: whatever the log has of those before it was, too.
    mutating func settleLaunches(
        before id: DecisionID, in table: DatacenterTable, into effects: inout [MasterEffect]
    ) {
        while let launch = uncertain.first, launch.decision < id {
            uncertain.removeFirst()
            let accepted = launch.accepted
            release(accepted)
            for task in accepted.tasks {
                let key = TaskKey(accepted.framework, task.id)
                committed(key, in: table, into: &effects)
                committing[key] = nil
                // One that is on record may be an earlier task of the same id.
                if let record = table.tasks[key], record.sequence > task.after { continue }
                dropped(
                    task.id, of: accepted.framework, on: accepted.agent,
                    "the launch was not committed in time", in: table, &effects)
            }
            forgetEndedExecutors(on: accepted.agent, in: table, into: &effects)
        }
    }

    /// It was never launched: its scheduler may try again.
    private func dropped(
        _ task: TaskID, of id: FrameworkID, on agent: AgentID?, _ reason: String,
        in table: DatacenterTable, _ effects: inout [MasterEffect]
    ) {
        let isAware = table.frameworks[id]?.record.isPartitionAware ?? false
        tell(
            id,
            .update(
                TaskUpdate(
                    key: TaskKey(id, task),
                    state: TaskState.dropped.told(isPartitionAware: isAware), agent: agent,
                    cause: .invalidOffers, message: reason)), into: &effects)
    }

    private func invalid(
        _ task: TaskID, of id: FrameworkID, on agent: AgentID, _ reason: String,
        into effects: inout [MasterEffect]
    ) {
        tell(
            id,
            .update(
                TaskUpdate(
                    key: TaskKey(id, task), state: .error, agent: agent, cause: .invalidTask,
                    message: reason)), into: &effects)
    }

    private func refuse(
        _ operations: [AcceptedOperation], of id: FrameworkID, _ reason: String,
        into effects: inout [MasterEffect]
    ) {
        for task in operations.flatMap(\.tasks) {
            tell(
                id,
                .update(
                    TaskUpdate(
                        key: TaskKey(id, task), state: .lost, cause: .invalidOffers,
                        message: reason)), into: &effects)
        }
    }
}

extension AcceptedOperation {
    var tasks: [TaskID] {
        switch self {
        case .launch(let task): [task.task]
        case .launchGroup(let tasks): tasks.map(\.task)
        case .invalid(let task, _): [task]
        case .reserve, .unreserve, .create, .destroy: []
        }
    }
}

/// Operations against what was offered, before the log judges them against what is there.
private struct AcceptPlan {
    var rest: Resources
    var operations: [Launch.Operation] = []
    var tasks: [TaskID] = []
    private var groups: UInt16 = 0
    private var executors: Set<ExecutorID>

    /// - Parameter running: executors that hold their resources already.
    init(_ offered: Resources, running: [ExecutorID]) {
        rest = offered
        executors = Set(running)
    }

    mutating func add(
        _ operation: AcceptedOperation, refused: (String, TaskID) -> Void
    ) {
        switch operation {
        case .reserve(let resources): change(.reserve(resources)) { try $0.reserving(resources) }
        case .unreserve(let resources):
            change(.unreserve(resources)) { try $0.unreserving(resources) }
        case .create(let resources): change(.create(resources)) { try $0.creating(resources) }
        case .destroy(let resources): change(.destroy(resources)) { try $0.destroying(resources) }
        case .invalid(let task, let reason): refused(reason, task)
        case .launch(let task): launch([task], refused)
        case .launchGroup(let group):
            groups += 1
            launch(
                group.map { task in
                    var task = task
                    task.group = groups
                    return task
                }, refused)
        }
    }

    /// An operation that cannot be is left out, as in Mesos.
    private mutating func change(
        _ operation: Launch.Operation, _ body: (Resources) throws -> Resources
    ) {
        guard let next = try? body(rest) else { return }
        rest = next
        operations.append(operation)
    }

    private mutating func launch(_ group: [TaskLaunch], _ refused: (String, TaskID) -> Void) {
        var left = rest
        var own = executors
        for task in group {
            var wanted = task.resources
            if let executor = task.executor, own.insert(executor.id).inserted {
                wanted = (try? wanted.adding(executor.resources)) ?? wanted
            }
            guard let rest = left.subtracting(wanted) else {
                for task in group {
                    refused("it needs \(wanted), of what was offered there is \(left)", task.task)
                }
                return
            }
            left = rest
        }
        rest = left
        executors = own
        tasks += group.map(\.task)
        operations += group.map { .task($0) }
    }
}
