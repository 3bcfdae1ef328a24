package import StateMachine

/// Counts the offers that one allocator made. Means nothing to another one: a change of leader
/// rescinds all offers.
package struct OfferNumber: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    package static func < (a: OfferNumber, b: OfferNumber) -> Bool { a.rawValue < b.rawValue }
    package var description: String { String(rawValue) }
}

/// What a framework says that it can handle (Mesos: `FrameworkInfo.Capability`).
package struct FrameworkCapabilities: OptionSet, Hashable, Sendable {
    package let rawValue: UInt16
    package init(rawValue: UInt16) { self.rawValue = rawValue }
    package static let revocableResources = FrameworkCapabilities(rawValue: 1)
    package static let taskKillingState = FrameworkCapabilities(rawValue: 2)
    /// Without it, agents with `gpus` are not offered at all.
    package static let gpuResources = FrameworkCapabilities(rawValue: 4)
    /// Without it, shared volumes are left out.
    package static let sharedResources = FrameworkCapabilities(rawValue: 8)
    /// Says how lost agents are told; means nothing here.
    package static let partitionAware = FrameworkCapabilities(rawValue: 16)
    /// Without it, there is one role at most.
    package static let multiRole = FrameworkCapabilities(rawValue: 32)
    /// Without it, what is reserved more than once is left out.
    package static let reservationRefinement = FrameworkCapabilities(rawValue: 64)
    /// Without it, agents of another region than the master's are not offered.
    package static let regionAware = FrameworkCapabilities(rawValue: 128)
}

package struct AllocatorFramework: Equatable, Sendable {
    package var roles: [ByteText]
    package var suppressedRoles: [ByteText]
    package var capabilities: FrameworkCapabilities
    package var constraints: [OfferConstraints]
    /// Connected, and not deactivated.
    package var isActive: Bool

    package init(
        roles: [ByteText], suppressedRoles: [ByteText] = [],
        capabilities: FrameworkCapabilities = [.multiRole, .reservationRefinement],
        constraints: [OfferConstraints] = [], isActive: Bool = true
    ) {
        self.roles = roles
        self.suppressedRoles = suppressedRoles
        self.capabilities = capabilities
        self.constraints = constraints
        self.isActive = isActive
    }
}

package enum AgentAvailability: Sendable, Equatable {
    case available
    case deactivated
    case draining
    /// Its tasks may run still: they count until the agent is removed.
    case unreachable
}

package struct AllocatorAgent: Equatable, Sendable {
    package var total: Resources
    package var hostname: ByteText
    package var region: ByteText?
    package var zone: ByteText?
    package var attributes: [AgentAttribute]
    package var availability: AgentAvailability

    package init(
        total: Resources, hostname: ByteText = "", region: ByteText? = nil, zone: ByteText? = nil,
        attributes: [AgentAttribute] = [], availability: AgentAvailability = .available
    ) {
        self.total = total
        self.hostname = hostname
        self.region = region
        self.zone = zone
        self.attributes = attributes
        self.availability = availability
    }
}

/// What tasks and executors of one framework in one role take on an agent.
package struct Allocation: Equatable, Sendable {
    package var framework: FrameworkID
    package var role: ByteText
    package var resources: Resources
    package init(framework: FrameworkID, role: ByteText, resources: Resources) {
        self.framework = framework
        self.role = role
        self.resources = resources
    }
}

/// What is to be offered.
package struct Offerable: Equatable, Sendable {
    package let number: OfferNumber
    package let framework: FrameworkID
    package let role: ByteText
    package let agent: AgentID
    package let resources: Resources

    package init(
        number: OfferNumber, framework: FrameworkID, role: ByteText, agent: AgentID,
        resources: Resources
    ) {
        self.number = number
        self.framework = framework
        self.role = role
        self.agent = agent
        self.resources = resources
    }
}

/// What a role may rely on, and what it may not exceed (Mesos, docs/quota.md). Only roles at the
/// top have one; it holds for all below them together.
package struct RoleQuota: Equatable, Sendable {
    package var guarantees: ScalarQuantities
    /// What is not named is not limited. Zero is written as a name in ``forbidden``.
    package var limits: ScalarQuantities
    /// Scalars with a limit of zero.
    package var forbidden: [ByteText]

    package init(
        guarantees: ScalarQuantities = .none, limits: ScalarQuantities = .none,
        forbidden: [ByteText] = []
    ) {
        self.guarantees = guarantees
        self.limits = limits
        self.forbidden = forbidden.sorted()
    }

    package var isEmpty: Bool { guarantees.isEmpty && limits.isEmpty && forbidden.isEmpty }

    /// In thousandths; nil for no limit.
    package func limit(_ name: ByteText) -> Int64? {
        if limits.contains(name) { return limits[name] }
        return forbidden.contains(name) ? 0 : nil
    }
}

/// Why a call to the allocator was refused. Nothing was changed.
package enum AllocatorError: Error, Equatable, Sendable {
    case unknownAgent(AgentID)
    case agentExists(AgentID)
    case unknownFramework(FrameworkID)
    case frameworkExists(FrameworkID)
    case unknownOffer(OfferNumber)
    case duplicateRole(ByteText)
    case notSubscribed(ByteText)
    /// Several roles, without the capability for them.
    case needsMultiRole(roles: Int)
    case tooManyAgents(limit: Int)
    case tooManyFrameworks(limit: Int)
    case tooManyRoles(limit: Int)
    case tooManyAttributes(limit: Int)
    case tooManyConstraints(limit: Int)
    case tooManyQuotas(limit: Int)
    case tooManyWeights(limit: Int)
    /// A role is constrained to nothing: it has no group, or a group has no constraint.
    case emptyConstraints(ByteText)
    case invalidWeight(Int64)
    case quotaOfNestedRole(ByteText)
    case negativeQuota(ByteText)
    case limitBelowGuarantee(ByteText)
    /// What is to be taken back is not allocated.
    case notAllocated(AgentID, FrameworkID, ByteText)
    case resources(ResourcesError)
}
