import Primitives
import RaftCore
import Replication
import StateMachine
import Testing

@Suite("Proposals on their way to a leader (DESIGN §6)")
struct ForwardTests {
    func command(_ kind: UInt8, _ sequence: UInt64, from origin: NodeID) -> [UInt8] {
        let request = RequestID(origin: origin, boot: BootNumber(1), sequence: sequence)
        var payload = Command.encode(CommandHeader(kind: .put, request: request), body: [])
        payload[1] = kind
        return payload
    }

    @Test("a leader refuses, for certain, what it does not know and what only a leader decides")
    func kinds() throws {
        var trio = Trio()
        trio.elect()
        let leader = try #require(trio.leader)
        let sender = Trio.ids[(leader + 1) % 3]
        let before = trio.replicas[leader].raft.lastIndex
        let kinds = [
            CommandKind.leaseExpire.rawValue, CommandKind.put.rawValue, 99,
            CommandKind.leaseCheckpoint.rawValue, CommandKind.deleteRange.rawValue,
        ]
        let commands = kinds.enumerated().map { command($1, UInt64($0 + 1), from: sender) }
        var effects: [ReplicaEffect] = []
        trio.replicas[leader].step(
            .received(.forward(trio.replicas[leader].raft.term, commands), from: sender),
            into: &effects)
        #expect(trio.replicas[leader].raft.lastIndex == before + 2)
        var refused: [[UInt64]] = []
        for case .send(.forwardRefused(let sequences, .leaderChanged), sender) in effects {
            refused.append(sequences)
        }
        #expect(refused == [[1, 3, 4]])
    }

    @Test(
        "a leader leaves alone what was meant for another term: its origin may have called it lost")
    func otherTerms() throws {
        var trio = Trio()
        trio.elect()
        let leader = try #require(trio.leader)
        let sender = Trio.ids[(leader + 1) % 3]
        let own = trio.replicas[leader].raft.term
        let before = trio.replicas[leader].raft.lastIndex
        var effects: [ReplicaEffect] = []
        for (place, term) in [Term(own.rawValue - 1), Term(own.rawValue + 1)].enumerated() {
            let put = command(CommandKind.put.rawValue, UInt64(place + 1), from: sender)
            trio.replicas[leader].step(
                .received(.forward(term, [put]), from: sender), into: &effects)
        }
        #expect(trio.replicas[leader].raft.lastIndex == before)
        let put = command(CommandKind.put.rawValue, 3, from: sender)
        trio.replicas[leader].step(.received(.forward(own, [put]), from: sender), into: &effects)
        #expect(trio.replicas[leader].raft.lastIndex == before.next)
    }

    @Test("a proposal that waits for a leader keeps its deadline when one comes and goes")
    func deadline() {
        let raft = RaftSettings(id: NodeID(1), seed: 1, electionTicks: 10, heartbeatTicks: 2)
        var settings = ReplicaSettings(
            raft: raft, clusterID: ClusterID(1), boot: BootNumber(1), ticksPerSecond: 10)
        settings.requestTicksMax = 50
        var replica = Replica(
            settings: settings, restored: .fresh(ClusterConfiguration(voters: Trio.ids)),
            store: Store())
        var effects: [ReplicaEffect] = []
        let sequence = replica.nextSequence()
        replica.propose(.put, proposedID: 0, body: [], sequence: sequence, into: &effects)
        replica.flush(into: &effects)
        for round: UInt64 in 1...4 {
            for _ in 0..<10 { replica.step(.tick(clock: 0), into: &effects) }
            let beat = Heartbeat(context: 0, leaderCommit: .zero, leaderCommitTerm: .zero)
            let later = Term(round * 100)
            replica.step(
                .received(.raft(Message(term: later, body: .heartbeat(beat))), from: NodeID(2)),
                into: &effects)
            #expect(replica.raft.leader == NodeID(2))
            let no = RequestVoteResponse(isPreVote: false, voteGranted: false)
            replica.step(
                .received(
                    .raft(Message(term: later.next, body: .requestVoteResponse(no))),
                    from: NodeID(3)),
                into: &effects)
            #expect(replica.raft.leader == nil)
            replica.flush(into: &effects)
        }
        effects = []
        for _ in 0..<10 { replica.step(.tick(clock: 0), into: &effects) }
        let answers = effects.compactMap {
            if case .answer(let sequence, .refused(.noLeader)) = $0 { sequence } else { nil }
        }
        #expect(answers == [sequence])
        #expect(replica.pendingRequests == 0)
    }
}
