import Primitives
import Replication
import StateMachine

/// One client: one request after the other, through any node, some answers lost on the way.
final class SimulatedClient: SimulatedCaller {
    unowned(unsafe) let world: SimulatedCluster
    let number: Int
    var random: SplitMix64
    private var operation = 0
    private(set) var target: Int
    /// It knows one node only.
    var isPinned = false
    private var request: ClientRequest?
    private var begin: Micros = 0
    private var floor = LogIndex.zero
    /// Leases that were granted to it, as far as it knows.
    private var leases: [Int64] = []
    /// Who it is, as it proved to some node.
    private var principal = Principal.anonymous
    var isStopped = false
    /// It wants one write acknowledged, through one node.
    private(set) var isProbing = false

    static let timeout: Micros = .seconds(8)

    init(world: SimulatedCluster, number: Int, random: SplitMix64) {
        self.world = world
        self.number = number
        self.random = random
        target = number % world.settings.nodeCount
    }

    func thinkAgain() {
        guard !isStopped else { return }
        let delay = random.spread(world.settings.thinkMicros, upTo: 16)
        world.schedule(after: delay, .client, machine: -1, life: 0) { [self] in start() }
    }

    private func start() {
        guard !isStopped else { return }
        operation += 1
        if random.chance(1, in: 10) { moveAnywhere() }
        if leases.count > 6 { leases.removeFirst() }
        let request = Workload.draw(
            &random, world.settings, revision: world.rules.model.revision,
            value: UInt64(number + 1) << 32 | UInt64(operation), leases: leases + [1, 2])
        self.request = request
        begin = world.now
        floor = world.rules.acknowledgedFloor
        let number = operation
        submit(request, number)
        world.schedule(after: Self.timeout, .client, machine: -1, life: 0) { [self] in
            if operation == number, self.request != nil { ended(.unknown) }
        }
    }

    private func moveAnywhere() {
        let node = random.draw(0...world.settings.machineCount - 1)
        if !isPinned { target = node }
    }

    /// Knows this node only from now on.
    func pin(to node: Int) {
        isPinned = true
        target = node
    }

    private func submit(_ request: ClientRequest, _ number: Int) {
        let machine = world.machines[target]
        let floor = floor
        world.schedule(after: random.draw(20...300), .client, machine: -1, life: 0) { [self] in
            guard let process = machine.process, process.isAlive, machine.isPowered else {
                return answered(number, .refused)
            }
            let life = process.life
            if world.settings.userCount > 0 { logIn(at: process) }
            let principal = principal
            world.schedule(after: 1, .client, machine: machine.index, life: life) { [self] in
                process.handle(
                    PendingCall(
                        client: self, number: number, request: request, principal: principal,
                        floor: floor))
            }
        }
    }

    /// Now and then it becomes somebody else, or proves again who it is; a node that is behind
    /// takes what was true. In the end an administrator probes.
    private func logIn(at process: SimulatedProcess) {
        if isProbing { return principal = Nemesis.administrator }
        guard random.chance(1, in: 12) else { return }
        let number = random.draw(0...world.settings.userCount + 1)
        if number > world.settings.userCount { return principal = .anonymous }
        let name =
            number == world.settings.userCount ? AuthTable.root : Nemesis.user(number)
        let known = process.replica.store.auth.user(name)
        principal = .user(name, authRevision: known?.identityRevision ?? 0)
    }

    func answered(_ number: Int, _ outcome: ClientOutcome) {
        guard number == operation, request != nil else { return }
        ended(outcome)
    }

    private func ended(_ outcome: ClientOutcome) {
        guard let request else { return }
        self.request = nil
        world.trace.note(world.now, -1, outcome.name, UInt64(number), outcome.number)
        let record = ClientRecord(
            client: number, number: operation, begin: begin, end: world.now, request: request,
            outcome: outcome)
        world.history.append(record)
        if isProbing {
            if case .written = outcome {
                isProbing = false
            } else {
                return probeAgain()
            }
        }
        switch outcome {
        case .written(let index, _, let result):
            world.rules.completed(through: index)
            world.counters.count(CoverageMark.writeAcknowledged)
            if case .leaseGrant(let id, let seconds) = result {
                leases.append(id)
                world.rules.leaseAcknowledged(id, seconds: seconds, begin: begin, grant: index)
            }
        case .refusedByStore(let index, _), .read(let index, _):
            if !request.isSerializable { world.rules.completed(through: index) }
        case .refused:
            if case .command = request { world.counters.count(CoverageMark.writeRefused) }
            if random.chance(1, in: 2) { moveAnywhere() }
        case .unknown:
            if case .command = request { world.counters.count(CoverageMark.writeUnknown) }
            if random.chance(1, in: 2) { moveAnywhere() }
        case .leaseGone:
            if case .renew(let id) = request { leases.removeAll { $0 == id } }
        case .renewed(let seconds):
            if case .renew(let id) = request {
                world.rules.leaseAcknowledged(id, seconds: seconds, begin: begin, grant: nil)
            }
        case .remaining, .held, .placeGone: break
        }
        thinkAgain()
    }

    private func probeAgain() {
        world.schedule(after: 10_000, .client, machine: -1, life: 0) { [self] in
            guard let process = world.machines[target].process else { return probeAgain() }
            probe(process)
        }
    }

    /// Writes once through this process, however long it takes, again where it was refused.
    func probe(_ process: SimulatedProcess) {
        isProbing = true
        target = process.machine.index
        operation += 1
        var writer = ProtobufWriter()
        writer.field(1, Workload.key(number))
        writer.field(2, "probe")
        let request = ClientRequest.command(.put, body: writer.bytes, proposedID: 0)
        self.request = request
        begin = world.now
        floor = world.rules.acknowledgedFloor
        isStopped = true
        submit(request, operation)
    }

    /// The node that the request went to ended: nobody will answer.
    func processEnded(_ machine: Int) {
        guard request != nil, target == machine else { return }
        let number = operation
        world.schedule(after: random.draw(50...5000), .client, machine: -1, life: 0) { [self] in
            answered(number, .unknown)
        }
    }
}
