internal import DequeModule
internal import Primitives

/// What a member holds only while it has that role.
enum RoleState: Sendable {
    /// Follows `FollowerState.leader`, or waits for one. To `preCandidate` when the election timer
    /// runs out or the leader's process is known to be gone; to `candidate` on timeoutNow.
    case follower(FollowerState)
    /// Asks whether it would be elected; its term is not raised. To `candidate` on a majority of
    /// yes, to
    /// `follower` when a leader or a higher term shows.
    case preCandidate(Candidacy)
    /// Has voted for itself. To `leader` on a majority, to `preCandidate` when the time is up, to
    /// `follower` on a majority of no, or when a leader or a higher term shows.
    case candidate(Candidacy)
    /// Leads its term. To `follower` when a higher term shows, when no majority answers, when it
    /// was removed, or when it is of no use. What it keeps meanwhile is in
    /// ``RaftCore/leaderState``.
    case leader
}

struct FollowerState: Sendable {
    /// Who leads this term, as far as is known.
    var leader: NodeID?
    /// The highest commit index that the leader has told in this term.
    var leaderCommit: LogIndex = .zero
    /// The log equals the leader's up to here.
    var matchedIndex: LogIndex = .zero
}

struct Candidacy: Sendable {
    struct Answer: Sendable {
        var from: NodeID
        var granted: Bool
    }

    /// The write that makes the own vote durable; nil for a pre-vote, which counts at once.
    var voteWrite: WriteID?
    /// The old leader asked for this election.
    var isTransfer: Bool
    /// It began, or goes on, with evidence that the leader's process is gone.
    var isFast: Bool
    var startTick: UInt64
    /// When it asks again those who have not granted.
    var askAgainTick: UInt64
    /// The latest answer of each member.
    var answers: [Answer] = []

    mutating func record(_ granted: Bool, from id: NodeID) {
        if let position = answers.firstIndex(where: { $0.from == id }) {
            // A grant is never taken back within a term.
            answers[position].granted = answers[position].granted || granted
        } else {
            answers.append(Answer(from: id, granted: granted))
        }
    }

    func hasGranted(_ id: NodeID) -> Bool { answers.contains { $0.from == id && $0.granted } }
    func hasRejected(_ id: NodeID) -> Bool { answers.contains { $0.from == id && !$0.granted } }
}

struct LeaderState: Sendable {
    struct Transfer: Sendable {
        var target: NodeID
        /// When it is given up.
        var deadlineTick: UInt64
        /// timeoutNow was sent.
        var isSent = false
        /// Because this leader was of no use: giving up means stepping down.
        var isForced: Bool
    }

    /// Entries appended together and not yet committed.
    struct Uncommitted: Sendable {
        var last: LogIndex
        var bytes: Int
    }

    /// The empty entry that opened the term. Nothing is known to be committed before it is (§8).
    let termStart: LogIndex
    /// Everyone in the configuration, sorted by id, the leader included while it is a member.
    var members: [Progress] = []
    /// Positions in `members`.
    var voterSlots: [Int] = []
    var outgoingSlots: [Int] = []
    var heartbeatElapsed = 0
    var reads = ReadQueue()
    var transfer: Transfer?
    /// Reads may be served without a round before this tick.
    var leaseEndTick: UInt64 = 0
    /// timeoutNow has left in this term: its election may come at any time, so no lease holds
    /// again.
    var isLeaseForfeited = false
    /// Rounds up to this one were answered by the quorums of an earlier configuration.
    var leaseFloorRound: UInt64 = 0
    var uncommitted: Deque<Uncommitted> = []
    var uncommittedBytes = 0
    /// What majorities held when that was last looked at; the commit index, or on its way there
    /// through entries of earlier terms.
    var reachedIndex: LogIndex = .zero
    /// When that last rose, or entries began to wait for it to.
    var reachedTick: UInt64

    init(termStart: LogIndex, tick: UInt64) {
        self.termStart = termStart
        reachedTick = tick
    }

    var mayHoldLease: Bool { transfer == nil && !isLeaseForfeited }

    func slot(of id: NodeID) -> Int? {
        var low = 0
        var high = members.count
        while low < high {
            let middle = (low + high) / 2
            if members[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low < members.count && members[low].id == id ? low : nil
    }

    /// The greatest value that a majority of voters, and one of outgoing voters, has reached.
    func reached(_ value: (Progress) -> UInt64) -> UInt64 {
        min(
            Quorum.reached(voterSlots) { value(members[$0]) },
            Quorum.reached(outgoingSlots) { value(members[$0]) })
    }

    /// Follows a new configuration: those who stay keep their progress.
    mutating func adopt(_ configuration: ClusterConfiguration, next: LogIndex, tick: UInt64) {
        var adopted: [Progress] = []
        for id in configuration.members {
            if let slot = slot(of: id) {
                adopted.append(members[slot])
            } else {
                adopted.append(Progress(id: id, nextIndex: next, tick: tick))
            }
        }
        members = adopted
        reachedIndex = .zero
        voterSlots = configuration.voters.compactMap { slot(of: $0) }
        outgoingSlots = configuration.outgoingVoters.compactMap { slot(of: $0) }
    }
}
