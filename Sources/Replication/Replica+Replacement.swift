package import Primitives
import RaftCore
import StateMachine

/// What a member does about the question of a server that looks for its place.
package enum JoinStep: Equatable, Sendable {
    case answer(JoinAnswer)
    /// The cluster has to agree first that the member goes and somebody else comes: propose this
    /// as ``CommandKind/memberRejoin``. Asked once more, the answer is another one.
    case replace(NodeID, command: [UInt8])
}

/// Places that are given anew: to servers that lost their disks, and of voters that are dead
/// (docs/decisions/0010-a-lost-disk-rejoins-under-a-new-id.md).
extension Replica {
    /// - Parameter peerURLs: where this node takes a member to be found.
    package func judge(
        _ question: JoinQuestion, peerURLs: (NodeID) -> [String]
    ) -> JoinStep {
        let version = PeerProtocol.version
        if question.protocolMin > version || question.protocolMax < version {
            return answer(
                .unsupportedProtocol,
                reason: "this cluster speaks peer protocol \(version), the caller "
                    + "\(question.protocolMin) to \(question.protocolMax)")
        }
        let level = store.members.clusterLevel
        if question.level < level {
            return answer(
                .levelTooLow,
                reason: "the cluster is at feature level \(level), this build knows level "
                    + "\(question.level) at most")
        }
        let found = store.members.records.first {
            $0.peerURLs.contains(where: question.peerURLs.contains)
        }
        guard let found else { return answer(.unknown) }
        if question.replaces == found.id { return replacement(of: found, question) }
        var isUnknown =
            store.members[question.replaces] == nil
            && !store.members.isRemoved(question.replaces)
        #if KEELSON_MUTANTS
            if planted(.callsTheUnknownLate) { isUnknown = false }
        #endif
        if question.replaces != .none, isUnknown {
            // Who is found there came before the one that asks, or this node has missed both.
            return answer(
                .notNow, found.id,
                reason: "member \(question.replaces) is not known here yet")
        }
        if question.replaces != .none, !appliedConfiguration.contains(found.id) {
            return answer(.notNow, found.id, reason: "the member that is to come is not in yet")
        }
        var said = JoinAnswer(
            found.hasStarted ? .startedBefore : .welcome, clusterID: settings.clusterID,
            memberID: found.id)
        said.voters = appliedConfiguration.voters.compactMap { id in
            peerURLs(id).first.map { JoinAnswer.Voter(id: id, peerURL: $0) }
        }
        return .answer(said)
    }

    private func answer(
        _ verdict: JoinAnswer.Verdict, _ member: NodeID = .none, reason: String = ""
    ) -> JoinStep {
        .answer(
            JoinAnswer(verdict, clusterID: settings.clusterID, memberID: member, reason: reason))
    }

    private func replacement(of record: MemberRecord, _ question: JoinQuestion) -> JoinStep {
        let level = store.members.clusterLevel
        guard level >= .replacement else {
            return answer(
                .notNow, record.id,
                reason: "the cluster is at feature level \(level), and giving a place anew takes "
                    + "level \(FeatureLevel.replacement) of all members")
        }
        guard record.isFound(as: question.name, at: question.peerURLs) else {
            return answer(
                .notNow, record.id,
                reason: "member \(record.id) is \(record.name) at "
                    + record.peerURLs.joined(separator: ","))
        }
        return .replace(
            record.id,
            command: MemberCommand.rejoin(
                record.id, name: question.name, peerURLs: question.peerURLs))
    }

    /// Why the leader does not give the member's place to somebody else, if it does not.
    func rejoinRefusal(of record: MemberRecord) -> ForwardRefusal? {
        guard settings.allowsRejoin else { return .rejoinForbidden }
        if store.appliedIndex < membership.changesThrough { return .tooManyRequests }
        #if KEELSON_MUTANTS
            let looks = !planted(.replacesWhoAnswers)
        #else
            let looks = true
        #endif
        if looks, activeMembers.contains(record.id) { return .memberAnswers }
        if store.members.isJoining(besides: record.id) { return .memberJoining }
        guard record.role == .voter else { return nil }
        let left = store.members.voters.filter { $0 != record.id }
        return left.isEmpty ? .notEnoughStartedMembers : lackOfMajority(of: left)
    }

    /// A learner that keeps up votes in the stead of a voter of which this leader has heard
    /// nothing for as long as the operator says. As many vote afterwards, and of those who stay and
    /// the new one a majority answers.
    mutating func succeedDead(into effects: inout [ReplicaEffect]) {
        guard settings.succeedDeadTicks > 0, store.members.clusterLevel >= .replacement else {
            return
        }
        followSilence()
        guard !raft.configuration.isJoint, store.appliedIndex >= membership.changesThrough,
            let dead = longestSilent, let learner = successor,
            !store.members.isJoining(besides: dead)
        else { return }
        let voters = store.members.voters.filter { $0 != dead } + [learner]
        guard lackOfMajority(of: voters) == nil else { return }
        proposeForMembers(
            .memberSuccession, MemberCommand.succession(of: dead, by: learner), into: &effects)
        // Until it is applied nobody can tell what another change would mean.
        membership.changesThrough = max(membership.changesThrough, membership.proposedThrough)
    }

    private mutating func followSilence() {
        let active = activeMembers
        var silent: [NodeID: UInt64] = [:]
        for member in raft.progress where member.role == .voter && !active.contains(member.id) {
            silent[member.id] = membership.silentSince[member.id] ?? now
        }
        membership.silentSince = silent
    }

    /// The voter that has been silent for longest, and for long enough.
    private var longestSilent: NodeID? {
        #if KEELSON_MUTANTS
            let ticks: UInt64 = planted(.succeedsTheLiving) ? 1 : UInt64(settings.succeedDeadTicks)
        #else
            let ticks = UInt64(settings.succeedDeadTicks)
        #endif
        var found: (id: NodeID, since: UInt64)?
        for record in store.members.records where record.role == .voter && record.hasStarted {
            guard let since = membership.silentSince[record.id], now - since >= ticks,
                since < found?.since ?? .max
            else { continue }
            found = (record.id, since)
        }
        return found?.id
    }

    private var successor: NodeID? {
        let active = activeMembers
        return store.members.records.first { record in
            record.role == .learner && record.hasStarted && active.contains(record.id)
                && membership.isStable(record.id, now: now, patience: patience)
        }?.id
    }
}
