import Scheduling
import StateMachine

/// The allocator's rules written a second time, as simply as they can be said: lists, no marks, no
/// sums that are kept. Every call looks at everything.
struct NaiveAllocator {
    struct Agent {
        var id: AgentID
        var settings: AllocatorAgent
        var allocations: [Allocation] = []
    }

    struct Framework {
        var id: FrameworkID
        var settings: AllocatorFramework
    }

    struct Filter {
        var agent: AgentID
        var framework: FrameworkID
        var role: ByteText
        var refused: Resources
        var until: UInt64
    }

    struct Pair: Hashable {
        var framework: FrameworkID
        var role: ByteText
    }

    /// In the order of registration.
    var agents: [Agent] = []
    var frameworks: [Framework] = []
    var offers: [Offerable] = []
    var filters: [Filter] = []
    var weights: [ByteText: Int64] = [:]
    var quotas: [ByteText: RoleQuota] = [:]
    /// Offers made to each node of the tree, by path.
    var counts: [String: Int] = [:]
    var region: ByteText?
    var offersMax: Int
    var nextNumber: UInt64 = 1
    var now: UInt64 = 0

    init(region: ByteText?, offersMax: Int) {
        self.region = region
        self.offersMax = offersMax
    }

    // MARK: - What there is

    func free(_ agent: Agent) -> Resources {
        var rest = agent.settings.total.nonShared
        for allocation in agent.allocations {
            rest = rest.subtractingWhatIsThere(allocation.resources.nonShared)
        }
        for offer in offers where offer.agent == agent.id {
            rest = rest.subtractingWhatIsThere(offer.resources.nonShared)
        }
        return (try? rest.adding(agent.settings.total.shared)) ?? rest
    }

    var holdings: [(pair: Pair, resources: Resources)] {
        agents.flatMap { agent in
            agent.allocations.map { (Pair(framework: $0.framework, role: $0.role), $0.resources) }
        } + offers.map { (Pair(framework: $0.framework, role: $0.role), $0.resources) }
    }

    func consumed(_ top: ByteText, _ name: ByteText) -> Int64 {
        var sum: Int64 = 0
        for agent in agents {
            for entry in agent.settings.total.entries
            where entry.name == name && entry.role?.topLevelRole == top {
                sum += entry.amount
            }
        }
        for (pair, resources) in holdings where pair.role.topLevelRole == top {
            for entry in resources.entries where entry.name == name && !entry.isReserved {
                sum += entry.amount
            }
        }
        return sum
    }

    func unmet(_ top: ByteText, _ name: ByteText) -> Int64 {
        max(0, (quotas[top]?.guarantees[name] ?? 0) - consumed(top, name))
    }

    /// Free for whoever has no guarantee.
    func surplus(_ name: ByteText) -> Int64 {
        var sum: Int64 = 0
        for agent in agents where agent.settings.availability == .available {
            for entry in free(agent).entries where entry.name == name && !entry.isReserved {
                sum += entry.amount
            }
        }
        for top in quotas.keys { sum -= unmet(top, name) }
        return sum
    }

    // MARK: - Order

    var pairs: [Pair] {
        frameworks.flatMap { framework in
            framework.settings.roles.map { Pair(framework: framework.id, role: $0) }
        }
    }

    func isEligible(_ pair: Pair) -> Bool {
        guard let framework = frameworks.first(where: { $0.id == pair.framework }) else {
            return false
        }
        return framework.settings.isActive && framework.settings.roles.contains(pair.role)
            && !framework.settings.suppressedRoles.contains(pair.role)
            && offers.filter { $0.framework == pair.framework }.count < offersMax
    }

    /// From the top of the tree to the pair.
    func nodes(_ pair: Pair) -> [String] {
        var path = ""
        var result: [String] = []
        for part in pair.role.text.split(separator: "/") {
            path += "/" + part
            result.append(path)
        }
        return result + [path + "/.", path + "/./" + pair.framework.rawValue.text]
    }

    func fairOrder() -> [Pair] {
        let eligible = pairs.filter(isEligible)
        if eligible.count < 2 { return eligible }
        let all = holdings
        var total: [ByteText: Int64] = [:]
        for agent in agents {
            for entry in agent.settings.total.entries {
                total[entry.name, default: 0] += entry.amount
            }
        }
        var heldByNode: [String: [ByteText: Int64]] = [:]
        for (pair, resources) in all {
            for node in nodes(pair) {
                for entry in resources.entries {
                    heldByNode[node, default: [:]][entry.name, default: 0] += entry.amount
                }
            }
        }
        func share(_ node: String) -> UInt64 {
            var dominant: UInt64 = 0
            for (name, amount) in heldByNode[node] ?? [:] where amount > 0 {
                guard let whole = total[name], whole > 0 else { continue }
                // Agents that shrank may leave more held than there is.
                dominant = max(dominant, min(1 << 50, (UInt64(amount) << 40) / UInt64(whole)))
            }
            let isRole = !node.hasSuffix("/.") && !node.contains("/./")
            let weight = isRole ? weights[ByteText(String(node.dropFirst()))] ?? 1_000 : 1_000
            return dominant * 1_000 / UInt64(weight)
        }
        func isBefore(_ one: Pair, _ other: Pair) -> Bool {
            for (a, b) in zip(nodes(one), nodes(other)) where a != b {
                if share(a) != share(b) { return share(a) < share(b) }
                let (left, right) = (counts[a] ?? 0, counts[b] ?? 0)
                if left != right { return left < right }
                return ByteText(a) < ByteText(b)
            }
            return false
        }
        return eligible.sorted(by: isBefore)
    }

    /// Nodes that nobody is under are forgotten.
    mutating func prune() {
        let alive = Set((pairs + holdings.map { $0.pair }).flatMap(nodes))
        counts = counts.filter { alive.contains($0.key) }
    }

    // MARK: - Allocation

    mutating func allocate(now: UInt64) -> [Offerable] {
        self.now = max(self.now, now)
        let time = self.now
        filters.removeAll { $0.until <= time }
        var made: [OfferNumber] = []
        for isForGuarantees in [true, false] {
            for agent in agents where agent.settings.availability == .available {
                if !Self.isEnough(free(agent)) { continue }
                for pair in fairOrder() where isEligible(pair) {
                    guard let offer = offer(agent, pair, isForGuarantees) else { continue }
                    book(offer, agent, pair, &made)
                }
            }
        }
        return offers.filter { made.contains($0.number) }
    }

    private mutating func book(
        _ offer: Resources, _ agent: Agent, _ pair: Pair, _ made: inout [OfferNumber]
    ) {
        for node in nodes(pair) { counts[node, default: 0] += 1 }
        let known = offers.firstIndex {
            made.contains($0.number) && $0.agent == agent.id && $0.framework == pair.framework
                && $0.role == pair.role
        }
        if let known {
            let old = offers[known]
            offers[known] = Offerable(
                number: old.number, framework: old.framework, role: old.role, agent: old.agent,
                resources: (try? old.resources.adding(offer.nonShared)) ?? old.resources)
            return
        }
        made.append(OfferNumber(nextNumber))
        offers.append(
            Offerable(
                number: OfferNumber(nextNumber), framework: pair.framework, role: pair.role,
                agent: agent.id, resources: offer))
        nextNumber += 1
    }

    static func isEnough(_ resources: Resources) -> Bool {
        resources.cpus >= 10 || resources.mem >= 32_000
    }

    func offer(_ agent: Agent, _ pair: Pair, _ isForGuarantees: Bool) -> Resources? {
        guard let framework = frameworks.first(where: { $0.id == pair.framework }) else {
            return nil
        }
        let settings = framework.settings
        let top = pair.role.topLevelRole
        if agent.settings.total.gpus > 0, !settings.capabilities.contains(.gpuResources) {
            return nil
        }
        if let region, let other = agent.settings.region, region != other,
            !settings.capabilities.contains(.regionAware)
        {
            return nil
        }
        for constraints in settings.constraints where constraints.role == pair.role {
            if !constraints.areMet(by: agent.settings) { return nil }
        }
        var part = free(agent)
        if !Self.isEnough(part) { return nil }
        if !settings.capabilities.contains(.sharedResources) { part = part.nonShared }
        if !settings.capabilities.contains(.reservationRefinement) { part = part.withoutRefined }
        part = part.allocatable(to: pair.role)
        let quota = quotas[top] ?? RoleQuota()
        part = part.boundingUnreservedScalars { name in
            quota.limit(name).map { $0 - consumed(top, name) }
        }
        if !Self.isEnough(part) { return nil }
        part = part.boundingUnreservedScalars { name in
            let own = unmet(top, name)
            if isForGuarantees { return quota.guarantees[name] > 0 ? own : surplus(name) }
            return surplus(name) + own
        }
        if isForGuarantees {
            let takesGuaranteed = part.entries.contains {
                !$0.isReserved && unmet(top, $0.name) > 0
            }
            if !takesGuaranteed { return nil }
        }
        if !Self.isEnough(part) { return nil }
        let isRefused = filters.contains {
            $0.agent == agent.id && $0.framework == pair.framework && $0.role == pair.role
                && $0.until > now && $0.refused.contains(part)
        }
        return isRefused ? nil : part
    }
}
