package import Primitives

extension Message {
    /// The index up to which the sender says that its disk holds what the leader's log holds; nil
    /// for any other message.
    package var acknowledgedIndex: LogIndex? {
        if case .appendEntriesResponse(.matched(let index)) = body { return index }
        return nil
    }

    /// Whether it says nothing of what the sender has on its disk, or did for an election: only
    /// what it lacks.
    package var promisesNothing: Bool {
        if case .appendEntriesResponse(.rejected) = body { return true }
        return false
    }

    /// Whether the sender had this term on its disk before the message left. A pre-vote and its
    /// grant name a term that nobody is in yet.
    package var isOfDurableTerm: Bool {
        switch body {
        case .requestVote(let request): !request.isPreVote
        case .requestVoteResponse(let response): !response.isPreVote
        case .appendEntries, .appendEntriesResponse, .heartbeat, .heartbeatResponse, .timeoutNow:
            true
        }
    }
}
