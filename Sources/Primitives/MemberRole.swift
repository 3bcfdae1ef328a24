/// What a member is to consensus.
package enum MemberRole: UInt8, Sendable, CaseIterable {
    /// Votes and counts in quorums.
    case voter = 0
    /// Receives the log; promoted on request.
    case learner = 1
    /// Receives the log; promoted by the control plane once it is caught up and stable.
    case joining = 2
    /// Receives the log and never votes.
    case observer = 3
}
