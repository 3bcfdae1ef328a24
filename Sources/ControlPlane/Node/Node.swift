import Logging
import Monitoring
package import NIOCore
import NIOPosix
import Primitives
import RaftCore
import Replication
import StateMachine
import Storage

/// One node: the replica and everything that carries out its effects.
///
/// Everything runs on one event loop; `@unchecked Sendable` because all state is confined to it,
/// and whatever comes from another thread hops onto it first.
package final class Node: @unchecked Sendable {
    package let eventLoop: any EventLoop
    package let configuration: ServerConfiguration
    package weak var observer: (any NodeObserver)?
    var replica: Replica
    let transport: PeerTransport
    let logger: Logger
    let identity: PeerIdentity
    /// Holds the lock of the data directory until the node's threads have ended.
    var directory: DataDirectory?
    private let fillable: [LogHole]
    /// What the log says of members beyond what this start had applied.
    let foreseen: MemberTable
    var logThread: LogThread?
    var completions = CompletionTable()
    var effects: [ReplicaEffect] = []
    var turnScheduled = false
    var performing = false
    var logJobs = LogJobs()
    var logReads = LogReads()
    /// Whether a client's call is open on this node.
    var isServing: () -> Bool = { false }
    /// Told when entries pass through this node: whoever has much to send is to leave them room.
    var onWrites: () -> Void = {}
    var ticker: RepeatedTask?
    /// Nothing is done any more, because of a halt or of ``stop()``.
    var stopping = false
    /// ``stop()`` was called.
    var hasEnded = false
    /// Why the node stopped by itself; its process exits with it.
    var onHalt: ((NodeHalt) -> Void)?

    var gate: PeerGate
    /// Answers to hellos that wait until what is to be remembered of the peer is durable.
    var answersWaiting: [(ticket: PeerMemoryTicket, answer: () -> Void)] = []
    var checkpoints: CheckpointDuty
    var snapshots = SnapshotDuty()
    var space = SpaceDuty()
    var publication = Publication()
    var configurationWaiters: [ConfigurationWaiter] = []
    var housekeeping: Housekeeping
    /// The cluster's level as it was logged last.
    var levelLogged: FeatureLevel
    var meter = NodeMeter()
    /// Nil where nothing is traced.
    var tracer: RequestTracer?

    /// Why this server is to look for another place, once somebody leads.
    var lostDisk: String?

    static let tick: TimeAmount = .milliseconds(10)

    init(
        loop: any EventLoop, configuration: ServerConfiguration, replica: Replica,
        identity: PeerIdentity, storage: NodeStorage, security: TLSPort?, logger: Logger
    ) {
        eventLoop = loop
        self.configuration = configuration
        self.replica = replica
        self.identity = identity
        directory = storage.directory
        fillable = storage.fillable
        foreseen = storage.foreseen
        self.logger = logger
        transport = PeerTransport(loop: loop, security: security, logger: logger)
        gate = storage.gate(identity, replica.raft)
        checkpoints = CheckpointDuty(
            store: storage.checkpoints, entriesMin: configuration.snapshotCount)
        housekeeping = Housekeeping(configuration.autoCompaction, configuration.recordRetention)
        levelLogged = replica.store.members.clusterLevel
        transport.delegate = self
        logThread = LogThread(
            writer: storage.writer, loop: loop, delegate: self,
            onSync: { [weak self] nanoseconds in
                loop.execute { [weak self] in
                    self?.meter.syncDurations.record(nanoseconds: nanoseconds)
                    self?.logJobs.synced(in: nanoseconds, now: .now())
                }
            })
    }

    /// Starts the clock and dials the peers. On the event loop.
    func start() {
        eventLoop.assertInEventLoop()
        if !gate.isAdmitted { step(.votingAllowed(false)) }
        if gate.admission.hasHoles { step(.holes(fillable: fillable)) }
        followMembers()
        ticker = eventLoop.scheduleRepeatedTask(initialDelay: Self.tick, delay: Self.tick) {
            [weak self] _ in self?.tick()
        }
    }

    private var lastTick = NIODeadline.now()
    private var tickDebt = TickDebt()

    private func tick() {
        let elapsed = (NIODeadline.now() - lastTick).nanoseconds / Self.tick.nanoseconds
        lastTick = lastTick + .nanoseconds(elapsed * Self.tick.nanoseconds)
        for left in (0..<tickDebt.due(Int(elapsed))).reversed() {
            step(.tick(clock: WallClock.milliseconds(), owed: tickDebt.owed + left))
        }
        tickDuties()
        tracer?.tick(now: lastTick)
        if meter.isSampleDue { transport.sampleRoundTrips() }
    }

    private func tickDuties() {
        if let due = gate.memory.tick() { submitLog(.remember(due.records, due.ticket)) }
        leaveIfDiskLost()
        considerCheckpoint()
        prepareSpareSegment()
        lookForRoom()
        publishAttributes()
        purgeSome()
        keepHouse()
    }

    /// Steps the replica and carries out what it wants.
    func step(_ input: ReplicaInput) {
        let began = NIODeadline.now()
        replica.step(input, into: &effects)
        meter.stepped(replica.view, applied: replica.appliedIndex, began: began)
        perform()
        endTurnSoon()
    }

    /// What was gathered goes out once the loop has handled all that woke it up.
    func endTurnSoon() {
        guard !turnScheduled else { return }
        turnScheduled = true
        eventLoop.assumeIsolated().execute { [self] in
            turnScheduled = false
            replica.flush(into: &effects)
            meter.flushed(replica.view, applied: replica.appliedIndex)
            perform()
            transport.flush()
            passOnLogJobs()
        }
    }

    func perform() {
        // Closures called from here may propose: their effects join the queue that is being worked
        // off.
        guard !performing else { return }
        performing = true
        defer { performing = false }
        while !effects.isEmpty {
            var batch: [ReplicaEffect] = []
            swap(&batch, &effects)
            for effect in batch { carryOut(effect) }
            if effects.isEmpty {
                batch.removeAll(keepingCapacity: true)
                swap(&batch, &effects)
            }
        }
    }

    private func carryOut(_ effect: ReplicaEffect) {
        switch effect {
        case .send(let message, let peer): transport.send(message, to: peer)
        case .persist(let write): submitLog(.write(write))
        case .load(let first, let last, let bytesMax, let purpose):
            submitLog(.load(first: first, last: last, bytesMax: bytesMax, purpose))
        case .applied(let batch):
            observer?.applied(batch)
            if batch.contains(where: \.membershipChanged) { followMembers() }
            noteLevel()
            if !configurationWaiters.isEmpty { tellConfigurationWaiters() }
        case .answer(let sequence, let outcome): answer(sequence, outcome)
        case .answerReads(let sequences, let failure):
            let failure = failure.map(ReadFailure.init)
            for sequence in sequences {
                guard case .read(let done, let since) = completions.take(sequence) else { continue }
                meter.readEnded(since: since, hasFailed: failure != nil)
                done(failure)
            }
        case .answerLease(let sequence, let answer): answerLease(sequence, answer)
        case .sendSnapshot(let peer, let leastIndex): sendSnapshot(to: peer, leastIndex)
        case .roleChanged(let role, let term, let leader): roleChanged(role, term, leader: leader)
        case .configurationChanged(let configuration, let index):
            if gate.follow(configuration, at: index) { admitted() }
            followMembers()
        case .healsFrom(let index): submitLog(.heals(from: index))
        case .fillHoles(let entries): submitLog(.fill(entries))
        case .continueApplying:
            eventLoop.assumeIsolated().execute { [self] in step(.continueApplying) }
        case .halt(let reason): halt(.replica(reason))
        }
    }

    private func answer(_ sequence: UInt64, _ outcome: ReplicaOutcome) {
        guard case .proposal(let done) = completions.take(sequence) else { return }
        switch outcome {
        case .applied(let applied): done(.applied(applied))
        case .refused(let failure):
            meter.proposalsFailed += 1
            done(.refused(ProposalFailure(failure)))
        case .unknown(let failure):
            meter.proposalsFailed += 1
            done(.unknown(ProposalFailure(failure)))
        }
    }

    private func answerLease(_ sequence: UInt64, _ answer: LeaseAnswer) {
        switch (completions.take(sequence), answer) {
        case (.renewal(let done), .alive(let granted, _)): done(.success(granted))
        case (.renewal(let done), .notFound): done(.success(0))
        case (.renewal(let done), .failed(let failure)): done(.failure(ReadFailure(failure)))
        case (.remaining(let done), .alive(_, let remaining)): done(.success(remaining))
        case (.remaining(let done), .notFound): done(.success(nil))
        case (.remaining(let done), .failed(let failure)): done(.failure(ReadFailure(failure)))
        case (.proposal, _), (.read, _), (nil, _): break
        }
    }

    private func roleChanged(_ role: Role, _ term: Term, leader: NodeID?) {
        logger.info(
            "role changed",
            metadata: [
                "role": "\(role)", "term": "\(term)", "leader": "\(leader ?? .none)",
            ])
        observer?.leadershipChanged()
    }

    /// Stops at once, without ceremony: the state or the disk cannot be trusted any more.
    func halt(_ reason: NodeHalt) {
        guard !stopping else { return }
        stopping = true
        logger.critical("stopping: \(reason)")
        ticker?.cancel()
        transport.stop()
        onHalt?(reason)
    }
}
