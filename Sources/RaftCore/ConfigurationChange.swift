package import Primitives

/// Any set of changes to the cluster's members, made in one step.
package struct ConfigurationChange: Equatable, Sendable {
    package struct Step: Equatable, Sendable {
        package var member: NodeID
        /// What the member is to be; nil removes it.
        package var role: MemberRole?

        package init(_ member: NodeID, _ role: MemberRole?) {
            self.member = member
            self.role = role
        }
    }

    package var steps: [Step]

    package init(_ steps: [Step]) { self.steps = steps }

    package static func set(_ member: NodeID, to role: MemberRole) -> ConfigurationChange {
        ConfigurationChange([Step(member, role)])
    }

    package static func remove(_ member: NodeID) -> ConfigurationChange {
        ConfigurationChange([Step(member, nil)])
    }
}

extension ClusterConfiguration {
    /// The configuration to append for `change`: joint when the voters differ, else at once the new
    /// one.
    /// `self` must not be joint.
    package func applying(
        _ change: ConfigurationChange
    ) throws(ProposalRefusal) -> ClusterConfiguration {
        invariant(!isJoint, "a joint configuration is left before it is changed")
        var next = self
        for step in change.steps {
            next.voters.removeAll { $0 == step.member }
            next.learners.removeAll { $0 == step.member }
            next.joining.removeAll { $0 == step.member }
            next.observers.removeAll { $0 == step.member }
            switch step.role {
            case .voter: next.voters.append(step.member)
            case .learner: next.learners.append(step.member)
            case .joining: next.joining.append(step.member)
            case .observer: next.observers.append(step.member)
            case nil: break
            }
        }
        next = ClusterConfiguration(
            voters: next.voters, learners: next.learners, joining: next.joining,
            observers: next.observers)
        if let defect = next.defect { throw .invalidConfiguration(defect) }
        if next == self { throw .invalidConfiguration("the change changes nothing") }
        if next.voters != voters { next.outgoingVoters = voters }
        return next
    }

    /// What a joint configuration turns into.
    package var leavingJoint: ClusterConfiguration {
        var next = self
        next.outgoingVoters = []
        return next
    }
}
