package import Primitives

/// Changes of the cluster's members by joint consensus (dissertation §4.3).
extension RaftCore {
    /// Appends the configuration that `change` leads to: a joint one when voters differ, which the
    /// leader leaves by itself once it is committed. Returns its index.
    /// - Throws: ``ProposalRefusal``; nothing was appended then.
    package mutating func proposeConfiguration(
        _ change: ConfigurationChange, into effects: inout [Effect]
    ) throws(ProposalRefusal) -> LogIndex {
        try mayPropose()
        if !hasCommittedInTerm { throw .notYetCommittedInTerm }
        if configuration.isJoint || configurationIndex > commitIndex {
            throw .configurationChangeInProgress(since: configurationIndex)
        }
        let next = try configuration.applying(change)
        appendAsLeader([(.configuration, next.encode())], into: &effects)
        finish(into: &effects)
        return configurationIndex
    }

    /// A configuration is in force from the moment at which it is appended (§4.1).
    mutating func adopt(_ entry: LogEntry, into effects: inout [Effect]) {
        let adopted: ClusterConfiguration
        do {
            adopted = try ClusterConfiguration.decode(entry.payload)
        } catch {
            impossible("the configuration at \(entry.index): \(error)")
        }
        configurations.append(
            PlacedConfiguration(index: entry.index, configuration: adopted))
        tellConfiguration(into: &effects)
        guard case .leader = state else { return }
        leading.adopt(adopted, next: entry.index, tick: now)
        // The quorums that granted it are not those that elect any more.
        leading.leaseEndTick = 0
        leading.leaseFloorRound = leading.reads.lastNumber
    }

    mutating func tellConfiguration(into effects: inout [Effect]) {
        effects.append(.configurationChanged(configuration, configurationIndex))
    }

    /// Once a joint configuration is committed, the leader, whichever it is by then, appends the
    /// one that it leads to. Once one is committed in which the leader does not vote, it goes
    /// (§4.2.2).
    mutating func configurationMayBeCommitted(into effects: inout [Effect]) {
        if configurationIndex > commitIndex { return }
        if configuration.isJoint {
            appendAsLeader([(.configuration, configuration.leavingJoint.encode())], into: &effects)
        } else if !configuration.isVoter(settings.id) {
            handOver(into: &effects)
        }
    }
}
