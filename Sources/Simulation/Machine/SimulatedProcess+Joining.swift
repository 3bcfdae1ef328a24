import Primitives
import Replication
import StateMachine
import Storage

/// Servers that look for their place.
extension SimulatedProcess {
    func asked(_ frame: [UInt8], _ answer: @escaping ([UInt8]) -> Void) {
        guard isAlive else { return }
        guard let question = try? JoinQuestion.decode(frame) else {
            return world.violated(
                "P2 peers decode each other", "a question of \(frame.count) bytes")
        }
        let step = replica.judge(question) { [self] id in
            (replica.store.members[id] ?? foreseen[id])?.peerURLs ?? []
        }
        switch step {
        case .answer(let said): answer(said.encode())
        case .replace(let member, let command):
            proposeOwn(.memberRejoin, command) { _ in
                let said = JoinAnswer(
                    .notNow, clusterID: SimulatedCluster.clusterID, memberID: member,
                    reason: "the cluster was asked")
                answer(said.encode())
            }
        }
    }

    /// As the node of ControlPlane says it.
    func lostPlace(after halt: NodeHalt) -> LostPlace? {
        switch halt {
        case .replica(.diskLost): return .disk(of: identity.memberID)
        case .replica(.removed):
            let wasPutAway = try? RetiredDirectory.has(
                identity.memberID, beside: SimulatedCluster.directory, fileSystem: machine.disk)
            return .membership(
                of: identity.memberID,
                mayFollow: (wasPutAway ?? false) || !gate.memory.wasAdmitted)
        case .replica, .storage: return nil
        }
    }
}
