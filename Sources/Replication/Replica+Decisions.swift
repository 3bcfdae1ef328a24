import Primitives
import RaftCore
import StateMachine

/// What the datacenter's master decides: fenced to this leader's term, and handed to nobody.
extension Replica {
    /// Whether this node may decide: it leads, has applied the first entry of its own term, and the
    /// cluster knows the records.
    package var mayDecide: Bool {
        leadersTime != nil && store.members.clusterLevel >= .datacenter && !halted
    }

    /// Takes a ``DatacenterCommand``. The outcome comes as `.answer` with `sequence`: an entry that
    /// is committed in another term has no effect.
    package mutating func decide(
        _ body: [UInt8], sequence: UInt64, into effects: inout [ReplicaEffect]
    ) {
        guard mayDecide else {
            return effects.append(.answer(sequence: sequence, .refused(.leaderChanged)))
        }
        guard store.members.clusterLevel >= DatacenterCommand.level(of: body) else {
            return effects.append(.answer(sequence: sequence, .refused(.leaderChanged)))
        }
        guard proposals.count < settings.pendingRequestsMax else {
            return effects.append(.answer(sequence: sequence, .refused(.tooManyRequests)))
        }
        let command = ownCommand(.datacenter, body, sequence: sequence)
        guard command.count <= settings.entryBytesMax else {
            return effects.append(.answer(sequence: sequence, .refused(.requestTooLarge)))
        }
        proposals.gathered.append((.command, command))
        proposals.gatheredSequences.append(sequence)
    }

    /// Decisions are the leader's that made them.
    func refuseDecisions(
        _ batch: inout [(EntryKind, [UInt8])], _ sequences: inout [UInt64],
        into effects: inout [ReplicaEffect]
    ) {
        guard batch.contains(where: { Command.kind(of: $0.1) == .datacenter }) else { return }
        var kept: [(EntryKind, [UInt8])] = []
        var keptSequences: [UInt64] = []
        for (proposal, sequence) in zip(batch, sequences) {
            if Command.kind(of: proposal.1) == .datacenter {
                effects.append(.answer(sequence: sequence, .refused(.leaderChanged)))
            } else {
                kept.append(proposal)
                keptSequences.append(sequence)
            }
        }
        batch = kept
        sequences = keptSequences
    }
}
