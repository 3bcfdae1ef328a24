package import RPC

/// What a call is answered with that the node could not carry out: etcd's code and text.
///
/// For writes the text alone says whether the outcome is known, because clients match on it: see
/// docs/decisions/0002-definite-and-unknown-outcomes.md.
extension ProposalFailure {
    /// For a proposal that definitely has no effect.
    package var refusedStatus: RPCStatus {
        switch self {
        case .noLeader: .noLeader
        case .leaderChanged: RPCStatus(.unavailable, "etcdserver: leader changed")
        case .timedOut: .timedOut
        case .timedOutLeaderFailure: .timedOutLeaderFailure
        case .timedOutConnectionLost: .timedOutConnectionLost
        case .tooManyRequests: .tooManyRequests
        case .requestTooLarge: .requestTooLarge
        case .stopped: .stopped
        case .notReady: .notReady
        case .notSupportedForLearner: .notSupportedForLearner
        case .corrupt: RPCStatus(.dataLoss, "etcdserver: corrupt cluster")
        case .notEnoughStartedMembers: .notEnoughStartedMembers
        // No client asks for a place.
        case .unhealthyCluster, .rejoinForbidden, .memberAnswers, .memberJoining: .notReady
        case .learnerNotReady: .learnerNotReady
        }
    }

    /// For a proposal that may have taken effect or may yet. Never a text of a definite refusal.
    package var unknownStatus: RPCStatus {
        switch self {
        case .noLeader, .leaderChanged, .timedOutLeaderFailure, .notReady: .timedOutLeaderFailure
        case .timedOutConnectionLost: .timedOutConnectionLost
        case .stopped: .stopped
        case .timedOut, .tooManyRequests, .requestTooLarge, .notSupportedForLearner, .corrupt,
            .notEnoughStartedMembers, .unhealthyCluster, .learnerNotReady, .rejoinForbidden,
            .memberAnswers, .memberJoining:
            .timedOut
        }
    }
}

extension ReadFailure {
    package var status: RPCStatus {
        switch self {
        case .noLeader: .noLeader
        case .leaderChanged: RPCStatus(.unavailable, "etcdserver: leader changed")
        case .timedOut: .timedOut
        case .timedOutWaitingForApply:
            RPCStatus(
                .unavailable,
                "etcdserver: request timed out, waiting for the applied index took too long")
        case .tooManyRequests: .tooManyRequests
        case .stopped: .stopped
        case .notReady: .notReady
        case .notSupportedForLearner: .notSupportedForLearner
        }
    }
}

extension RPCStatus {
    package static let noLeader = RPCStatus(.unavailable, "etcdserver: no leader")
    package static let timedOut = RPCStatus(.unavailable, "etcdserver: request timed out")
    package static let timedOutLeaderFailure = RPCStatus(
        .unavailable, "etcdserver: request timed out, possibly due to previous leader failure")
    package static let timedOutConnectionLost = RPCStatus(
        .unavailable, "etcdserver: request timed out, possibly due to connection lost")
    /// `unknown` on the wire, although etcd's client library files the text under
    /// ResourceExhausted.
    package static let tooManyRequests = RPCStatus(.unknown, "etcdserver: too many requests")
    package static let requestTooLarge = RPCStatus(
        .invalidArgument, "etcdserver: request is too large")
    package static let stopped = RPCStatus(.unavailable, "etcdserver: server stopped")
    package static let notReady = RPCStatus(.unavailable, "etcdserver: unhealthy cluster")
    package static let notSupportedForLearner = RPCStatus(
        .failedPrecondition, "etcdserver: rpc not supported for learner")
    /// `unknown` on the wire, as etcd has it.
    package static let notEnoughStartedMembers = RPCStatus(
        .unknown, "etcdserver: re-configuration failed due to not enough started members")
    /// The cluster's feature level does not allow it yet.
    package static let notCapable = RPCStatus(.failedPrecondition, "etcdserver: not capable")
    package static let learnerNotReady = RPCStatus(
        .failedPrecondition,
        "etcdserver: can only promote a learner member which is in sync with leader")
    package static let badMemberURLs = RPCStatus(
        .invalidArgument, "etcdserver: given member URLs are invalid")
    /// Bytes that are not the method's message.
    package static let malformed = RPCStatus(
        .internalError,
        "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data")
}
