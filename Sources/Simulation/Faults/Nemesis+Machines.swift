import Primitives
import RaftCore
import Replication
import StateMachine
import Storage

/// What happens to processes, clocks and disks, and what operators do.
extension Nemesis {
    func strikeProcess(_ kind: FaultKind) -> Bool {
        let machine = victim()
        switch kind {
        case .kill:
            guard machine.process != nil else { return false }
            world.end(machine, losingPower: false)
            world.restartLater(machine)
        case .powerLoss:
            guard machine.process != nil else { return false }
            losePower(machine)
        case .powerLossOfAll:
            for machine in world.machines { losePower(machine) }
        case .crashAtOperation:
            guard machine.process != nil, !machine.isDoomed else { return false }
            doom(machine, within: random.pick([3, 30, 300]))
        case .crashInRecovery:
            world.end(machine, losingPower: random.chance(1, in: 2))
            doom(machine, within: random.pick([10, 60]))
            world.restartLater(machine)
        case .crashLoop:
            machine.shortLives = random.draw(2...6)
            guard machine.process != nil else { return true }
            world.end(machine, losingPower: random.chance(1, in: 2))
            world.restartLater(machine, after: random.draw(1000...100_000))
        case .pause:
            guard machine.process != nil, !machine.isPaused else { return false }
            machine.isPaused = true
            later { [unowned self] in world.resume(machine) }
        case .gracefulStop: return stopGracefully(machine)
        case .wipe: return wipe(machine)
        case .oldImage: return putBackImage(machine)
        default: return false
        }
        return true
    }

    private func losePower(_ machine: SimulatedMachine) {
        world.end(machine, losingPower: true)
        machine.isPowered = false
        world.restartLater(machine)
    }

    private func doom(_ machine: SimulatedMachine, within operations: Int) {
        machine.isDoomed = true
        machine.losesPower = random.chance(1, in: 2)
        machine.disk.failPower(afterOperations: random.draw(0...operations))
    }

    private func stopGracefully(_ machine: SimulatedMachine) -> Bool {
        guard let process = machine.process, process.isAlive else { return false }
        if process.replica.isLeader { process.step(.transferLeadership(to: nil)) }
        let life = machine.life
        later(random.draw(1000...500_000)) { [unowned self] in
            guard machine.life == life else { return }
            world.end(machine, losingPower: false)
            world.restartLater(machine)
        }
        return true
    }

    /// A disk is replaced by an empty one. Only where every other machine has the node's start on
    /// its own disk, and where enough others are left.
    private func wipe(_ machine: SimulatedMachine) -> Bool {
        guard mayBeSacrificed(machine), isKnownToAll(machine) else { return false }
        world.end(machine, losingPower: true)
        machine.disk = MemoryFileSystem(seed: random.next())
        machine.isSacrificed = true
        world.restartLater(machine)
        return true
    }

    /// First an image is taken. It is put back when every other machine knows, on its own disk, of
    /// so late a start of the node that it must notice.
    private func putBackImage(_ machine: SimulatedMachine) -> Bool {
        guard let image = machine.image else {
            guard let process = machine.process, !machine.isSacrificed, !machine.isRotten else {
                return false
            }
            let boot = process.identity.boot
            world.end(machine, losingPower: false)
            machine.image = (machine.disk.image(), boot)
            world.restartLater(machine)
            return true
        }
        guard mayBeSacrificed(machine), isKnownToAll(machine, since: image.boot.next.next) else {
            return false
        }
        world.end(machine, losingPower: true)
        machine.disk.restore(image.disk)
        machine.isSacrificed = true
        world.restartLater(machine)
        return true
    }

    func mayBeSacrificed(_ machine: SimulatedMachine) -> Bool {
        let gone = world.machines.filter { $0.isSacrificed || $0.isRotten || $0.isReturning }
        return machine.isMember && !machine.isSacrificed && !machine.isRotten
            && gone.count < sacrificeMax && world.hasRoomToPutAway(machine)
    }

    private func isKnownToAll(
        _ machine: SimulatedMachine, since boot: BootNumber = .zero
    ) -> Bool {
        isOnRecord(machine, since: boot)
            && world.machines.allSatisfy { other in
                guard other !== machine, other.isMember, !other.isSacrificed else { return true }
                let file = try? PeerMemoryFile.read(fileSystem: other.disk, directory: "/data")
                return file?.contains { $0.member == machine.id && $0.boot >= boot } ?? false
            }
    }

    func strikeClock(_ kind: FaultKind) -> Bool {
        let machine = victim()
        switch kind {
        case .clockDrift:
            machine.setClockRate(random.draw(800_000...1_200_000), at: world.now)
        case .wallClockJump:
            machine.wallOffsetMillis = random.draw(-432_000_000...432_000_000)
        case .clockStop:
            machine.setClockRate(0, at: world.now)
            later { [unowned self] in machine.setClockRate(1_000_000, at: world.now) }
        case .clockLeap: machine.leapClock(by: random.draw(10_000...60_000_000), at: world.now)
        default: return false
        }
        return true
    }

    func strikeDisk(_ kind: FaultKind) -> Bool {
        let machine = victim()
        switch kind {
        case .slowDisk:
            machine.syncPenalty = random.draw(1000...300_000)
            later { machine.syncPenalty = 0 }
        case .diskStall:
            machine.stalledUntil = world.now + random.draw(500_000...20_000_000)
        case .syncError, .writeError, .readError: return fail(kind, machine)
        case .diskFull: return fill(machine)
        case .misdirectedWrite, .bitFlip, .rot: return damage(kind, machine)
        default: return false
        }
        return true
    }

    /// The disk returns errors for a while; a node that meets one stops.
    private func fail(_ kind: FaultKind, _ machine: SimulatedMachine) -> Bool {
        var rates = FaultRates()
        let rate = random.pick([50, 500, 5000])
        switch kind {
        case .syncError: rates.syncError = rate
        case .writeError: rates.writeError = rate
        case _:
            rates.readError = rate
            machine.hasReadFaults = true
        }
        machine.hasDiskFaults = true
        machine.disk.setRates(rates)
        later { machine.disk.setRates(FaultRates()) }
        return true
    }

    /// Bytes of the log or of a checkpoint become others, behind everybody's back. Only on so many
    /// machines that the others hold everything.
    private func damage(_ kind: FaultKind, _ machine: SimulatedMachine) -> Bool {
        guard machine.isRotten || mayBeSacrificed(machine) else { return false }
        let paths = ["/data/log", "/data/checkpoint"].flatMap { directory in
            ((try? machine.disk.list(directory)) ?? []).map { directory + "/" + $0 }
        }
        guard !paths.isEmpty else { return false }
        let path = random.pick(paths)
        switch kind {
        case .misdirectedWrite:
            let distance = random.chance(1, in: 2) ? 512 : -512
            machine.disk.plan(.misdirectedWrite(by: distance), path: ".log")
        case .bitFlip:
            var rates = FaultRates()
            rates.bitFlip = random.pick([50, 1000])
            machine.disk.setRates(rates)
            later { machine.disk.setRates(FaultRates()) }
        case _:
            guard let size = machine.disk.contents(of: path)?.count, size > 0 else { return false }
            for _ in 0..<random.draw(1...3) {
                machine.disk.flipBit(path, at: random.draw(0...size - 1), bit: random.draw(0...7))
            }
        }
        machine.isRotten = true
        return true
    }

    private func fill(_ machine: SimulatedMachine) -> Bool {
        machine.hasDiskFaults = true
        // Where what is there just fits, the room that is kept for a checkpoint is what helps.
        let isTight = random.chance(1, in: 2)
        machine.disk.setCapacity(
            isTight
                ? machine.disk.usedBytes + random.draw(0...64 << 10) : random.draw(0...1 << 20))
        later { machine.disk.setCapacity(.max) }
        return true
    }

    func operate(_ kind: FaultKind) -> Bool {
        switch kind {
        case .transfer:
            guard let process = leader?.process, !process.machine.isPaused else { return false }
            let target = random.chance(1, in: 2) ? nil : anyMachine().id
            process.step(.transferLeadership(to: target))
            world.counters.count(CoverageMark.leadershipTransferred)
        case .clientCompaction:
            guard let process = anyMachine().process, !process.machine.isPaused else {
                return false
            }
            let revision = process.replica.store.revision.rawValue
            var writer = ProtobufWriter()
            writer.field(1, max(1, revision - Int64(random.pick([0, 5, 50]))))
            process.proposeOwn(.compact, writer.bytes, as: Self.administrator)
        case .quota:
            guard let process = anyMachine().process, !process.machine.isPaused else {
                return false
            }
            let member = anyMachine().id
            let action: AlarmRequest.Action = random.chance(1, in: 3) ? .activate : .deactivate
            process.proposeOwn(
                .alarm, AlarmRequest(action, member: member, kind: .noSpace).encode(),
                as: Self.administrator)
        default: return false
        }
        return true
    }
}
