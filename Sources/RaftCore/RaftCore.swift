package import Primitives

/// Raft for one member, as a value: inputs in, effects out (Ongaro, "Consensus: Bridging Theory and
/// Practice", 2014; Figure 2 of Ongaro and Ousterhout, "In Search of an Understandable Consensus
/// Algorithm", 2014).
///
/// It does no I/O and knows no clock. The driver steps it with what happened and performs the
/// effects in their order. At most one ``Write`` is issued in a step; sends that need not wait for
/// it come first, ``Effect/committed(through:)`` comes last.
package struct RaftCore: Sendable {
    package let settings: RaftSettings
    /// Term and vote as they are in memory; messages that depend on them wait until they are
    /// durable.
    package internal(set) var hardState: HardState
    /// Figure 2, commitIndex.
    package internal(set) var commitIndex: LogIndex
    /// Figure 2, lastApplied, as far as the driver has reported it.
    package internal(set) var appliedIndex: LogIndex

    var state: RoleState
    /// Beside the role and not in it, so that it is read and changed where it is: each look into a
    /// payload would copy the progress of all members. Nil on all but leaders.
    var leaderState: LeaderState?
    package internal(set) var log: LogWindow
    var writes: WriteLedger
    var configurations: ConfigurationHistory
    var random: SplitMix64
    /// The election timeout is drawn from here to twice as much. It begins with
    /// ``RaftSettings/firstElectionTicks``, doubles with every election that this member starts,
    /// for its disk and the others' may need longer, and is the full one once there was a leader.
    var electionBaseTicks: UInt64
    /// What the driver last said with ``Input/votingAllowed(_:)`` and ``Input/storageFull(_:)``.
    private var isAdmitted = true
    package private(set) var isStorageFull = false
    package var isVotingAllowed: Bool {
        #if KEELSON_MUTANTS
            if planted(.votesWithoutAdmission) { return !isStorageFull }
            if planted(.votesOnFullDisk) { return isAdmitted }
        #endif
        return isAdmitted && !isStorageFull
    }
    /// Ticks since the start.
    var now: UInt64 = 0
    /// When the election timer runs out.
    var electionDeadline: UInt64 = 0
    /// When a leader was last heard from; nil if none was since the start, or since this member
    /// led.
    var leaderContactTick: UInt64?
    /// The last leader, while there is evidence that its process is gone.
    var suspect: NodeID?
    /// When a member that made way for another fast candidate tries again.
    var fastAgainTick: UInt64 = 0
    /// The write that the current step is putting together.
    var draft = Draft()
    var isHardStateDirty = false
    var announced: Standing
    var announcedCommit: LogIndex

    /// Parts of the step's write.
    struct Draft: Sendable {
        var startAfter: LogPosition?
        var truncateFrom: LogIndex?
        var entries: [LogEntry] = []
        var thenSend: [Envelope] = []

        var isEmpty: Bool {
            entries.isEmpty && thenSend.isEmpty && truncateFrom == nil && startAfter == nil
        }
    }

    /// What ``Effect/roleChanged(_:_:leader:)`` tells.
    struct Standing: Equatable, Sendable {
        var role: Role
        var term: Term
        var leader: NodeID?
    }

    /// Starts as a follower. Stops the process when the restored parts contradict each other.
    package init(settings: RaftSettings, restored: RestoredLog) {
        settings.checkInvariants()
        self.settings = settings
        hardState = restored.hardState
        commitIndex = restored.committed
        appliedIndex = restored.committed
        announcedCommit = restored.committed
        state = .follower(FollowerState())
        log = LogWindow(restored)
        writes = WriteLedger(durableIndex: restored.lastIndex)
        configurations = ConfigurationHistory(
            base: PlacedConfiguration(
                index: restored.configurationIndex, configuration: restored.configuration),
            later: restored.laterConfigurations)
        random = SplitMix64(seed: settings.seed)
        electionBaseTicks = UInt64(settings.firstElectionTicks ?? settings.electionTicks)
        announced = Standing(role: .follower, term: restored.hardState.term, leader: nil)
        resetElectionTimer()
        checkInvariants()
    }

    // MARK: Inputs

    package mutating func step(_ input: Input, into effects: inout [Effect]) {
        switch input {
        case .tick: tick(into: &effects)
        case .received(let message, let sender): receive(message, from: sender, into: &effects)
        case .persisted(let id): persisted(id, into: &effects)
        case .applied(let index): applied(index)
        case .loaded(let first, let entries): loaded(first: first, entries, into: &effects)
        case .connectionRefused(let peer): connectionRefused(peer, into: &effects)
        case .peerUnreachable(let peer): peerUnreachable(peer)
        case .snapshotSent(let peer, let index, let succeeded):
            snapshotSent(to: peer, index, succeeded: succeeded, into: &effects)
        case .installed(let index, let term, let configuration):
            installed(
                LogPosition(index: index, term: term), configuration: configuration, into: &effects)
        case .transferLeadership(let target): transferRequested(to: target, into: &effects)
        case .compacted(let index): compacted(through: index)
        case .recovered(let entries): recovered(entries, into: &effects)
        case .votingAllowed(let isAllowed):
            isAdmitted = isAllowed
            votingChanged(into: &effects)
        case .storageFull(let isFull):
            isStorageFull = isFull
            votingChanged(into: &effects)
        }
        finish(into: &effects)
    }

    private mutating func tick(into effects: inout [Effect]) {
        now += 1
        switch state {
        case .follower, .preCandidate, .candidate: tickElection(into: &effects)
        case .leader: tickLeader(into: &effects)
        }
    }

    private mutating func persisted(_ id: WriteID, into effects: inout [Effect]) {
        writes.complete(id)
        switch state {
        case .follower, .preCandidate: break
        case .candidate(let candidacy):
            if let write = candidacy.voteWrite, write <= id {
                countVote(true, from: settings.id, into: &effects)
            }
        case .leader: leaderPersisted(into: &effects)
        }
        trimWindow()
    }

    private mutating func applied(_ index: LogIndex) {
        invariant(index <= commitIndex, "applied \(index), committed \(commitIndex)")
        appliedIndex = max(appliedIndex, index)
        trimWindow()
    }

    private mutating func votingChanged(into effects: inout [Effect]) {
        if isVotingAllowed { return acknowledgeWhatIsHeld(into: &effects) }
        switch state {
        case .follower: break
        case .preCandidate, .candidate: becomeFollower(term: term, leader: nil, into: &effects)
        case .leader: handOver(into: &effects)
        }
    }

    /// The leader does not ask again about what it was told is received.
    private mutating func acknowledgeWhatIsHeld(into effects: inout [Effect]) {
        guard case .follower(let follower) = state, let leader = follower.leader,
            follower.matchedIndex > .zero
        else { return }
        acknowledge(follower.matchedIndex, to: leader, into: &effects)
    }

    // MARK: Outputs

    /// Sends now, or when term and vote are durable: no message of a term leaves before the term
    /// is.
    mutating func send(
        _ body: Message.Body, to peer: NodeID, term messageTerm: Term? = nil,
        into effects: inout [Effect]
    ) {
        let message = Message(term: messageTerm ?? hardState.term, body: body)
        let envelope = Envelope(to: peer, message: message)
        #if KEELSON_MUTANTS
            if planted(.votesBeforeDurable), case .requestVoteResponse = body {
                effects.append(.send(envelope))
                return
            }
        #endif
        if isHardStateDirty || !writes.isHardStateDurable {
            draft.thenSend.append(envelope)
        } else {
            effects.append(.send(envelope))
        }
    }

    /// Ends a step: what the step put together goes out.
    mutating func finish(into effects: inout [Effect]) {
        if commitIndex > announcedCommit { tellCommit(into: &effects) }
        if isHardStateDirty || !draft.isEmpty {
            var parts = Draft()
            swap(&parts, &draft)
            let id = writes.issue(
                claim: log.lastIndex, holdsHardState: isHardStateDirty, tick: now)
            effects.append(
                .persist(
                    Write(
                        id: id, hardState: isHardStateDirty ? hardState : nil,
                        startAfter: parts.startAfter, truncateFrom: parts.truncateFrom,
                        entries: parts.entries, thenSend: parts.thenSend)))
            isHardStateDirty = false
        }
        if commitIndex > announcedCommit {
            announcedCommit = commitIndex
            effects.append(.committed(through: commitIndex))
        }
        checkInvariants()
    }

    /// Tells the driver when role, term or leader differ from what it was last told.
    mutating func announce(into effects: inout [Effect]) {
        let standing = Standing(role: role, term: term, leader: leader)
        if standing == announced { return }
        announced = standing
        effects.append(
            .roleChanged(standing.role, standing.term, leader: standing.leader))
    }

    /// Memory holds unapplied entries as long as there is room, and entries that are not durable
    /// always.
    private mutating func trimWindow() {
        let limit = settings.windowBytesMax
        if log.recentBytes <= limit { return }
        log.trim(toBytes: limit, through: min(appliedIndex, writes.durableIndex))
        if log.recentBytes > 2 * limit {
            log.trim(toBytes: 2 * limit, through: writes.durableIndex)
        }
    }
}
