internal import Primitives
internal import StateMachine

extension Master {
    /// Those that are neither answered nor taken back, by their numbers.
    package var offers: [MasterOffer] {
        // No offer is made that no time is known of.
        offeredAt.keys.sorted().compactMap { allocator.offerable($0) }.map { offer(of: $0) }
    }

    /// Of ``offers``, without making them.
    package var offerCount: Int { offeredAt.count }

    /// When each of ``offers`` was made, in milliseconds of the master's clock.
    package var offerTimes: [OfferID: UInt64] {
        var times: [OfferID: UInt64] = [:]
        for number in offeredAt.keys.sorted() { times[offerID(number)] = offeredAt[number] }
        return times
    }

    private func offer(of made: Offerable) -> MasterOffer {
        MasterOffer(
            id: offerID(made.number), framework: made.framework, agent: made.agent,
            role: made.role, resources: made.resources)
    }

    func offerID(_ number: OfferNumber) -> OfferID {
        OfferID(term: term.rawValue, number: number.rawValue)
    }

    /// The allocator's number of an outstanding offer to a framework.
    func number(of offer: OfferID, to id: FrameworkID) -> OfferNumber? {
        guard offer.term == term.rawValue else { return nil }
        let number = OfferNumber(offer.number)
        guard allocator.offerable(number)?.framework == id, !accepting.contains(number) else {
            return nil
        }
        return number
    }

    /// Offers what can be offered: one message to each scheduler.
    mutating func makeOffers(into effects: inout [MasterEffect]) {
        var offers: [(id: FrameworkID, offers: [MasterOffer])] = []
        for made in allocator.allocate(now: now) {
            offeredAt[made.number] = now
            let offer = offer(of: made)
            if let place = offers.firstIndex(where: { $0.id == made.framework }) {
                offers[place].offers.append(offer)
            } else {
                offers.append((made.framework, [offer]))
            }
        }
        for (id, offers) in offers { tell(id, .offers(offers), into: &effects) }
    }

    mutating func decline(_ offers: [OfferID], of id: FrameworkID, refuseMilliseconds: UInt64) {
        for offer in offers {
            guard let number = number(of: offer, to: id) else { continue }
            offeredAt[number] = nil
            try? allocator.decline(number, until: until(refuseMilliseconds))
        }
    }

    func until(_ milliseconds: UInt64) -> UInt64? {
        guard milliseconds > 0 else { return nil }
        let (end, overflow) = now.addingReportingOverflow(milliseconds)
        return overflow ? .max : end
    }

    mutating func rescindOffers(
        ofFramework id: FrameworkID, into effects: inout [MasterEffect]
    ) {
        for number in allocator.offers(ofFramework: id) {
            rescind(number, of: id, into: &effects)
        }
    }

    mutating func rescindOffers(onAgent id: AgentID, into effects: inout [MasterEffect]) {
        for number in allocator.offers(onAgent: id) {
            guard let framework = allocator.offerable(number)?.framework else { continue }
            rescind(number, of: framework, into: &effects)
        }
    }

    /// Offers of what an agent does not have any more as it was offered: operators reserve it for
    /// others, or the agent has come back with less.
    mutating func rescindWhatIsGone(
        onAgent id: AgentID, in table: DatacenterTable, into effects: inout [MasterEffect]
    ) {
        guard var rest = table.agents[id]?.free.nonShared else { return }
        let numbers = allocator.offers(onAgent: id)
        // What launches on their way to the log are about to take.
        for number in numbers where accepting.contains(number) {
            guard let made = allocator.offerable(number) else { continue }
            rest = rest.subtractingWhatIsThere(made.resources.nonShared)
        }
        for number in numbers where !accepting.contains(number) {
            guard let made = allocator.offerable(number) else { continue }
            if let left = rest.subtracting(made.resources.nonShared) {
                rest = left
            } else {
                rescind(number, of: made.framework, into: &effects)
            }
        }
    }

    private mutating func rescind(
        _ number: OfferNumber, of id: FrameworkID, into effects: inout [MasterEffect]
    ) {
        // What was accepted is the log's to judge.
        if accepting.contains(number) { return }
        offeredAt[number] = nil
        try? allocator.rescind(number)
        tell(id, .rescind(offerID(number)), into: &effects)
    }

    /// Offers that nobody answers are somebody else's after a while.
    mutating func tickOffers(into effects: inout [MasterEffect]) {
        guard settings.offerTimeoutMilliseconds > 0 else { return }
        let end = now
        let late = offeredAt.filter { end >= $0.value + settings.offerTimeoutMilliseconds }
        for number in late.keys.sorted() {
            guard let framework = allocator.offerable(number)?.framework else {
                offeredAt[number] = nil
                continue
            }
            rescind(number, of: framework, into: &effects)
        }
    }
}
