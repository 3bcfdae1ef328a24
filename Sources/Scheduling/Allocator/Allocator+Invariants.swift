internal import HeapModule
internal import Primitives
internal import StateMachine

extension Allocator {
    /// Counts everything anew and compares. O(everything), quadratic in the roles: for tests and
    /// simulations.
    package func checkInvariants() {
        tree.checkInvariants()
        checkAgents()
        checkFrameworks()
        checkLedgers()
        checkOffers()
        invariant(slots.count == agents.count, "\(slots.count) ids of \(agents.count) agents")
        invariant(
            frameworkOrder.count == frameworks.count, "the order of frameworks misses some")
        for (one, next) in zip(frameworkOrder, frameworkOrder.dropFirst()) {
            invariant(frameworks[one].id < frameworks[next].id, "frameworks are out of order")
        }
    }

    private func checkAgents() {
        var total = ScalarQuantities.none
        var available = ScalarQuantities.none
        var filterCount = 0
        for slot in agents.indices where agents.isUsed(slot) {
            let agent = agents[slot]
            invariant(slots[agent.id] == slot, "\(agent.id) is not found by its id")
            agent.free.checkInvariants()
            total.add(agent.settings.total.scalarQuantities)
            if agent.settings.availability == .available {
                available.add(agent.free.unreservedScalarQuantities)
            }
            invariant(
                agent.settings.total.contains(agent.free), "\(agent.id) has more free than it has")
            var used = Resources.empty
            for (index, held) in agent.held.enumerated() {
                let isInOrder = index == 0 || agent.held[index - 1].client < held.client
                invariant(isInOrder, "clients of \(agent.id) are out of order")
                let isEmpty = held.allocated.isEmpty && held.offered.isEmpty
                invariant(!isEmpty, "\(agent.id) keeps a client that holds nothing")
                for part in [held.allocated, held.offered] {
                    if let sum = try? used.adding(part.nonShared) { used = sum }
                }
            }
            let expected = agent.settings.total.nonShared.subtractingWhatIsThere(used)
            invariant(
                agent.free.nonShared == expected,
                "\(agent.id) has \(expected) free, and counts \(agent.free)")
            filterCount +=
                agent.filters.filter {
                    clients.isUsed($0.client) && clients[$0.client].generation == $0.generation
                }.count
        }
        invariant(total == self.total, "the total is \(total), not \(self.total)")
        invariant(available == self.available, "free is \(available), not \(self.available)")
        invariant(filterCount == self.filterCount, "there are \(filterCount) filters")
        invariant(filterCount <= deadlines.count, "a filter has no deadline")
    }

    private func checkFrameworks() {
        for client in clients.indices where clients.isUsed(client) {
            let record = clients[client]
            let framework = frameworks[record.framework]
            invariant(framework.clients.contains(client), "\(framework.id) misses a client")
            invariant(ledgers[record.ledger].clients.contains(client), "a ledger misses a client")
            let isActive =
                framework.settings?.isActive == true && record.isSubscribed
                && !record.isSuppressed && hasRoomForOffers(record.framework)
            invariant(
                fullFrameworks.contains(record.framework) == !hasRoomForOffers(record.framework),
                "\(framework.id) has \(framework.offers.count) offers, of \(offersMax)")
            invariant(record.isActive == isActive, "\(framework.id) should be \(isActive)")
            invariant(
                (tree.nodes[record.node].activeCount == 1) == isActive, "the tree knows it not")
            invariant(record.isSubscribed || record.agentCount > 0, "a client for nothing")
            var held = ScalarQuantities.none
            var agentCount = 0
            for slot in agents.indices where agents.isUsed(slot) {
                let place = agents[slot].heldPlace(client)
                guard place.isThere else { continue }
                agentCount += 1
                held.add(agents[slot].held[place.index].allocated.scalarQuantities)
                held.add(agents[slot].held[place.index].offered.scalarQuantities)
            }
            invariant(agentCount == record.agentCount, "a client miscounts its agents")
            invariant(tree.nodes[record.node].held == held, "\(framework.id) holds \(held)")
        }
    }

    private func checkLedgers() {
        var required = ScalarQuantities.none
        for place in ledgers.indices where ledgers.isUsed(place) {
            let ledger = ledgers[place]
            var reserved = ScalarQuantities.none
            var held = ScalarQuantities.none
            for slot in agents.indices where agents.isUsed(slot) {
                reserved.add(
                    agents[slot].settings.total.scalarQuantities {
                        $0.role?.topLevelRole == ledger.role
                    })
                for entry in agents[slot].held where ledger.clients.contains(entry.client) {
                    held.add(entry.allocated.unreservedScalarQuantities)
                    held.add(entry.offered.unreservedScalarQuantities)
                }
            }
            invariant(ledger.reserved == reserved, "\(ledger.role) has \(reserved) reserved")
            invariant(ledger.unreservedHeld == held, "\(ledger.role) holds \(held) unreserved")
            var settled = ledger
            settled.settle()
            invariant(settled.unmet == ledger.unmet, "\(ledger.role) is owed \(settled.unmet)")
            required.add(ledger.unmet)
            invariant(
                quotaLedgers.contains(place) == !ledger.quota.isEmpty,
                "\(ledger.role) is not where quotas are")
        }
        invariant(required == self.required, "\(required) is required, not \(self.required)")
    }

    private func checkOffers() {
        var count = 0
        for slot in agents.indices where agents.isUsed(slot) {
            var byClient = agents[slot].held
            for index in byClient.indices { byClient[index].offered = .empty }
            for number in agents[slot].offers {
                count += 1
                guard let offer = offers[number] else {
                    invariant(false, "offer \(number) is not known")
                    continue
                }
                let framework = frameworks[clients[offer.client].framework]
                invariant(framework.offers.contains(number), "\(framework.id) misses \(number)")
                let place = agents[slot].heldPlace(offer.client)
                invariant(place.isThere, "\(number) is not held")
                let sum = try? byClient[place.index].offered.adding(offer.resources)
                byClient[place.index].offered = sum ?? .empty
            }
            for (one, other) in zip(byClient, agents[slot].held) {
                invariant(
                    one.offered == other.offered, "offers of \(agents[slot].id) do not add up")
            }
        }
        invariant(count == offers.count, "\(offers.count) offers, and agents have \(count)")
    }
}
