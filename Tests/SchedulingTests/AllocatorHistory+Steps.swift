import Primitives
import Scheduling
import StateMachine
import Testing

extension AllocatorHistory {
    /// So that the first look finds something.
    mutating func begin() throws {
        for _ in 0..<3 {
            try addAgent()
            try addFramework()
        }
    }

    mutating func step() throws {
        switch draw(26) {
        case 0, 1, 2: try addAgent()
        case 3: try updateAgent()
        case 4: if chance(3) { try removeAgent() }
        case 5: try changeAvailability()
        case 6, 7: try addFramework()
        case 8: try updateFramework()
        case 9: if chance(3) { try removeFramework() }
        case 10: try changeActivity()
        case 11: try suppressOrRevive()
        case 12: try changeQuota()
        case 13: try changeWeight()
        case 14, 15: try changeAllocation()
        case 16: try setAllocations()
        case 17: now += UInt64(draw(8))
        default: try settleAnOffer()
        }
    }

    private mutating func addAgent() throws {
        guard naive.agents.count < 6 else { return }
        nextAgent += 1
        // Not in the order of names.
        let id = AgentID(ByteText("agent\((nextAgent * 7) % 100)-\(nextAgent)"))
        let settings = agentSettings()
        try allocator.addAgent(id, settings)
        naive.agents.append(NaiveAllocator.Agent(id: id, settings: settings))
    }

    private mutating func updateAgent() throws {
        guard let agent = pick(naive.agents), let place = naive.agentIndex(agent.id) else { return }
        let settings = agentSettings()
        try allocator.updateAgent(agent.id, settings)
        naive.agents[place].settings = settings
    }

    private mutating func removeAgent() throws {
        guard let agent = pick(naive.agents) else { return }
        let void = try allocator.removeAgent(agent.id)
        #expect(void == naive.offers.filter { $0.agent == agent.id }.map { $0.number })
        naive.removeAgent(agent.id)
    }

    private mutating func changeAvailability() throws {
        guard let agent = pick(naive.agents), let place = naive.agentIndex(agent.id) else { return }
        let availability: AgentAvailability = chance(2) ? .available : .draining
        try allocator.setAvailability(availability, of: agent.id)
        naive.agents[place].settings.availability = availability
    }

    private mutating func addFramework() throws {
        let id = FrameworkID(ByteText("f\(draw(4))"))
        guard naive.frameworkIndex(id) == nil else { return }
        let settings = frameworkSettings()
        try allocator.addFramework(id, settings)
        naive.updateFramework(id, settings)
    }

    private mutating func updateFramework() throws {
        guard let framework = pick(naive.frameworks) else { return }
        let settings = frameworkSettings()
        try allocator.updateFramework(framework.id, settings)
        naive.updateFramework(framework.id, settings)
    }

    private mutating func removeFramework() throws {
        guard let framework = pick(naive.frameworks) else { return }
        let void = try allocator.removeFramework(framework.id)
        #expect(void == naive.offers.filter { $0.framework == framework.id }.map { $0.number })
        naive.removeFramework(framework.id)
    }

    private mutating func changeActivity() throws {
        guard let framework = pick(naive.frameworks) else { return }
        let isActive = !chance(3)
        try allocator.setActive(isActive, framework: framework.id)
        naive.setActive(isActive, framework.id)
    }

    private mutating func suppressOrRevive() throws {
        guard let framework = pick(naive.frameworks), let role = pick(framework.settings.roles)
        else { return }
        if chance(3) {
            try allocator.suppress(framework.id, roles: [role])
            naive.suppress(framework.id, role)
        } else {
            try allocator.revive(framework.id, roles: [role])
            naive.revive(framework.id, role)
        }
    }

    private mutating func changeQuota() throws {
        let top = Self.tops[draw(4)]
        let quota = quota()
        try allocator.setQuota(quota, of: top)
        naive.quotas[top] = quota
    }

    private mutating func changeWeight() throws {
        let role = Self.roles[draw(7)]
        let weight: Int64? = chance(3) ? nil : Int64(1 + draw(5)) * 700
        try allocator.setWeight(weight, of: role)
        naive.weights[role] = weight
    }

    /// A task ends, or one begins that needed no offer.
    private mutating func changeAllocation() throws {
        guard let agent = pick(naive.agents) else { return }
        if let allocation = pick(agent.allocations), !chance(3) {
            let removed = part(of: allocation.resources)
            try allocator.changeAllocation(
                onAgent: agent.id, framework: allocation.framework, role: allocation.role,
                removed: removed)
            naive.changeAllocation(
                agent.id, allocation.framework, allocation.role, added: .empty, removed: removed)
            return
        }
        let role = Self.roles[draw(7)]
        let added = part(of: naive.free(agent).allocatable(to: role))
        let framework = FrameworkID(ByteText("f\(draw(5))"))
        try allocator.changeAllocation(
            onAgent: agent.id, framework: framework, role: role, added: added)
        naive.changeAllocation(agent.id, framework, role, added: added, removed: .empty)
    }

    private mutating func setAllocations() throws {
        guard let agent = pick(naive.agents), let place = naive.agentIndex(agent.id) else { return }
        var allocations = agent.allocations
        if !allocations.isEmpty, chance(2) { allocations.remove(at: draw(allocations.count)) }
        try allocator.setAllocations(allocations, onAgent: agent.id)
        naive.agents[place].allocations = allocations
        naive.prune()
    }

    private mutating func settleAnOffer() throws {
        guard let offer = pick(naive.offers) else { return }
        let until: UInt64? = chance(3) ? nil : now + UInt64(draw(12))
        switch draw(5) {
        case 0:
            try allocator.rescind(offer.number)
            naive.settle(offer.number, allocated: .empty, until: nil)
        case 1, 2:
            let used = part(of: offer.resources)
            try allocator.accept(offer.number, allocated: used, until: until)
            naive.settle(offer.number, allocated: used, until: until)
        default:
            try allocator.decline(offer.number, until: until)
            naive.settle(offer.number, allocated: .empty, until: until)
        }
    }

    // MARK: - Checks

    /// Both make the same offers, and those keep the rules.
    mutating func allocateAndCompare() throws {
        let before = naive
        var twin = allocator
        let made = allocator.allocate(now: now)
        #expect(twin.allocate(now: now) == made, "not deterministic; seed \(seed)")
        let expected = naive.allocate(now: now)
        try #require(made == expected, "seed \(seed)")
        allocator.checkInvariants()
        offersMade += made.count
        checkOffers(made, before: before)
        #expect(allocator.allocate(now: now).isEmpty, "a second pass finds more; seed \(seed)")
        try checkExplanations()
    }

    private func checkOffers(_ made: [Offerable], before: NaiveAllocator) {
        for agent in before.agents {
            var all = Resources.empty
            for offer in made where offer.agent == agent.id {
                all = (try? all.adding(offer.resources.nonShared)) ?? .empty
            }
            #expect(before.free(agent).contains(all), "more than is free; seed \(seed)")
        }
        for offer in made {
            let top = offer.role.topLevelRole
            for entry in offer.resources.entries {
                #expect(entry.isAllocatable(to: offer.role), "reserved to others; seed \(seed)")
                guard !entry.isReserved, let limit = naive.quotas[top]?.limit(entry.name),
                    entry.amount > 0
                else { continue }
                #expect(naive.consumed(top, entry.name) <= limit, "over the limit; seed \(seed)")
            }
        }
    }

    /// After a pass nobody could be offered anything, and both explanations say why.
    private func checkExplanations() throws {
        for framework in naive.frameworks {
            let explanation = try allocator.explain(framework: framework.id, now: now)
            for role in explanation.roles {
                #expect(role.offerable == 0, "\(framework.id) could use something; seed \(seed)")
                let counted = role.counts.reduce(0) { $0 + $1.agents }
                #expect(counted == naive.agents.count)
            }
        }
        for agent in naive.agents {
            let lines = try allocator.explain(agent: agent.id, now: now).lines
            #expect(lines.count == naive.pairs.count)
            #expect(lines.allSatisfy { $0.obstacle != nil })
        }
    }
}
