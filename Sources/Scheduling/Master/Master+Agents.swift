internal import Primitives
internal import StateMachine

extension Master {
    mutating func take(
        _ input: AgentInput, from connection: AgentConnectionID, in table: DatacenterTable,
        into effects: inout [MasterEffect]
    ) {
        if case .registers(let registration) = input {
            let isProposed = decide(
                .registerAgent(registration), .register(connection), into: &effects)
            if !isProposed {
                effects.append(.toAgent(connection, .refused("too busy", isFinal: false)))
            }
            return
        }
        // Whatever else comes from a connection that is not registered is of an earlier one.
        guard let id = agentOfConnection[connection], let session = sessions[id],
            session.connection == connection
        else { return }
        heard(id)
        // It was silent for too long, and is back: what it runs has to be on record again.
        if table.agents[id]?.record.phase == .unreachable, input != .disconnected {
            sessions[id] = nil
            agentOfConnection[connection] = nil
            effects.append(.toAgent(connection, .refused("register again", isFinal: false)))
            return
        }
        switch input {
        case .registers, .heartbeat: break
        case .reports(let reports):
            #if KEELSON_MUTANTS
                if planted(.acknowledgesBeforeCommit) {
                    let early = reports.map { _ in StatusVerdict.committed }
                    reported(connection, reports, .done(.statuses(early)), into: &effects)
                }
            #endif
            // What finds no room is sent again by the agent.
            decide(
                .reportStatuses(id, session: session.session, reports),
                .reports(connection, reports), into: &effects)
        case .executorEnded(let key, let status, let sequence):
            guard key.agent == id, table.executors[key] != nil else { return }
            tell(
                key.framework, .failure(id, key.executor, status: status), into: &effects)
            endedExecutors[key] = sequence
            forgetEndedExecutors(on: id, in: table, into: &effects)
        case .message(let key, let data):
            guard key.agent == id else { return }
            tell(key.framework, .message(id, key.executor, data), into: &effects)
        case .disconnected:
            sessions[id] = nil
            agentOfConnection[connection] = nil
            keepExecutors(on: id, in: table)
        }
    }

    /// A session begins with those that live.
    private mutating func keepExecutors(on id: AgentID, in table: DatacenterTable) {
        for key in table.agents[id]?.executors ?? [] { endedExecutors[key] = nil }
    }

    /// Takes executors off the records that have ended, with all the tasks that they had.
    ///
    /// Not while a task of theirs is on record, whose end its agent has yet to tell; nor while
    /// a launch is on its way that counts on the record. A task that the agent had not heard of is
    /// launched by a new run of the executor, so that the record stays.
    mutating func forgetEndedExecutors(
        on id: AgentID, in table: DatacenterTable, into effects: inout [MasterEffect]
    ) {
        #if KEELSON_MUTANTS
            if planted(.keepsEndedExecutors) { return }
        #endif
        guard !endedExecutors.isEmpty, let agent = table.agents[id] else { return }
        for key in agent.executors {
            guard let heard = endedExecutors[key] else { continue }
            let tasks = agent.tasks.compactMap { table.tasks[$0] }.filter {
                $0.key.framework == key.framework && $0.executor == key.executor
            }
            if tasks.contains(where: { $0.sequence > heard }) {
                endedExecutors[key] = nil
                continue
            }
            guard tasks.isEmpty, !awaitsLaunches(on: id), let session = sessions[id],
                decide(
                    .executorEnded(key, session: session.session), .executorEnd(key, heard: heard),
                    into: &effects)
            else { continue }
            endedExecutors[key] = nil
        }
    }

    private func awaitsLaunches(on id: AgentID) -> Bool {
        uncertain.contains { $0.accepted.agent == id }
            || decisions.values.contains { decision in
                if case .accept(let accepted) = decision { accepted.agent == id } else { false }
            }
    }

    mutating func registered(
        _ connection: AgentConnectionID, _ outcome: DecisionOutcome, in table: DatacenterTable,
        into effects: inout [MasterEffect]
    ) {
        switch outcome {
        case .done(.agent(let id, let session)):
            if let old = sessions[id] { agentOfConnection[old.connection] = nil }
            sessions[id] = AgentSession(connection: connection, session: session)
            agentOfConnection[connection] = id
            heard(id)
            keepExecutors(on: id, in: table)
            effects.append(.toAgent(connection, .registered(id, session: session)))
            let keys = table.agents[id]?.tasks ?? []
            for key in keys { sent[key] = nil }
            #if KEELSON_MUTANTS
                if planted(.leavesLaunchesUnsent) { return }
            #endif
            for key in byLaunch(keys, in: table) { sendOrders(of: key, in: table, into: &effects) }
        case .refused(let error?):
            effects.append(
                .toAgent(connection, .refused("\(error)", isFinal: error.isFinalForAgent)))
        case .done, .refused(nil), .unknown:
            effects.append(.toAgent(connection, .refused("try again", isFinal: false)))
        }
    }

    /// What a task's record says to an agent that is connected: a launch that it has not answered,
    /// an end that was asked for.
    mutating func sendOrders(
        of key: TaskKey, in table: DatacenterTable, into effects: inout [MasterEffect]
    ) {
        guard let task = table.tasks[key], task.holdsResources,
            let session = sessions[task.agent]
        else {
            sent[key] = nil
            launching[key] = nil
            return
        }
        var orders = sent[key] ?? SentOrders(connection: session.connection)
        if orders.connection != session.connection {
            orders = SentOrders(connection: session.connection)
        }
        let hasEnded = table.frameworks[key.framework]?.record.phase == .ended
        let killIndex = hasEnded ? max(1, task.killIndex) : task.killIndex
        if task.state != .staging { launching[key] = nil }
        if task.state == .staging, killIndex == 0, !orders.wasLaunched {
            launch(task, session, in: table, into: &effects)
            (orders.wasLaunched, orders.mayBeHeard) = (true, true)
            launching[key] = now
        }
        if killIndex > orders.killIndex {
            orders.killIndex = killIndex
            if !orders.mayBeHeard { beginsNowhere(task, session, in: table) }
            effects.append(
                .toAgent(
                    session.connection,
                    .kill(
                        key, sequence: task.sequence,
                        graceMilliseconds: task.killGraceMilliseconds)))
        }
        sent[key] = orders
    }

    /// A task's end was asked for before its launch was sent. Where its launch brought its executor
    /// along, and every other task of that executor came to the same, its agent has never heard of
    /// the executor and will not say that it ended.
    private mutating func beginsNowhere(
        _ task: TaskRecord, _ session: AgentSession, in table: DatacenterTable
    ) {
        guard let id = task.executor, let agent = table.agents[task.agent] else { return }
        let key = ExecutorKey(task.agent, task.key.framework, id)
        guard let executor = table.executors[key], executor.sequence >> 12 == task.launchIndex,
            task.launchIndex > session.session
        else { return }
        let tasks = agent.tasks.compactMap { table.tasks[$0] }.filter {
            $0.key.framework == key.framework && $0.executor == id
        }
        let hasEnded = table.frameworks[key.framework]?.record.phase == .ended
        let isUnheard = tasks.allSatisfy {
            $0.state == .staging && (hasEnded || $0.killIndex > 0)
                && sent[$0.key]?.mayBeHeard != true
        }
        guard isUnheard else { return }
        endedExecutors[key] = tasks.map(\.sequence).max()
    }

    /// A group goes out as one order, with its first task.
    private mutating func launch(
        _ task: TaskRecord, _ session: AgentSession, in table: DatacenterTable,
        into effects: inout [MasterEffect]
    ) {
        var tasks = [task]
        if task.group != 0 {
            tasks = (table.agents[task.agent]?.tasks ?? []).compactMap { table.tasks[$0] }.filter {
                $0.launchIndex == task.launchIndex && $0.group == task.group
                    && $0.key.framework == task.key.framework
            }
            tasks.sort { $0.sequence < $1.sequence }
            guard tasks.first?.key == task.key else { return }
        }
        effects.append(.toAgent(session.connection, .launch(tasks)))
    }

    mutating func reported(
        _ connection: AgentConnectionID, _ reports: [StatusReport], _ outcome: DecisionOutcome,
        into effects: inout [MasterEffect]
    ) {
        guard case .done(.statuses(let verdicts)) = outcome else { return }
        for (report, verdict) in zip(reports, verdicts) where verdict != .busy {
            effects.append(
                .toAgent(
                    connection,
                    .acknowledge(
                        report.key, sequence: report.sequence, uuid: report.status.uuid)))
        }
    }

    // MARK: - Time

    /// From now on its own time counts, where it had more as one of many that came back at once.
    private mutating func heard(_ id: AgentID) {
        let before = lastHeard.updateValue(now, forKey: id)
        if let before, before > now { watch.add(id, at: lossTime(of: id)) }
    }

    /// When an agent is unreachable of which nothing is heard until then.
    func lossTime(of id: AgentID) -> UInt64 {
        (lastHeard[id] ?? now) + settings.agentTimeoutMilliseconds
    }

    /// Cost: follows the agents that are due, each about once in the time that it may be silent.
    mutating func tickAgents(in table: DatacenterTable, into effects: inout [MasterEffect]) {
        for id in watch.take(until: now) {
            guard table.agents[id]?.record.phase == .reachable else { continue }
            let due = lossTime(of: id)
            guard now >= due else {
                watch.add(id, at: due)
                continue
            }
            // Should the decision come to nothing.
            watch.add(id, at: now + max(1, settings.agentTimeoutMilliseconds / 10))
            guard !agentsLeaving.contains(id), let session = table.agents[id]?.record.session,
                decide(.agentUnreachable(id, session: session), .agentLoss(id), into: &effects)
            else { continue }
            agentsLeaving.insert(id)
        }
        for id in draining.sorted() {
            if let agent = table.agents[id] { drain(agent, in: table, into: &effects) }
        }
        if endedExecutors.isEmpty { return }
        for id in Set(endedExecutors.keys.map(\.agent)).sorted() {
            forgetEndedExecutors(on: id, in: table, into: &effects)
        }
    }

    private mutating func drain(
        _ agent: DatacenterTable.Agent, in table: DatacenterTable,
        into effects: inout [MasterEffect]
    ) {
        let id = agent.record.id
        if agent.tasks.isEmpty {
            guard agent.record.isGoneWhenDrained, agent.record.phase != .gone,
                !agentsLeaving.contains(id),
                decide(.agentGone(id, byOperator: true), .agentLoss(id), into: &effects)
            else { return }
            agentsLeaving.insert(id)
            return
        }
        guard let session = sessions[id] else { return }
        for key in agent.tasks where (sent[key]?.killIndex ?? 0) == 0 {
            var orders = sent[key] ?? SentOrders(connection: session.connection)
            // It is on record with the agent: a next master does the same.
            orders.killIndex = 1
            sent[key] = orders
            effects.append(
                .toAgent(
                    session.connection,
                    .kill(
                        key, sequence: table.tasks[key]?.sequence ?? 0,
                        graceMilliseconds: agent.record.drainGraceMilliseconds)))
        }
    }

    /// In the order of their launches. An agent takes a launch that comes behind a later one for
    /// one that it has answered, and reports its task lost.
    private func byLaunch(_ keys: [TaskKey], in table: DatacenterTable) -> [TaskKey] {
        keys.sorted {
            let (one, other) = (table.tasks[$0]?.sequence ?? 0, table.tasks[$1]?.sequence ?? 0)
            return (one, $0) < (other, $1)
        }
    }

    /// Launches that nothing was heard of.
    mutating func tickOrders(in table: DatacenterTable, into effects: inout [MasterEffect]) {
        let end = now
        let late = launching.filter { end >= $0.value + settings.orderRetryMilliseconds }
        for key in byLaunch(Array(late.keys), in: table) {
            launching[key] = nil
            sent[key]?.wasLaunched = false
            sendOrders(of: key, in: table, into: &effects)
        }
    }
}

extension DatacenterError {
    /// Whether an agent that is told so has to end.
    fileprivate var isFinalForAgent: Bool {
        switch self {
        case .agentGone, .otherIncarnation, .unknownAgent, .agentShrank, .invalidName, .tooLarge:
            true
        case .oldAgentSession, .agentNotOffered, .unknownFramework, .frameworkEnded,
            .otherPrincipal, .oldFrameworkSession, .frameworkNotConnected, .unknownTask,
            .duplicateTask, .unknownExecutor, .executorInUse, .notFree, .invalidOperation,
            .tooManyRoles,
            .invalidRole, .service, .notCompactable:
            false
        }
    }
}
