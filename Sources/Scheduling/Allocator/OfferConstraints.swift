package import StateMachine

/// What an operator says about an agent.
package struct AgentAttribute: Equatable, Sendable {
    package enum Value: Equatable, Sendable {
        case text(ByteText)
        case scalar(Int64)
        case ranges(ResourceRanges)
        case items([ByteText])
    }

    package var name: ByteText
    package var value: Value
    package init(_ name: ByteText, _ value: Value) {
        self.name = name
        self.value = value
    }
}

/// Which agents a framework wants in one role: those that meet all constraints of at least one
/// group (Mesos 1.11: `OfferConstraints.RoleConstraints`).
package struct OfferConstraints: Equatable, Sendable {
    package enum Selector: Equatable, Sendable {
        case attribute(ByteText)
        case hostname
        case region
        case zone
    }

    /// The comparisons of text are met by attributes that are no text: the framework judges those.
    package enum Predicate: Equatable, Sendable {
        case exists
        case notExists
        case textEquals(ByteText)
        case textNotEquals(ByteText)
    }

    package struct Constraint: Equatable, Sendable {
        package var selector: Selector
        package var predicate: Predicate
        package init(_ selector: Selector, _ predicate: Predicate) {
            self.selector = selector
            self.predicate = predicate
        }
    }

    package var role: ByteText
    package var groups: [[Constraint]]

    package init(role: ByteText, groups: [[Constraint]]) {
        self.role = role
        self.groups = groups
    }

    package func validate() throws(AllocatorError) {
        guard !groups.isEmpty else { throw .emptyConstraints(role) }
        guard groups.count <= AllocatorLimits.constraintGroupsMax else {
            throw .tooManyConstraints(limit: AllocatorLimits.constraintGroupsMax)
        }
        for group in groups {
            guard !group.isEmpty else { throw .emptyConstraints(role) }
            guard group.count <= AllocatorLimits.constraintsPerGroupMax else {
                throw .tooManyConstraints(limit: AllocatorLimits.constraintsPerGroupMax)
            }
        }
    }

    package func areMet(by agent: AllocatorAgent) -> Bool {
        groups.contains { $0.allSatisfy { $0.isMet(by: agent) } }
    }
}

extension OfferConstraints.Constraint {
    /// Of several attributes of one name the first counts.
    func isMet(by agent: AllocatorAgent) -> Bool {
        switch selector {
        case .attribute(let name):
            return isMet(by: agent.attributes.first { $0.name == name }?.value)
        case .hostname: return isMet(by: .text(agent.hostname))
        case .region: return isMet(by: agent.region.map { .text($0) })
        case .zone: return isMet(by: agent.zone.map { .text($0) })
        }
    }

    private func isMet(by value: AgentAttribute.Value?) -> Bool {
        guard let value else {
            switch predicate {
            case .exists, .textEquals: return false
            case .notExists, .textNotEquals: return true
            }
        }
        switch (predicate, value) {
        case (.exists, _): return true
        case (.notExists, _): return false
        case (.textEquals(let wanted), .text(let text)): return text == wanted
        case (.textNotEquals(let wanted), .text(let text)): return text != wanted
        case (.textEquals, .scalar), (.textEquals, .ranges), (.textEquals, .items),
            (.textNotEquals, .scalar), (.textNotEquals, .ranges), (.textNotEquals, .items):
            return true
        }
    }
}
