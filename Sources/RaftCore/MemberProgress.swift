package import Primitives

/// How a leader sees one member: for status pages, and for the control plane's decision to promote
/// a joining member.
package struct MemberProgress: Equatable, Sendable {
    package enum Mode: Equatable, Sendable {
        /// Finding out where the logs agree.
        case probe
        /// Streaming entries.
        case replicate
        /// Waiting until a snapshot has arrived.
        case snapshot
    }

    package var id: NodeID
    package var role: MemberRole
    package var mode: Mode
    /// Durable on the member and equal to the leader's log up to here.
    package var matchIndex: LogIndex
    /// The next entry to send.
    package var nextIndex: LogIndex
    package var inflightMessages: Int
    /// Heard from within an election timeout, and a heartbeat answered within two.
    package var isRecentlyActive: Bool
    /// Heard from since this leader was elected.
    package var hasAnswered: Bool
    /// Ticks since it last answered a heartbeat, which a member that may not vote does not.
    package var beatAge: UInt64
}
