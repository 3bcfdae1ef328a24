package import Primitives

/// Who is in the cluster and as what (dissertation, chapter 4).
///
/// All arrays are sorted and without repetition. While `outgoingVoters` is not empty the
/// configuration is joint: elections and commitment need a majority of `voters` and one of
/// `outgoingVoters`.
package struct ClusterConfiguration: Equatable, Sendable {
    package var voters: [NodeID]
    /// The voters being replaced; not empty while the configuration is joint.
    package var outgoingVoters: [NodeID]
    package var learners: [NodeID]
    package var joining: [NodeID]
    package var observers: [NodeID]

    /// How many members one configuration may name, all roles together.
    package static let membersMax = 1024

    /// Sorts what it is given.
    package init(
        voters: [NodeID], outgoingVoters: [NodeID] = [], learners: [NodeID] = [],
        joining: [NodeID] = [], observers: [NodeID] = []
    ) {
        self.voters = voters.sorted()
        self.outgoingVoters = outgoingVoters.sorted()
        self.learners = learners.sorted()
        self.joining = joining.sorted()
        self.observers = observers.sorted()
    }

    package var isJoint: Bool { !outgoingVoters.isEmpty }

    /// Whether the member's vote counts in either majority.
    package func isVoter(_ id: NodeID) -> Bool {
        voters.contains(id) || outgoingVoters.contains(id)
    }

    /// Whether the member receives the log.
    package func contains(_ id: NodeID) -> Bool { isVoter(id) || nonvoterRole(of: id) != nil }

    /// What the member is, or nil for a stranger. A voter on its way out that stays as something
    /// else is that already.
    package func role(of id: NodeID) -> MemberRole? {
        if voters.contains(id) { return .voter }
        if let role = nonvoterRole(of: id) { return role }
        return outgoingVoters.contains(id) ? .voter : nil
    }

    /// All members, sorted. Cost: O(n log n).
    package var members: [NodeID] {
        var all = voters + outgoingVoters + learners + joining + observers
        all.sort()
        var unique: [NodeID] = []
        unique.reserveCapacity(all.count)
        for id in all where unique.last != id { unique.append(id) }
        return unique
    }

    /// Whether any member is one of these. Cost: O(n), without the copies of ``members``.
    package func hasMember(where isOne: (NodeID) -> Bool) -> Bool {
        voters.contains(where: isOne) || outgoingVoters.contains(where: isOne)
            || learners.contains(where: isOne) || joining.contains(where: isOne)
            || observers.contains(where: isOne)
    }

    /// Everyone whose vote a candidate asks for, sorted.
    package var electorate: [NodeID] {
        ClusterConfiguration(voters: voters + outgoingVoters).members
    }

    /// Why this cannot be a configuration, or nil.
    package var defect: String? {
        let lists = [voters, outgoingVoters, learners, joining, observers]
        if voters.isEmpty { return "no voter is left" }
        for list in lists {
            for (left, right) in zip(list, list.dropFirst()) where left >= right {
                return "member \(right) is named twice or out of order"
            }
            if list.first == NodeID.none { return "a member's id is zero" }
        }
        if lists.reduce(0, { $0 + $1.count }) > Self.membersMax {
            return "more than \(Self.membersMax) members"
        }
        var present = voters + learners + joining + observers
        present.sort()
        for (left, right) in zip(present, present.dropFirst()) where left == right {
            return "member \(left) has two roles"
        }
        return nil
    }

    private func nonvoterRole(of id: NodeID) -> MemberRole? {
        if learners.contains(id) { return .learner }
        if joining.contains(id) { return .joining }
        if observers.contains(id) { return .observer }
        return nil
    }
}

// MARK: - Bytes

extension ClusterConfiguration {
    /// The payload of a configuration entry: five lists, each a 16-bit count and 64-bit ids.
    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 16 + 8 * voters.count)
        for list in [voters, outgoingVoters, learners, joining, observers] {
            writer.write(UInt16(list.count))
            for id in list { writer.write(id.rawValue) }
        }
        return writer.bytes
    }

    /// Reads what ``encode()`` wrote; refuses what is not a valid configuration, and bytes behind
    /// it.
    package static func decode(_ bytes: [UInt8]) throws(DecodingError) -> ClusterConfiguration {
        var reader = ByteReader(bytes)
        let configuration = try decode(&reader)
        guard reader.isAtEnd else {
            throw .invalid(field: "configuration length", offset: reader.offset)
        }
        return configuration
    }

    package static func decode(
        _ reader: inout ByteReader
    ) throws(DecodingError) -> ClusterConfiguration {
        let start = reader.offset
        var lists: [[NodeID]] = []
        for _ in 0..<5 {
            let count = Int(try reader.read(UInt16.self))
            guard count <= membersMax else {
                throw .invalid(field: "member count", offset: reader.offset)
            }
            var list: [NodeID] = []
            for _ in 0..<count { list.append(NodeID(try reader.read(UInt64.self))) }
            lists.append(list)
        }
        var configuration = ClusterConfiguration(voters: [])
        configuration.voters = lists[0]
        configuration.outgoingVoters = lists[1]
        configuration.learners = lists[2]
        configuration.joining = lists[3]
        configuration.observers = lists[4]
        guard configuration.defect == nil else {
            throw .invalid(field: "configuration", offset: start)
        }
        return configuration
    }
}
