import Primitives
import Replication
import StateMachine
import Storage

/// Draws what goes wrong, when, and for how long; sees to it that the cluster's promise still
/// covers it.
final class Nemesis {
    unowned(unsafe) let world: SimulatedCluster
    var random: SplitMix64
    private var isOver = false
    /// The machine that the last fault concerned; negative where it was not one.
    private var struck = -1
    private let kinds: [FaultKind]

    init(world: SimulatedCluster, random: SplitMix64) {
        self.world = world
        self.random = random
        kinds = world.settings.faults.flatMap { fault in
            Array(repeating: fault.kind, count: fault.weight)
        }
    }

    func start() {
        guard !kinds.isEmpty else { return }
        strikeLater()
    }

    private func strikeLater() {
        let wait = random.spread(world.settings.strikeMicros, upTo: 4)
        world.schedule(after: wait, .nemesis, machine: -1, life: 0) { [unowned self] in
            guard !isOver else { return }
            let kind = random.pick(kinds)
            struck = -1
            if strike(kind) {
                world.counters.count(kind)
                let place = Counters.faultPlaces[kind] ?? 0
                world.trace.note(
                    world.now, struck, "fault", UInt64(place), text: kind.rawValue)
            }
            strikeLater()
        }
    }

    /// Everything heals: the network, the clocks, the disks; whoever is down comes back.
    func stop() {
        isOver = true
        world.network.heal()
        world.datacenter.rest()
        for machine in world.machines {
            machine.syncPenalty = 0
            machine.stalledUntil = world.now
            machine.setClockRate(1_000_000, at: world.now)
            machine.disk.setRates(FaultRates())
            machine.disk.setCapacity(.max)
            machine.disk.forgetPlans()
            machine.shortLives = 0
            if machine.isDoomed {
                machine.isDoomed = false
                machine.disk.failPower(afterOperations: 1 << 50)
            }
            world.resume(machine)
            machine.isPowered = true
            // What could not be read at the last start can be read now.
            if machine.hasReadFaults, machine.process != nil {
                world.end(machine, losingPower: false)
            }
            if machine.process == nil { world.restartSoon(machine) }
        }
    }

    /// Ends a fault after a while.
    func later(_ body: @escaping () -> Void) {
        let wait = random.spread(world.settings.faultMicros, upTo: 8)
        later(wait, body)
    }

    func later(_ wait: Micros, _ body: @escaping () -> Void) {
        world.schedule(after: wait, .nemesis, machine: -1, life: 0) { [unowned self] in
            if !isOver { body() }
        }
    }

    private func silenceLocker() -> Bool {
        guard !world.lockers.isEmpty else { return false }
        random.pick(world.lockers).fallSilent(for: random.draw(500_000...12_000_000))
        return true
    }

    func anyMachine() -> SimulatedMachine { random.pick(world.machines) }

    /// Two different machines.
    func anyPair() -> (Int, Int) {
        let a = random.draw(0...world.machines.count - 1)
        let b = (a + random.draw(1...world.machines.count - 1)) % world.machines.count
        return (a, b)
    }

    var leader: SimulatedMachine? {
        world.machines.first { $0.process?.replica.isLeader == true }
    }

    /// Leaders are worth more to whoever wants to do harm.
    func victim() -> SimulatedMachine {
        let machine = random.chance(1, in: 3) ? leader ?? anyMachine() : anyMachine()
        struck = machine.index
        return machine
    }

    /// False when it could not be done now.
    private func strike(_ kind: FaultKind) -> Bool {
        switch kind {
        case .kill, .powerLoss, .powerLossOfAll, .crashAtOperation, .crashInRecovery, .crashLoop,
            .pause, .gracefulStop, .wipe, .oldImage:
            return strikeProcess(kind)
        case .clockDrift, .wallClockJump, .clockStop, .clockLeap: return strikeClock(kind)
        case .cut, .oneWayCut, .isolation, .flapping, .bridge, .delay, .reset, .loss,
            .duplication, .reordering, .longHold, .largeFrameLoss, .refusedDials:
            return strikeNetwork(kind)
        case .slowDisk, .diskStall, .syncError, .writeError, .readError, .diskFull,
            .misdirectedWrite, .bitFlip, .rot:
            return strikeDisk(kind)
        case .transfer, .clientCompaction, .quota: return operate(kind)
        case .membership: return changeMembers()
        case .users: return changeUsers()
        case .locks: return silenceLocker()
        case .datacenter: return strikeDatacenter()
        case .services: return strikeServices()
        case .ruin, .rejoin: return false
        }
    }

    /// A process has started: it may be one of a crash loop.
    func started(_ machine: SimulatedMachine) {
        guard !isOver, machine.shortLives > 0 else { return }
        machine.shortLives -= 1
        let life = machine.life
        world.schedule(
            after: random.draw(1000...2_000_000), .nemesis, machine: machine.index, life: life
        ) { [unowned self] in
            world.end(machine, losingPower: random.chance(1, in: 2))
            world.restartLater(machine, after: random.draw(1000...500_000))
        }
    }
}
