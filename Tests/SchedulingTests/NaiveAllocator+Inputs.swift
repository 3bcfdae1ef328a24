import Scheduling
import StateMachine

extension NaiveAllocator {
    func agentIndex(_ id: AgentID) -> Int? { agents.firstIndex { $0.id == id } }
    func frameworkIndex(_ id: FrameworkID) -> Int? { frameworks.firstIndex { $0.id == id } }

    mutating func removeAgent(_ id: AgentID) {
        agents.removeAll { $0.id == id }
        offers.removeAll { $0.agent == id }
        filters.removeAll { $0.agent == id }
        prune()
    }

    mutating func changeAllocation(
        _ id: AgentID, _ framework: FrameworkID, _ role: ByteText, added: Resources,
        removed: Resources
    ) {
        guard let agent = agentIndex(id) else { return }
        let place = agents[agent].allocations.firstIndex {
            $0.framework == framework && $0.role == role
        }
        let before = place.map { agents[agent].allocations[$0].resources } ?? .empty
        guard let rest = before.subtracting(removed), let sum = try? rest.adding(added) else {
            return
        }
        if let place { agents[agent].allocations.remove(at: place) }
        if !sum.isEmpty {
            agents[agent].allocations.append(
                Allocation(framework: framework, role: role, resources: sum))
        }
        prune()
    }

    mutating func updateFramework(_ id: FrameworkID, _ settings: AllocatorFramework) {
        if let place = frameworkIndex(id) {
            frameworks[place].settings = settings
        } else {
            frameworks.append(Framework(id: id, settings: settings))
        }
        filters.removeAll { $0.framework == id && !settings.roles.contains($0.role) }
        prune()
    }

    mutating func removeFramework(_ id: FrameworkID) {
        frameworks.removeAll { $0.id == id }
        offers.removeAll { $0.framework == id }
        filters.removeAll { $0.framework == id }
        prune()
    }

    mutating func setActive(_ isActive: Bool, _ id: FrameworkID) {
        guard let place = frameworkIndex(id) else { return }
        frameworks[place].settings.isActive = isActive
        if !isActive { filters.removeAll { $0.framework == id } }
    }

    mutating func suppress(_ id: FrameworkID, _ role: ByteText) {
        guard let place = frameworkIndex(id) else { return }
        frameworks[place].settings.suppressedRoles.removeAll { $0 == role }
        frameworks[place].settings.suppressedRoles.append(role)
    }

    mutating func revive(_ id: FrameworkID, _ role: ByteText) {
        guard let place = frameworkIndex(id) else { return }
        frameworks[place].settings.suppressedRoles.removeAll { $0 == role }
        filters.removeAll { $0.framework == id && $0.role == role }
    }

    mutating func settle(_ number: OfferNumber, allocated: Resources, until: UInt64?) {
        guard let place = offers.firstIndex(where: { $0.number == number }) else { return }
        let offer = offers.remove(at: place)
        let isSubscribed = pairs.contains(
            Pair(framework: offer.framework, role: offer.role))
        if let until, until > now, isSubscribed {
            let refused = offer.resources.subtractingWhatIsThere(allocated.nonShared)
            if !refused.isEmpty { refuse(refused, offer, until) }
        }
        if allocated.isEmpty {
            prune()
        } else {
            changeAllocation(
                offer.agent, offer.framework, offer.role, added: allocated, removed: .empty)
        }
    }

    private mutating func refuse(_ refused: Resources, _ offer: Offerable, _ until: UInt64) {
        let isOfPair: (Filter) -> Bool = {
            $0.agent == offer.agent && $0.framework == offer.framework && $0.role == offer.role
        }
        filters.removeAll { isOfPair($0) && $0.until <= until && refused.contains($0.refused) }
        filters.append(
            Filter(
                agent: offer.agent, framework: offer.framework, role: offer.role,
                refused: refused, until: until))
        if filters.filter(isOfPair).count > AllocatorLimits.filtersPerClientMax {
            let first = filters.filter(isOfPair).map { $0.until }.min()
            if let place = filters.firstIndex(where: { isOfPair($0) && $0.until == first }) {
                filters.remove(at: place)
            }
        }
    }
}
