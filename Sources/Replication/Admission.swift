package import Primitives

/// Whether this member may vote and acknowledge: only with a log without holes, and after so many
/// peers have said that they remember nothing that its disk does not hold.
///
/// - A voter's disk that was admitted before needs so many that, with itself, they are a majority:
///   of the voters that its log names, or of those that a peer named whose log knows of later ones.
///   Without the latter it could wait for members that are gone, while those that took their places
///   cannot elect the leader who would tell it.
/// - A fresh disk, one that was never admitted, needs a majority of the *other* members. Whoever
///   accepts it has never heard of another disk of this member, and remembers this one durably.
///   Two majorities of the others share a member, so a member whose directory was emptied is never
///   admitted again under its id, whoever is down, and however often it starts (DESIGN §5,
///   amnesia). The price: all three of a new cluster of three have to start once.
package struct Admission: Sendable {
    /// The voters.
    private var members: [NodeID]
    package let member: NodeID
    /// Whether this disk was never admitted.
    package private(set) var isFresh: Bool
    package private(set) var hasHoles: Bool
    private var acceptedBy: [NodeID] = []
    /// A peer remembers more than this disk offers: under this id it takes part no more.
    package private(set) var rejected = false

    /// The newest that a peer's log has, where that is newer than this one's.
    private var heard: (index: LogIndex, voters: [NodeID])?
    private var index: LogIndex

    /// - Parameter index: where the log has the configuration that names the voters.
    package init(
        members: [NodeID], self member: NodeID, at index: LogIndex = .zero, isFresh: Bool = false,
        hasHoles: Bool = false
    ) {
        self.members = members
        self.member = member
        self.index = index
        self.isFresh = isFresh
        self.hasHoles = hasHoles
    }

    /// Nobody else votes.
    var needsNobody: Bool { !members.contains { $0 != member } }

    package var isAdmitted: Bool {
        if hasHoles || rejected { return false }
        if isEnough(of: members) { return true }
        guard !isFresh, let heard, heard.index > index else { return false }
        return isEnough(of: heard.voters)
    }

    private func isEnough(of voters: [NodeID]) -> Bool {
        let others = voters.filter { $0 != member }
        let majorityOfOthers = others.isEmpty ? 0 : others.count / 2 + 1
        #if KEELSON_MUTANTS
            if planted(.freshDisksNeedFewer) {
                return acceptedBy.count(where: others.contains) >= voters.count / 2
            }
        #endif
        // Who is no voter is no part of a majority.
        #if KEELSON_MUTANTS
            let isVoter = others.count < voters.count || planted(.countsItselfAmongVoters)
        #else
            let isVoter = others.count < voters.count
        #endif
        let needed = isFresh || !isVoter ? majorityOfOthers : voters.count / 2
        return acceptedBy.count(where: others.contains) >= needed
    }

    /// A peer remembers nothing that this disk does not hold, and its log has these voters. True
    /// when this makes it admitted.
    package mutating func accept(
        _ peer: NodeID, voters: [NodeID] = [], at index: LogIndex = .zero
    ) -> Bool {
        let before = isAdmitted
        if !acceptedBy.contains(peer) { acceptedBy.append(peer) }
        if !voters.isEmpty, index > heard?.index ?? .zero { heard = (index, voters) }
        guard isAdmitted else { return false }
        isFresh = false
        return !before
    }

    /// Others vote now. True when this makes it admitted.
    package mutating func follow(_ voters: [NodeID], at index: LogIndex = .zero) -> Bool {
        let before = isAdmitted
        members = voters
        self.index = index
        guard isAdmitted else { return false }
        isFresh = false
        return !before
    }

    /// True the first time. A log with holes offers less than it acknowledged, and is muted anyway:
    /// what a peer says of it is no news.
    package mutating func reject() -> Bool {
        guard !hasHoles else { return false }
        defer { rejected = true }
        return !rejected
    }

    /// A snapshot has taken the place of the log with holes. The peers have to judge again.
    package mutating func healed() {
        hasHoles = false
        rejected = false
        acceptedBy = []
    }
}
