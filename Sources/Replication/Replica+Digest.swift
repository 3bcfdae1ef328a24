import Primitives
import RaftCore
import StateMachine

/// Members compare a rolling digest of their state at every so many entries, without being asked
/// (DESIGN §6, divergence). All compare their own with the voters'.
extension Replica {
    mutating func noteDigest(at index: LogIndex, into effects: inout [ReplicaEffect]) {
        let digest = store.digest.value
        digests.note(digest, at: index)
        if appliedConfiguration.voters.contains(id) {
            for peer in appliedConfiguration.members where peer != id {
                effects.append(.send(.digest(index: index, digest), to: peer))
            }
        }
        judgeDigest(at: index, into: &effects)
    }

    mutating func compareDigest(
        _ digest: UInt64, at index: LogIndex, from sender: NodeID,
        into effects: inout [ReplicaEffect]
    ) {
        guard appliedConfiguration.voters.contains(sender) else { return }
        digests.note(DigestTable.Vote(peer: sender, index: index, digest: digest))
        judgeDigest(at: index, into: &effects)
    }

    private mutating func judgeDigest(at index: LogIndex, into effects: inout [ReplicaEffect]) {
        guard let conflict = digests.conflict(at: index, voters: appliedConfiguration.voters)
        else { return }
        halted = true
        effects.append(
            .halt(
                .diverged(index: index, mine: conflict.mine, majority: conflict.majority)))
    }
}
