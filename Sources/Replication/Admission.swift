package import Primitives

/// Whether this member may vote and acknowledge: only after so many peers that, with itself, they
/// are a majority have said that they remember nothing that its disk does not hold.
package struct Admission: Sendable {
    package var members: [NodeID]
    package let member: NodeID
    private var acceptedBy: [NodeID] = []
    private var rejected = false

    package init(members: [NodeID], self member: NodeID) {
        self.members = members
        self.member = member
    }

    package var isAdmitted: Bool {
        !rejected && acceptedBy.count + 1 >= members.count / 2 + 1
    }

    /// True when this makes it admitted.
    package mutating func accept(_ peer: NodeID) -> Bool {
        guard !rejected, !acceptedBy.contains(peer) else { return false }
        let before = isAdmitted
        acceptedBy.append(peer)
        return isAdmitted && !before
    }

    /// True the first time.
    package mutating func reject() -> Bool {
        defer { rejected = true }
        return !rejected
    }
}
