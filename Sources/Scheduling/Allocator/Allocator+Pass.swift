internal import Primitives
internal import StateMachine

/// One look at what was marked.
struct AllocationPass: Sendable {
    var made: [OfferNumber] = []
    /// For look-ups: whoever is offered two parts of an agent in one pass gets one offer.
    var numbers: [ClientAndSlot: OfferNumber] = [:]

    struct ClientAndSlot: Hashable {
        let client: Int
        let slot: Int
    }
}

/// One look at one agent.
private struct Visit {
    let slot: Int
    let stage: AllocationStage
    /// Not only the awake and the woken.
    let asksAll: Bool
    var free: Resources
    var picks: [(client: Int, quantities: ScalarQuantities)] = []
    var isDone = false
}

extension Allocator {
    /// Makes all offers that can be made. Guarantees first, then by fairness; agents in the order
    /// of their registration, on each one the framework that is furthest below its share first.
    ///
    /// Cost: O(marked agents × frameworks that can be offered something), less where one takes all;
    /// and O(agents), a few nanoseconds each, when a framework may be able to use all of them.
    /// - Parameter now: in ticks; filters that end by then do not hold. It does not go back.
    package mutating func allocate(now: UInt64) -> [Offerable] {
        self.now = max(self.now, now)
        expireFilters()
        tree.refresh()
        wakeWhomBoundsStopped()
        var pass = AllocationPass()
        let visited = slotsToVisit()
        if !required.isEmpty { look(at: visited, .guarantees, &pass) }
        look(at: visited, .fairness, &pass)
        clearMarks()
        return pass.made.compactMap { offerable($0) }
    }

    private mutating func look(
        at visited: [Int], _ stage: AllocationStage, _ pass: inout AllocationPass
    ) {
        for slot in visited {
            // Whoever can be offered something later is woken, and looks at all agents.
            if tree.isEveryoneInactive { return }
            visit(slot, stage, &pass)
        }
    }

    private func slotsToVisit() -> [Int] {
        var visited: [Int] = []
        if awakeClients.isEmpty {
            visited = dirtySlots.filter { agents[$0].isIdle }
            for slot in wokenSlots where agents[slot].isIdle && !agents[slot].isDirty {
                visited.append(slot)
            }
        } else {
            let first = awakeClients.map { clients[$0].askedBelow }.min() ?? 0
            for slot in agents.indices where agents.isUsed(slot) && agents[slot].isIdle {
                let isMarked = agents[slot].isDirty || !agents[slot].woken.isEmpty
                if agents[slot].number >= first || isMarked { visited.append(slot) }
            }
        }
        var isSorted = true
        for (one, next) in zip(visited, visited.dropFirst())
        where agents[one].number > agents[next].number {
            isSorted = false
        }
        if !isSorted { visited.sort { agents[$0].number < agents[$1].number } }
        return visited
    }

    /// Whose framework has too many offers was not asked of what was marked, and has to be once it
    /// has room.
    private mutating func rememberMarks() {
        let first = (dirtySlots + wokenSlots).map { agents[$0].number }.min() ?? .max
        for framework in fullFrameworks {
            for client in frameworks[framework].clients {
                clients[client].askedBelow = min(clients[client].askedBelow, first)
            }
        }
    }

    private mutating func clearMarks() {
        if !fullFrameworks.isEmpty { rememberMarks() }
        for slot in dirtySlots { agents[slot].isDirty = false }
        for slot in wokenSlots { agents[slot].woken = [] }
        for client in awakeClients { clients[client].isAwake = false }
        dirtySlots.removeAll(keepingCapacity: true)
        wokenSlots.removeAll(keepingCapacity: true)
        awakeClients.removeAll(keepingCapacity: true)
        for place in quotaLedgers {
            ledgers[place].lastConsumed = ledgers[place].consumed
            ledgers[place].lastUnmet = ledgers[place].unmet
        }
        lastSurplus = available
        lastSurplus.subtract(required)
    }

    // MARK: - Bounds

    /// Whoever was stopped by a bound that has loosened since the last pass looks at all agents
    /// again. Within a pass no bound loosens: what is offered only uses them up.
    private mutating func wakeWhomBoundsStopped() {
        for place in quotaLedgers {
            let ledger = ledgers[place]
            let hasRoom =
                ledger.isLimitBound
                && (ledger.quota.limits.elements.map { $0.name } + ledger.quota.forbidden)
                    .contains { ledger.consumed($0) < ledger.lastConsumed[$0] }
            let isOwedMore = ledger.unmet.elements.contains {
                $0.amount > ledger.lastUnmet[$0.name]
            }
            guard hasRoom || isOwedMore else { continue }
            ledgers[place].isLimitBound = false
            for client in ledger.clients { wake(client) }
        }
        guard headroomBound.contains(where: { surplus($0) > lastSurplus[$0] }) else { return }
        headroomBound = []
        for client in clients.indices where clients.isUsed(client) { wake(client) }
    }

    // MARK: - One agent

    private mutating func visit(
        _ slot: Int, _ stage: AllocationStage, _ pass: inout AllocationPass
    ) {
        guard agents[slot].isIdle else { return }
        let asksAll = agents[slot].isDirty
        let askedCount = awakeClients.count + agents[slot].woken.count
        if !asksAll, askedCount == 0 { return }
        var visit = Visit(slot: slot, stage: stage, asksAll: asksAll, free: agents[slot].free)
        if !asksAll, askedCount <= AllocatorLimits.directMax {
            for client in askedClients(of: slot) where !visit.isDone {
                consider(client, &visit, &pass)
            }
        } else {
            walk(tree.root, &visit, &pass)
        }
        close(visit)
    }

    /// The few that are to be asked, in the order of fairness.
    private func askedClients(of slot: Int) -> [Int] {
        var asked = awakeClients
        for client in agents[slot].woken
        where clients.isUsed(client) && clients[client].isActive && !clients[client].isAwake {
            asked.append(client)
        }
        if asked.count > 1 {
            asked.sort { tree.precedes(clients[$0].node, clients[$1].node) }
        }
        return asked
    }

    /// All that can be offered something, in the order of fairness. What is offered on the way
    /// changes the order of the next agent, not of this one.
    private mutating func walk(_ node: Int, _ visit: inout Visit, _ pass: inout AllocationPass) {
        let order = tree.nodes[node].order
        for child in order {
            if visit.isDone { return }
            switch tree.nodes[child].kind {
            case .client(let client):
                let isAsked =
                    visit.asksAll || clients[client].isAwake
                    || agents[visit.slot].woken.contains(client)
                if isAsked { consider(client, &visit, &pass) }
            case .role, .own:
                if visit.stage == .guarantees,
                    ledgers[tree.nodes[child].ledger].unmet.isEmpty
                {
                    continue
                }
                walk(child, &visit, &pass)
            }
        }
    }

    private mutating func consider(
        _ client: Int, _ visit: inout Visit, _ pass: inout AllocationPass
    ) {
        let ledger = clients[client].ledger
        if visit.stage == .guarantees, ledgers[ledger].unmet.isEmpty { return }
        guard clients[client].isActive, hasRoomForOffers(clients[client].framework)
        else { return }
        let verdict = verdict(
            client: client, slot: visit.slot, free: visit.free, stage: visit.stage)
        if verdict.isLimitBound { ledgers[ledger].isLimitBound = true }
        for name in verdict.headroomBound where !headroomBound.contains(name) {
            headroomBound.append(name)
        }
        if let offer = verdict.offer { book(offer, client, &visit, &pass) }
    }

    private mutating func book(
        _ wanted: Resources, _ client: Int, _ visit: inout Visit, _ pass: inout AllocationPass
    ) {
        let slot = visit.slot
        let key = AllocationPass.ClientAndSlot(client: client, slot: slot)
        let known = pass.numbers[key]
        // The first part has the shared volumes already.
        let offer = known == nil ? wanted : wanted.nonShared
        let place = agents[slot].heldPlace(client)
        let before = place.isThere ? agents[slot].held[place.index].offered : .empty
        guard let sum = try? before.adding(offer) else { return }
        let number = known ?? OfferNumber(nextOffer)
        if let known {
            guard let whole = try? offers[known]?.resources.adding(offer) else { return }
            offers[known]?.resources = whole
        } else {
            nextOffer += 1
            pass.numbers[key] = number
            pass.made.append(number)
            offers[number] = OfferAccount(client: client, slot: slot, resources: offer)
            agents[slot].offers.append(number)
            frameworks[clients[client].framework].offers.append(number)
        }
        if place.isThere {
            agents[slot].held[place.index].offered = sum
        } else {
            agents[slot].held.insert(
                Held(client: client, allocated: .empty, offered: sum), at: place.index)
            clients[client].agentCount += 1
        }
        let unreserved = offer.unreservedScalarQuantities
        changeLedger(clients[client].ledger) { $0.unreservedHeld.add(unreserved) }
        let rest = visit.free.subtractingWhatIsThere(offer.nonShared)
        // Counted at once: the next one's bounds depend on it.
        setFree(rest, of: slot)
        visit.free = rest
        visit.picks.append((client, offer.scalarQuantities))
        visit.isDone = !agents[slot].isIdle
    }

    private mutating func close(_ visit: Visit) {
        for (client, quantities) in visit.picks {
            tree.change(
                clients[client].node, adding: quantities, removing: .none, countsOffer: true)
            let framework = clients[client].framework
            guard !hasRoomForOffers(framework), !fullFrameworks.contains(framework) else {
                continue
            }
            fullFrameworks.append(framework)
            // The guarantees' stage asks of less than there is.
            let number = visit.stage == .fairness ? agents[visit.slot].number : 0
            for other in frameworks[framework].clients {
                refreshActivity(other, askedBelow: number)
            }
        }
    }
}
