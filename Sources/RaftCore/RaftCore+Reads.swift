internal import Primitives

/// Linearizable reads without log entries (dissertation §6.4).
extension RaftCore {
    /// Confirms that this member still leads, then answers with ``Effect/readReady(_:_:)``.
    ///
    /// The proof is a round of heartbeats that begins after the request. One round of reads is on
    /// its way at a time; what is requested meanwhile shares the next, which begins as soon as that
    /// is confirmed.
    /// - Throws: ``ProposalRefusal/notLeader(leader:)``.
    package mutating func requestRead(
        _ id: ReadID, into effects: inout [Effect]
    ) throws(ProposalRefusal) {
        guard role == .leader else { throw .notLeader(leader: leader) }
        #if KEELSON_MUTANTS
            if planted(.readsWithoutRound) {
                effects.append(.readReady([id], commitIndex))
                return finish(into: &effects)
            }
        #endif
        if hasCommittedInTerm, settings.leaseReads, now < leading.leaseEndTick {
            effects.append(.readReady([id], commitIndex))
        } else {
            leading.reads.waiting.append(id)
            beginWaitingReads(into: &effects)
        }
        finish(into: &effects)
    }

    /// Begins a round for the reads that wait, unless one is on its way, or nothing of this term is
    /// committed: before that a leader does not know what is (§6.4, step 1).
    mutating func beginWaitingReads(into effects: inout [Effect]) {
        #if KEELSON_MUTANTS
            let mayRead = hasCommittedInTerm || planted(.readsBeforeFirstCommit)
        #else
            let mayRead = hasCommittedInTerm
        #endif
        guard case .leader = state, !leading.reads.waiting.isEmpty,
            !leading.reads.isReading, mayRead
        else { return }
        beginRound(isToAll: false, into: &effects)
    }

    /// One numbered heartbeat to every voter, or to every member.
    mutating func beginRound(isToAll: Bool, into effects: inout [Effect]) {
        #if KEELSON_MUTANTS
            let takesReads = hasCommittedInTerm || planted(.readsBeforeFirstCommit)
        #else
            let takesReads = hasCommittedInTerm
        #endif
        let number = leading.reads.begin(index: commitIndex, takesReads: takesReads, tick: now)
        let configuration = configuration
        for slot in leading.members.indices {
            let id = leading.members[slot].id
            if id == settings.id {
                leading.members[slot].answeredRound = number
            } else if isToAll || configuration.isVoter(id) {
                sendHeartbeat(to: slot, context: number, into: &effects)
            }
        }
        confirmRounds(into: &effects)
    }

    mutating func receive(
        _ response: HeartbeatResponse, from sender: NodeID, into effects: inout [Effect]
    ) {
        guard let slot = leadingSlot(of: sender) else { return }
        leading.members[slot].contactTick = now
        leading.members[slot].beatTick = now
        if response.context > leading.reads.lastNumber { return }
        #if KEELSON_MUTANTS
            if planted(.takesAnyAnswerForReads) {
                leading.members[slot].answeredRound = leading.reads.lastNumber
            }
        #endif
        leading.members[slot].answeredRound = max(
            leading.members[slot].answeredRound, response.context)
        confirmRounds(into: &effects)
    }

    /// A round that majorities have answered confirms its reads and renews the lease from the
    /// moment at which it began.
    private mutating func confirmRounds(into effects: inout [Effect]) {
        let number = leading.reached { $0.answeredRound }
        while let round = leading.reads.popConfirmed(through: number) {
            if settings.leaseReads, leading.mayHoldLease, round.number > leading.leaseFloorRound {
                leading.leaseEndTick = max(
                    leading.leaseEndTick, round.startTick + UInt64(settings.leaseTicks))
            }
            if !round.reads.isEmpty { effects.append(.readReady(round.reads, round.index)) }
        }
        beginWaitingReads(into: &effects)
    }
}
