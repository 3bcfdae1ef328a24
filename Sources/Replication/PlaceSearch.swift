package import Primitives

/// Whether a server that has lost its disk asks the cluster for a place under another id by itself.
package enum RejoinPolicy: String, CaseIterable, Sendable {
    case never
    case auto
}

/// Why a server looks for its place in a cluster.
package enum LostPlace: Equatable, Sendable {
    /// Its data directory is empty: whoever has been at its URLs before is lost.
    case directory
    /// A peer remembers more of this member than its disk holds.
    case disk(of: NodeID)
    /// The cluster has removed this member. `mayFollow`: what has started at its URLs since was
    /// this server, too: its directory was never admitted, or there is one beside it that the
    /// server has put away. Else that may be a healthy server of the operator's.
    case membership(of: NodeID, mayFollow: Bool)

    /// The member that the server was.
    package var member: NodeID {
        switch self {
        case .directory: .none
        case .disk(let member), .membership(let member, _): member
        }
    }
}

/// What a server that looks for its place makes of the members' answers, one after another.
package struct PlaceSearch: Sendable {
    package enum Step: Equatable, Sendable {
        /// This is its place: nobody has started there.
        case take(JoinAnswer)
        /// Ask once more, now: the question is another one.
        case ask
        /// Ask later.
        case wait(String)
        /// No member is at its URLs, as far as the one knows that was asked.
        case nobody
        /// Somebody who is perhaps another server has started there.
        case startedBefore(JoinAnswer)
        /// It cannot take part.
        case refused(JoinAnswer)
    }

    private let policy: RejoinPolicy
    private let lost: LostPlace
    /// The member whose place it asks for.
    package private(set) var replaces = NodeID.none
    /// The cluster that named that member.
    private var namedBy: ClusterID?

    package init(_ lost: LostPlace, policy: RejoinPolicy) {
        self.lost = lost
        self.policy = policy
        if policy == .auto, case .disk(let member) = lost { replaces = member }
    }

    package mutating func take(_ answer: JoinAnswer) -> Step {
        switch answer.verdict {
        case .unsupportedProtocol, .levelTooLow: return .refused(answer)
        case .unknown: return .nobody
        case .notNow:
            // Nobody of a cluster that was put in the place of the other will ever know it.
            if let namedBy, namedBy != answer.clusterID {
                #if KEELSON_MUTANTS
                    if planted(.insistsOnOtherClusters) { return .wait(answer.reason) }
                #endif
                replaces = .none
                self.namedBy = nil
            }
            return .wait(answer.reason)
        case .welcome:
            if answer.memberID == lost.member { return .wait(Self.outdated(answer)) }
            return .take(answer)
        case .startedBefore: break
        }
        // The member that this server was is removed: who has it still has yet to apply that.
        if case .membership(let own, _) = lost, own == answer.memberID {
            return .wait(Self.outdated(answer))
        }
        guard policy == .auto, mayReplace(answer.memberID) else { return .startedBefore(answer) }
        if replaces == answer.memberID { return .wait(Self.outdated(answer)) }
        replaces = answer.memberID
        namedBy = answer.clusterID
        return .ask
    }

    private func mayReplace(_ member: NodeID) -> Bool {
        switch lost {
        case .directory: true
        case .disk(let own): member == own
        case .membership(_, let mayFollow): mayFollow
        }
    }

    /// Who was asked has not applied what the others have, or runs an older build.
    private static func outdated(_ answer: JoinAnswer) -> String {
        "a member does not know yet that the place of member \(answer.memberID) is given anew"
    }
}
