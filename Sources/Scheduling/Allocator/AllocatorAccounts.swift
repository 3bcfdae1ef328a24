internal import StateMachine

/// What one framework refused of one agent in one role.
struct OfferFilter: Sendable, Equatable {
    let client: Int
    /// Of the client when it refused. Another one is there now, or the framework asked to be
    /// offered everything again, if they differ.
    let generation: UInt64
    let refused: Resources
    /// The first tick at which it does not hold.
    let until: UInt64
}

/// When to look at a filter again.
struct FilterDeadline: Comparable, Sendable {
    let until: UInt64
    let agentNumber: UInt64
    let slot: Int
    let client: Int
    let generation: UInt64

    static func < (a: FilterDeadline, b: FilterDeadline) -> Bool {
        (a.until, a.agentNumber, a.client, a.generation)
            < (b.until, b.agentNumber, b.client, b.generation)
    }
}

/// What a client has on an agent.
struct Held: Sendable, Equatable {
    let client: Int
    var allocated: Resources
    var offered: Resources
}

struct AgentAccount: ArenaElement {
    static var vacant: AgentAccount {
        AgentAccount(
            id: AgentID(""), number: 0, settings: AllocatorAgent(total: .empty),
            totalQuantities: .none, hasGPUs: false, free: .empty)
    }

    let id: AgentID
    /// In the order of registration, never used again: the order in which agents are offered.
    let number: UInt64
    var settings: AllocatorAgent
    var totalQuantities: ScalarQuantities
    var hasGPUs: Bool
    /// Sorted by client.
    var held: [Held] = []
    /// Total without what is held; shared volumes are always there.
    var free: Resources
    /// Of what is free, if it may be offered.
    var unreservedFree = ScalarQuantities.none
    /// It may be offered, and enough is free.
    var isIdle = false
    var hasReservedFree = false
    /// Sorted by client, then by deadline.
    var filters: [OfferFilter] = []
    var offers: [OfferNumber] = []
    /// Everybody may be able to use it who could not before.
    var isDirty = false
    /// These clients may, for a filter has run out.
    var woken: [Int] = []

    func heldPlace(_ client: Int) -> (index: Int, isThere: Bool) {
        var low = 0
        var high = held.count
        while low < high {
            let middle = (low + high) / 2
            if held[middle].client < client { low = middle + 1 } else { high = middle }
        }
        return (low, low < held.count && held[low].client == client)
    }

    /// The first filter of that client, or of the next one.
    func filterPlace(_ client: Int) -> Int {
        var low = 0
        var high = filters.count
        while low < high {
            let middle = (low + high) / 2
            if filters[middle].client < client { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

struct FrameworkAccount: ArenaElement {
    static var vacant: FrameworkAccount { FrameworkAccount(id: FrameworkID("")) }

    let id: FrameworkID
    /// Nil for one that is only known from what it holds.
    var settings: AllocatorFramework?
    /// Sorted by role.
    var clients: [Int] = []
    /// Sorted; not settled yet.
    var offers: [OfferNumber] = []

    var capabilities: FrameworkCapabilities { settings?.capabilities ?? [] }
}

/// One framework in one role.
struct ClientAccount: ArenaElement {
    static var vacant: ClientAccount {
        ClientAccount(framework: -1, role: "", ledger: -1, node: -1, generation: 0)
    }

    let framework: Int
    let role: ByteText
    let ledger: Int
    var node: Int
    /// Changes whenever its filters are dropped.
    var generation: UInt64
    var isSubscribed = false
    var isSuppressed = false
    /// It can be offered something, as the tree knows.
    var isActive = false
    /// It may be able to use any agent that it could not use before.
    var isAwake = false
    /// Of agents before this number it was asked, and nothing there has changed for it since: the
    /// pass in which the framework's offers came to be too many stopped there.
    var askedBelow: UInt64 = 0
    /// Filters of its generation.
    var filterCount = 0
    /// Agents where it holds something.
    var agentCount = 0
    var constraints: OfferConstraints?
}

/// What a role at the top has, with all below it.
struct RoleLedger: ArenaElement {
    static var vacant: RoleLedger { RoleLedger(role: "") }

    let role: ByteText
    var clients: [Int] = []
    /// All over the cluster, used or not: it counts as consumed (Mesos, docs/quota.md).
    var reserved = ScalarQuantities.none
    /// Allocated or offered.
    var unreservedHeld = ScalarQuantities.none
    var quota = RoleQuota()
    /// Guaranteed, and not consumed.
    var unmet = ScalarQuantities.none
    /// An offer was made smaller, or not at all, for a limit.
    var isLimitBound = false
    /// At the end of the last pass.
    var lastConsumed = ScalarQuantities.none
    var lastUnmet = ScalarQuantities.none

    func consumed(_ name: ByteText) -> Int64 { reserved[name] + unreservedHeld[name] }

    var consumed: ScalarQuantities {
        var sum = reserved
        sum.add(unreservedHeld)
        return sum
    }

    /// What it may still take of an unreserved scalar; nil for no limit.
    func room(_ name: ByteText) -> Int64? {
        quota.limit(name).map { max(0, $0 - consumed(name)) }
    }

    mutating func settle() {
        unmet = .none
        for element in quota.guarantees.elements {
            let missing = element.amount - consumed(element.name)
            if missing > 0 { unmet.add(missing, to: element.name) }
        }
    }
}

struct OfferAccount: Sendable {
    let client: Int
    let slot: Int
    var resources: Resources
}
