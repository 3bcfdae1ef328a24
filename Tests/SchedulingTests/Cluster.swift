import Scheduling
import StateMachine
import Testing

func parsed(_ text: String) -> Resources {
    do { return try ResourcesParser.parse(text) } catch {
        Issue.record("\(text): \(error)")
        return .empty
    }
}

extension DatacenterName: ExpressibleByUnicodeScalarLiteral,
    ExpressibleByExtendedGraphemeClusterLiteral, ExpressibleByStringLiteral
{
    package init(stringLiteral text: String) { self.init(ByteText(text)) }
}

/// An allocator with short words for what tests do to it.
struct Cluster {
    var allocator = Allocator()
    var now: UInt64 = 1

    mutating func agent(
        _ id: AgentID, _ total: String, region: ByteText? = nil, rack: ByteText? = nil
    ) throws {
        let attributes = rack.map { [AgentAttribute("rack", .text($0))] } ?? []
        try allocator.addAgent(
            id, AllocatorAgent(total: parsed(total), region: region, attributes: attributes))
    }

    mutating func framework(
        _ id: FrameworkID, _ roles: ByteText...,
        capabilities: FrameworkCapabilities = [.multiRole, .reservationRefinement],
        constraints: [OfferConstraints] = []
    ) throws {
        try allocator.addFramework(
            id,
            AllocatorFramework(
                roles: roles, capabilities: capabilities, constraints: constraints))
    }

    mutating func quota(
        _ role: ByteText, guarantees: String = "", limits: String = ""
    ) throws {
        try allocator.setQuota(
            RoleQuota(
                guarantees: parsed(guarantees).scalarQuantities,
                limits: parsed(limits).scalarQuantities), of: role)
    }

    mutating func allocate() -> [Offerable] {
        let made = allocator.allocate(now: now)
        allocator.checkInvariants()
        return made
    }

    /// "framework role agent resources" of each.
    mutating func offers() -> [String] {
        allocate().map { "\($0.framework) \($0.role) \($0.agent) \($0.resources)" }
    }

    func obstacle(_ framework: FrameworkID, _ agent: AgentID) throws -> Obstacle? {
        let lines = try allocator.explain(agent: agent, now: now).lines
        return try #require(lines.first { $0.framework == framework }).obstacle
    }
}
