import Primitives
import Replication
import StateMachine

/// A client that takes locks: a lease, the lock, some writes that count only as long as the lock's
/// key is there, and out again; or it dies, or falls silent and goes on as if it held it still.
final class SimulatedLocker: SimulatedCaller {
    unowned(unsafe) let world: SimulatedCluster
    let number: Int
    private var random: SplitMix64
    private var target: Int
    private var lastCall = 0
    /// What is to be done with the answers that are waited for.
    private var open: [Int: (ClientOutcome) -> Void] = [:]
    private var targets: [Int: Int] = [:]
    private var lease: Int64?
    private var leaseSeconds: Int64 = 0
    private var leasesMade: Int64 = 0
    /// Grows when it begins anew: what was planned before is dropped.
    private var round = 0
    private var silentUntil: Micros = 0
    private var isStopped = false
    /// Takes the lock once more, and is done.
    private(set) var isFinishing = false

    static let names = [Array("a0".utf8), Array("a1".utf8)]
    private static let leaseSecondsMax = 4

    init(world: SimulatedCluster, number: Int, random: SplitMix64) {
        self.world = world
        self.number = number
        self.random = random
        target = number % world.settings.nodeCount
    }

    // MARK: Time

    private func later(_ delay: Micros, _ body: @escaping () -> Void) {
        world.schedule(after: delay, .client, machine: -1, life: 0) { [self] in
            if isStopped { return }
            // It does not notice that it was silent.
            if world.now < silentUntil { return later(silentUntil - world.now, body) }
            body()
        }
    }

    /// In this round only.
    private func soon(_ body: @escaping () -> Void) {
        let round = round
        later(random.spread(world.settings.thinkMicros, upTo: 16)) { [self] in
            if round == self.round { body() }
        }
    }

    func fallSilent(for duration: Micros) { silentUntil = world.now + duration }

    func stop() {
        isStopped = true
        open = [:]
        lease = nil
        round += 1
    }

    /// One more lock, as somebody who may have it.
    func finish() {
        isStopped = false
        isFinishing = true
        silentUntil = 0
        beginLater()
    }

    func beginLater() {
        round += 1
        if random.chance(1, in: 4), !isFinishing { moveAnywhere() }
        soon { [self] in lease == nil ? grant() : take() }
    }

    private func moveAnywhere() { target = random.draw(0...world.settings.machineCount - 1) }

    // MARK: Calls

    private func call(
        _ request: ClientRequest, patience: Micros = SimulatedClient.timeout,
        ticket: LockTicket? = nil, _ done: @escaping (ClientOutcome) -> Void
    ) {
        lastCall += 1
        let number = lastCall
        open[number] = done
        let machine = world.machines[target]
        targets[number] = target
        var pending = PendingCall(
            client: self, number: number, request: request, principal: .anonymous,
            floor: world.rules.acknowledgedFloor)
        pending.ticket = ticket
        world.schedule(after: random.draw(20...300), .client, machine: -1, life: 0) { [self] in
            guard let process = machine.process, process.isAlive, machine.isPowered else {
                return answered(number, .refused)
            }
            pending.principal = principal(at: process)
            let call = pending
            world.schedule(after: 1, .client, machine: machine.index, life: process.life) {
                process.handle(call)
            }
        }
        later(patience) { [self] in
            guard open[number] != nil else { return }
            if let ticket, let process = machine.process {
                world.schedule(
                    after: random.draw(20...300), .client, machine: machine.index,
                    life: process.life
                ) { process.abandoned(ticket) }
            }
            answered(number, .unknown)
        }
    }

    private func principal(at process: SimulatedProcess) -> Principal {
        guard world.settings.userCount > 0 else { return .anonymous }
        if isFinishing { return Nemesis.administrator }
        let name = Nemesis.user(number % world.settings.userCount)
        let known = process.replica.store.auth.user(name)
        return .user(name, authRevision: known?.identityRevision ?? 0)
    }

    func answered(_ number: Int, _ outcome: ClientOutcome) {
        guard open[number] != nil else { return }
        if world.now < silentUntil {
            return later(silentUntil - world.now) { [self] in answered(number, outcome) }
        }
        targets[number] = nil
        guard let done = open.removeValue(forKey: number) else { return }
        world.trace.note(world.now, -1, outcome.name, UInt64(1000 + self.number), outcome.number)
        switch outcome {
        case .written(let index, _, _), .held(let index, _): world.rules.completed(through: index)
        // While all should go well, only chance could keep it with a node that takes no part.
        case .refused where isFinishing, .unknown where isFinishing:
            target = (target + 1) % world.settings.machineCount
        case .refused, .unknown: if random.chance(1, in: 2) { moveAnywhere() }
        case .refusedByStore, .read, .leaseGone, .renewed, .remaining, .placeGone: break
        }
        done(outcome)
    }

    /// The node that requests went to ended: nobody will answer.
    func processEnded(_ machine: Int) {
        for number in open.keys.sorted() where targets[number] == machine {
            later(random.draw(50...5000)) { [self] in answered(number, .unknown) }
        }
    }

    // MARK: Leases

    private func grant() {
        leasesMade += 1
        let id = 2_000_000 + Int64(number) * 100_000 + leasesMade
        var writer = ProtobufWriter()
        writer.field(1, Int64(random.draw(1...Self.leaseSecondsMax)))
        writer.field(2, id)
        let begin = world.now
        call(.command(.leaseGrant, body: writer.bytes, proposedID: 0)) { [self] outcome in
            guard case .written(let index, _, .leaseGrant(_, let seconds)) = outcome else {
                return beginLater()
            }
            world.rules.leaseAcknowledged(id, seconds: seconds, begin: begin, grant: index)
            lease = id
            leaseSeconds = seconds
            renewLater(id)
            take()
        }
    }

    private func renewLater(_ id: Int64) {
        later(Int(leaseSeconds) * 1_000_000 / 3) { [self] in
            guard lease == id else { return }
            let begin = world.now
            call(.renew(leaseID: id), patience: 2_000_000) { [self] outcome in
                guard lease == id else { return }
                if case .renewed(let seconds) = outcome {
                    world.rules.leaseAcknowledged(id, seconds: seconds, begin: begin, grant: nil)
                }
                if case .leaseGone = outcome { lease = nil }
                renewLater(id)
            }
        }
    }

    // MARK: Locks

    private func take() {
        guard let lease else { return beginLater() }
        let ticket = LockTicket()
        let patience = isFinishing ? Micros.seconds(600) : random.draw(200_000...12_000_000)
        let request = ClientRequest.lock(name: random.pick(Self.names), lease: lease)
        let round = round
        call(request, patience: patience, ticket: ticket) { [self] outcome in
            guard round == self.round else { return }
            switch outcome {
            case .held(_, let entry):
                return hold(entry, writes: isFinishing ? 1 : random.draw(0...4))
            case .placeGone: self.lease = nil
            case .unknown:
                // What it may have left behind goes with its lease.
                if random.chance(1, in: 2) { self.lease = nil }
            case .refusedByStore(_, .leaseNotFound): self.lease = nil
            case .written, .read, .renewed, .leaseGone, .remaining, .refusedByStore, .refused:
                break
            }
            beginLater()
        }
    }

    private func hold(_ entry: QueueEntry, writes: Int) {
        soon { [self] in
            if writes > 0 { return write(entry, left: writes - 1) }
            if isFinishing || random.chance(5, in: 6) { return unlock(entry) }
            // It dies, and another begins.
            lease = nil
            beginLater()
        }
    }

    /// A write that counts only while the lock's key is there.
    private func write(_ entry: QueueEntry, left: Int) {
        let key = Array("b".utf8) + entry.prefix
        let body = QueueEntry.write(
            key, Array("\(number).\(lastCall)".utf8), while: entry.key,
            created: entry.createRevision)
        call(.command(.txn, body: body, proposedID: 0)) { [self] outcome in
            guard case .written(_, _, .txn(let result)) = outcome, !result.succeeded else {
                if case .written = outcome {
                    world.counters.count(CoverageMark.fencedWriteDone)
                }
                return hold(entry, writes: left)
            }
            // It was not the holder any more.
            world.counters.count(CoverageMark.fencedWriteRefused)
            lease = nil
            beginLater()
        }
    }

    private func unlock(_ entry: QueueEntry) {
        var writer = ProtobufWriter()
        writer.field(1, entry.key)
        call(.command(.deleteRange, body: writer.bytes, proposedID: 0)) { [self] outcome in
            guard case .written = outcome else { return soon { [self] in unlock(entry) } }
            if isFinishing {
                isFinishing = false
                return stop()
            }
            beginLater()
        }
    }
}
