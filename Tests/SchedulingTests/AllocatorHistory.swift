import Primitives
import Scheduling
import StateMachine
import Testing

/// A random history, fed to the allocator and to the naive one.
struct AllocatorHistory {
    var random: SplitMix64
    var allocator: Allocator
    var naive: NaiveAllocator
    var now: UInt64 = 1
    var nextAgent = 0
    var offersMade = 0
    let seed: UInt64

    static let roles: [ByteText] = ["*", "a", "a/x", "a/y", "b", "b/x/z", "c"]
    static let tops: [ByteText] = ["a", "b", "c", "*"]

    init(seed: UInt64) {
        self.seed = seed
        random = SplitMix64(seed: seed)
        let offersMax = random.next(below: 3) == 0 ? 3 : 50
        let region: ByteText? = random.next(below: 2) == 0 ? "here" : nil
        allocator = Allocator(region: region, offersMax: offersMax)
        naive = NaiveAllocator(region: region, offersMax: offersMax)
    }

    mutating func draw(_ bound: Int) -> Int { Int(random.next(below: UInt64(bound))) }
    mutating func chance(_ outOf: Int) -> Bool { draw(outOf) == 0 }
    mutating func pick<T>(_ items: [T]) -> T? { items.isEmpty ? nil : items[draw(items.count)] }

    // MARK: - Draws

    mutating func resources() -> Resources {
        var entries: [ResourceEntry] = []
        let amounts: [Int64] = [0, 5, 10, 500, 1_000, 2_000, 4_000]
        func entry(_ name: ByteText, _ amount: Int64, _ stack: [Reservation] = []) {
            entries.append(ResourceEntry(name, .scalar(amount), reservations: stack))
        }
        entry("cpus", amounts[draw(7)])
        entry("mem", Int64(draw(8)) * 16_000)
        if chance(3) { entry("disk", Int64(draw(5)) * 1_000) }
        if chance(8) { entry("gpus", 1_000) }
        if chance(2) {
            let begin = UInt64(draw(10))
            if let ranges = try? ResourceRanges([(begin, begin + UInt64(draw(5)))]) {
                entries.append(ResourceEntry("ports", .ranges(ranges)))
            }
        }
        if chance(3) {
            let role = Self.roles[1 + draw(6)]
            entry("cpus", amounts[draw(7)], [Reservation(.fixed, role: role)])
            if chance(2) { entry("mem", 48_000, [Reservation(.dynamic, role: role)]) }
        }
        if chance(5) {
            entry(
                "cpus", 1_000,
                [Reservation(.fixed, role: "a"), Reservation(.dynamic, role: "a/x")])
        }
        if chance(5) {
            entries.append(
                ResourceEntry(
                    "disk", .scalar(2_000), reservations: [Reservation(.dynamic, role: "a")],
                    disk: DiskInformation(persistence: .init(id: "v"), containerPath: "p"),
                    isShared: chance(2)))
        }
        if chance(6) {
            entries.append(
                ResourceEntry("disk", .scalar(3_000), disk: DiskInformation(opaque: [1])))
        }
        return (try? Resources(entries)) ?? .empty
    }

    mutating func part(of resources: Resources) -> Resources {
        var entries: [ResourceEntry] = []
        for var entry in resources.entries where !chance(3) {
            if case .scalar(let amount) = entry.value, !entry.isIndivisible, chance(2) {
                entry.value = .scalar(amount / 2)
            }
            entries.append(entry)
        }
        return (try? Resources(entries)) ?? .empty
    }

    mutating func agentSettings() -> AllocatorAgent {
        let availability: [AgentAvailability] = [
            .available, .available, .available, .available, .deactivated, .draining, .unreachable,
        ]
        return AllocatorAgent(
            total: resources(), hostname: ["h1", "h2"][draw(2)],
            region: [nil, "here", "there"][draw(3)], zone: [nil, "z"][draw(2)],
            attributes: chance(2) ? [AgentAttribute("rack", .text(["r1", "r2"][draw(2)]))] : [],
            availability: availability[draw(7)])
    }

    mutating func frameworkSettings() -> AllocatorFramework {
        var roles: [ByteText] = []
        for role in Self.roles where chance(3) { roles.append(role) }
        if roles.isEmpty { roles = [Self.roles[draw(7)]] }
        var capabilities: FrameworkCapabilities = [.multiRole]
        for capability: FrameworkCapabilities in [
            .gpuResources, .sharedResources, .reservationRefinement, .regionAware,
        ] where chance(2) {
            capabilities.insert(capability)
        }
        var constraints: [OfferConstraints] = []
        if chance(5) {
            constraints = [
                OfferConstraints(
                    role: roles[0],
                    groups: [
                        [.init(.attribute("rack"), .textEquals("r1"))], [.init(.zone, .exists)],
                    ])
            ]
        }
        return AllocatorFramework(
            roles: roles, suppressedRoles: chance(6) ? [roles[0]] : [], capabilities: capabilities,
            constraints: constraints, isActive: !chance(8))
    }

    mutating func quota() -> RoleQuota {
        if chance(4) { return RoleQuota() }
        let cpus = Int64(draw(6)) * 1_000
        let mem = Int64(draw(6)) * 32_000
        var limits: [(ByteText, Int64)] = []
        if chance(2) { limits.append(("cpus", cpus + Int64(draw(3)) * 1_500 + 5)) }
        if chance(3) { limits.append(("mem", mem + 40_000)) }
        let isGuaranteed = !chance(3)
        return RoleQuota(
            guarantees: isGuaranteed ? ScalarQuantities([("cpus", cpus), ("mem", mem)]) : .none,
            limits: ScalarQuantities(limits), forbidden: chance(6) ? ["disk"] : [])
    }
}
