package import Monitoring
package import NIOCore
package import Primitives
package import StateMachine

/// What the API services see of the node that they run in.
///
/// Confined to the node's event loop: every member is called on it, and every closure that is
/// handed in is called back on it, exactly once, either before the call returns or later.
package protocol NodeFacade: AnyObject {
    var eventLoop: any EventLoop { get }
    /// The applied state. Another object after ``NodeObserver/storeReplaced()``: never keep it.
    var store: Store { get }
    var clusterID: ClusterID { get }
    var memberID: NodeID { get }
    var term: Term { get }
    var leader: NodeID? { get }
    var isLeader: Bool { get }
    /// Learners and observers serve only `Status` and serializable ranges.
    var isLearner: Bool { get }
    var appliedIndex: LogIndex { get }
    var committedIndex: LogIndex { get }
    /// The base election timeout; etcd ends streams that require a leader after three of them.
    var electionTimeout: TimeAmount { get }
    /// The largest client request in bytes, 1.5 MiB by default (`--max-request-bytes`).
    var requestBytesMax: Int { get }
    /// The most operations in one transaction, 128 by default (`--max-txn-ops`).
    var transactionOperationsMax: Int { get }
    /// The replicated quota in bytes (`--quota-backend-bytes`).
    var quotaBytes: Int64 { get }
    /// Told of what was applied. One observer; the etcd services set themselves.
    var observer: (any NodeObserver)? { get set }

    /// Has `body`, a client's own protobuf bytes that were validated, agreed on and applied.
    /// - Parameters:
    ///   - proposedID: an id that the proposer chose (a lease's), else 0.
    ///   - principal: on whose behalf; apply judges by it.
    func propose(
        _ kind: CommandKind, proposedID: Int64, body: [UInt8], as principal: Principal,
        _ done: @escaping (ProposalOutcome) -> Void)

    /// Has a change of the members agreed on, and calls back once the configuration that this node
    /// has applied follows it. `kind` is one of those that ``CommandKind/changesMembers``.
    func changeMembers(
        _ kind: CommandKind, body: [UInt8], as principal: Principal,
        _ done: @escaping (ProposalOutcome) -> Void)

    /// Hands leadership to another voter.
    func transferLeadership(to target: NodeID, _ done: @escaping (TransferOutcome) -> Void)

    /// Calls back once ``store`` may serve linearizable reads, with nil, or with why it may not.
    func linearizableRead(_ done: @escaping (ReadFailure?) -> Void)

    /// Reads committed entries of this member's log, from `first` on, up to about `bytesMax` of
    /// them. What one answer holds is applied here and durable on this member's disk.
    func readLog(
        from first: LogIndex, bytesMax: Int, _ done: @escaping (LogPortion) -> Void)

    /// Renews a lease through its keeper. The result is the granted TTL in seconds, or 0 where
    /// there is no such lease.
    func renewLease(_ id: Int64, _ done: @escaping (Result<Int64, ReadFailure>) -> Void)

    /// The seconds that a lease has left, from its keeper's clock; nil where there is no such
    /// lease.
    func remainingSeconds(
        ofLease id: Int64, _ done: @escaping (Result<Int64?, ReadFailure>) -> Void)

    /// Why this node is out of quorum duty although it runs: its disk is full. Nil when it is not.
    var spaceShortage: String? { get }
    /// When the node last had news, to a turn of the event loop.
    var turnTime: NIODeadline { get }
    func status() -> NodeStatus
    /// All members of the committed configuration, sorted by id.
    func members() -> [MemberSummary]
}

extension NodeFacade {
    package var turnTime: NIODeadline { .now() }

    /// A node without a log has nothing to read.
    package func readLog(
        from first: LogIndex, bytesMax: Int, _ done: @escaping (LogPortion) -> Void
    ) { done(.gone) }
}

/// What a read of the log gave.
package enum LogPortion: Sendable {
    /// At least one, in order.
    case entries([LogEntry])
    /// The first is not on this member's disk yet.
    case later
    /// This member has not got the first any more.
    case gone
}

/// What the node tells the services. Called on the event loop.
package protocol NodeObserver: AnyObject {
    /// Everything that one turn applied, in log order and each entry once, after the store has it
    /// and before the proposals' closures are called.
    func applied(_ batch: [Applied])
    /// The leader or the term is another one; `node.leader` says which.
    func leadershipChanged()
    /// A snapshot was installed: `node.store` is another object, perhaps many revisions ahead.
    func storeReplaced()
    /// The node is about to stop: streams end, nothing more is answered.
    func stopping()
}

/// How a proposal ended. `refused` promises that it never takes effect; `unknown` promises only
/// that it takes effect at most once (docs/decisions/0002-definite-and-unknown-outcomes.md).
package enum ProposalOutcome {
    case applied(Applied)
    case refused(ProposalFailure)
    case unknown(ProposalFailure)
}

/// Why a proposal has no outcome of its own. Which of them are definite is said by
/// ``ProposalOutcome``.
package enum ProposalFailure: Error, Equatable, Sendable, CaseIterable {
    /// No leader is known; nothing was proposed.
    case noLeader
    /// The leader that held the proposal lost its leadership before it was known to be committed,
    /// or refused a forward that was meant for another term.
    case leaderChanged
    /// Not applied within the time that etcd allows: 5 s and two election timeouts.
    case timedOut
    /// The same, and the leader changed meanwhile.
    case timedOutLeaderFailure
    /// The same, and the connection to the leader is down.
    case timedOutConnectionLost
    /// Too much is proposed and not yet applied; nothing was proposed.
    case tooManyRequests
    case requestTooLarge
    /// The node is stopping.
    case stopped
    /// The node is starting, or is out of quorum duty (a full disk, known holes).
    case notReady
    /// Learners do not take writes.
    case notSupportedForLearner
    /// The CORRUPT alarm is raised: no writes.
    case corrupt
    /// A change of the members would leave a majority that has never started.
    case notEnoughStartedMembers
    /// A change of the members would leave no majority that answers.
    case unhealthyCluster
    /// The learner has not caught up.
    case learnerNotReady
    /// The leader's policy gives no member's place to somebody else.
    case rejoinForbidden
    /// The leader hears from the member whose place somebody asks for.
    case memberAnswers
    /// Another member is joining.
    case memberJoining
}

/// How handing over leadership went.
package enum TransferOutcome: Equatable, Sendable {
    case moved
    /// Only the leader can hand over.
    case notLeader
    /// The target is no voter.
    case badTarget
    /// The target did not take over in time.
    case timedOut
}

/// Why a linearizable read cannot be served. Reads have no effect, so all of them are definite.
package enum ReadFailure: Error, Equatable, Sendable, CaseIterable {
    case noLeader
    case leaderChanged
    case timedOut
    /// The index is known, but this node did not apply up to it in time.
    case timedOutWaitingForApply
    case tooManyRequests
    case stopped
    case notReady
    case notSupportedForLearner
}

/// What `Maintenance.Status`, `/health` and `/metrics` tell of the node.
package struct NodeStatus: Sendable {
    /// Bytes on disk that the node's state takes, and the part of them that live data takes.
    package var databaseBytes: Int64 = 0
    package var databaseBytesInUse: Int64 = 0
    package var quotaBytes: Int64 = 0
    package var raftIndex: LogIndex = .zero
    package var appliedIndex: LogIndex = .zero
    package var term: Term = .zero
    package var leader: NodeID?
    package var isLearner = false
    /// Alarms and troubles in etcd's words, such as `etcdserver: no leader`.
    package var errors: [String] = []
    /// The cluster version, such as `3.7.0`; empty before it is agreed on.
    package var clusterVersion: String = "3.7.0"

    package var leaderChangesSeen: UInt64 = 0
    package var proposalsFailed: UInt64 = 0
    package var proposalsPending: UInt64 = 0
    package var slowAppliesTotal: UInt64 = 0
    package var slowReadsTotal: UInt64 = 0
    package var readsFailedTotal: UInt64 = 0
    /// Of this member's own log, written or not, and on its disk.
    package var lastIndex: LogIndex = .zero
    package var durableIndex: LogIndex = .zero
    /// Of the newest checkpoint on this member's disk.
    package var checkpointIndex: LogIndex = .zero
    /// Its disk is current and has room.
    package var takesPart = true
    package var peerSentBytes: [PeerTraffic] = []
    /// Seconds that one sync of the log took, and one checkpoint.
    package var logSyncDurations = DurationHistogram.empty
    package var checkpointDurations = DurationHistogram.empty

    package init() {}
}

/// What went over the wire between this node and one peer.
package struct PeerTraffic: Sendable {
    package var peer: NodeID
    package var sentBytes: UInt64
    package var receivedBytes: UInt64
    package var sendFailures: UInt64
    package var isConnected = false
    /// As TCP measures them, looked at once a second.
    package var roundTrips = DurationHistogram.empty

    package init(peer: NodeID, sentBytes: UInt64, receivedBytes: UInt64, sendFailures: UInt64) {
        self.peer = peer
        self.sentBytes = sentBytes
        self.receivedBytes = receivedBytes
        self.sendFailures = sendFailures
    }
}

/// One member as `Cluster.MemberList` shows it.
package struct MemberSummary: Sendable, Equatable {
    package var id: NodeID
    package var name: String
    package var peerURLs: [String]
    package var clientURLs: [String]
    package var isLearner: Bool

    package init(
        id: NodeID, name: String, peerURLs: [String], clientURLs: [String], isLearner: Bool
    ) {
        self.id = id
        self.name = name
        self.peerURLs = peerURLs
        self.clientURLs = clientURLs
        self.isLearner = isLearner
    }
}
