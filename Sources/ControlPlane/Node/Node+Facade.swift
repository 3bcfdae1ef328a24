import Logging
package import NIOCore
import NIOPosix
package import Primitives
import RaftCore
import Replication
package import StateMachine
import Storage

extension Node: NodeFacade {
    package var store: Store { replica.store }
    package var clusterID: ClusterID { identity.clusterID }
    package var memberID: NodeID { identity.memberID }
    package var term: Term { replica.view.term }
    package var leader: NodeID? { replica.view.leader }
    package var isLeader: Bool { replica.view.role == .leader }
    package var isLearner: Bool { !replica.view.isVoter }
    package var appliedIndex: LogIndex { replica.store.appliedIndex }
    package var committedIndex: LogIndex { replica.view.commitIndex }
    package var electionTimeout: TimeAmount {
        .milliseconds(Int64(configuration.electionMilliseconds))
    }
    package var requestBytesMax: Int { configuration.maxRequestBytes }
    package var transactionOperationsMax: Int { configuration.maxTxnOps }
    package var quotaBytes: Int64 { configuration.quotaBytes }

    package func propose(
        _ kind: CommandKind, proposedID: Int64, body: [UInt8], as principal: Principal,
        _ done: @escaping (ProposalOutcome) -> Void
    ) {
        guard !stopping else { return done(.refused(.stopped)) }
        // What it could not see through here is for the other members to take.
        guard space.shortage.cause == nil else { return done(.refused(.notReady)) }
        let sequence = replica.nextSequence()
        completions.insert(.proposal(done), for: sequence)
        replica.propose(
            kind, proposedID: proposedID, body: body, as: principal, sequence: sequence,
            into: &effects)
        if !effects.isEmpty { perform() }
        endTurnSoon()
    }

    /// Whether this node may act as the datacenter's master.
    package var mayDecide: Bool { !stopping && replica.mayDecide }
    /// ``Store/clusterTime``, gone on from; nil where this node does not lead.
    package var leadersTime: UInt64? { replica.leadersTime }

    /// Has what the master decided agreed on in this leader's own term, or not at all.
    package func decide(
        _ command: DatacenterCommand, _ done: @escaping (ProposalOutcome) -> Void
    ) {
        guard !stopping else { return done(.refused(.stopped)) }
        let sequence = replica.nextSequence()
        completions.insert(.proposal(done), for: sequence)
        replica.decide(command.encode(), sequence: sequence, into: &effects)
        if !effects.isEmpty { perform() }
        endTurnSoon()
    }

    package func linearizableRead(_ done: @escaping (ReadFailure?) -> Void) {
        guard !stopping else { return done(.stopped) }
        let sequence = replica.nextSequence()
        completions.insert(.read(done, since: meter.turnTime), for: sequence)
        replica.read(sequence: sequence, into: &effects)
        if !effects.isEmpty { perform() }
        endTurnSoon()
    }

    package func renewLease(_ id: Int64, _ done: @escaping (Result<Int64, ReadFailure>) -> Void) {
        guard !stopping else { return done(.failure(.stopped)) }
        let sequence = replica.nextSequence()
        completions.insert(.renewal(done), for: sequence)
        replica.renewLease(id, sequence: sequence, into: &effects)
        if !effects.isEmpty { perform() }
        endTurnSoon()
    }

    package func remainingSeconds(
        ofLease id: Int64, _ done: @escaping (Result<Int64?, ReadFailure>) -> Void
    ) {
        guard !stopping else { return done(.failure(.stopped)) }
        let sequence = replica.nextSequence()
        completions.insert(.remaining(done), for: sequence)
        replica.leaseRemaining(id, sequence: sequence, into: &effects)
        if !effects.isEmpty { perform() }
        endTurnSoon()
    }

    package var spaceShortage: String? {
        space.shortage.cause.map { "this member takes no part until there is room: \($0)" }
    }

    package var turnTime: NIODeadline { meter.turnTime }

    package func status() -> NodeStatus {
        var status = NodeStatus()
        status.databaseBytes = Int64(clamping: store.bytesInUse)
        status.databaseBytesInUse = Int64(clamping: store.bytesInUse)
        status.quotaBytes = configuration.quotaBytes
        status.raftIndex = replica.view.commitIndex
        status.appliedIndex = appliedIndex
        status.term = term
        status.leader = leader
        status.isLearner = isLearner
        if leader == nil { status.errors.append("etcdserver: no leader") }
        if !gate.isAdmitted {
            status.errors.append("keelson: this member's disk is not known to be current")
        }
        if let shortage = spaceShortage { status.errors.append("keelson: \(shortage)") }
        status.leaderChangesSeen = replica.leaderChangesSeen
        status.proposalsFailed = meter.proposalsFailed
        status.proposalsPending = UInt64(replica.pendingRequests)
        status.slowAppliesTotal = meter.slowApplies
        status.slowReadsTotal = meter.slowReads
        status.readsFailedTotal = meter.readsFailed
        status.lastIndex = replica.view.lastIndex
        status.durableIndex = replica.view.durableIndex
        status.checkpointIndex = checkpoints.plan.newest
        status.takesPart = gate.isAdmitted && spaceShortage == nil
        status.peerSentBytes = transport.traffic()
        status.logSyncDurations = meter.syncDurations
        status.checkpointDurations = checkpoints.durations
        return status
    }

    package func members() -> [MemberSummary] {
        // Those with which a new cluster begins are not on record yet when it is very young.
        let unrecorded = replica.appliedConfiguration.members.filter {
            store.members[$0] == nil && !store.members.isRemoved($0)
        }
        let first = unrecorded.map { id in
            MemberSummary(
                id: id, name: configuration.initialCluster.first { $0.id == id }?.name ?? "",
                peerURLs: peerURLs(of: id), clientURLs: [], isLearner: false)
        }
        let recorded = store.members.records.map { record in
            MemberSummary(
                id: record.id, name: record.name, peerURLs: record.peerURLs,
                clientURLs: record.clientURLs,
                isLearner: record.role == .learner || record.role == .observer)
        }
        return (first + recorded).sorted { $0.id < $1.id }
    }
}

extension ProposalFailure {
    init(_ failure: RequestFailure) {
        switch failure {
        case .noLeader: self = .noLeader
        case .leaderChanged: self = .leaderChanged
        case .timedOut: self = .timedOut
        case .timedOutLeaderFailure: self = .timedOutLeaderFailure
        case .tooManyRequests: self = .tooManyRequests
        case .requestTooLarge: self = .requestTooLarge
        case .stopped: self = .stopped
        case .outOfService: self = .notReady
        case .notEnoughStartedMembers: self = .notEnoughStartedMembers
        case .unhealthyCluster: self = .unhealthyCluster
        case .learnerNotReady: self = .learnerNotReady
        case .rejoinForbidden: self = .rejoinForbidden
        case .memberAnswers: self = .memberAnswers
        case .memberJoining: self = .memberJoining
        }
    }
}

extension ReadFailure {
    init(_ failure: RequestFailure) {
        switch failure {
        case .noLeader: self = .noLeader
        case .leaderChanged: self = .leaderChanged
        case .timedOut, .timedOutLeaderFailure: self = .timedOut
        case .tooManyRequests, .requestTooLarge: self = .tooManyRequests
        case .stopped: self = .stopped
        case .outOfService, .notEnoughStartedMembers, .unhealthyCluster, .learnerNotReady,
            .rejoinForbidden, .memberAnswers, .memberJoining:
            self = .notReady
        }
    }
}
