internal import Primitives

/// What every message goes through first (Figure 2, "Rules for Servers, All Servers").
extension RaftCore {
    mutating func receive(
        _ message: Message, from sender: NodeID, into effects: inout [Effect]
    ) {
        if sender == settings.id { return }
        if sender == suspect { suspect = nil }
        if case .requestVote(let request) = message.body {
            receive(request, term: message.term, from: sender, into: &effects)
            return
        }
        #if KEELSON_MUTANTS
            if planted(.heedsBygoneLeaders), case .appendEntries(let append) = message.body,
                case .follower(let follower) = state,
                follower.leader == nil || follower.leader == sender
            {
                return receive(append, from: sender, into: &effects)
            }
        #endif
        if message.term < term {
            answerBygone(message, from: sender, into: &effects)
            return
        }
        if message.term > term {
            if case .requestVoteResponse(let response) = message.body, response.isPreVote,
                response.voteGranted
            {
                // The term of a granted pre-vote is the one asked about; nobody is in it yet.
            } else {
                becomeFollower(term: message.term, leader: nil, into: &effects)
            }
        }
        switch message.body {
        case .requestVote: break
        case .requestVoteResponse(let response):
            receive(response, term: message.term, from: sender, into: &effects)
        case .appendEntries(let append):
            receive(append, from: sender, into: &effects)
        case .appendEntriesResponse(let response):
            receive(response, from: sender, into: &effects)
        case .heartbeat(let heartbeat):
            receive(heartbeat, from: sender, into: &effects)
        case .heartbeatResponse(let response):
            receive(response, from: sender, into: &effects)
        case .timeoutNow:
            receiveTimeoutNow(from: sender, into: &effects)
        }
    }

    /// A leader of an earlier term must learn of the later one; anyone else will in time.
    private mutating func answerBygone(
        _ message: Message, from sender: NodeID, into effects: inout [Effect]
    ) {
        switch message.body {
        case .appendEntries, .heartbeat:
            send(.heartbeatResponse(HeartbeatResponse(context: 0)), to: sender, into: &effects)
        case .requestVote, .requestVoteResponse, .appendEntriesResponse, .heartbeatResponse,
            .timeoutNow:
            break
        }
    }
}
