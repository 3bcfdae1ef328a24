internal import Foundation
internal import LocalCluster

/// A member is removed, its disk emptied, and its server joins again under another id, while
/// everything else goes wrong.
extension Nemesis {
    private static let attemptMilliseconds = 100...600

    /// Only from a cluster in which no other copy may be damaged: what the emptied disk held, the
    /// others must hold.
    func rejoin(_ node: Int) throws -> Bool {
        guard states.allSatisfy({ $0 == .up }), !isRotten, !isRejoining,
            let member = try? control.status(of: node).member
        else { return false }
        try note("rejoin", "\(cluster.nodes[node].name) leaves")
        isRejoining = true
        states[node] = .away
        try leave(node, member)
        return true
    }

    /// Somebody else, so that the answer does not go with the server.
    private func helper(of node: Int) -> Int {
        random.pick(nodes.filter { $0 != node })
    }

    /// Until it is certain: a removal whose end nobody knows may still come.
    private func leave(_ node: Int, _ member: UInt64) throws {
        guard control.removeMember(member, through: helper(of: node)) else {
            return later(Self.attemptMilliseconds, node) { try self.leave(node, member) }
        }
        let server = cluster.nodes[node]
        server.killHard()
        try? FileManager.default.removeItem(atPath: server.dataDirectory)
        newcomers.insert(node)
        later(0...2000, node) { try self.join(node) }
    }

    private func join(_ node: Int) throws {
        guard control.addMember(cluster.nodes[node].peerURL, through: helper(of: node)) else {
            return later(Self.attemptMilliseconds, node) { try self.join(node) }
        }
        states[node] = .down
        isRejoining = false
        try start(node)
    }
}
