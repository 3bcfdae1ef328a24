import Logging
import NIOCore
import Primitives
import Replication
import StateMachine
import Storage

extension Node {
    func asked(
        _ question: JoinQuestion, _ certificate: CertificateSubject?,
        _ answer: @escaping (JoinAnswer) -> Void
    ) {
        switch replica.judge(question, peerURLs: peerURLs(of:)) {
        case .answer(let said):
            guard said.verdict == .startedBefore else { return answer(said) }
            confirm(question, said, answer)
        case .replace(let member, let command):
            if let certificate,
                let reason = mismatch(member, at: peerURLs(of: member), certificate)
            {
                return answer(notNow(member, reason))
            }
            replace(member, command, answer)
        }
    }

    /// Whoever is told so ends. This node may not know yet that the member was removed and another
    /// one added in its place: only what is current is said.
    private func confirm(
        _ question: JoinQuestion, _ said: JoinAnswer, _ answer: @escaping (JoinAnswer) -> Void
    ) {
        linearizableRead { [weak self] failure in
            guard let self else { return }
            if let failure {
                return answer(
                    notNow(
                        said.memberID,
                        "the member that was asked may not know what the cluster knows: \(failure)")
                )
            }
            switch replica.judge(question, peerURLs: peerURLs(of:)) {
            case .answer(let said): answer(said)
            case .replace(let member, _): answer(notNow(member, "ask again"))
            }
        }
    }

    private func replace(
        _ member: NodeID, _ command: [UInt8], _ answer: @escaping (JoinAnswer) -> Void
    ) {
        propose(.memberRejoin, proposedID: 0, body: command, as: .node) { [weak self] outcome in
            guard let self else { return }
            let reason: String
            switch outcome {
            case .applied(let applied): reason = taken(member, applied)
            case .refused(let failure), .unknown(let failure): reason = why(failure)
            }
            answer(notNow(member, reason))
        }
    }

    private func taken(_ member: NodeID, _ applied: Applied) -> String {
        switch applied.outcome {
        case .member(let place):
            logger.notice(
                "a server has lost its disk and gets a place under another id",
                metadata: ["old member": "\(member)", "new member": "\(place)"])
            return "the place is given to member \(place)"
        case .failed(let error): return error.message
        case .none, .put, .deleteRange, .txn, .compact, .leaseGrant, .leaseRevoke, .alarms,
            .auth, .downgrade, .datacenter:
            return "the cluster has answered something else"
        }
    }

    private func why(_ failure: ProposalFailure) -> String {
        let leader = leader.map { "member \($0), which leads," } ?? "the leader"
        switch failure {
        case .rejoinForbidden:
            return "\(leader) gives no place anew: start the servers with --rejoin-policy auto, or "
                + "remove the member and add it again by hand"
        case .memberAnswers: return "\(leader) hears from the member, and so it is not lost"
        case .memberJoining: return "another member is joining: one after another"
        case .unhealthyCluster, .notEnoughStartedMembers:
            return "the members that would be left have no majority that answers"
        case .noLeader, .leaderChanged, .timedOut, .timedOutLeaderFailure, .timedOutConnectionLost,
            .tooManyRequests, .requestTooLarge, .stopped, .notReady, .notSupportedForLearner,
            .corrupt, .learnerNotReady:
            return "the cluster could not agree on it: \(failure)"
        }
    }

    private func notNow(_ member: NodeID, _ reason: String) -> JoinAnswer {
        JoinAnswer(.notNow, clusterID: identity.clusterID, memberID: member, reason: reason)
    }
}

extension Node {
    /// What a server that has halted so has lost; nil where it has to end.
    func lostPlace(after halt: NodeHalt) -> LostPlace? {
        guard configuration.rejoinPolicy == .auto, case .replica(let reason) = halt else {
            return nil
        }
        switch reason {
        case .diskLost: return .disk(of: memberID)
        case .removed:
            let wasPutAway = directory.flatMap {
                try? RetiredDirectory.has(memberID, beside: $0.path, fileSystem: $0.fileSystem)
            }
            return .membership(
                of: memberID, mayFollow: wasPutAway == true || !gate.memory.wasAdmitted)
        case .unknownCommand, .outdated, .diverged: return nil
        }
    }

    /// Where the other members are to be found: those on record, and those that said hello to a
    /// server whose disk knows nothing of them.
    var otherPeerURLs: [String] {
        let known = store.members.records.filter { $0.id != memberID }.flatMap(\.peerURLs)
        return known + transport.addresses.map(\.description).filter { !known.contains($0) }
    }
}
