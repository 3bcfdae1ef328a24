internal import HeapModule
internal import Primitives
package import StateMachine

/// What becomes of offers.
extension Allocator {
    /// The framework does not want it. Until tick `until` it is not offered, in that role and on
    /// that agent, anything that is contained in what it refused; nil for no such filter.
    /// - Throws: `unknownOffer`.
    package mutating func decline(
        _ number: OfferNumber, until: UInt64?
    ) throws(AllocatorError) {
        guard offers[number] != nil else { throw .unknownOffer(number) }
        settle(number, allocated: .empty, until: until)
    }

    /// The master takes it back.
    /// - Throws: `unknownOffer`.
    package mutating func rescind(_ number: OfferNumber) throws(AllocatorError) {
        guard offers[number] != nil else { throw .unknownOffer(number) }
        settle(number, allocated: .empty, until: nil)
    }

    /// The framework used some of it. The rest is free, and refused until tick `until`.
    /// - Parameter allocated: what tasks and executors take; where operations changed what the
    ///   agent has, ``updateAgent(_:_:)`` was told before. Nothing, where the agent's
    ///   allocations already say so.
    /// - Throws: `unknownOffer`, `resources`.
    package mutating func accept(
        _ number: OfferNumber, allocated: Resources, until: UInt64?
    ) throws(AllocatorError) {
        guard let offer = offers[number] else { throw .unknownOffer(number) }
        let place = agents[offer.slot].heldPlace(offer.client)
        do {
            _ = try agents[offer.slot].held[place.index].allocated.adding(allocated)
        } catch { throw .resources(error) }
        settle(number, allocated: allocated, until: until)
    }

    mutating func settle(_ number: OfferNumber, allocated: Resources, until: UInt64?) {
        guard let offer = offers[number] else { return }
        let slot = offer.slot
        let place = agents[slot].heldPlace(offer.client)
        invariant(place.isThere, "offer \(number) is not held by its agent")
        let held = agents[slot].held[place.index]
        // In a role that was given up nothing is refused: nothing is offered there.
        if let until, until > now, clients[offer.client].isSubscribed {
            // A shared volume is there still, and would make the rest look like more.
            let refused = offer.resources.subtractingWhatIsThere(allocated.nonShared)
            refuse(refused, slot: slot, client: offer.client, until: until)
        }
        forget(number)
        let sum = try? held.allocated.adding(allocated)
        // It subscribes still, or it would be dropped: its activity is looked at after that.
        replaceHeld(
            slot, offer.client, allocated: sum ?? held.allocated,
            offered: held.offered.subtractingWhatIsThere(offer.resources))
        refresh(slot)
    }

    /// The offer is outstanding no more.
    mutating func forget(_ number: OfferNumber) {
        guard let offer = offers.removeValue(forKey: number) else { return }
        agents[offer.slot].offers.removeAll { $0 == number }
        let framework = clients[offer.client].framework
        let wasFull = !hasRoomForOffers(framework)
        frameworks[framework].offers.removeAll { $0 == number }
        guard wasFull, hasRoomForOffers(framework) else { return }
        fullFrameworks.removeAll { $0 == framework }
        for client in frameworks[framework].clients {
            refreshActivity(client, askedBelow: clients[client].askedBelow)
        }
    }

    // MARK: - Filters

    private mutating func refuse(_ refused: Resources, slot: Int, client: Int, until: UInt64) {
        guard !refused.isEmpty else { return }
        let generation = clients[client].generation
        dropFilters(of: client, on: slot) { filter in
            // Another life's, or one that this one is at least as strict as.
            filter.generation != generation
                || (filter.until <= until && refused.contains(filter.refused))
        }
        let first = agents[slot].filterPlace(client)
        var end = first
        while end < agents[slot].filters.count, agents[slot].filters[end].client == client {
            end += 1
        }
        var place = first
        while place < end, agents[slot].filters[place].until <= until { place += 1 }
        let filter = OfferFilter(
            client: client, generation: generation, refused: refused, until: until)
        agents[slot].filters.insert(filter, at: place)
        filterCount += 1
        clients[client].filterCount += 1
        deadlines.insert(
            FilterDeadline(
                until: until, agentNumber: agents[slot].number, slot: slot, client: client,
                generation: generation))
        if end - first == AllocatorLimits.filtersPerClientMax {
            // The one that would have ended first; what it kept away may be offered.
            uncount(agents[slot].filters.remove(at: first))
        }
        compactDeadlines()
    }

    /// A live filter is there no more; of others nobody keeps count.
    mutating func uncount(_ filter: OfferFilter) {
        guard clients.isUsed(filter.client), clients[filter.client].generation == filter.generation
        else { return }
        clients[filter.client].filterCount -= 1
        filterCount -= 1
    }

    private mutating func dropFilters(
        of client: Int, on slot: Int, where isDropped: (OfferFilter) -> Bool
    ) {
        var place = agents[slot].filterPlace(client)
        while place < agents[slot].filters.count, agents[slot].filters[place].client == client {
            if isDropped(agents[slot].filters[place]) {
                uncount(agents[slot].filters.remove(at: place))
            } else {
                place += 1
            }
        }
    }

    /// Ends filters whose time has come, and marks whom they kept away.
    mutating func expireFilters() {
        while let next = deadlines.min, next.until <= now {
            deadlines.removeMin()
            guard isCurrent(next) else { continue }
            let slot = next.slot
            let ended = now
            // Of an earlier life of the client, or of another one that had its place: nobody's.
            let generation = clients.isUsed(next.client) ? clients[next.client].generation : 0
            dropFilters(of: next.client, on: slot) {
                $0.until <= ended || $0.generation != generation
            }
            guard isLive(next) else { continue }
            if agents[slot].woken.isEmpty { wokenSlots.append(slot) }
            if !agents[slot].woken.contains(next.client) { agents[slot].woken.append(next.client) }
        }
    }

    /// The agent is the one that the filter was about.
    private func isCurrent(_ deadline: FilterDeadline) -> Bool {
        agents.isUsed(deadline.slot) && agents[deadline.slot].number == deadline.agentNumber
    }

    /// The client is the one that refused, and did not revive since.
    private func isLive(_ deadline: FilterDeadline) -> Bool {
        clients.isUsed(deadline.client)
            && clients[deadline.client].generation == deadline.generation
    }

    /// Revived and removed ones leave deadlines behind: not more than there are filters.
    private mutating func compactDeadlines() {
        guard deadlines.count > 2 * filterCount + 1_024 else { return }
        var kept: [FilterDeadline] = []
        for slot in agents.indices where agents.isUsed(slot) {
            let number = agents[slot].number
            let live = agents[slot].filters.filter {
                clients.isUsed($0.client) && clients[$0.client].generation == $0.generation
            }
            agents[slot].filters = live
            kept += live.map {
                FilterDeadline(
                    until: $0.until, agentNumber: number, slot: slot, client: $0.client,
                    generation: $0.generation)
            }
        }
        invariant(filterCount == kept.count, "\(kept.count) filters, and \(filterCount) counted")
        deadlines = Heap(kept)
    }

    /// The latest tick until which `offered` is refused, or nil.
    func refusal(_ offered: Resources, slot: Int, client: Int) -> UInt64? {
        if agents[slot].filters.isEmpty { return nil }
        let generation = clients[client].generation
        var place = agents[slot].filterPlace(client)
        var latest: UInt64?
        while place < agents[slot].filters.count, agents[slot].filters[place].client == client {
            let filter = agents[slot].filters[place]
            if filter.generation == generation, filter.until > now,
                filter.refused.contains(offered)
            {
                latest = max(latest ?? 0, filter.until)
            }
            place += 1
        }
        return latest
    }
}
