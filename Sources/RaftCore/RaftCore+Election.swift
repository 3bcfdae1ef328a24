internal import Primitives

/// Leader election (Raft §5.2, dissertation chapter 3; PreVote §9.6; stickiness §4.2.3).
extension RaftCore {
    // MARK: Timer

    mutating func resetElectionTimer() {
        if leader != nil { electionBaseTicks = UInt64(settings.electionTicks) }
        electionDeadline = now + electionBaseTicks + random.next(below: electionBaseTicks)
    }

    mutating func tickElection(into effects: inout [Effect]) {
        if now >= electionDeadline {
            resetElectionTimer()
            if mayCampaign {
                startPreVote(isFast: suspect != nil, into: &effects)
            } else if case .follower(let follower) = state, follower.leader != nil {
                // It may be no member any more, and whoever leads now unknown to this one.
                becomeFollower(term: term, leader: nil, into: &effects)
            }
            return
        }
        switch state {
        case .follower(let follower):
            if suspect != nil, follower.leader == nil || follower.leader == suspect,
                now >= fastAgainTick, mayCampaign
            {
                startPreVote(isFast: true, into: &effects)
            }
        case .preCandidate(var candidacy), .candidate(var candidacy):
            if now < candidacy.askAgainTick || !candidacy.hasGranted(settings.id) { return }
            candidacy.askAgainTick = now + askInterval(candidacy)
            replaceCandidacy(candidacy)
            askForVotes(into: &effects)
        case .leader: invariant(false, "a leader has no election timer")
        }
    }

    /// Where lease reads are on, a member that has just started may have forgotten that it sticks
    /// to a leader, so it waits until no lease can hold any more.
    private var mayVote: Bool {
        isVotingAllowed && !(settings.leaseReads && now < UInt64(2 * settings.electionTicks))
    }

    /// A member that is being removed campaigns until that is committed, for only it may hold the
    /// removal; its own vote does not count then (§4.2.2). A member whose disk has not taken its
    /// last term yet could not vote for itself either.
    private var mayCampaign: Bool {
        mayVote && writes.isHardStateDurable
            && configurations.mayVoteMatter(of: settings.id, commitIndex: commitIndex)
    }

    /// Whether a leader was heard from so recently that no election is helped (§4.2.3).
    private var isSticky: Bool {
        #if KEELSON_MUTANTS
            if planted(.disturbsLeaders) { return false }
        #endif
        switch state {
        case .leader: return true
        case .follower, .preCandidate, .candidate: break
        }
        if suspect != nil { return false }
        guard let tick = leaderContactTick else { return false }
        return now - tick < UInt64(settings.electionTicks)
    }

    /// Evidence spreads within a few ticks, so a candidate that has some asks again at every tick;
    /// any other only makes up for lost messages, and for members whose stickiness ends a little
    /// later.
    private func askInterval(_ candidacy: Candidacy) -> UInt64 {
        isPressing(candidacy) ? 1 : UInt64(settings.heartbeatTicks)
    }

    private func isPressing(_ candidacy: Candidacy) -> Bool {
        candidacy.isFast && suspect != nil
            && now - candidacy.startTick < UInt64(settings.electionTicks)
    }

    private mutating func replaceCandidacy(_ candidacy: Candidacy) {
        switch state {
        case .preCandidate: state = .preCandidate(candidacy)
        case .candidate: state = .candidate(candidacy)
        case .follower, .leader: invariant(false, "\(role) of term \(term) has no candidacy")
        }
    }

    // MARK: Campaign

    /// All connections to the leader are closed and its host refuses new ones: it need not be
    /// waited for. Off with lease reads, for the lease counts on members waiting.
    mutating func connectionRefused(_ peer: NodeID, into effects: inout [Effect]) {
        peerUnreachable(peer)
        if settings.leaseReads { return }
        guard case .follower(let follower) = state, follower.leader == peer else { return }
        suspect = peer
        if mayCampaign { startPreVote(isFast: true, into: &effects) }
    }

    private mutating func startPreVote(isFast: Bool, into effects: inout [Effect]) {
        var candidacy = Candidacy(
            voteWrite: nil, isTransfer: false, isFast: isFast, startTick: now, askAgainTick: 0)
        candidacy.askAgainTick = now + askInterval(candidacy)
        resetElectionTimer()
        state = .preCandidate(candidacy)
        announce(into: &effects)
        askForVotes(into: &effects)
        countVote(true, from: settings.id, into: &effects)
    }

    /// Opens the next term with a vote for oneself; it counts when it is durable, and the requests
    /// leave when it is.
    private mutating func startElection(
        isTransfer: Bool, isFast: Bool, into effects: inout [Effect]
    ) {
        hardState = HardState(term: term.next, votedFor: settings.id)
        isHardStateDirty = true
        var candidacy = Candidacy(
            voteWrite: writes.nextID, isTransfer: isTransfer, isFast: isFast, startTick: now,
            askAgainTick: 0)
        candidacy.askAgainTick = now + askInterval(candidacy)
        electionBaseTicks = min(2 * electionBaseTicks, UInt64(settings.electionTicks))
        resetElectionTimer()
        state = .candidate(candidacy)
        announce(into: &effects)
        askForVotes(into: &effects)
    }

    /// Asks everyone who has not granted. A pre-vote asks those who refused once more: their reason
    /// may have passed. A refused vote stays refused.
    private mutating func askForVotes(into effects: inout [Effect]) {
        switch state {
        case .preCandidate(let candidacy):
            for peer in configuration.electorate where !candidacy.hasGranted(peer) {
                askForVote(of: peer, isPreVote: true, candidacy, into: &effects)
            }
        case .candidate(let candidacy):
            for peer in configuration.electorate
            where !candidacy.hasGranted(peer) && !candidacy.hasRejected(peer) {
                askForVote(of: peer, isPreVote: false, candidacy, into: &effects)
            }
        case .follower, .leader: invariant(false, "\(role) of term \(term) asks for votes")
        }
    }

    private mutating func askForVote(
        of peer: NodeID, isPreVote: Bool, _ candidacy: Candidacy, into effects: inout [Effect]
    ) {
        if peer == settings.id { return }
        let request = RequestVote(
            isPreVote: isPreVote, lastLogIndex: log.lastIndex, lastLogTerm: log.lastTerm,
            isTransfer: candidacy.isTransfer, isFast: candidacy.isFast && suspect != nil)
        send(
            .requestVote(request), to: peer, term: isPreVote ? term.next : term, into: &effects)
    }

    // MARK: Voting

    /// Figure 2, RequestVote RPC, receiver. The term is not adopted yet.
    mutating func receive(
        _ request: RequestVote, term requestTerm: Term, from candidate: NodeID,
        into effects: inout [Effect]
    ) {
        if !mayVote { return }
        if request.isPreVote {
            receivePreVote(request, term: requestTerm, from: candidate, into: &effects)
            return
        }
        if requestTerm > term {
            if isSticky && !request.isTransfer { return }
            becomeFollower(term: requestTerm, leader: nil, into: &effects)
        }
        let isFree = hardState.votedFor == nil && leader == nil
        #if KEELSON_MUTANTS
            if planted(.votesTwice), requestTerm == term { hardState.votedFor = nil }
        #endif
        let isGranted =
            requestTerm == term && (isFree || hardState.votedFor == candidate)
            && isUpToDate(request)
        if isGranted, hardState.votedFor == nil {
            becomeFollower(term: term, leader: nil, into: &effects)
            hardState.votedFor = candidate
            isHardStateDirty = true
        }
        send(
            .requestVoteResponse(RequestVoteResponse(isPreVote: false, voteGranted: isGranted)),
            to: candidate, into: &effects)
    }

    private mutating func receivePreVote(
        _ request: RequestVote, term requestTerm: Term, from candidate: NodeID,
        into effects: inout [Effect]
    ) {
        let insists = insistsOnItself(against: request, of: candidate)
        let isGranted = requestTerm > term && isUpToDate(request) && !isSticky && !insists
        send(
            .requestVoteResponse(
                RequestVoteResponse(isPreVote: true, voteGranted: isGranted)),
            to: candidate, term: isGranted ? requestTerm : term, into: &effects)
        guard case .preCandidate(let candidacy) = state, isPressing(candidacy) else { return }
        if insists {
            askForVote(of: candidate, isPreVote: true, candidacy, into: &effects)
        } else if isGranted {
            // Two candidates that go ahead side by side would split the votes.
            becomeFollower(term: term, leader: nil, into: &effects)
            fastAgainTick = now + UInt64(2 * settings.heartbeatTicks)
        }
    }

    /// Of several members with the same evidence, the one with the best log, then the highest id,
    /// goes ahead; the others make way.
    private func insistsOnItself(against request: RequestVote, of candidate: NodeID) -> Bool {
        guard request.isFast, case .preCandidate(let candidacy) = state, isPressing(candidacy)
        else { return false }
        let mine = (log.lastTerm, log.lastIndex, settings.id)
        return mine > (request.lastLogTerm, request.lastLogIndex, candidate)
    }

    /// §5.4.1: the log with the later last term is more up to date, then the longer one.
    private func isUpToDate(_ request: RequestVote) -> Bool {
        #if KEELSON_MUTANTS
            if planted(.votesForShorterLogs) { return true }
        #endif
        return (request.lastLogTerm, request.lastLogIndex) >= (log.lastTerm, log.lastIndex)
    }

    // MARK: Counting

    mutating func receive(
        _ response: RequestVoteResponse, term responseTerm: Term, from voter: NodeID,
        into effects: inout [Effect]
    ) {
        switch state {
        case .follower, .leader: return
        case .preCandidate:
            if !response.isPreVote { return }
            if responseTerm != (response.voteGranted ? term.next : term) { return }
        case .candidate:
            if response.isPreVote || responseTerm != term { return }
        }
        countVote(response.voteGranted, from: voter, into: &effects)
    }

    mutating func countVote(_ granted: Bool, from voter: NodeID, into effects: inout [Effect]) {
        switch state {
        case .follower, .leader: invariant(false, "\(role) of term \(term) counts votes")
        case .preCandidate(var candidacy):
            candidacy.record(granted, from: voter)
            state = .preCandidate(candidacy)
            if hasWon(candidacy) {
                startElection(isTransfer: false, isFast: candidacy.isFast, into: &effects)
            }
        case .candidate(var candidacy):
            candidacy.record(granted, from: voter)
            state = .candidate(candidacy)
            if hasWon(candidacy) {
                becomeLeader(into: &effects)
            } else if hasLost(candidacy) {
                becomeFollower(term: term, leader: nil, into: &effects)
            }
        }
    }

    /// The own vote must be durable even where others suffice: a leader never forgets its term.
    private func hasWon(_ candidacy: Candidacy) -> Bool {
        #if KEELSON_MUTANTS
            if planted(.countsAnyVotes), candidacy.hasGranted(settings.id) {
                let granted = configuration.voters.count { candidacy.hasGranted($0) }
                return 2 * granted >= configuration.voters.count
            }
        #endif
        return candidacy.hasGranted(settings.id)
            && Quorum.holds(configuration.voters) { candidacy.hasGranted($0) }
            && Quorum.holds(configuration.outgoingVoters) { candidacy.hasGranted($0) }
    }

    private func hasLost(_ candidacy: Candidacy) -> Bool {
        !Quorum.holds(configuration.voters) { !candidacy.hasRejected($0) }
            || !Quorum.holds(configuration.outgoingVoters) { !candidacy.hasRejected($0) }
    }

    // MARK: Change of role

    /// Also adopts the term, when it is a later one.
    mutating func becomeFollower(
        term newTerm: Term, leader: NodeID?, into effects: inout [Effect]
    ) {
        invariant(newTerm >= term, "term \(newTerm) behind term \(term)")
        if case .leader = state {
            let reads = leading.reads.unconfirmed
            if !reads.isEmpty { effects.append(.readAborted(reads)) }
            leaderContactTick = nil
            leaderState = nil
        }
        if newTerm > term {
            hardState = HardState(term: newTerm, votedFor: nil)
            isHardStateDirty = true
        }
        state = .follower(FollowerState(leader: leader))
        resetElectionTimer()
        announce(into: &effects)
    }

    private mutating func becomeLeader(into effects: inout [Effect]) {
        invariant(
            hardState.votedFor == settings.id && writes.isHardStateDurable && !isHardStateDirty,
            "elected in term \(term) with vote \(String(describing: hardState.votedFor))")
        var begun = LeaderState(termStart: log.lastIndex.next, tick: now)
        begun.adopt(configuration, next: log.lastIndex.next, tick: now)
        if log.lastIndex > commitIndex {
            let bytes = log.bytes(after: commitIndex)
            begun.uncommitted.append(
                LeaderState.Uncommitted(last: log.lastIndex, bytes: bytes))
            begun.uncommittedBytes = bytes
        }
        if let slot = begun.slot(of: settings.id) {
            begun.members[slot].matchIndex = writes.durableIndex
        }
        suspect = nil
        electionBaseTicks = UInt64(settings.electionTicks)
        state = .leader
        leaderState = begun
        announce(into: &effects)
        appendAsLeader([(.noop, [])], into: &effects)
    }

    /// Figure 2: whoever sends appends or heartbeats in the current term is its leader.
    mutating func follow(_ sender: NodeID, into effects: inout [Effect]) {
        switch state {
        case .follower(var follower):
            invariant(
                follower.leader == nil || follower.leader == sender,
                "term \(term) is led by \(follower.leader ?? .none) and by \(sender)")
            if follower.leader == nil {
                follower.leader = sender
                state = .follower(follower)
                announce(into: &effects)
            }
            resetElectionTimer()
        case .preCandidate, .candidate:
            becomeFollower(term: term, leader: sender, into: &effects)
        case .leader:
            invariant(false, "term \(term) is led by \(settings.id) and by \(sender)")
        }
        leaderContactTick = now
        suspect = nil
    }

    /// timeoutNow: the leader wants this member to take over at once (dissertation §3.10).
    mutating func receiveTimeoutNow(from sender: NodeID, into effects: inout [Effect]) {
        guard case .follower(let follower) = state, follower.leader == sender, mayCampaign
        else { return }
        startElection(isTransfer: true, isFast: false, into: &effects)
    }
}
