internal import Primitives
package import StateMachine

extension Allocator {
    /// - Parameter allocations: what runs there already, of frameworks known or not.
    /// - Throws: `agentExists`, `tooManyAgents`, `tooManyAttributes`, `resources`.
    package mutating func addAgent(
        _ id: AgentID, _ settings: AllocatorAgent, allocations: [Allocation] = []
    ) throws(AllocatorError) {
        guard slots[id] == nil else { throw .agentExists(id) }
        guard agents.count < AllocatorLimits.agentsMax else {
            throw .tooManyAgents(limit: AllocatorLimits.agentsMax)
        }
        try Allocator.validate(settings)
        let byClient = try Allocator.summed(allocations)
        let slot = agents.insert(
            AgentAccount(
                id: id, number: nextAgentNumber, settings: settings,
                totalQuantities: settings.total.scalarQuantities,
                hasGPUs: settings.total.gpus > 0, free: .empty))
        nextAgentNumber += 1
        slots[id] = slot
        countTotal(of: slot, adding: true)
        for allocation in byClient {
            replaceHeld(
                slot, clientHolding(allocation.framework, allocation.role),
                allocated: allocation.resources, offered: .empty)
        }
        refresh(slot)
    }

    /// Outstanding offers stay: the master rescinds those that are not there any more.
    /// - Throws: `unknownAgent`, `tooManyAttributes`.
    package mutating func updateAgent(
        _ id: AgentID, _ settings: AllocatorAgent
    ) throws(AllocatorError) {
        let slot = try slot(of: id)
        try Allocator.validate(settings)
        countTotal(of: slot, adding: false)
        agents[slot].settings = settings
        agents[slot].totalQuantities = settings.total.scalarQuantities
        agents[slot].hasGPUs = settings.total.gpus > 0
        countTotal(of: slot, adding: true)
        refresh(slot)
    }

    /// Deactivated, draining and unreachable agents are not offered; what they have and hold counts
    /// still.
    /// - Throws: `unknownAgent`.
    package mutating func setAvailability(
        _ availability: AgentAvailability, of id: AgentID
    ) throws(AllocatorError) {
        let slot = try slot(of: id)
        agents[slot].settings.availability = availability
        refresh(slot)
    }

    /// Whatever was allocated or offered there is gone.
    /// - Returns: the offers that are void.
    /// - Throws: `unknownAgent`.
    @discardableResult
    package mutating func removeAgent(_ id: AgentID) throws(AllocatorError) -> [OfferNumber] {
        let slot = try slot(of: id)
        let void = agents[slot].offers
        for number in void { forget(number) }
        agents[slot].settings.availability = .deactivated
        for held in agents[slot].held {
            replaceHeld(slot, held.client, allocated: .empty, offered: .empty)
        }
        refresh(slot)
        countTotal(of: slot, adding: false)
        for filter in agents[slot].filters { uncount(filter) }
        slots[id] = nil
        agents.remove(slot)
        dirtySlots.removeAll { $0 == slot }
        wokenSlots.removeAll { $0 == slot }
        return void
    }

    /// Replaces all that is allocated there, as after the agent reported what it runs.
    /// - Throws: `unknownAgent`, `resources`.
    package mutating func setAllocations(
        _ allocations: [Allocation], onAgent id: AgentID
    ) throws(AllocatorError) {
        let slot = try slot(of: id)
        let byClient = try Allocator.summed(allocations)
        var wanted: [(client: Int, resources: Resources)] = []
        for allocation in byClient {
            wanted.append(
                (clientHolding(allocation.framework, allocation.role), allocation.resources))
        }
        for held in agents[slot].held
        where !wanted.contains(where: { $0.client == held.client }) {
            replaceHeld(slot, held.client, allocated: .empty, offered: held.offered)
        }
        for (client, resources) in wanted {
            let place = agents[slot].heldPlace(client)
            let offered = place.isThere ? agents[slot].held[place.index].offered : .empty
            replaceHeld(slot, client, allocated: resources, offered: offered)
        }
        refresh(slot)
    }

    /// A task began (`added`) or ended (`removed`), or an operation made one of the other.
    /// - Throws: `unknownAgent`, `notAllocated`, `resources`.
    package mutating func changeAllocation(
        onAgent id: AgentID, framework: FrameworkID, role: ByteText, added: Resources = .empty,
        removed: Resources = .empty
    ) throws(AllocatorError) {
        let slot = try slot(of: id)
        try Allocator.validate(role)
        let known = frameworkPlaces[framework].flatMap { client(of: $0, in: role) }
        let place = known.map { agents[slot].heldPlace($0) }
        var held = Held(client: known ?? -1, allocated: .empty, offered: .empty)
        if let place, place.isThere { held = agents[slot].held[place.index] }
        guard let rest = held.allocated.subtracting(removed) else {
            throw .notAllocated(id, framework, role)
        }
        let sum: Resources
        do { sum = try rest.adding(added) } catch { throw .resources(error) }
        replaceHeld(
            slot, clientHolding(framework, role), allocated: sum, offered: held.offered)
        refresh(slot)
    }

    // MARK: - Keeping count

    /// Recomputes what is free on an agent, and marks it if it can be offered.
    /// O(what the agent has and holds).
    mutating func refresh(_ slot: Int) {
        var free = agents[slot].settings.total.nonShared
        for held in agents[slot].held {
            free = free.subtractingWhatIsThere(held.allocated.nonShared)
            #if KEELSON_MUTANTS
                if planted(.offersTwice) { continue }
            #endif
            free = free.subtractingWhatIsThere(held.offered.nonShared)
        }
        let shared = agents[slot].settings.total.shared
        // Parts of one value add up again.
        if !shared.isEmpty, let sum = try? free.adding(shared) { free = sum }
        setFree(free, of: slot)
        if agents[slot].isIdle { markDirty(slot) }
    }

    mutating func setFree(_ free: Resources, of slot: Int) {
        let isOfferable = agents[slot].settings.availability == .available
        available.subtract(agents[slot].unreservedFree)
        agents[slot].free = free
        agents[slot].unreservedFree = isOfferable ? free.unreservedScalarQuantities : .none
        available.add(agents[slot].unreservedFree)
        agents[slot].hasReservedFree = free.entries.contains { $0.isReserved }
        agents[slot].isIdle = isOfferable && Allocator.isAllocatable(free)
    }

    mutating func markDirty(_ slot: Int) {
        guard !agents[slot].isDirty else { return }
        agents[slot].isDirty = true
        dirtySlots.append(slot)
    }

    private mutating func countTotal(of slot: Int, adding: Bool) {
        let quantities = agents[slot].totalQuantities
        if adding { total.add(quantities) } else { total.subtract(quantities) }
        tree.setTotal(total)
        guard agents[slot].settings.total.entries.contains(where: { $0.isReserved }) else { return }
        for entry in agents[slot].settings.total.entries {
            guard let role = entry.role else { continue }
            let place = ledger(of: role)
            changeLedger(place) {
                $0.reserved.add(adding ? entry.amount : -entry.amount, to: entry.name)
            }
            if !adding { dropLedgerIfUnused(place) }
        }
    }

    /// Makes that what a client has on an agent, with all that is counted of it.
    mutating func replaceHeld(
        _ slot: Int, _ client: Int, allocated: Resources, offered: Resources
    ) {
        let place = agents[slot].heldPlace(client)
        var before = Held(client: client, allocated: .empty, offered: .empty)
        if place.isThere { before = agents[slot].held[place.index] }
        let after = Held(client: client, allocated: allocated, offered: offered)
        let isEmpty = allocated.isEmpty && offered.isEmpty
        switch (place.isThere, isEmpty) {
        case (true, true):
            agents[slot].held.remove(at: place.index)
            clients[client].agentCount -= 1
        case (true, false): agents[slot].held[place.index] = after
        case (false, false):
            agents[slot].held.insert(after, at: place.index)
            clients[client].agentCount += 1
        case (false, true): break
        }
        count(client, adding: after, removing: before)
        dropClientIfUnused(client)
    }

    private mutating func count(_ client: Int, adding after: Held, removing before: Held) {
        if before == after { return }
        var more = after.allocated.scalarQuantities
        more.add(after.offered.scalarQuantities)
        var less = before.allocated.scalarQuantities
        less.add(before.offered.scalarQuantities)
        tree.change(clients[client].node, adding: more, removing: less)
        changeLedger(clients[client].ledger) {
            $0.unreservedHeld.add(after.allocated.unreservedScalarQuantities)
            $0.unreservedHeld.add(after.offered.unreservedScalarQuantities)
            $0.unreservedHeld.subtract(before.allocated.unreservedScalarQuantities)
            $0.unreservedHeld.subtract(before.offered.unreservedScalarQuantities)
        }
    }

    // MARK: - Validation

    private static func validate(_ settings: AllocatorAgent) throws(AllocatorError) {
        guard settings.attributes.count <= AllocatorLimits.attributesMax else {
            throw .tooManyAttributes(limit: AllocatorLimits.attributesMax)
        }
    }

    static func validate(_ role: ByteText) throws(AllocatorError) {
        do { try role.validateRole() } catch { throw .resources(error) }
    }

    /// One allocation for each framework and role; all together no more than one agent may have.
    private static func summed(
        _ allocations: [Allocation]
    ) throws(AllocatorError) -> [Allocation] {
        var sorted = allocations.filter { !$0.resources.isEmpty }
        sorted.sort { ($0.framework, $0.role) < ($1.framework, $1.role) }
        var result: [Allocation] = []
        var all = Resources.empty
        for allocation in sorted {
            try validate(allocation.role)
            do {
                all = try all.adding(allocation.resources)
                if let last = result.last, last.framework == allocation.framework,
                    last.role == allocation.role
                {
                    result[result.count - 1].resources =
                        try last.resources.adding(allocation.resources)
                    continue
                }
            } catch { throw .resources(error) }
            result.append(allocation)
        }
        return result
    }
}
