internal import Primitives
internal import StateMachine

/// Why a framework in a role is not offered an agent. The first that applies, in this order.
package enum Obstacle: Int, Hashable, Comparable, CaseIterable, Sendable {
    case agentDeactivated
    case agentDraining
    case agentUnreachable
    /// Disconnected, or deactivated.
    case frameworkInactive
    case roleSuppressed
    /// ``AllocatorLimits/offersOutstandingMax`` are neither accepted nor declined.
    case tooManyOffers
    /// The agent has `gpus`, the framework no `GPU_RESOURCES`.
    case needsGPUCapability
    /// The agent is in another region than the master, the framework not `REGION_AWARE`.
    case otherRegion
    case constraintNotMet
    /// Allocated, offered, or too little for an offer.
    case noFreeResources
    /// What is left is for other roles, or of a kind that the framework cannot handle.
    case reservedToOthers
    case quotaLimitReached
    /// What is left is needed for other roles' guarantees.
    case keptForGuarantees
    case filtered

    package static func < (a: Obstacle, b: Obstacle) -> Bool { a.rawValue < b.rawValue }
}

/// Which rule an offer is made by.
enum AllocationStage: Sendable {
    /// For what is guaranteed and not consumed yet.
    case guarantees
    /// For all, as far as it is not needed for guarantees.
    case fairness
}

/// What a client may be offered of something, and what stands against it.
struct Verdict: Sendable {
    var offer: Resources?
    var obstacle: Obstacle?
    /// Of a filter.
    var until: UInt64?
    /// The role's limit made the offer smaller.
    var isLimitBound = false
    /// So did what must be kept for others' guarantees.
    var headroomBound: [ByteText] = []

    init(offer: Resources) { self.offer = offer }
    init(_ obstacle: Obstacle) { self.obstacle = obstacle }
}

extension Allocator {
    /// What a client that can be offered something may be offered of `free` on an agent.
    /// O(what is free, and the client's filters there).
    func verdict(client: Int, slot: Int, free: Resources, stage: AllocationStage) -> Verdict {
        let framework = clients[client].framework
        let capabilities = frameworks[framework].capabilities
        if let obstacle = placementObstacle(client: client, slot: slot, capabilities) {
            return Verdict(obstacle)
        }
        guard Allocator.isAllocatable(free) else { return Verdict(.noFreeResources) }
        var offer = free
        #if KEELSON_MUTANTS
            let isBlind = planted(.offersOthersReservations)
        #else
            let isBlind = false
        #endif
        if agents[slot].hasReservedFree, !isBlind {
            let role = clients[client].role
            let takesRefined = capabilities.contains(.reservationRefinement)
            let takesShared = capabilities.contains(.sharedResources)
            offer = free.filter {
                $0.isAllocatable(to: role) && (takesRefined || $0.reservations.count < 2)
                    && (takesShared || !$0.isShared)
            }
            guard Allocator.isAllocatable(offer) else { return Verdict(.reservedToOthers) }
        }
        var verdict = bounded(offer, by: clients[client].ledger, stage)
        guard let offer = verdict.offer else { return verdict }
        #if KEELSON_MUTANTS
            if planted(.forgetsRefusals) { return verdict }
        #endif
        if let until = refusal(offer, slot: slot, client: client) {
            verdict.offer = nil
            verdict.obstacle = .filtered
            verdict.until = until
        }
        return verdict
    }

    /// What does not depend on amounts.
    private func placementObstacle(
        client: Int, slot: Int, _ capabilities: FrameworkCapabilities
    ) -> Obstacle? {
        if agents[slot].hasGPUs, !capabilities.contains(.gpuResources) {
            return .needsGPUCapability
        }
        if let region, let other = agents[slot].settings.region, other != region,
            !capabilities.contains(.regionAware)
        {
            return .otherRegion
        }
        #if KEELSON_MUTANTS
            if planted(.ignoresConstraints) { return nil }
        #endif
        if let constraints = clients[client].constraints,
            !constraints.areMet(by: agents[slot].settings)
        {
            return .constraintNotMet
        }
        return nil
    }

    /// As much of `offer` as quota lets a role have.
    private func bounded(_ offer: Resources, by place: Int, _ stage: AllocationStage) -> Verdict {
        var verdict = Verdict(offer: offer)
        #if KEELSON_MUTANTS
            let hasQuota = !ledgers[place].quota.isEmpty && !planted(.exceedsLimits)
        #else
            let hasQuota = !ledgers[place].quota.isEmpty
        #endif
        guard hasQuota || !required.isEmpty else { return verdict }
        var part = offer
        if hasQuota {
            part = offer.boundingUnreservedScalars { ledgers[place].room($0) }
            verdict.isLimitBound = part != offer
            guard Allocator.isAllocatable(part) else {
                verdict.offer = nil
                verdict.obstacle = .quotaLimitReached
                return verdict
            }
        }
        // As a role takes what it is owed, neither bound may grow: passes rely on it.
        let unmet = ledgers[place].unmet
        let within = part.boundingUnreservedScalars { name in
            switch stage {
            case .guarantees:
                let isGuaranteed = ledgers[place].quota.guarantees.contains(name)
                return isGuaranteed ? unmet[name] : surplus(name)
            case .fairness: return surplus(name) + unmet[name]
            }
        }
        if within != part, stage == .fairness {
            verdict.headroomBound = Allocator.missing(in: within, of: part)
        }
        let isForGuarantee =
            stage == .fairness
            || unmet.elements.contains { element in
                within.entries.contains { !$0.isReserved && $0.name == element.name }
            }
        guard isForGuarantee, Allocator.isAllocatable(within) else {
            verdict.offer = nil
            verdict.obstacle = .keptForGuarantees
            return verdict
        }
        verdict.offer = within
        return verdict
    }

    /// The unreserved scalars of which `part` has less than `whole`. Sorted.
    private static func missing(in part: Resources, of whole: Resources) -> [ByteText] {
        var rest = whole.unreservedScalarQuantities
        rest.subtract(part.unreservedScalarQuantities)
        return rest.elements.map { $0.name }
    }
}
