internal import Primitives

/// What Figure 2 and Figure 3 say and one member can see for itself. Checked after every step, in
/// release builds too. Cost: O(members).
extension RaftCore {
    func checkInvariants() {
        invariant(appliedIndex <= commitIndex, "applied \(appliedIndex), committed \(commitIndex)")
        invariant(
            commitIndex <= log.lastIndex, "committed \(commitIndex), log ends at \(log.lastIndex)")
        invariant(
            log.snapshotIndex <= commitIndex,
            "forgotten through \(log.snapshotIndex), committed \(commitIndex)")
        invariant(
            writes.durableIndex <= log.lastIndex,
            "durable through \(writes.durableIndex), log ends at \(log.lastIndex)")
        invariant(
            log.lastTerm <= term, "an entry of term \(log.lastTerm) in term \(term)")
        invariant(
            hardState.votedFor == nil || term > .zero, "a vote in term zero")
        invariant(
            configurationIndex <= log.lastIndex,
            "a configuration at \(configurationIndex), log ends at \(log.lastIndex)")
        invariant(
            draft.isEmpty && !isHardStateDirty, "a step of term \(term) ended with its write open")
        invariant(
            announcedCommit == commitIndex,
            "committed \(commitIndex), told \(announcedCommit)")
        log.checkInvariants()
        switch state {
        case .follower(let follower):
            invariant(
                follower.leader != settings.id, "a follower of itself in term \(term)")
            invariant(
                follower.matchedIndex <= log.lastIndex,
                "equal through \(follower.matchedIndex), log ends at \(log.lastIndex)")
        case .preCandidate:
            invariant(isVotingAllowed, "a pre-candidate that may not vote in term \(term)")
        case .candidate:
            invariant(
                hardState.votedFor == settings.id,
                "a candidate of term \(term) voted for \(hardState.votedFor ?? .none)")
            invariant(isVotingAllowed, "a candidate that may not vote in term \(term)")
        case .leader: checkLeadersInvariants()
        }
        invariant(
            (leaderState != nil) == (role == .leader),
            "\(role) of term \(term) with\(leaderState == nil ? "out" : "") a leader's state")
    }

    private func checkLeadersInvariants() {
        invariant(
            hardState.votedFor == settings.id,
            "the leader of term \(term) voted for \(hardState.votedFor ?? .none)")
        invariant(
            leading.termStart <= log.lastIndex && log.lastTerm == term,
            "the leader's term \(term) began at \(leading.termStart), its log ends at "
                + "\(log.lastIndex) in term \(log.lastTerm)")
        invariant(
            leading.uncommittedBytes >= 0
                && leading.uncommitted.isEmpty == (leading.uncommittedBytes == 0),
            "\(leading.uncommitted.count) batches weigh \(leading.uncommittedBytes)")
        invariant(
            leading.voterSlots.count == configuration.voters.count
                && leading.outgoingSlots.count == configuration.outgoingVoters.count,
            "\(leading.voterSlots.count) of \(configuration.voters.count) voters have progress")
        for slot in leading.members.indices { checkInvariants(leading.members[slot]) }
    }

    private func checkInvariants(_ member: Progress) {
        invariant(
            member.matchIndex < member.nextIndex || member.id == settings.id,
            "\(member.id) matches \(member.matchIndex), next is \(member.nextIndex)")
        invariant(
            member.matchIndex <= log.lastIndex && member.nextIndex <= log.lastIndex.next,
            "\(member.id) matches \(member.matchIndex), next is \(member.nextIndex), log ends "
                + "at \(log.lastIndex)")
        if member.id == settings.id {
            invariant(
                member.matchIndex == writes.durableIndex,
                "the leader counts itself to \(member.matchIndex), durable is "
                    + "\(writes.durableIndex)")
        }
        if case .replicate(let inflight) = member.state {
            invariant(
                inflight.count <= settings.inflightMessagesMax,
                "\(inflight.count) appends in flight to \(member.id)")
        }
    }
}
