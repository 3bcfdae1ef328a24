/// Why a request was not carried out, or why nobody can tell.
///
/// Whether it is definite (refused before it was proposed, or known to be dropped) or unknown is
/// said by where it appears: in ``ReplicaOutcome/refused(_:)`` or in
/// ``ReplicaOutcome/unknown(_:)``.
package enum RequestFailure: Error, Equatable, Sendable {
    /// There is no leader and none appeared in time.
    case noLeader
    /// The leader changed before the entry was committed, and the entry is gone.
    case leaderChanged
    /// No outcome within the limit.
    case timedOut
    /// No outcome within the limit, and the leader changed meanwhile.
    case timedOutLeaderFailure
    /// Too much is in flight.
    case tooManyRequests
    /// More than one entry of the log takes.
    case requestTooLarge
    /// The node is going down.
    case stopped
    /// This node may not take part (its disk does not hold what it once acknowledged).
    case outOfService
    /// The change would leave a majority that has never started.
    case notEnoughStartedMembers
    /// The change would leave no majority that answers.
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
