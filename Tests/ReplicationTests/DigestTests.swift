import Primitives
import RaftCore
import Replication
import StateMachine
import Testing

@Suite("Divergence (DESIGN §6; K8, K9)")
struct DigestTests {
    static func table(_ votes: [(peer: UInt64, digest: UInt64)]) -> DigestTable {
        var table = DigestTable()
        table.note(1, at: LogIndex(8))
        for vote in votes {
            table.note(
                DigestTable.Vote(
                    peer: NodeID(vote.peer), index: LogIndex(8), digest: vote.digest))
        }
        return table
    }

    static let voters = [NodeID(1), NodeID(2), NodeID(3)]

    @Test("a majority of the voters with another digest is a conflict, fewer or others are none")
    func majority() throws {
        let conflict = Self.table([(2, 5), (3, 5)]).conflict(at: LogIndex(8), voters: Self.voters)
        #expect(try #require(conflict) == (1, 5))
        for votes: [(UInt64, UInt64)] in [[(2, 5)], [(2, 5), (3, 6)], [(2, 1), (3, 1)]] {
            let none = Self.table(votes.map { (peer: $0.0, digest: $0.1) })
            #expect(none.conflict(at: LogIndex(8), voters: Self.voters) == nil)
        }
    }

    @Test("those who vote no longer do not count")
    func formerVoters() {
        let table = Self.table([(2, 5), (8, 5), (9, 5)])
        #expect(table.conflict(at: LogIndex(8), voters: Self.voters) == nil)
    }

    @Test("voters tell every member, learners tell nobody")
    func whoIsTold() throws {
        let configuration = ClusterConfiguration(
            voters: [NodeID(1)], learners: [NodeID(4)])
        var voter = SingleReplica(.fresh(configuration)) { $0.digestIntervalEntries = 1 }
        voter.put("k")
        voter.persistAll()
        let told = voter.effects.contains {
            if case .send(.digest, to: NodeID(4)) = $0 { true } else { false }
        }
        #expect(told)

        let raft = RaftSettings(id: NodeID(4), seed: 1, electionTicks: 10, heartbeatTicks: 2)
        var settings = ReplicaSettings(
            raft: raft, clusterID: ClusterID(1), boot: BootNumber(1), ticksPerSecond: 10)
        settings.digestIntervalEntries = 1
        var learner = Replica(settings: settings, restored: .fresh(configuration), store: Store())
        let entry = LogEntry(index: LogIndex(1), term: Term(1), kind: .noop, payload: [])
        let append = AppendEntries(
            prevLogIndex: .zero, prevLogTerm: .zero, leaderCommit: LogIndex(1), entries: [entry])
        var effects: [ReplicaEffect] = []
        learner.step(
            .received(
                .raft(Message(term: Term(1), body: .appendEntries(append))), from: NodeID(1)),
            into: &effects)
        #expect(learner.appliedIndex == LogIndex(1))
        let tells = effects.contains { if case .send(.digest, _) = $0 { true } else { false } }
        #expect(!tells)
    }
}
