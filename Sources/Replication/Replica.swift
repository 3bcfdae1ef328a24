import DequeModule
package import Primitives
package import RaftCore
package import StateMachine

/// One node as a value: consensus, the applied state beside it, and the requests that wait for
/// either.
///
/// It has no clock, thread, socket or file. A driver hands in what happened (``step(_:into:)``,
/// ``propose(_:proposedID:body:sequence:into:)`` and its kin) and carries out the effects in their
/// order. The real driver is the node of ControlPlane; the simulator is another.
///
/// Requests are named by sequences that the driver takes from ``nextSequence()``. Each is answered
/// exactly once.
package struct Replica {
    package let settings: ReplicaSettings
    package internal(set) var raft: RaftCore
    package internal(set) var store: Store
    /// What drivers and services ask at every request.
    package internal(set) var view: ReplicaView
    /// Ticks since this start.
    package internal(set) var now: UInt64 = 0
    /// The configuration in force at ``appliedIndex``, for checkpoints and snapshots.
    package internal(set) var appliedConfiguration: ClusterConfiguration
    package internal(set) var appliedConfigurationIndex: LogIndex
    package internal(set) var leaderChangesSeen: UInt64 = 0

    /// Bytes of one load of entries that are to be applied.
    static let loadBytesMax = 4 << 20

    var clock: UInt64 = 0
    /// Where the cluster's time stood when this leader had applied the first entry of its own term,
    /// and the tick when that was.
    var tenure: (base: UInt64, since: UInt64)?
    var lastSequence: UInt64 = 0
    var raftEffects: [Effect] = []
    var draining = false
    var proposals = ProposalTable()
    var reads = ReadTable()
    var leases: LeaseDuty?
    var leaseQuestions = LeaseQuestionTable()
    var digests = DigestTable()
    /// The first index of this leader's own term: until it is applied the leader keeps no leases
    /// (the fence, DESIGN §6).
    var fenceIndex: LogIndex?
    var loadingForApply: LogIndex?
    /// Committed entries that came from disk and are not applied yet, in order.
    var loadedForApply: ArraySlice<LogEntry> = []
    /// `.continueApplying` was asked for and has not come.
    var isContinuing = false
    var halted = false
    var healing = Healing()
    var membership = MembershipDuty()

    package init(
        settings: ReplicaSettings, restored: RestoredLog, store: Store
    ) {
        self.settings = settings
        self.store = store
        raft = RaftCore(settings: settings.raft, restored: restored)
        view = ReplicaView(raft, self: settings.raft.id)
        appliedConfiguration = restored.configuration
        appliedConfigurationIndex = restored.configurationIndex
        // Answers name a sequence only: a late one to an earlier start must not fit.
        lastSequence = settings.boot.rawValue << 32
        reads.nextID = settings.boot.rawValue << 32
        invariant(
            store.appliedIndex == restored.snapshotIndex,
            "the store is at \(store.appliedIndex), the log starts behind \(restored.snapshotIndex)"
        )
    }

    package var id: NodeID { settings.raft.id }
    package var appliedIndex: LogIndex { store.appliedIndex }
    package var isLeader: Bool { raft.role == .leader }
    package var pendingRequests: Int { proposals.count + reads.count + leaseQuestions.count }

    /// A name for a request, never used twice by one disk.
    package mutating func nextSequence() -> UInt64 {
        lastSequence += 1
        return lastSequence
    }

    package mutating func step(_ input: ReplicaInput, into effects: inout [ReplicaEffect]) {
        guard !halted else { return }
        switch input {
        case .tick(let clock, let owed):
            now += 1
            self.clock = max(self.clock, clock)
            run(.tick, into: &effects)
            tickRequests(into: &effects)
            tickLeases(owed: owed, into: &effects)
            tickHealing(into: &effects)
            tickMembership(into: &effects)
        case .received(let message, let sender): receive(message, from: sender, into: &effects)
        case .persisted(let id): run(.persisted(id), into: &effects)
        case .loaded(let first, let entries, .replication):
            run(.loaded(first: first, entries), into: &effects)
        case .loaded(let first, let entries, .applying):
            applyLoaded(first: first, entries, into: &effects)
        case .connectionRefused(let peer): run(.connectionRefused(peer), into: &effects)
        case .peerUnreachable(let peer): run(.peerUnreachable(peer), into: &effects)
        case .snapshotSent(let peer, let index, let succeeded):
            run(.snapshotSent(to: peer, index, succeeded: succeeded), into: &effects)
        case .transferLeadership(let target): run(.transferLeadership(to: target), into: &effects)
        case .compacted(let index): run(.compacted(through: index), into: &effects)
        case .votingAllowed(let allowed): run(.votingAllowed(allowed), into: &effects)
        case .storageFull(let isFull): run(.storageFull(isFull), into: &effects)
        case .loaded(let first, let entries, .filling(let hole, let member, let boot)):
            answerHole(hole, first, entries, to: member, boot, into: &effects)
        case .loaded(_, _, .archiving): break
        case .holes(let fillable):
            healing.hasHoles = true
            healing.holes = fillable
        case .healed: healing = Healing()
        case .recovered(let entries): run(.recovered(entries), into: &effects)
        case .continueApplying:
            isContinuing = false
            applyCommitted(into: &effects)
        }
    }

    /// The driver has switched, durably, to a snapshot that a leader sent: from here on the state
    /// is
    /// `newStore`, which must not be behind the present one.
    package mutating func install(
        _ newStore: Store, term: Term, configuration: ClusterConfiguration,
        into effects: inout [ReplicaEffect]
    ) {
        guard newStore.appliedIndex > store.appliedIndex else { return }
        store = newStore
        appliedConfiguration = configuration
        appliedConfigurationIndex = newStore.appliedIndex
        loadingForApply = nil
        loadedForApply = []
        digests = DigestTable()
        run(
            .installed(index: newStore.appliedIndex, term: term, configuration: configuration),
            into: &effects)
        answerSkippedProposals(into: &effects)
        answerAppliedReads(into: &effects)
        applyCommitted(into: &effects)
    }

    /// Frees what a compaction made unreachable, at most `budget` records. True when there is more.
    package mutating func purge(budget: Int) -> Bool {
        store.isPurgePending && store.purge(budget: budget)
    }

    /// Steps consensus and turns what it wants into effects of the replica.
    mutating func run(_ input: Input, into effects: inout [ReplicaEffect]) {
        raft.step(input, into: &raftEffects)
        drainRaft(into: &effects)
    }

    /// Carries out what consensus wants, in its order. A nested call leaves its effects to the
    /// outer one, so that no write overtakes an earlier one.
    mutating func drainRaft(into effects: inout [ReplicaEffect]) {
        guard !draining else { return }
        draining = true
        defer { draining = false }
        var next = 0
        while next < raftEffects.count {
            carryOut(raftEffects[next], into: &effects)
            next += 1
        }
        raftEffects.removeAll(keepingCapacity: true)
        view.refresh(raft)
    }

    private mutating func carryOut(_ effect: Effect, into effects: inout [ReplicaEffect]) {
        switch effect {
        case .send(let envelope): effects.append(.send(.raft(envelope.message), to: envelope.to))
        case .persist(let write): effects.append(.persist(write))
        case .committed: applyCommitted(into: &effects)
        case .load(let first, let last, let bytesMax):
            effects.append(.load(first: first, last: last, bytesMax: bytesMax, .replication))
        case .readReady(let ids, let index): readsReady(ids, at: index, into: &effects)
        case .readAborted(let ids): readsAborted(ids, into: &effects)
        case .sendSnapshot(let peer, let index):
            effects.append(.sendSnapshot(to: peer, leastIndex: index))
        case .roleChanged(let role, let term, let leader):
            roleChanged(role, term, leader: leader, into: &effects)
        case .configurationChanged(let configuration, let index):
            view.isVoter = configuration.isVoter(id)
            effects.append(.configurationChanged(configuration, index))
        }
    }

    private mutating func roleChanged(
        _ role: Role, _ term: Term, leader: NodeID?, into effects: inout [ReplicaEffect]
    ) {
        if leader != nil, leader != proposals.lastLeader {
            leaderChangesSeen += 1
            proposals.lastLeader = leader
        }
        if role == .leader {
            if fenceIndex == nil { fenceIndex = raft.lastIndex }
            proposals.forgetForwards()
        } else {
            fenceIndex = nil
            tenure = nil
            leases = nil
        }
        healing.floors = [:]
        membership = MembershipDuty()
        effects.append(.roleChanged(role, term, leader: leader))
        if leader != nil { leaderAppeared(into: &effects) }
    }

    private mutating func receive(
        _ message: PeerMessage, from sender: NodeID, into effects: inout [ReplicaEffect]
    ) {
        switch message {
        case .raft(let message):
            // Behind a hole nothing is kept: it could not be written.
            if healing.hasHoles, !message.entries.isEmpty { return }
            run(.received(message, from: sender), into: &effects)
        case .forward(let term, let commands):
            takeForward(term, commands, from: sender, into: &effects)
        case .forwardRefused(let sequences, let reason):
            forwardRefused(sequences, reason, into: &effects)
        case .readRequest(let id): takeReadRequest(id, from: sender, into: &effects)
        case .readResponse(let id, let index): readResponse(id, index, into: &effects)
        case .readRefused(let id): readRefused(id)
        case .leaseRenew(let questions):
            takeLeaseQuestions(questions, renewing: true, from: sender, into: &effects)
        case .leaseRemaining(let questions):
            takeLeaseQuestions(questions, renewing: false, from: sender, into: &effects)
        case .leaseAnswers(let replies):
            for reply in replies { leaseAnswered(reply, into: &effects) }
        case .digest(let index, let digest):
            compareDigest(digest, at: index, from: sender, into: &effects)
        case .snapshotRequest(let boot, let term):
            takeSnapshotRequest(boot, term, from: sender, into: &effects)
        case .snapshotFloor(let boot, let index):
            if healing.hasHoles, boot == settings.boot { effects.append(.healsFrom(index)) }
        case .entriesRequest(let boot, let hole):
            takeEntriesRequest(hole, boot, from: sender, into: &effects)
        case .entriesResponse(let boot, let entries):
            takeEntries(entries, boot, from: sender, into: &effects)
        }
    }
}
