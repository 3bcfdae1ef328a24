import Primitives
import RaftCore

/// What a leader keeps of members that do not vote yet, and of a member's own removal.
struct MembershipDuty: Sendable {
    /// How a member without a vote comes along (dissertation §4.2.1): in rounds, each of them the
    /// log as it was when the round began. One that ends within an election timeout shows that the
    /// member keeps up.
    struct CatchUp: Sendable {
        private var goal: LogIndex
        private var since: UInt64
        private(set) var readySince: UInt64?

        init(goal: LogIndex, now: UInt64) {
            self.goal = goal
            since = now
        }

        mutating func note(
            _ member: MemberProgress, lastIndex: LogIndex, now: UInt64, patience: UInt64
        ) {
            guard member.isRecentlyActive, member.mode == .replicate else {
                self = CatchUp(goal: lastIndex, now: now)
                return
            }
            if now - since > patience { readySince = nil }
            guard member.matchIndex >= goal else { return }
            if now - since <= patience { readySince = readySince ?? now }
            goal = lastIndex
            since = now
        }
    }

    var catchUps: [NodeID: CatchUp] = [:]
    /// An entry of the leader's own is on its way: another of its kind waits until this is applied.
    var proposedThrough: LogIndex = .zero
    /// A change that takes a majority's members away or adds to them is in the log up to here:
    /// until it is applied nobody can tell what the next one would mean.
    var changesThrough: LogIndex = .zero
    /// What the configuration lacks, and since when that is so.
    var wanted: (steps: [ConfigurationChange.Step], since: UInt64)?
    /// Voters that do not answer, and since when.
    var silentSince: [NodeID: UInt64] = [:]
    /// Since when this member has been out of the cluster.
    var removedSince: UInt64?

    func isReady(_ id: NodeID) -> Bool { catchUps[id]?.readySince != nil }

    /// Whether the member has kept up for as long as an election may take.
    func isStable(_ id: NodeID, now: UInt64, patience: UInt64) -> Bool {
        catchUps[id]?.readySince.map { now - $0 >= patience } ?? false
    }
}
