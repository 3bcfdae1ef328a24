import DequeModule
import Primitives
import RaftCore
import Replication
import StateMachine
import Storage

/// One running node: production's values, driven as ControlPlane's node drives them, on virtual
/// time. It ends without a word, by being let go.
final class SimulatedProcess {
    unowned(unsafe) let world: SimulatedCluster
    unowned(unsafe) let machine: SimulatedMachine
    let life: UInt32
    let identity: PeerIdentity
    var replica: Replica
    var writer: LogWriter
    let checkpoints: CheckpointStore
    let directory: DataDirectory
    private let fillable: [LogHole]
    /// What the log says of members beyond what this start had applied.
    let foreseen: MemberTable
    var plan: CheckpointPlan
    var gate: PeerGate
    var hub: WatchHub
    var stopped = false
    /// Why its server is to look for another place, once somebody leads.
    var lostDisk: String?

    var effects: [ReplicaEffect] = []
    private var performing = false
    private var flushScheduled = false
    private var debt = TickDebt()
    private var lastTickLocal: Micros

    // The log thread.
    var logJobs: [LogJob] = []
    var isLogBusy = false
    var lastReport: Micros = 0

    // The background thread.
    var workJobs = Deque<() -> (took: Micros, then: () -> Void)>()
    var isWorking = false
    var lastCheckpointEnd: Micros
    var checkpointPause: Micros
    var isPreparingSpare = false
    /// No spare segment is made before: a try has failed.
    var spareNotBefore: Micros = 0
    /// The room for the next checkpoint may not be reserved.
    var isReserveDue = true
    var shortage = SpaceShortage()

    // Peers.
    var peers: [PeerConnections]
    var answersWaiting: [(ticket: PeerMemoryTicket, answer: () -> Void)] = []
    var sending: [SnapshotTransfer?]
    var receiving: SnapshotReception?
    var isInstalling = false
    var nextSnapshotID: UInt64 = 1

    // Clients.
    var calls: [UInt64: PendingCall] = [:]
    var watches: [WatcherID: SimulatedWatcher] = [:]
    var queued = QueuedCalls()
    var waiting: [QueueCallID: PendingCall] = [:]
    var isCatchingUp = false
    var space = SpaceAlarmDuty()
    var alarmInFlight = false
    private var isPublishing = false
    private var publishAgainAt: Micros = 0
    /// Who wants to know what came of what the node's operator asked for.
    var ownAnswers: [UInt64: (ReplicaOutcome) -> Void] = [:]
    /// Who waits for what it reads to be current.
    var ownReads: [UInt64: (RequestFailure?) -> Void] = [:]
    var observers: [SimulatedObserver] = []
    private(set) lazy var master = SimulatedMaster(process: self)
    /// The index up to which `.applied` effects were told.
    var toldIndex: LogIndex

    init(
        world: SimulatedCluster, machine: SimulatedMachine, storage: NodeStorage
    ) {
        let settings = world.settings
        self.world = world
        self.machine = machine
        life = machine.life
        var replicaSettings = settings.replicaSettings(
            id: machine.id, boot: storage.boot, cluster: SimulatedCluster.clusterID)
        if settings.keepsRecords {
            replicaSettings.initialMembers = world.founders
        }
        foreseen = storage.foreseen
        replica = Replica(
            settings: replicaSettings, restored: storage.restored, store: storage.store)
        writer = storage.writer
        checkpoints = storage.checkpoints
        directory = storage.directory
        fillable = storage.fillable
        plan = CheckpointPlan(
            loaded: storage.checkpoints.newest, previous: storage.checkpoints.previous,
            entriesMin: settings.snapshotCount, catchUpEntries: settings.catchUpEntries)
        identity = PeerIdentity(
            clusterID: SimulatedCluster.clusterID, memberID: machine.id, storage.start,
            level: machine.known)
        gate = storage.gate(identity, replica.raft)
        hub = WatchHub(revision: storage.store.revision)
        lastTickLocal = machine.localTime(world.now)
        lastCheckpointEnd = world.now
        checkpointPause = settings.checkpointPauseMin
        peers = (0..<settings.machineCount).map { _ in PeerConnections() }
        sending = Array(repeating: nil, count: settings.machineCount)
        toldIndex = storage.store.appliedIndex
    }

    var isAlive: Bool { !stopped && machine.life == life }

    func start() {
        if !gate.isAdmitted { step(.votingAllowed(false)) }
        if gate.admission.hasHoles { step(.holes(fillable: fillable)) }
        followMembers()
        scheduleTick()
    }

    func after(_ delay: Micros, _ kind: EventQueue.Kind, _ body: @escaping () -> Void) {
        world.schedule(after: delay, kind, machine: machine.index, life: life, body)
    }

    // MARK: Time

    private func scheduleTick() {
        world.scheduleTick(after: machine.real(world.settings.tickMicros), machine, life: life)
    }

    func tick() {
        scheduleTick()
        let tickMicros = world.settings.tickMicros
        let elapsed = max(0, machine.localTime(world.now) - lastTickLocal) / tickMicros
        lastTickLocal += elapsed * tickMicros
        for left in (0..<debt.due(elapsed)).reversed() {
            let owed = debt.owed + left
            step(.tick(clock: machine.wallMillis(world.now), owed: owed))
            guard isAlive else { return }
        }
        if let due = gate.memory.tick() { submit(.remember(due.records, due.ticket)) }
        leaveIfDiskLost()
        guard isAlive else { return }
        considerCheckpoint()
        prepareSpare()
        lookForRoom()
        _ = replica.purge(budget: 64)
        publish()
        seeToSpaceAlarm()
        master.tick()
    }

    // MARK: Members

    /// Tells the cluster in which start it takes part, as the node of ControlPlane does.
    private func publish() {
        guard world.settings.keepsRecords, !isPublishing, gate.isAdmitted,
            replica.view.leader != nil, world.now >= publishAgainAt,
            let record = replica.store.members[identity.memberID]
        else { return }
        let attributes = MemberAttributes(
            member: identity.memberID, name: record.name, clientURLs: [],
            peerURLs: record.peerURLs, version: "3.7.0", boot: identity.boot,
            nonce: identity.nonce, level: identity.level)
        if record.hasPublished(attributes) { return }
        isPublishing = true
        proposeOwn(.memberAttributes, attributes.encode()) { [unowned self] _ in
            isPublishing = false
            publishAgainAt = world.now + 1_000_000
        }
    }

    private func membersChanged() {
        followMembers()
        world.rules.checkLevel(replica.store.members)
        world.membersChanged(replica.store.members, voters: replica.appliedConfiguration.voters)
    }

    /// Who is a peer, as the node of ControlPlane decides it; addresses are known to everybody.
    func followMembers() {
        for id in replica.store.members.removed where replica.raft.isOut(id) {
            world.rules.out.insert(id)
        }
        let known = Set(
            replica.raft.configuration.members + replica.appliedConfiguration.members
                + replica.store.members.records.map(\.id) + foreseen.records.map(\.id))
        for (peer, connections) in peers.enumerated() where peer != machine.index {
            let id = world.machines[peer].id
            if id != .none, known.contains(id), !isGone(id) {
                want(peer, id)
                continue
            }
            // Whom this node does not know may be its leader: then it will know soon.
            let isWanted = connections.id
            let mayLead = replica.view.leader == nil || replica.view.leader == id
            if isWanted != .none, isWanted == id, !isGone(id), mayLead { continue }
            want(peer, bygone(at: world.machines[peer], known: known))
        }
    }

    private func isGone(_ id: NodeID) -> Bool {
        replica.store.members.isRemoved(id) && replica.raft.isOut(id)
    }

    /// The member that this node looks for at a machine which is another one by now, or none.
    private func bygone(at machine: SimulatedMachine, known: Set<NodeID>) -> NodeID {
        guard world.settings.rejoins else { return .none }
        var records = replica.store.members.records + foreseen.records
        if records.isEmpty {
            records = world.founders.map {
                MemberRecord(id: $0.member, role: .voter, peerURLs: $0.peerURLs)
            }
        }
        let found = records.first {
            $0.peerURLs.contains(machine.peerURL) && known.contains($0.id) && !isGone($0.id)
        }
        return found?.id ?? .none
    }

    // MARK: Steps and effects

    func step(_ input: ReplicaInput) {
        guard isAlive else { return }
        replica.step(input, into: &effects)
        perform()
        flushSoon()
    }

    /// What was gathered goes out at the end of the event loop's turn.
    func flushSoon() {
        guard !flushScheduled, isAlive else { return }
        flushScheduled = true
        // An event of a process that is gone is dropped.
        after(world.random.draw(0...60), .flush) { [unowned(unsafe) self] in
            flushScheduled = false
            replica.flush(into: &effects)
            perform()
        }
    }

    func perform() {
        guard !performing else { return }
        performing = true
        defer { performing = false }
        while !effects.isEmpty {
            var batch: [ReplicaEffect] = []
            swap(&batch, &effects)
            // The store is where the whole step left it, whatever an effect before that says.
            for case .applied(let applied) in batch {
                let first = toldIndex.next
                toldIndex = toldIndex + applied.count
                world.rules.applied(applied, from: first, on: self)
            }
            for effect in batch where isAlive { carryOut(effect) }
        }
    }

    private func carryOut(_ effect: ReplicaEffect) {
        switch effect {
        case .send(let message, let peer): send(message, to: peer)
        case .persist(let write):
            world.rules.persisting(write, on: machine)
            submit(.write(write))
        case .load(let first, let last, let bytesMax, let purpose):
            submit(.load(first: first, last: last, bytesMax: bytesMax, purpose))
        case .applied(let batch):
            publish(batch)
            master.applied(batch)
            if batch.contains(where: \.membershipChanged) { membersChanged() }
        case .answer(let sequence, let outcome): answer(sequence, outcome)
        case .answerReads(let sequences, let failure):
            for sequence in sequences { answerRead(sequence, failure) }
        case .answerLease(let sequence, let leaseAnswer): answerLease(sequence, leaseAnswer)
        case .sendSnapshot(let peer, let leastIndex): sendSnapshot(to: peer, leastIndex)
        case .roleChanged(let role, let term, let leader):
            world.rules.roleChanged(role, term, leader: leader, on: self)
            master.takeOffice()
        case .configurationChanged(let configuration, let index):
            if gate.follow(configuration, at: index) { admitted() }
            if configuration.isJoint { world.counters.count(CoverageMark.jointConfiguration) }
            followMembers()
        case .healsFrom(let index): submit(.heals(from: index))
        case .fillHoles(let entries): submit(.fill(entries))
        case .continueApplying:
            after(world.random.draw(1...30), .work) { [unowned self] in step(.continueApplying) }
        case .halt(let reason): halt(.replica(reason))
        }
    }

    /// The node stops by itself, as a process that exits.
    func halt(_ reason: NodeHalt) {
        guard isAlive else { return }
        stopped = true
        world.halted(self, reason)
    }
}

extension RunSettings {
    func replicaSettings(id: NodeID, boot: BootNumber, cluster: ClusterID) -> ReplicaSettings {
        var seed = SplitMix64(seed: self.seed ^ id.rawValue ^ (boot.rawValue << 32))
        let electionTicks = max(5, electionMicros / tickMicros)
        var raft = RaftSettings(
            id: id, seed: seed.next(), electionTicks: electionTicks,
            heartbeatTicks: max(1, electionTicks / 10),
            inflightMessagesMax: inflightMessagesMax,
            inflightBytesMax: max(messageBytesMax, 1 << 20), messageBytesMax: messageBytesMax,
            windowBytesMax: windowBytes, uncommittedBytesMax: uncommittedBytesMax)
        raft.firstElectionTicks = max(5, electionTicks / 5)
        let perSecond = max(1, 1_000_000 / tickMicros)
        var settings = ReplicaSettings(
            raft: raft, clusterID: cluster, boot: boot, ticksPerSecond: perSecond)
        settings.leaseSecondsMin = UInt32(max(1, (electionMicros * 3 / 2 + 999_999) / 1_000_000))
        settings.digestIntervalEntries = digestInterval
        settings.applyEntriesMax = applyEntriesMax
        settings.leaseCheckpointTicks = leaseCheckpointSeconds * perSecond
        settings.allowsRejoin = rejoins
        settings.succeedDeadTicks = succeedDeadSeconds * perSecond
        return settings
    }
}
