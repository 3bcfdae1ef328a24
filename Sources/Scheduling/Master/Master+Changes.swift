internal import StateMachine

/// What was applied, and what follows from it.
extension Master {
    mutating func follow(
        _ changes: [DatacenterChange], in table: DatacenterTable,
        into effects: inout [MasterEffect]
    ) {
        var touched: [AgentID] = []
        for change in changes {
            switch change {
            case .agent(let id):
                if table.agents[id]?.isOffered == true {
                    rescindWhatIsGone(onAgent: id, in: table, into: &effects)
                } else {
                    rescindOffers(onAgent: id, into: &effects)
                }
                agentChanged(id, in: table)
            case .framework(let id):
                frameworkChanged(id, in: table)
                frameworkEnded(id, in: table, into: &effects)
            case .role(let name): roleChanged(name, in: table)
            case .master, .service, .instance, .deployment: break
            case .executor(let key): touched.append(key.agent)
            case .task(let key):
                if let agent = table.tasks[key]?.agent { touched.append(agent) }
                committed(key, in: table, into: &effects)
                tellStatus(of: key, in: table, into: &effects)
                sendOrders(of: key, in: table, into: &effects)
            }
        }
        var last: AgentID?
        for id in touched.sorted() where id != last {
            last = id
            forgetEndedExecutors(on: id, in: table, into: &effects)
            let holdings = table.agents[id]?.holdings.count
            if booked[id] == holdings { continue }
            booked[id] = holdings
            try? allocator.setAllocations(allocations(on: id, in: table), onAgent: id)
        }
    }

    mutating func agentChanged(_ id: AgentID, in table: DatacenterTable) {
        guard let agent = table.agents[id], agent.record.phase != .gone else {
            _ = try? allocator.removeAgent(id)
            if let session = sessions.removeValue(forKey: id) {
                agentOfConnection[session.connection] = nil
            }
            lastHeard[id] = nil
            draining.remove(id)
            booked[id] = nil
            return
        }
        follow(agent.record)
        var settings = reading.agent(agent.record)
        settings.total = agent.record.total
        settings.availability =
            switch (agent.record.phase, agent.record.mode) {
            case (.reachable, .active): .available
            case (.reachable, .deactivated): .deactivated
            case (.reachable, .draining): .draining
            case (.unreachable, _), (.gone, _): .unreachable
            }
        do {
            try allocator.updateAgent(id, settings)
        } catch {
            try? allocator.addAgent(id, settings, allocations: allocations(on: id, in: table))
            booked[id] = agent.holdings.count
        }
    }

    private mutating func follow(_ agent: AgentRecord) {
        let id = agent.id
        if agent.mode == .draining { draining.insert(id) } else { draining.remove(id) }
        guard agent.phase == .reachable else { return }
        // A session that is on record, and that nobody has told this master of yet.
        if lastHeard[id] == nil || sessions[id].map({ $0.session < agent.session }) == true {
            lastHeard[id] = now
        }
        watch.add(id, at: lossTime(of: id))
    }

    private func allocations(on id: AgentID, in table: DatacenterTable) -> [Allocation] {
        guard let agent = table.agents[id] else { return [] }
        return agent.tasks.compactMap { table.tasks[$0] }.map {
            Allocation(framework: $0.key.framework, role: $0.role, resources: $0.resources)
        }
            + agent.executors.compactMap { table.executors[$0] }.map {
                Allocation(framework: $0.key.framework, role: $0.role, resources: $0.resources)
            }
    }

    mutating func frameworkChanged(_ id: FrameworkID, in table: DatacenterTable) {
        guard let record = table.frameworks[id]?.record, record.phase != .ended else {
            _ = try? allocator.removeFramework(id)
            awaited[id] = nil
            return
        }
        let settings = AllocatorFramework(
            roles: record.roles, suppressedRoles: record.suppressedRoles,
            capabilities: FrameworkCapabilities(
                rawValue: UInt16(truncatingIfNeeded: record.capabilities >> 1)),
            constraints: reading.constraints(record),
            isActive: record.phase == .connected && streamOfFramework[id] != nil)
        do {
            try allocator.updateFramework(id, settings)
        } catch {
            try? allocator.addFramework(id, settings)
        }
    }

    /// Its scheduler is told, and its tasks are to end.
    private mutating func frameworkEnded(
        _ id: FrameworkID, in table: DatacenterTable, into effects: inout [MasterEffect]
    ) {
        guard let framework = table.frameworks[id], framework.record.phase == .ended else {
            return
        }
        if let stream = streamOfFramework.removeValue(forKey: id) {
            streams[stream] = nil
            effects.append(.toScheduler(stream, .error("Framework has been removed")))
            effects.append(.closeStream(stream))
        }
        if framework.liveTasks > 0 {
            let live = table.tasks.values.filter { $0.key.framework == id && $0.holdsResources }
            for key in live.map(\.key).sorted() { sendOrders(of: key, in: table, into: &effects) }
        }
        let executors = table.executors.keys.filter { $0.framework == id }
        for key in executors.sorted() {
            guard let session = sessions[key.agent] else { continue }
            effects.append(.toAgent(session.connection, .shutdown(key)))
        }
    }

    mutating func roleChanged(_ name: ByteText, in table: DatacenterTable) {
        let record = table.roles[name] ?? RoleRecord(role: name)
        try? allocator.setWeight(record.weight, of: name)
        var quota = RoleQuota()
        if let guarantee = record.guarantee { quota.guarantees = guarantee.scalarQuantities }
        if let limit = record.limit { quota.limits = limit.scalarQuantities }
        try? allocator.setQuota(quota, of: name)
    }

    mutating func tick(in table: DatacenterTable, into effects: inout [MasterEffect]) {
        tickAgents(in: table, into: &effects)
        tickFrameworks(in: table, into: &effects)
        tellAgain(in: table, into: &effects)
        tickOffers(into: &effects)
        tickOrders(in: table, into: &effects)
        makeOffers(into: &effects)
    }
}
