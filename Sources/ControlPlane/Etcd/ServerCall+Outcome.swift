internal import Primitives
internal import RPC
internal import StateMachine

extension ServerCall {
    /// What was applied, or nil after the call was ended with the reason why nothing was.
    func applied(_ outcome: ProposalOutcome) -> Applied? {
        switch outcome {
        case .applied(let applied):
            times.logIndex = applied.index.rawValue
            times.revision = applied.revision.rawValue
            if case .failed(let error) = applied.outcome {
                finish(error.status)
                return nil
            }
            return applied
        case .refused(let failure): finish(failure.refusedStatus)
        case .unknown(let failure): finish(failure.unknownStatus)
        }
        return nil
    }
}

extension StoreError {
    var status: RPCStatus { RPCStatus(RPCCode(rawValue: grpcCode) ?? .unknown, message) }
}

extension RPCStatus {
    /// Apply answered a proposal with an outcome of another kind: the log and this program
    /// disagree.
    static let unexpectedOutcome = RPCStatus(
        .internalError, "etcdserver: the outcome is not of the request's kind")
}
