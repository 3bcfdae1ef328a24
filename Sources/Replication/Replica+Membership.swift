import Primitives
import RaftCore
import StateMachine

/// Who the members are to be is in the state machine; the leader brings the configuration of
/// consensus to it: all that differs in one joint change, and only while the voters that it leads
/// to have a majority that answers and has the log.
extension Replica {
    mutating func tickMembership(into effects: inout [ReplicaEffect]) {
        leaveIfRemoved(into: &effects)
        guard isLeader, let fenceIndex, store.appliedIndex >= fenceIndex, !halted else { return }
        foundMembers(into: &effects)
        followCatchUps()
        promoteJoining(into: &effects)
        succeedDead(into: &effects)
        raiseLevel(into: &effects)
        changeConfiguration(into: &effects)
    }

    var patience: UInt64 { UInt64(settings.raft.electionTicks) }

    // MARK: What is refused

    /// Why the leader does not take a change of the members, if it does not.
    func membershipRefusal(of command: [UInt8], _ kind: CommandKind) -> ForwardRefusal? {
        guard kind.changesMembers else { return nil }
        #if KEELSON_MUTANTS
            if planted(.takesAnyChange) { return nil }
        #endif
        // Until the first members are on record nobody can tell what a change means.
        if appliedConfiguration.members.contains(where: { isMissing($0) }) {
            return .leaderChanged
        }
        guard let id = MemberCommand.member(in: Command.body(of: command)),
            let record = store.members[id]
        else {
            return nil
        }
        // What a leader before this one took may not be applied here yet.
        guard let fenceIndex, store.appliedIndex >= fenceIndex else { return .leaderChanged }
        switch kind {
        case .memberRemoval:
            guard record.role == .voter else { return nil }
            if store.appliedIndex < membership.changesThrough { return .tooManyRequests }
            let left = store.members.voters.filter { $0 != id }
            return left.isEmpty ? .notEnoughStartedMembers : lackOfMajority(of: left)
        case .memberPromotion:
            guard record.role == .learner else { return nil }
            if store.appliedIndex < membership.changesThrough { return .tooManyRequests }
            if !membership.isReady(id) { return .learnerNotReady }
            return lackOfMajority(of: store.members.voters + [id])
        case .memberRejoin: return rejoinRefusal(of: record)
        case .memberAddition, .memberUpdate, .put, .deleteRange, .txn, .compact, .leaseGrant,
            .leaseRevoke, .leaseExpire, .leaseCheckpoint, .alarm, .clusterLevel, .downgrade,
            .memberAttributes, .memberFoundation, .memberSuccession, .auth, .datacenter:
            return nil
        }
    }

    /// A change that was not refused goes into the log, behind what is there and what is proposed
    /// with it.
    mutating func noteMembershipChange(_ kind: CommandKind, behind index: LogIndex) {
        #if KEELSON_MUTANTS
            if planted(.decidesTwiceOnOneState) { return }
        #endif
        switch kind {
        case .memberRemoval, .memberPromotion, .memberRejoin, .memberSuccession:
            membership.changesThrough = index
        case .memberAddition, .memberUpdate, .put, .deleteRange, .txn, .compact, .leaseGrant,
            .leaseRevoke, .leaseExpire, .leaseCheckpoint, .alarm, .clusterLevel, .downgrade,
            .memberAttributes, .memberFoundation, .auth, .datacenter:
            break
        }
    }

    /// As a leader: takes out of the batch what is refused, and answers it.
    mutating func refuseMembershipChanges(
        _ batch: inout [(EntryKind, [UInt8])], _ sequences: inout [UInt64],
        into effects: inout [ReplicaEffect]
    ) {
        var place = 0
        while place < batch.count {
            let command = batch[place].1
            guard let kind = Command.kind(of: command), kind.changesMembers else {
                place += 1
                continue
            }
            guard let reason = membershipRefusal(of: command, kind) else {
                place += 1
                noteMembershipChange(kind, behind: raft.lastIndex + place)
                continue
            }
            batch.remove(at: place)
            let sequence = sequences.remove(at: place)
            effects.append(.answer(sequence: sequence, .refused(reason.failure)))
        }
    }

    /// Why these cannot be the voters, or nil: a majority of them has to answer this leader.
    func lackOfMajority(of voters: [NodeID]) -> ForwardRefusal? {
        let active = activeMembers
        if Quorum.holds(voters, { active.contains($0) }) { return nil }
        let hasStarted = Quorum.holds(voters) { store.members[$0]?.hasStarted ?? false }
        return hasStarted ? .unhealthyCluster : .notEnoughStartedMembers
    }

    var activeMembers: [NodeID] {
        raft.progress.filter { $0.isRecentlyActive && $0.hasAnswered }.map(\.id)
    }

    private func isMissing(_ id: NodeID) -> Bool { store.members.lacks(id) }

    // MARK: The leader's part

    /// The members with which the cluster began go on record.
    private mutating func foundMembers(into effects: inout [ReplicaEffect]) {
        // Not with `self` in the closure: that would copy all of it, each tick.
        let members = store.members
        guard appliedConfiguration.hasMember(where: { members.lacks($0) }) else { return }
        let missing = settings.initialMembers.filter { member in
            isMissing(member.member) && appliedConfiguration.contains(member.member)
        }
        guard !missing.isEmpty else { return }
        proposeForMembers(.memberFoundation, MemberCommand.foundation(missing), into: &effects)
    }

    private mutating func followCatchUps() {
        let configuration = raft.configuration
        let voters = configuration.voters.count + configuration.outgoingVoters.count
        if configuration.members.count <= voters {
            if !membership.catchUps.isEmpty { membership.catchUps = [:] }
            return
        }
        for member in raft.progress where member.role != .voter {
            var catchUp =
                membership.catchUps[member.id]
                ?? MembershipDuty.CatchUp(goal: raft.lastIndex, now: now)
            catchUp.note(member, lastIndex: raft.lastIndex, now: now, patience: patience)
            membership.catchUps[member.id] = catchUp
        }
    }

    /// A joining member that has kept up for a while is to vote.
    private mutating func promoteJoining(into effects: inout [ReplicaEffect]) {
        for record in store.members.records where record.role == .joining {
            #if KEELSON_MUTANTS
                let isAtOnce = planted(.promotesAtOnce)
            #else
                let isAtOnce = false
            #endif
            guard isAtOnce || membership.isStable(record.id, now: now, patience: patience) else {
                continue
            }
            proposeForMembers(
                .memberPromotion, MemberCommand.promotion(record.id, from: .joining),
                into: &effects)
        }
    }

    /// Once all members know more than the cluster makes use of. Whoever consensus knows must be on
    /// record: a member that is not, or that is on its way out, has not said what it knows.
    private mutating func raiseLevel(into effects: inout [ReplicaEffect]) {
        guard let level = store.nextLevel,
            (raft.configuration.members + appliedConfiguration.members).allSatisfy({
                store.members[$0] != nil
            })
        else { return }
        proposeForMembers(.clusterLevel, ClusterLevelCommand.encode(level), into: &effects)
    }

    private mutating func changeConfiguration(into effects: inout [ReplicaEffect]) {
        let configuration = raft.configuration
        guard !configuration.isJoint, raft.configurationIndex <= store.appliedIndex else { return }
        var steps: [ConfigurationChange.Step] = []
        for record in store.members.records
        where configuration.role(of: record.id) != record.role {
            steps.append(ConfigurationChange.Step(record.id, record.role))
        }
        for id in configuration.members where store.members.isRemoved(id) {
            steps.append(ConfigurationChange.Step(id, nil))
        }
        if steps.isEmpty {
            membership.wanted = nil
            return
        }
        if membership.wanted?.steps != steps { membership.wanted = (steps, now) }
        if !canElect(configuration, after: steps) {
            // Those who vote neither before nor after need nobody's majority.
            steps.removeAll { $0.role == .voter || configuration.isVoter($0.member) }
        }
        guard !steps.isEmpty else { return }
        #if KEELSON_MUTANTS
            let goesFirst = !planted(.leadsUntilItIsOut)
        #else
            let goesFirst = true
        #endif
        if goesFirst, steps.contains(where: { $0.member == id }) {
            // Another one leads before this one goes: then nobody waits for an election.
            if !raft.isTransferring { run(.transferLeadership(to: nil), into: &effects) }
            return
        }
        do {
            _ = try raft.proposeConfiguration(ConfigurationChange(steps), into: &raftEffects)
            drainRaft(into: &effects)
        } catch {
            // Something else is on its way: the next tick tries again.
        }
    }

    /// Whether the voters that the steps lead to have a majority that answers, whose new ones keep
    /// up with the log.
    private func canElect(
        _ configuration: ClusterConfiguration, after steps: [ConfigurationChange.Step]
    ) -> Bool {
        #if KEELSON_MUTANTS
            if planted(.changesWithoutMajority) || planted(.promotesAtOnce) { return true }
        #endif
        var voters = configuration.voters.filter { id in !steps.contains { $0.member == id } }
        for step in steps where step.role == .voter { voters.append(step.member) }
        if voters.isEmpty { return false }
        // Whoever answers now: a member that has lost its disk since it last acknowledged does not.
        let waited = membership.wanted.map { now - $0.since } ?? 0
        let present = raft.progress.filter {
            $0.id == id || $0.isRecentlyActive && $0.beatAge < waited
        }.map(\.id)
        return Quorum.holds(voters) { id in
            present.contains(id) && (configuration.isVoter(id) || membership.isReady(id))
        }
    }

    /// An entry of the leader itself, which holds in its term only; one at a time.
    mutating func proposeForMembers(
        _ kind: CommandKind, _ body: [UInt8], into effects: inout [ReplicaEffect]
    ) {
        guard store.appliedIndex >= membership.proposedThrough else { return }
        do {
            membership.proposedThrough = try proposeOwn(kind, body)
            drainRaft(into: &effects)
        } catch {
            // Leadership is going, or too much waits: the next tick tries again.
        }
    }

    // MARK: The removed member's part

    /// Out of the configuration, it goes, after a time in which it can still hand its leadership on
    /// and tell the others what is committed.
    private mutating func leaveIfRemoved(into effects: inout [ReplicaEffect]) {
        guard store.members.isRemoved(id), !appliedConfiguration.contains(id),
            raft.isOut(id)
        else {
            membership.removedSince = nil
            return
        }
        let since = membership.removedSince ?? now
        membership.removedSince = since
        if now - since >= patience, !isLeader {
            halted = true
            effects.append(.halt(.removed))
        }
    }
}
