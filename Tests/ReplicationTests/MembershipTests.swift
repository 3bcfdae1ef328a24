import Primitives
import RaftCore
import Replication
import StateMachine
import Testing

@Suite("A leader that changes the members (DESIGN §4)")
struct MembershipTests {
    private func founded() throws -> (trio: Trio, leader: Int) {
        var trio = Trio {
            $0.initialMembers = Trio.ids.map {
                MemberAttributes(
                    member: $0, name: "n\($0)", clientURLs: [], peerURLs: ["http://\($0)"],
                    version: "")
            }
        }
        trio.elect()
        trio.tick(5)
        let leader = try #require(trio.leader)
        for replica in trio.replicas {
            #expect(replica.store.members.voters == Trio.ids)
        }
        return (trio, leader)
    }

    private func add(_ trio: inout Trio, through node: Int, _ role: MemberRole) throws -> NodeID {
        let sequence = trio.propose(
            node, .memberAddition,
            body: MemberCommand.addition(as: role, peerURLs: ["http://new-\(role)"]))
        trio.tick(5)
        guard case .applied(let applied) = trio.outcomes[node][sequence],
            case .member(let id) = applied.outcome
        else { throw Missing() }
        return id
    }

    private struct Missing: Error {}

    private func refusal(_ trio: Trio, _ node: Int, _ sequence: UInt64) -> RequestFailure? {
        if case .refused(let failure) = trio.outcomes[node][sequence] { failure } else { nil }
    }

    @Test("what is agreed on reaches the configuration of every member, from whoever was asked")
    func addition() throws {
        var (trio, leader) = try founded()
        let joining = try add(&trio, through: (leader + 1) % 3, .joining)
        let learner = try add(&trio, through: leader, .learner)
        trio.tick(2)
        for replica in trio.replicas {
            #expect(replica.raft.configuration.voters == Trio.ids)
            #expect(replica.raft.configuration.joining == [joining])
            #expect(replica.raft.configuration.learners == [learner])
            #expect(replica.appliedConfiguration == replica.raft.configuration)
        }
    }

    @Test("a learner that has not caught up is not promoted", arguments: [0, 1])
    func promotion(distance: Int) throws {
        var (trio, leader) = try founded()
        let learner = try add(&trio, through: leader, .learner)
        let node = (leader + distance) % 3
        let sequence = trio.propose(
            node, .memberPromotion, body: MemberCommand.promotion(learner, from: .learner))
        trio.tick(5)
        #expect(refusal(trio, node, sequence) == .learnerNotReady)
        #expect(trio.replicas[node].store.members[learner]?.role == .learner)
    }

    @Test("a removal that would leave no majority that answers is refused", arguments: [0, 1])
    func quorum(distance: Int) throws {
        var (trio, leader) = try founded()
        let names = Trio.ids.map {
            MemberAttributes(
                member: $0, name: "n\($0)", clientURLs: ["c"], peerURLs: [], version: "3.7.0")
        }
        for attributes in names {
            _ = trio.propose(leader, .memberAttributes, body: attributes.encode())
        }
        trio.tick(2)
        let gone = (leader + 2) % 3
        trio.cutOff = [gone]
        trio.tick(45)
        #expect(trio.leader == leader)
        let node = (leader + distance) % 3
        let other = (leader + 1) % 3
        let sequence = trio.propose(
            node, .memberRemoval, body: MemberCommand.removal(Trio.ids[other]))
        trio.tick(5)
        #expect(refusal(trio, node, sequence) == .unhealthyCluster)
        // The one that is gone may go.
        let removal = trio.propose(
            node, .memberRemoval, body: MemberCommand.removal(Trio.ids[gone]))
        trio.tick(10)
        guard case .applied = trio.outcomes[node][removal] else {
            Issue.record("\(String(describing: trio.outcomes[node][removal]))")
            return
        }
        #expect(trio.replicas[leader].raft.configuration.members.count == 2)
        #expect(!trio.replicas[leader].raft.configuration.isJoint)
    }

    @Test("what is agreed on waits for a majority of those who are to vote")
    func waitsForMajority() throws {
        var (trio, leader) = try founded()
        let (gone, quiet) = ((leader + 1) % 3, (leader + 2) % 3)
        let removal = trio.propose(
            leader, .memberRemoval, body: MemberCommand.removal(Trio.ids[gone]))
        trio.deliver()
        guard case .applied = trio.outcomes[leader][removal] else {
            Issue.record("\(String(describing: trio.outcomes[leader][removal]))")
            return
        }
        trio.cutOff = [quiet]
        trio.tick(10)
        #expect(trio.leader == leader)
        #expect(trio.replicas[leader].raft.configuration.voters == Trio.ids)
        trio.cutOff = []
        trio.tick(10)
        #expect(
            trio.replicas[leader].raft.configuration.voters
                == Trio.ids.filter { $0 != Trio.ids[gone] })
    }

    @Test("members that have never started are no majority")
    func notStarted() throws {
        var (trio, leader) = try founded()
        trio.cutOff = [(leader + 2) % 3]
        trio.tick(45)
        let other = Trio.ids[(leader + 1) % 3]
        let sequence = trio.propose(
            leader, .memberRemoval, body: MemberCommand.removal(other))
        trio.tick(5)
        #expect(refusal(trio, leader, sequence) == .notEnoughStartedMembers)
    }

    @Test("a leader that is to go hands over first, and stops once it is out")
    func leaderGoes() throws {
        var (trio, leader) = try founded()
        let sequence = trio.propose(
            leader, .memberRemoval, body: MemberCommand.removal(Trio.ids[leader]))
        trio.tick(3)
        guard case .applied = trio.outcomes[leader][sequence] else {
            Issue.record("\(String(describing: trio.outcomes[leader][sequence]))")
            return
        }
        trio.tick(10)
        let next = try #require(trio.leader)
        #expect(next != leader)
        let left = Trio.ids.filter { $0 != Trio.ids[leader] }
        #expect(trio.replicas[next].raft.configuration == ClusterConfiguration(voters: left))
        #expect(trio.replicas[next].raft.term == Term(2))
        #expect(trio.count(of: "k", at: next) == 0)
        let write = trio.put(next, "k")
        trio.tick(5)
        guard case .applied = trio.outcomes[next][write] else {
            Issue.record("the two that are left take no write")
            return
        }
    }

    @Test("changes wait until the first members are on record")
    func unfounded() throws {
        var trio = Trio()
        trio.elect()
        let leader = try #require(trio.leader)
        let sequence = trio.propose(
            leader, .memberRemoval, body: MemberCommand.removal(Trio.ids[leader]))
        trio.tick(5)
        #expect(refusal(trio, leader, sequence) == .leaderChanged)
    }
}
