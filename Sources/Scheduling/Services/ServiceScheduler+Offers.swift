internal import Primitives
internal import StateMachine

/// Finds places for instances. Offers are answered as they come, and never kept.
extension ServiceScheduler {
    mutating func answer(
        _ offers: [MasterOffer], in table: DatacenterTable,
        into effects: inout [ServiceSchedulerEffect]
    ) {
        var open: [OpenOffer] = []
        var unwanted: [OfferID] = []
        for offer in offers {
            if let agent = knownAgent(offer.agent, in: table) {
                open.append(OpenOffer(offer, agent))
            } else {
                unwanted.append(offer.id)
            }
        }
        for id in servicesThatWait(in: table) { place(id, on: &open, in: table) }
        for offer in open {
            if offer.launches.isEmpty {
                unwanted.append(offer.offer.id)
                continue
            }
            // What is left is of use to somebody, perhaps to those that wait here.
            effects.append(
                .call(
                    .accept(
                        offers: [offer.offer.id], offer.launches.map { .launch($0) },
                        refuseMilliseconds: 0)))
        }
        if !unwanted.isEmpty {
            effects.append(
                .call(
                    .decline(
                        offers: unwanted, refuseMilliseconds: settings.refuseMilliseconds)))
        }
    }

    /// Those that wait longest come first.
    private func servicesThatWait(in table: DatacenterTable) -> [ServiceID] {
        var found: [(sequence: UInt64, service: ServiceID)] = []
        for (id, instances) in waiting where isEligible(id, in: table) {
            let first = instances.first.flatMap { table.services.instances[$0]?.sequence }
            found.append((first ?? .max, id))
        }
        return found.sorted { ($0.sequence, $0.service) < ($1.sequence, $1.service) }
            .map(\.service)
    }

    /// Spreads a service's instances: in each round one on each machine that can take one, those
    /// first that have the fewest.
    private mutating func place(
        _ id: ServiceID, on open: inout [OpenOffer], in table: DatacenterTable
    ) {
        guard let service = table.services.services[id], let active = service.active else {
            return
        }
        var queue = (waiting[id] ?? []).filter { instance in
            guard launching[instance] == nil, let record = table.services.instances[instance]
            else { return false }
            return record.phase == .waiting && record.configuration == active.configuration
        }[...]
        var rules = PlacementRules(active.definition.constraints)
        var counts: [AgentID: Int] = [:]
        note(service, into: &rules, &counts, in: table)
        var places = open.indices.sorted { one, other in
            let (a, b) = (counts[open[one].offer.agent] ?? 0, counts[open[other].offer.agent] ?? 0)
            return (a, one) < (b, other)
        }
        var used: Set<Int> = []
        // With what others have found on them.
        var full: Set<Int> = []
        var refused: [Int: OfferRefusal] = [:]
        while !queue.isEmpty, !places.isEmpty {
            var next: [Int] = []
            var hasPlaced = false
            for place in places {
                guard let instance = queue.first,
                    let record = table.services.instances[instance]
                else { break }
                let match = open[place].match(
                    active.definition, rules, sequence: record.sequence)
                switch match {
                case .refused(let refusal):
                    if !used.contains(place) { refused[place] = refusal }
                    if refusal == .unfulfilledConstraint, rules.mayChange { next.append(place) }
                case .fits(let resources, let ports):
                    guard open[place].launches.count < settings.launchesMax,
                        open[place].launchBytes < settings.launchBytesMax
                    else {
                        full.insert(place)
                        continue
                    }
                    queue.removeFirst()
                    launch(record, active.definition, resources, ports, on: &open[place])
                    rules.add(open[place].agent)
                    used.insert(place)
                    refused[place] = nil
                    next.append(place)
                    hasPlaced = true
                }
            }
            if !hasPlaced { break }
            places = next
        }
        count(refused, offers: open.count, used: used.union(full).count, of: id)
    }

    private mutating func note(
        _ service: ServiceTable.Service, into rules: inout PlacementRules,
        _ counts: inout [AgentID: Int], in table: DatacenterTable
    ) {
        for instance in service.instances {
            let task = table.tasks[TaskKey(ServiceFramework.id, instance)]
            #if KEELSON_MUTANTS
                if planted(.forgetsPlaces), task != nil { continue }
                if planted(.forgetsPlacesToBe), task == nil { continue }
            #endif
            guard let agent = launching[instance]?.agent ?? task?.agent else { continue }
            counts[agent, default: 0] += 1
            if let traits = knownAgent(agent, in: table) { rules.add(traits) }
        }
    }

    private mutating func launch(
        _ record: InstanceRecord, _ definition: ServiceDefinition, _ resources: Resources,
        _ ports: [UInt16], on offer: inout OpenOffer
    ) {
        let info = ServiceTaskInfo(
            instance: record, definition: definition, agent: offer.offer.agent,
            hostname: offer.agent.hostname, resources: resources, ports: ports)
        offer.launch(
            TaskLaunch(
                task: record.id, role: offer.offer.role, resources: resources,
                info: info.encode()))
        launching[record.id] = AcceptedLaunch(
            agent: offer.offer.agent, since: now, retryAt: now + settings.launchMilliseconds)
    }

    private mutating func count(
        _ refused: [Int: OfferRefusal], offers: Int, used: Int, of id: ServiceID
    ) {
        var seen = refusals[id] ?? Refusals()
        seen.seen += UInt64(offers)
        seen.unused += UInt64(offers - used)
        for place in refused.keys.sorted() {
            if let refusal = refused[place] { seen.counts[refusal, default: 0] += 1 }
        }
        refusals[id] = seen
    }
}

extension ServiceFramework {
    /// mesos.v1.FrameworkInfo.
    static func info(roles: [ByteText]) -> [UInt8] {
        var writer = ProtobufWriter(capacity: 128)
        writer.field(1, "root")
        writer.field(2, name)
        for capability in [UInt64(3), 5, 6, 7] {
            writer.message(10, byteCount: 2)
            writer.field(1, capability)
        }
        for role in roles { writer.field(12, role.text) }
        return writer.bytes
    }
}
