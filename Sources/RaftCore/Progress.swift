internal import DequeModule
internal import Primitives

/// Appends on the way to one follower, oldest first.
struct Inflight: Equatable, Sendable {
    private struct Sent: Equatable, Sendable {
        var last: LogIndex
        var bytes: Int
    }

    private var sent: Deque<Sent> = []
    private(set) var bytes = 0

    var count: Int { sent.count }
    var isEmpty: Bool { sent.isEmpty }

    mutating func add(through last: LogIndex, bytes added: Int) {
        sent.append(Sent(last: last, bytes: added))
        bytes += added
    }

    /// The follower holds everything through `index`.
    mutating func acknowledge(through index: LogIndex) {
        while let first = sent.first, first.last <= index {
            bytes -= first.bytes
            sent.removeFirst()
        }
    }
}

/// What a leader knows of one member, itself included.
struct Progress: Sendable {
    /// How the member is being fed.
    enum State: Equatable, Sendable {
        /// Where the logs agree is not known: one append at a time. `isWaiting` once it was sent.
        /// To `replicate` on a match, to `snapshot` when what it needs is compacted.
        case probe(isWaiting: Bool)
        /// The logs agree through `matchIndex` and appends are pipelined. To `probe` on a rejection
        /// or a lost connection, to `snapshot` when what it needs is compacted.
        case replicate(Inflight)
        /// A snapshot is on its way. To `probe` when it has arrived, or failed, or the member
        /// proves to hold enough of the log.
        case snapshot
    }

    let id: NodeID
    /// Durable on the member and equal to the leader's log up to here (Figure 2, matchIndex).
    var matchIndex: LogIndex = .zero
    /// The next entry to send (Figure 2, nextIndex).
    var nextIndex: LogIndex
    var state: State = .probe(isWaiting: false)
    /// The last snapshot did not arrive, and the member has acknowledged nothing new since.
    var hasSnapshotFailed = false
    /// When anything was last heard from it.
    var contactTick: UInt64
    /// When it last answered a heartbeat.
    var beatTick: UInt64
    /// The highest round of heartbeats that it has answered.
    var answeredRound: UInt64 = 0
    /// The highest commit index that it was told.
    var toldCommit: LogIndex = .zero
    /// The first index of a load from disk that is outstanding on its behalf.
    var loadingFirst: LogIndex?
    /// When it was last sent, or acknowledged, something new: what resending is timed by.
    var activityTick: UInt64

    init(id: NodeID, nextIndex: LogIndex, tick: UInt64) {
        self.id = id
        self.nextIndex = nextIndex
        contactTick = tick
        beatTick = tick
        activityTick = tick
    }

    /// A snapshot is on its way to it, with no reason to doubt that it arrives.
    var isAwaitingSnapshot: Bool { state == .snapshot && !hasSnapshotFailed }

    var isReplicating: Bool {
        switch state {
        case .replicate: true
        case .probe, .snapshot: false
        }
    }

    /// Whether entries sent to it wait for their acknowledgement.
    var awaitsAcknowledgement: Bool {
        switch state {
        case .probe(let isWaiting): isWaiting
        case .replicate(let inflight): !inflight.isEmpty
        case .snapshot: false
        }
    }

    var inflightMessages: Int {
        switch state {
        case .probe(let isWaiting): isWaiting ? 1 : 0
        case .replicate(let inflight): inflight.count
        case .snapshot: 0
        }
    }

    /// Whether the member was sent everything that is committed and nothing more, but not that it
    /// is.
    func lacksNews(of commitIndex: LogIndex, leader: NodeID) -> Bool {
        id != leader && isReplicating && toldCommit < commitIndex
            && nextIndex == commitIndex.next
    }

    /// The next index to send, if anything is to be sent: a probe asks even behind the log's end.
    func nextToSend(_ settings: RaftSettings, lastIndex: LogIndex) -> LogIndex? {
        if loadingFirst != nil || !hasRoom(settings) { return nil }
        return nextIndex > lastIndex && isReplicating ? nil : nextIndex
    }

    private func hasRoom(_ settings: RaftSettings) -> Bool {
        switch state {
        case .probe(let isWaiting): !isWaiting
        case .replicate(let inflight):
            inflight.count < settings.inflightMessagesMax
                && inflight.bytes < settings.inflightBytesMax
        case .snapshot: false
        }
    }

    mutating func probe(from next: LogIndex, isWaiting: Bool = false) {
        nextIndex = next
        state = .probe(isWaiting: isWaiting)
        loadingFirst = nil
    }

    /// An append that ends at `last` was sent.
    mutating func sent(through last: LogIndex, bytes: Int, tick: UInt64) {
        switch state {
        case .probe: state = .probe(isWaiting: true)
        case .replicate(var inflight):
            // The enum must let go of its copy first, else the window would be copied at every
            // send.
            state = .snapshot
            if inflight.isEmpty { activityTick = tick }
            inflight.add(through: last, bytes: bytes)
            state = .replicate(inflight)
            nextIndex = last.next
            return
        case .snapshot: invariant(false, "an append to \(id), which waits for a snapshot")
        }
        activityTick = tick
    }

    /// The member has the log through `index` in memory and acknowledges nothing: more may be sent.
    mutating func received(_ index: LogIndex) {
        switch state {
        case .replicate(var inflight):
            state = .snapshot
            inflight.acknowledge(through: index)
            state = .replicate(inflight)
        case .probe:
            state = .replicate(Inflight())
            nextIndex = max(matchIndex, index).next
            loadingFirst = nil
        case .snapshot: break
        }
    }

    /// The member's log is durable and equal through `index`. Returns whether that is news.
    mutating func matched(_ index: LogIndex, snapshotIndex: LogIndex, tick: UInt64) -> Bool {
        let isNews = index > matchIndex
        if isNews {
            activityTick = tick
            hasSnapshotFailed = false
        }
        matchIndex = max(matchIndex, index)
        switch state {
        case .replicate(var inflight):
            state = .snapshot
            inflight.acknowledge(through: index)
            state = .replicate(inflight)
            nextIndex = max(nextIndex, matchIndex.next)
        case .probe:
            state = .replicate(Inflight())
            nextIndex = matchIndex.next
            loadingFirst = nil
        case .snapshot:
            nextIndex = max(nextIndex, matchIndex.next)
            if matchIndex >= snapshotIndex {
                state = .replicate(Inflight())
                nextIndex = matchIndex.next
            }
        }
        return isNews
    }
}
