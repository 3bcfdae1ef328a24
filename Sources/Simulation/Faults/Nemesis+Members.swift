import Primitives
import RaftCore
import Replication
import StateMachine

/// What operators do to the cluster's members, within what the promise covers: of whoever is to
/// vote, so many are whole that they are a majority, whatever of it has been carried out so far.
extension Nemesis {
    /// Of the nodes that run, the one that has applied most.
    private var freshest: SimulatedProcess? {
        world.machines.compactMap(\.process).filter { $0.isAlive }.max {
            $0.replica.store.appliedIndex < $1.replica.store.appliedIndex
        }
    }

    /// How many machines may lose or rot what they hold: fewer than any majority.
    var sacrificeMax: Int {
        // Who comes back under another id is out for a while, and the others are fewer.
        guard world.settings.changesMembers else { return (world.settings.nodeCount - 1) / 2 }
        return (fewestVoters - 1) / 2
    }

    /// The smallest set of voters that is in force anywhere, or that may come into force.
    private var fewestVoters: Int {
        guard let freshest else { return 1 }
        var fewest = freshest.replica.store.members.voters.count
        if fewest == 0 { fewest = world.settings.nodeCount }
        for process in world.machines.compactMap(\.process) {
            let configuration = process.replica.raft.configuration
            fewest = min(fewest, configuration.voters.count)
            if configuration.isJoint { fewest = min(fewest, configuration.outgoingVoters.count) }
        }
        return max(1, fewest - world.rules.removalsOnTheWay.count)
    }

    /// Whether members that join later learn of so late a start of the machine.
    func isOnRecord(_ machine: SimulatedMachine, since boot: BootNumber) -> Bool {
        guard world.settings.changesMembers else { return true }
        guard let record = freshest?.replica.store.members[machine.id] else { return false }
        return record.boot > .zero && record.boot >= boot
    }

    func changeMembers() -> Bool {
        retireWhoIsOut()
        guard let freshest, !freshest.machine.isPaused else { return false }
        let members = freshest.replica.store.members
        guard !members.voters.isEmpty, let process = anyMachine().process,
            !process.machine.isPaused
        else { return false }
        switch random.draw(0...5) {
        case 0...2: return offer(to: process, members)
        case 3: return promote(through: process, members)
        case _: return remove(through: process, members)
        }
    }

    private func offer(to process: SimulatedProcess, _ members: MemberTable) -> Bool {
        guard members.records.count < 7,
            let spare = world.machines.first(where: { !$0.isMember })
        else { return false }
        let role: MemberRole = random.chance(1, in: 4) ? .learner : .joining
        process.proposeOwn(
            .memberAddition, MemberCommand.addition(as: role, peerURLs: [spare.peerURL]),
            as: Self.administrator)
        return true
    }

    private func promote(through process: SimulatedProcess, _ members: MemberTable) -> Bool {
        let learners = members.records.filter { $0.role == .learner }
        guard !learners.isEmpty else { return false }
        let id = random.pick(learners).id
        process.proposeOwn(.memberPromotion, MemberCommand.promotion(id, from: .learner))
        return true
    }

    /// Someone who has lost its disk goes first; of those who are whole, only while enough are
    /// left.
    private func remove(through process: SimulatedProcess, _ members: MemberTable) -> Bool {
        guard world.rules.removalsOnTheWay.isEmpty else { return false }
        let lost = world.machines.filter {
            $0.isMember && ($0.isSacrificed || $0.isRotten) && members[$0.id] != nil
        }
        let id: NodeID
        if let machine = lost.first {
            id = machine.id
        } else {
            id = random.pick(members.records).id
        }
        let isVoter = members[id]?.role == .voter
        if isVoter {
            let left = fewestVoters - 1
            let lostThen = lost.filter { $0.id != id }.count
            guard left >= 2, lostThen <= (left - 1) / 2 else { return false }
        }
        world.rules.removalsOnTheWay.insert(id)
        process.proposeOwn(.memberRemoval, MemberCommand.removal(id)) { [unowned self] outcome in
            switch outcome {
            case .refused: world.rules.removalsOnTheWay.remove(id)
            case .applied(let applied):
                if case .failed = applied.outcome { world.rules.removalsOnTheWay.remove(id) }
            case .unknown: break
            }
        }
        return true
    }

    /// Machines that are out of the configuration for good, and do not run, or cannot be told, for
    /// wherever they know a member there is none now: their operator takes them back.
    func retireWhoIsOut() {
        guard let leader = leader?.process else { return }
        let replica = leader.replica
        guard replica.raft.hasCommittedInTerm,
            replica.raft.configurationIndex <= replica.store.appliedIndex
        else { return }
        for machine in world.machines where machine.isMember {
            if let process = machine.process, process.peers.contains(where: \.isWanted) { continue }
            guard replica.store.members.isRemoved(machine.id), replica.raft.isOut(machine.id)
            else { continue }
            world.retire(machine)
        }
    }
}
