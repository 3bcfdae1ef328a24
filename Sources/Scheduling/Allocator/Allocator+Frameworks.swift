internal import Primitives
package import StateMachine

extension Allocator {
    /// - Throws: `frameworkExists`, `tooManyFrameworks`, and what ``updateFramework(_:_:)`` throws.
    package mutating func addFramework(
        _ id: FrameworkID, _ settings: AllocatorFramework
    ) throws(AllocatorError) {
        if let place = frameworkPlaces[id], frameworks[place].settings != nil {
            throw .frameworkExists(id)
        }
        guard frameworks.count < AllocatorLimits.frameworksMax else {
            throw .tooManyFrameworks(limit: AllocatorLimits.frameworksMax)
        }
        try Allocator.validate(settings)
        subscribe(framework(id), settings)
    }

    /// What it holds in roles that it gives up stays its own.
    /// - Throws: `unknownFramework`, `duplicateRole`, `needsMultiRole`, `notSubscribed`,
    ///   `tooManyRoles`, `tooManyConstraints`, `emptyConstraints`, `resources`.
    package mutating func updateFramework(
        _ id: FrameworkID, _ settings: AllocatorFramework
    ) throws(AllocatorError) {
        let place = try place(of: id)
        try Allocator.validate(settings)
        subscribe(place, settings)
    }

    /// What it holds is counted until the agents' allocations say otherwise.
    /// - Returns: the offers that are void; what they held is free.
    /// - Throws: `unknownFramework`.
    @discardableResult
    package mutating func removeFramework(_ id: FrameworkID) throws(AllocatorError) -> [OfferNumber]
    {
        let place = try place(of: id)
        let void = frameworks[place].offers
        for number in void { settle(number, allocated: .empty, until: nil) }
        frameworks[place].settings = nil
        for client in frameworks[place].clients {
            clients[client].isSubscribed = false
            clients[client].constraints = nil
            dropFilters(of: client)
            refreshActivity(client)
            dropClientIfUnused(client)
        }
        dropFrameworkIfUnused(id)
        return void
    }

    /// A framework that disconnects is not offered anything until it is active again; then nothing
    /// is refused any more, for another scheduler may ask.
    /// - Throws: `unknownFramework`.
    package mutating func setActive(
        _ isActive: Bool, framework id: FrameworkID
    ) throws(AllocatorError) {
        let place = try place(of: id)
        frameworks[place].settings?.isActive = isActive
        for client in frameworks[place].clients {
            if !isActive { dropFilters(of: client) }
            refreshActivity(client)
        }
    }

    /// No offers in these roles until they are revived; no roles for all of them.
    /// - Throws: `unknownFramework`, `notSubscribed`.
    package mutating func suppress(
        _ id: FrameworkID, roles: [ByteText] = []
    ) throws(AllocatorError) {
        for client in try subscribed(id, roles) {
            clients[client].isSuppressed = true
            refreshActivity(client)
        }
    }

    /// Forgets what was refused in these roles, and offers there again; no roles for all of them.
    /// - Throws: `unknownFramework`, `notSubscribed`.
    package mutating func revive(_ id: FrameworkID, roles: [ByteText] = []) throws(AllocatorError) {
        for client in try subscribed(id, roles) {
            clients[client].isSuppressed = false
            dropFilters(of: client)
            refreshActivity(client)
            wake(client)
        }
    }

    // MARK: - Clients

    /// The framework's client in `role`, subscribed or not.
    func client(of framework: Int, in role: ByteText) -> Int? {
        frameworks[framework].clients.first { clients[$0].role == role }
    }

    /// The same, made if there is none; inactive until somebody subscribes to it.
    mutating func clientHolding(_ id: FrameworkID, _ role: ByteText) -> Int {
        let place = framework(id)
        if let known = client(of: place, in: role) { return known }
        let ledger = ledger(of: role)
        let client = clients.insert(
            ClientAccount(
                framework: place, role: role, ledger: ledger, node: -1, generation: nextGeneration))
        nextGeneration += 1
        clients[client].node = tree.addClient(
            client, framework: id.rawValue, role: role, ledger: ledger)
        ledgers[ledger].clients.append(client)
        let index = frameworks[place].clients.firstIndex { clients[$0].role > role }
        frameworks[place].clients.insert(client, at: index ?? frameworks[place].clients.count)
        return client
    }

    /// A client that is not subscribed and holds nothing is nobody.
    mutating func dropClientIfUnused(_ client: Int) {
        let record = clients[client]
        guard !record.isSubscribed, record.agentCount == 0 else { return }
        invariant(!record.isActive, "a client is active and not subscribed")
        dropFilters(of: client)
        tree.removeClient(record.node)
        if record.isAwake { awakeClients.removeAll { $0 == client } }
        ledgers[record.ledger].clients.removeAll { $0 == client }
        frameworks[record.framework].clients.removeAll { $0 == client }
        clients.remove(client)
        dropLedgerIfUnused(record.ledger)
        dropFrameworkIfUnused(frameworks[record.framework].id)
    }

    /// Whether a client is offered anything follows from what is known of it.
    /// - Parameter askedBelow: where only the number of offers has changed: of agents before this
    ///   number it was asked. Nil: of none, as far as this matters.
    mutating func refreshActivity(_ client: Int, askedBelow: UInt64? = nil) {
        if askedBelow == nil { clients[client].askedBelow = 0 }
        let record = clients[client]
        let isActive =
            frameworks[record.framework].settings?.isActive == true && record.isSubscribed
            && !record.isSuppressed && hasRoomForOffers(record.framework)
        guard isActive != record.isActive else { return }
        clients[client].isActive = isActive
        tree.setActive(record.node, isActive)
        if isActive {
            wake(client, from: record.askedBelow)
        } else {
            clients[client].askedBelow = askedBelow ?? 0
            putToSleep(client)
        }
    }

    /// Lets the next pass ask it about every agent, or those from number `first` on.
    mutating func wake(_ client: Int, from first: UInt64 = 0) {
        clients[client].askedBelow = min(clients[client].askedBelow, first)
        guard clients[client].isActive, !clients[client].isAwake else { return }
        clients[client].isAwake = true
        awakeClients.append(client)
    }

    private mutating func putToSleep(_ client: Int) {
        guard clients[client].isAwake else { return }
        clients[client].isAwake = false
        awakeClients.removeAll { $0 == client }
    }

    mutating func dropFilters(of client: Int) {
        filterCount -= clients[client].filterCount
        clients[client].filterCount = 0
        clients[client].generation = nextGeneration
        nextGeneration += 1
    }

    // MARK: - Frameworks

    private mutating func subscribe(_ place: Int, _ settings: AllocatorFramework) {
        let id = frameworks[place].id
        frameworks[place].settings = settings
        for role in settings.roles { clients[clientHolding(id, role)].isSubscribed = true }
        for client in frameworks[place].clients {
            let role = clients[client].role
            let isSubscribed = settings.roles.contains(role)
            clients[client].isSubscribed = isSubscribed
            clients[client].isSuppressed = settings.suppressedRoles.contains(role)
            clients[client].constraints = settings.constraints.first { $0.role == role }
            if !isSubscribed { dropFilters(of: client) }
            refreshActivity(client)
            // Capabilities and constraints may let through what they did not before.
            wake(client)
            dropClientIfUnused(client)
        }
    }

    private mutating func framework(_ id: FrameworkID) -> Int {
        if let known = frameworkPlaces[id] { return known }
        let place = frameworks.insert(FrameworkAccount(id: id))
        frameworkPlaces[id] = place
        frameworkOrder.insert(place, at: frameworkOrderPlace(id))
        return place
    }

    private mutating func dropFrameworkIfUnused(_ id: FrameworkID) {
        guard let place = frameworkPlaces[id], frameworks[place].settings == nil,
            frameworks[place].clients.isEmpty
        else { return }
        frameworkPlaces[id] = nil
        frameworkOrder.remove(at: frameworkOrderPlace(id))
        frameworks.remove(place)
    }

    private func frameworkOrderPlace(_ id: FrameworkID) -> Int {
        var low = 0
        var high = frameworkOrder.count
        while low < high {
            let middle = (low + high) / 2
            let isBefore = frameworks[frameworkOrder[middle]].id < id
            if isBefore { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func subscribed(
        _ id: FrameworkID, _ roles: [ByteText]
    ) throws(AllocatorError) -> [Int] {
        let all = frameworks[try place(of: id)].clients.filter { clients[$0].isSubscribed }
        if roles.isEmpty { return all }
        for role in roles where !all.contains(where: { clients[$0].role == role }) {
            throw .notSubscribed(role)
        }
        return all.filter { roles.contains(clients[$0].role) }
    }

    private static func validate(_ settings: AllocatorFramework) throws(AllocatorError) {
        guard settings.roles.count <= AllocatorLimits.rolesPerFrameworkMax else {
            throw .tooManyRoles(limit: AllocatorLimits.rolesPerFrameworkMax)
        }
        guard settings.roles.count <= 1 || settings.capabilities.contains(.multiRole) else {
            throw .needsMultiRole(roles: settings.roles.count)
        }
        let sorted = settings.roles.sorted()
        for (one, next) in zip(sorted, sorted.dropFirst()) where one == next {
            throw .duplicateRole(one)
        }
        for role in settings.roles { try validate(role) }
        for role in settings.suppressedRoles where !settings.roles.contains(role) {
            throw .notSubscribed(role)
        }
        for constraints in settings.constraints {
            guard settings.roles.contains(constraints.role) else {
                throw .notSubscribed(constraints.role)
            }
            try constraints.validate()
        }
    }
}
