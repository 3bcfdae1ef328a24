package import Primitives
package import RaftCore
package import Replication
package import StateMachine

/// What operators do to the members in a scenario. A stage has spare machines where its settings
/// say so; they come behind the nodes with which it begins.
extension Stage {
    /// What came of a change.
    package final class Change {
        package internal(set) var isDone = false
        package internal(set) var refusal: RequestFailure?
        package internal(set) var error: StoreError?
    }

    func change(
        _ kind: CommandKind, _ body: [UInt8], through node: Int, as principal: Principal = .node
    ) -> Change {
        let change = Change()
        world.machines[node].process?.proposeOwn(kind, body, as: principal) { outcome in
            switch outcome {
            case .applied(let applied):
                if case .failed(let error) = applied.outcome { change.error = error }
                change.isDone = change.error == nil
            case .refused(let failure), .unknown(let failure): change.refusal = failure
            }
        }
        return change
    }

    /// The spare machine is started as soon as the cluster knows it.
    @discardableResult
    package func add(_ spare: Int, as role: MemberRole = .joining, through node: Int) -> Change {
        change(
            .memberAddition,
            MemberCommand.addition(as: role, peerURLs: [world.machines[spare].peerURL]),
            through: node)
    }

    @discardableResult
    package func remove(_ member: Int, through node: Int) -> Change {
        change(
            .memberRemoval, MemberCommand.removal(world.machines[member].id), through: node)
    }

    @discardableResult
    package func promote(_ member: Int, through node: Int) -> Change {
        change(
            .memberPromotion,
            MemberCommand.promotion(world.machines[member].id, from: .learner), through: node)
    }

    package func isMember(_ node: Int) -> Bool { world.machines[node].isMember }
    package func id(of node: Int) -> NodeID { world.machines[node].id }

    /// What the machine is in the configuration that a node knows.
    package func role(of member: Int, seenBy node: Int) -> MemberRole? {
        world.machines[node].process?.replica.raft.configuration.role(of: id(of: member))
    }

    package func configuration(seenBy node: Int) -> ClusterConfiguration? {
        world.machines[node].process?.replica.raft.configuration
    }

    /// The machines of which the leader knows that they vote; none while two sets of voters do.
    package var voters: [Int] {
        guard let leader, let known = configuration(seenBy: leader), !known.isJoint else {
            return []
        }
        return world.machines.filter { known.voters.contains($0.id) }.map(\.index)
    }
}
