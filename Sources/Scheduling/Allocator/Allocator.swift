internal import HeapModule
internal import Primitives
package import StateMachine

/// Decides who is offered what: hierarchical dominant-resource fairness over roles with weights,
/// quota, reservations, filters and constraints, as a value without clock or I/O.
///
/// It is incremental. After ``allocate(now:)`` nobody could be offered anything more; each input
/// marks what it may have changed about that: an agent (something became free there), a client (a
/// framework in a role that may be offered something again), or a client on an agent (a filter ran
/// out). The next call looks at the marked pairs only, and finds what a look at all of them would.
/// What loosens a bound that all share (quota, headroom) is found by comparing with the end of the
/// last call, and wakes those whom the bound had stopped.
///
/// Sources: Ghodsi et al., "Dominant Resource Fairness", NSDI 2011; Mesos's documentation of roles,
/// reservations and quota.
package struct Allocator: Sendable {
    var agents = Arena<AgentAccount>()
    var frameworks = Arena<FrameworkAccount>()
    var clients = Arena<ClientAccount>()
    var ledgers = Arena<RoleLedger>()
    var tree = FairShareTree()

    // For look-ups.
    var slots: [AgentID: Int] = [:]
    var frameworkPlaces: [FrameworkID: Int] = [:]
    var ledgerPlaces: [ByteText: Int] = [:]
    var offers: [OfferNumber: OfferAccount] = [:]

    /// Sorted by id.
    var frameworkOrder: [Int] = []
    /// Those with a quota, sorted by role.
    var quotaLedgers: [Int] = []
    /// Not sorted, none twice.
    var dirtySlots: [Int] = []
    var wokenSlots: [Int] = []
    var awakeClients: [Int] = []

    var deadlines = Heap<FilterDeadline>()
    /// Those of clients that did not revive since; each has a deadline.
    var filterCount = 0

    /// Of all agents.
    var total = ScalarQuantities.none
    /// Free and unreserved on agents that may be offered.
    var available = ScalarQuantities.none
    /// Guaranteed and not consumed, of all roles.
    var required = ScalarQuantities.none
    /// Scalars of which something was not offered, so that guarantees can be met. Sorted.
    var headroomBound: [ByteText] = []
    var lastSurplus = ScalarQuantities.none

    var now: UInt64 = 0
    var nextAgentNumber: UInt64 = 1
    var nextGeneration: UInt64 = 1
    var nextOffer: UInt64 = 1

    /// Where the master is: frameworks without `REGION_AWARE` are offered agents of this region
    /// and those that name none. Nil offers all of them.
    let region: ByteText?

    /// Of one framework; outstanding.
    let offersMax: Int

    /// Those whose outstanding offers are as many as may be.
    var fullFrameworks: [Int] = []

    /// - Parameter offersMax: outstanding, of one framework; at least 1.
    package init(
        region: ByteText? = nil, offersMax: Int = AllocatorLimits.offersOutstandingMax
    ) {
        self.region = region
        self.offersMax = max(1, offersMax)
    }

    package var agentCount: Int { agents.count }
    package var frameworkCount: Int { frameworkOrder.count }
    /// Offers that are neither accepted, declined nor rescinded.
    package var outstandingOfferCount: Int { offers.count }

    // MARK: - Look-ups

    func slot(of agent: AgentID) throws(AllocatorError) -> Int {
        guard let slot = slots[agent] else { throw .unknownAgent(agent) }
        return slot
    }

    /// Of a framework that was added, not one that only holds something.
    func place(of framework: FrameworkID) throws(AllocatorError) -> Int {
        guard let place = frameworkPlaces[framework], frameworks[place].settings != nil else {
            throw .unknownFramework(framework)
        }
        return place
    }

    /// Sorted.
    package func offers(onAgent agent: AgentID) -> [OfferNumber] {
        slots[agent].map { agents[$0].offers } ?? []
    }

    /// Sorted.
    package func offers(ofFramework framework: FrameworkID) -> [OfferNumber] {
        frameworkPlaces[framework].map { frameworks[$0].offers } ?? []
    }

    /// What an outstanding offer holds.
    package func offerable(_ number: OfferNumber) -> Offerable? {
        guard let offer = offers[number] else { return nil }
        let client = clients[offer.client]
        return Offerable(
            number: number, framework: frameworks[client.framework].id, role: client.role,
            agent: agents[offer.slot].id, resources: offer.resources)
    }

    /// What is neither allocated nor offered there; shared volumes are always free.
    package func free(onAgent agent: AgentID) throws(AllocatorError) -> Resources {
        agents[try slot(of: agent)].free
    }

    func hasRoomForOffers(_ framework: Int) -> Bool {
        frameworks[framework].offers.count < offersMax
    }

    // MARK: - Quantities

    /// Whether that much is worth an offer.
    static func isAllocatable(_ resources: Resources) -> Bool {
        var cpus: Int64 = 0
        var mem: Int64 = 0
        for entry in resources.entries {
            if entry.name == ResourceNames.cpus { cpus += entry.amount }
            if entry.name == ResourceNames.mem { mem += entry.amount }
        }
        return cpus >= AllocatorLimits.cpusMin || mem >= AllocatorLimits.memMin
    }

    /// Changes a ledger, and what all guarantees together require.
    mutating func changeLedger(_ ledger: Int, _ body: (inout RoleLedger) -> Void) {
        let before = ledgers[ledger].unmet
        body(&ledgers[ledger])
        if ledgers[ledger].quota.guarantees.isEmpty, before.isEmpty { return }
        ledgers[ledger].settle()
        required.subtract(before)
        required.add(ledgers[ledger].unmet)
    }

    /// The ledger of the role at the top of `role`'s path.
    mutating func ledger(of role: ByteText) -> Int {
        let top = role.topLevelRole
        if let known = ledgerPlaces[top] { return known }
        let place = ledgers.insert(RoleLedger(role: top))
        ledgerPlaces[top] = place
        return place
    }

    mutating func dropLedgerIfUnused(_ place: Int) {
        let ledger = ledgers[place]
        guard ledger.clients.isEmpty, ledger.reserved.isEmpty, ledger.unreservedHeld.isEmpty,
            ledger.quota.isEmpty
        else { return }
        ledgerPlaces[ledger.role] = nil
        ledgers.remove(place)
    }

    /// What of a free unreserved scalar is not needed for guarantees; may be negative.
    func surplus(_ name: ByteText) -> Int64 { available[name] - required[name] }
}
