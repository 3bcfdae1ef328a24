import Primitives

/// Whether this member may vote and acknowledge: only after so many peers that, with itself, they
/// are a majority have said that they remember nothing that its disk does not hold.
struct Admission {
    var members: [NodeID]
    let member: NodeID
    private var acceptedBy: [NodeID] = []
    private var rejected = false

    init(members: [NodeID], self member: NodeID) {
        self.members = members
        self.member = member
    }

    var isAdmitted: Bool {
        !rejected && acceptedBy.count + 1 >= members.count / 2 + 1
    }

    /// True when this makes it admitted.
    mutating func accept(_ peer: NodeID) -> Bool {
        guard !rejected, !acceptedBy.contains(peer) else { return false }
        let before = isAdmitted
        acceptedBy.append(peer)
        return isAdmitted && !before
    }

    /// True the first time.
    mutating func reject() -> Bool {
        defer { rejected = true }
        return !rejected
    }
}
