package import Primitives

extension Message {
    /// The index up to which the sender says that its disk holds what the leader's log holds; nil
    /// for any other message.
    package var acknowledgedIndex: LogIndex? {
        if case .appendEntriesResponse(.matched(let index)) = body { return index }
        return nil
    }

    /// Whether it says nothing of what the sender has on its disk, or did for an election: only
    /// what it lacks, or holds in memory.
    package var promisesNothing: Bool {
        switch body {
        case .appendEntriesResponse(.rejected), .appendEntriesResponse(.received): true
        case .requestVote, .requestVoteResponse, .appendEntries, .appendEntriesResponse(.matched),
            .heartbeat, .heartbeatResponse, .timeoutNow:
            false
        }
    }

    /// Whether the sender had this term on its disk before the message left. A pre-vote and its
    /// grant name a term that nobody is in yet; a member whose disk is full says what it lacks, and
    /// what it has received, in terms that its disk may not have.
    package var isOfDurableTerm: Bool {
        switch body {
        case .requestVote(let request): !request.isPreVote
        case .requestVoteResponse(let response): !response.isPreVote
        case .appendEntriesResponse(.received), .appendEntriesResponse(.rejected): false
        case .appendEntries, .appendEntriesResponse(.matched), .heartbeat, .heartbeatResponse,
            .timeoutNow:
            true
        }
    }
}
