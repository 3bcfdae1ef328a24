package import StateMachine

/// Why a framework is offered nothing, by role.
package struct FrameworkExplanation: Equatable, Sendable {
    package struct Count: Equatable, Sendable {
        package let obstacle: Obstacle
        package fileprivate(set) var agents: Int
        /// In the order of registration.
        package let firstAgent: AgentID
        /// Of filters: the tick at which the first one ends.
        package fileprivate(set) var until: UInt64?
    }

    package struct Role: Equatable, Sendable {
        package let role: ByteText
        /// By obstacle; each agent counts once.
        package fileprivate(set) var counts: [Count] = []
        /// Agents that the next pass may offer it.
        package fileprivate(set) var offerable = 0
    }

    package let framework: FrameworkID
    package let offersOutstanding: Int
    /// Sorted by role.
    package fileprivate(set) var roles: [Role] = []
}

/// Who may use an agent, and why the others may not.
package struct AgentExplanation: Equatable, Sendable {
    package struct Line: Equatable, Sendable {
        package let framework: FrameworkID
        package let role: ByteText
        /// Nil for one that may be offered what is free.
        package let obstacle: Obstacle?
        /// Of a filter: the tick at which it ends.
        package let until: UInt64?
    }

    package let agent: AgentID
    package let free: Resources
    /// Sorted by framework, then role.
    package fileprivate(set) var lines: [Line] = []
}

extension Allocator {
    /// O(agents × the framework's roles).
    /// - Throws: `unknownFramework`.
    package func explain(
        framework id: FrameworkID, now: UInt64
    ) throws(AllocatorError) -> FrameworkExplanation {
        let place = try place(of: id)
        var view = self
        view.now = max(self.now, now)
        var explanation = FrameworkExplanation(
            framework: id, offersOutstanding: frameworks[place].offers.count)
        var slots = agents.indices.filter { agents.isUsed($0) }
        slots.sort { agents[$0].number < agents[$1].number }
        for client in frameworks[place].clients where clients[client].isSubscribed {
            var role = FrameworkExplanation.Role(role: clients[client].role)
            for slot in slots {
                role.count(view.explain(client: client, slot: slot), of: agents[slot].id)
            }
            role.counts.sort { $0.obstacle < $1.obstacle }
            explanation.roles.append(role)
        }
        return explanation
    }

    /// O(frameworks and their roles).
    /// - Throws: `unknownAgent`.
    package func explain(
        agent id: AgentID, now: UInt64
    ) throws(AllocatorError) -> AgentExplanation {
        let slot = try slot(of: id)
        var view = self
        view.now = max(self.now, now)
        var explanation = AgentExplanation(agent: id, free: agents[slot].free)
        for place in frameworkOrder {
            for client in frameworks[place].clients where clients[client].isSubscribed {
                let verdict = view.explain(client: client, slot: slot)
                explanation.lines.append(
                    AgentExplanation.Line(
                        framework: frameworks[place].id, role: clients[client].role,
                        obstacle: verdict.obstacle, until: verdict.until))
            }
        }
        return explanation
    }

    /// What a pass would find now. An offer for a guarantee or by fairness, or what is against it.
    func explain(client: Int, slot: Int) -> Verdict {
        switch agents[slot].settings.availability {
        case .available: break
        case .deactivated: return Verdict(.agentDeactivated)
        case .draining: return Verdict(.agentDraining)
        case .unreachable: return Verdict(.agentUnreachable)
        }
        let framework = frameworks[clients[client].framework]
        if framework.settings?.isActive != true { return Verdict(.frameworkInactive) }
        if clients[client].isSuppressed { return Verdict(.roleSuppressed) }
        if !hasRoomForOffers(clients[client].framework) { return Verdict(.tooManyOffers) }
        let free = agents[slot].free
        if !ledgers[clients[client].ledger].unmet.isEmpty {
            let first = verdict(client: client, slot: slot, free: free, stage: .guarantees)
            if first.offer != nil { return first }
        }
        return verdict(client: client, slot: slot, free: free, stage: .fairness)
    }
}

extension FrameworkExplanation.Role {
    fileprivate mutating func count(_ verdict: Verdict, of agent: AgentID) {
        guard let obstacle = verdict.obstacle else {
            offerable += 1
            return
        }
        guard let place = counts.firstIndex(where: { $0.obstacle == obstacle }) else {
            counts.append(
                FrameworkExplanation.Count(
                    obstacle: obstacle, agents: 1, firstAgent: agent, until: verdict.until))
            return
        }
        counts[place].agents += 1
        if let until = verdict.until {
            counts[place].until = min(counts[place].until ?? until, until)
        }
    }
}
