import Primitives
import Replication
import Scheduling
import StateMachine

/// Users of services, as one: they create, change, scale, restart, take back, force and delete
/// them, through whichever node, and try again what nobody answered, which may have happened.
final class SimulatedOperator {
    static let framework = ServiceFramework.id.description

    unowned(unsafe) let world: SimulatedCluster
    var random: SplitMix64
    private var target = 0
    private var isResting = false
    /// What is on its way behind the storm, by the service that it is about.
    private var mending: [ServiceID: Micros] = [:]

    init(world: SimulatedCluster, random: SplitMix64) {
        self.world = world
        self.random = random
    }

    private func later(_ delay: Micros, _ body: @escaping () -> Void) {
        world.schedule(after: delay, .client, machine: -1, life: 0, body)
    }

    func begin() { actLater() }

    /// Everything heals: nothing new is wanted.
    func rest() { isResting = true }

    private func actLater() {
        later(random.spread(1_200_000, upTo: 8)) { [self] in
            if isResting { return }
            act()
            actLater()
        }
    }

    // MARK: Calls

    /// Asks the node that is the target, and whom it names, until somebody says what came of it.
    private func ask(_ command: ServiceCommand, tries: Int) {
        guard tries > 0, !isResting else { return }
        let call = OpenCall()
        let machine = world.machines[target]
        later(random.draw(3_000_000...9_000_000)) { [self] in
            guard call.isOpen else { return }
            call.isOpen = false
            world.counters.count(CoverageMark.serviceUnknown)
            tryNext()
            if random.chance(2, in: 3) { ask(command, tries: tries - 1) }
        }
        guard let process = machine.process, process.isAlive, machine.isPowered else {
            call.isOpen = false
            tryNext()
            return again(command, tries)
        }
        let answer = { [self] (body: @escaping () -> Void) in
            later(random.draw(30...800)) {
                guard call.isOpen else { return }
                call.isOpen = false
                body()
            }
        }
        world.schedule(
            after: random.draw(30...800), .client, machine: target, life: process.life
        ) { [self] in
            guard process.master.office.master != nil else {
                let leader = process.master.leader
                return answer { [self] in
                    if let leader { target = leader } else { tryNext() }
                    again(command, tries)
                }
            }
            process.master.operate(.service(command)) { [self] outcome in
                judge(command, outcome)
                answer { [self] in answered(command, outcome, tries) }
            }
        }
    }

    private final class OpenCall {
        var isOpen = true
    }

    private func tryNext() { target = (target + 1) % world.settings.machineCount }

    private func again(_ command: ServiceCommand, _ tries: Int) {
        later(random.draw(10_000...400_000)) { [self] in ask(command, tries: tries - 1) }
    }

    private func answered(_ command: ServiceCommand, _ outcome: DecisionOutcome, _ tries: Int) {
        switch outcome {
        case .done: world.counters.count(CoverageMark.serviceChanged)
        case .refused(_?): world.counters.count(CoverageMark.serviceRefused)
        case .refused(nil): again(command, tries)
        case .unknown:
            world.counters.count(CoverageMark.serviceUnknown)
            if random.chance(2, in: 3) { again(command, tries) }
        }
    }

    private func judge(_ command: ServiceCommand, _ outcome: DecisionOutcome) {
        guard case .done(.service(let outcome)) = outcome else { return }
        world.datacenter.checkAnswer(command, outcome)
    }

    // MARK: What they want

    /// What a user sees before it asks: any node's records, or none.
    private var view: ServiceTable {
        world.machines[target].process?.replica.store.datacenterTable.services ?? ServiceTable()
    }

    private var names: [ServiceID] {
        Array(["/a", "/b", "/g/c", "/g/d", "/g/e"].prefix(world.settings.serviceCount))
    }

    private func pick<Element>(_ all: [Element]) -> Element? {
        all.isEmpty ? nil : random.pick(all)
    }

    func act() {
        if isResting { return }
        guard let command = command() else { return }
        ask(command, tries: 6)
    }

    private func command() -> ServiceCommand? {
        let view = view
        switch random.draw(0...19) {
        case 0..<8: return change([put(random.pick(names), view)])
        case 8, 9, 10:
            let first = random.pick(names)
            guard let second = pick(names.filter { $0 != first }) else { return nil }
            return change([put(first, view), put(second, view)])
        case 11: return pick(view.serviceIDs).map { change([.remove($0)]) }
        case 12: return pick(view.serviceIDs).map { change([.restart($0)]) }
        case 13, 14: return pick(view.deploymentIDs).map { .rollBack($0) }
        case 15: return pick(view.deploymentIDs).map { .cancel($0) }
        case 16, 17:
            return pick(view.instances.keys.sorted()).map {
                .stop([$0], scales: random.chance(1, in: 2), isForced: random.chance(1, in: 2))
            }
        case 18: return pick(view.serviceIDs).map { .resetDelay($0) }
        case _:
            let isSet = random.chance(1, in: 2)
            return .change(ServiceChange([.putGroup("/g", dependencies: isSet ? ["/a"] : [])]))
        }
    }

    private func change(_ parts: [ServiceChange.Part]) -> ServiceCommand {
        .change(ServiceChange(parts, isForced: random.chance(1, in: 3)))
    }

    private func put(_ id: ServiceID, _ view: ServiceTable) -> ServiceChange.Part {
        let known = view.services[id]?.latest
        var basis = ServiceChange.Basis.any
        if random.chance(1, in: 4) { basis = known.map { .version($0.number) } ?? .none }
        // Half of the changes are of the number alone.
        if var definition = known?.definition, random.chance(1, in: 2) {
            definition.instances = UInt32(random.draw(0...4))
            return .put(definition, basis)
        }
        return .put(ServiceWish.drawn(id, &random), basis)
    }

    // MARK: Behind the storm

    /// What cannot come to be is asked for no longer: whoever wants it changes its mind.
    func mend(_ process: SimulatedProcess) {
        for (id, service) in sorted(process) {
            guard let latest = service.latest?.definition else { continue }
            if ServiceWish.canBe(latest, agents: world.settings.agentCount) { continue }
            let wish = ServiceWish.modest(id, &random)
            settle(id, .change(ServiceChange([.put(wish, .any)], isForced: true)), process)
        }
    }

    /// All services go.
    func removeAll(_ process: SimulatedProcess) {
        for (id, service) in sorted(process) where !service.record.isEnding {
            settle(id, .change(ServiceChange([.remove(id)], isForced: true)), process)
        }
    }

    private func sorted(
        _ process: SimulatedProcess
    ) -> [(id: ServiceID, service: ServiceTable.Service)] {
        let services = process.replica.store.datacenterTable.services
        return services.serviceIDs.compactMap { id in services.services[id].map { (id, $0) } }
    }

    /// Asks the leader, once in a while.
    private func settle(
        _ id: ServiceID, _ command: ServiceCommand, _ process: SimulatedProcess
    ) {
        if let since = mending[id], world.now - since < 5_000_000 { return }
        mending[id] = world.now
        process.master.operate(.service(command)) { [self] _ in mending[id] = nil }
    }
}

/// Definitions that users think of.
enum ServiceWish {
    private static let constraints: [[ServiceDefinition.Constraint]] = [
        [], [], [.init("hostname", .unique)], [.init("rack", .maxPer, "2")],
        [.init("rack", .unlike, "r1")], [.init("rack", .cluster)], [.init("rack", .equal, "r0")],
    ]

    /// Anything: what dies at once, what never gets well, what no machine can take.
    static func drawn(_ id: ServiceID, _ random: inout SplitMix64) -> ServiceDefinition {
        var wish = plain(id, &random)
        wish.instances = UInt32(random.draw(0...4))
        wish.command = ByteText(script(&random).text(of: "service"))
        wish.minimumHealthCapacity = random.pick([0, 500, 1000])
        wish.maximumOverCapacity = random.pick([0, 340, 1000])
        if random.chance(2, in: 3) { check(&wish) }
        wish.constraints = random.pick(constraints)
        wish.unreachable = random.pick([
            .disabled, .replaced(inactiveAfter: 0, expungeAfter: 0),
            .replaced(inactiveAfter: 3000, expungeAfter: 12_000),
        ])
        // In one order, so that nothing depends on itself.
        let earlier: [ServiceID] = id == "/a" ? [] : id == "/b" ? ["/a"] : ["/a", "/b"]
        if random.chance(1, in: 3) { wish.dependencies = earlier }
        wish.killSelection = random.pick([.youngestFirst, .oldestFirst])
        return wish
    }

    /// What one agent can run beside whatever else is wanted.
    static func modest(_ id: ServiceID, _ random: inout SplitMix64) -> ServiceDefinition {
        var wish = plain(id, &random)
        wish.instances = UInt32(random.draw(1...4))
        var script = TaskScript(duration: nil)
        script.wellAfter = random.draw(1...2_000_000)
        wish.command = ByteText(script.text(of: "service"))
        check(&wish)
        return wish
    }

    private static func plain(
        _ id: ServiceID, _ random: inout SplitMix64
    ) -> ServiceDefinition {
        var wish = ServiceDefinition(id: id)
        (wish.cpus, wish.mem) = (random.pick([50, 100]), 16_000)
        wish.ports = random.chance(1, in: 2) ? [ServiceDefinition.Port(0)] : []
        wish.backoffMaxMilliseconds = 4_000
        return wish
    }

    private static func check(_ wish: inout ServiceDefinition) {
        wish.healthChecks = [ServiceDefinition.HealthCheck(.command)]
        wish.healthChecks[0].command = "true"
    }

    private static func script(_ random: inout SplitMix64) -> TaskScript {
        var script = TaskScript(duration: nil)
        switch random.draw(0...15) {
        case 0: script.duration = random.draw(0...300_000)
        case 1, 2: script.duration = random.spread(8_000_000, upTo: 8)
        case 3: script.isFetched = true
        case _: break
        }
        script.code = random.chance(1, in: 2) ? 1 : 0
        script.wellAfter = random.chance(1, in: 10) ? -1 : 1 + random.spread(300_000, upTo: 16)
        script.falters = random.chance(1, in: 4)
        return script
    }

    /// Whether a definition comes to be, whatever else there is, once nothing goes wrong.
    static func canBe(_ definition: ServiceDefinition, agents: Int) -> Bool {
        guard let text = definition.command?.text, let script = TaskScript(text),
            script.duration == nil, script.wellAfter > 0 || definition.healthChecks.isEmpty
        else { return false }
        if definition.constraints.isEmpty { return true }
        // Instances of the version before may hold all the places.
        guard definition.minimumHealthCapacity == 0 else { return false }
        let racks = min(agents, SimulatedPlace.racks)
        return definition.constraints.allSatisfy { constraint in
            switch constraint.test {
            case .unique: Int(definition.instances) <= agents
            case .maxPer:
                Int(definition.instances) <= racks * (Int(constraint.value?.text ?? "") ?? 0)
            // There is a machine in the first rack always.
            case .cluster, .equal, .unlike: true
            case .like, .groupBy: false
            }
        }
    }
}
