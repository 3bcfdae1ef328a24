import Primitives
import RaftCore
import Replication
import StateMachine
import Testing

@Suite("One node as a value (DESIGN §4, §6)")
struct ReplicaTests {
    @Test("a write is answered once, by the node that took it, wherever the leader is")
    func writesAnywhere() throws {
        var trio = Trio()
        trio.elect()
        for node in 0..<3 {
            let sequence = trio.put(node, "k\(node)")
            trio.deliver()
            guard case .applied(let applied) = trio.outcomes[node][sequence] else {
                Issue.record("node \(node): \(String(describing: trio.outcomes[node][sequence]))")
                continue
            }
            #expect(applied.revision == Revision(Int64(node) + 2))
        }
        trio.tick(5)
        #expect(
            trio.replicas.map(\.store.digest).allSatisfy { $0 == trio.replicas[0].store.digest })
        #expect(trio.replicas.allSatisfy { $0.store.revision == Revision(4) })
    }

    @Test("a forward that arrives twice takes effect once")
    func duplicatedForward() throws {
        var trio = Trio()
        trio.elect()
        trio.repeatsForwards = true
        let leader = try #require(trio.leader)
        let follower = (leader + 1) % 3
        _ = trio.put(follower, "once")
        trio.tick(5)
        #expect(trio.replicas[leader].store.revision == Revision(2))
        #expect(trio.applied[leader].filter { !$0.events.isEmpty }.count == 1)
    }

    @Test("a write of a deposed leader that the next one does not have is refused for certain")
    func deposedLeader() throws {
        var trio = Trio()
        trio.elect()
        let old = try #require(trio.leader)
        trio.cutOff = [old]
        let sequence = trio.put(old, "lost")
        trio.deliver()
        #expect(trio.outcomes[old][sequence] == nil)
        trio.elect()
        trio.cutOff = []
        trio.tick(10)
        guard case .refused(.leaderChanged) = trio.outcomes[old][sequence] else {
            Issue.record("\(String(describing: trio.outcomes[old][sequence]))")
            return
        }
        for node in 0..<3 { #expect(trio.count(of: "lost", at: node) == 0) }
    }

    @Test("a forward that was lost is called unknown, never refused, while its term lasts")
    func lostForward() throws {
        var trio = Trio()
        trio.elect()
        let leader = try #require(trio.leader)
        let follower = (leader + 1) % 3
        trio.losesForwards = true
        let sequence = trio.put(follower, "gone")
        trio.tick(trio.replicas[follower].settings.requestTicksMax + 1)
        guard case .unknown(.timedOut) = trio.outcomes[follower][sequence] else {
            Issue.record("\(String(describing: trio.outcomes[follower][sequence]))")
            return
        }
    }

    @Test("without a leader a write waits, and is proposed when there is one")
    func parked() throws {
        var trio = Trio()
        let sequence = trio.put(0, "early")
        trio.deliver()
        #expect(trio.outcomes[0][sequence] == nil)
        trio.elect()
        trio.tick(3)
        guard case .applied = trio.outcomes[0][sequence] else {
            Issue.record("\(String(describing: trio.outcomes[0][sequence]))")
            return
        }
    }

    @Test("a linearizable read on any node sees what was acknowledged before it")
    func reads() throws {
        var trio = Trio()
        trio.elect()
        for node in 0..<3 {
            let key = "r\(node)"
            _ = trio.put((node + 1) % 3, key)
            trio.deliver()
            let sequence = trio.read(node)
            trio.tick(2)
            #expect(trio.reads[node][sequence] == .some(nil))
            #expect(trio.count(of: key, at: node) == 1)
        }
    }

    @Test("a leader that is cut off answers no read")
    func staleLeaderRead() throws {
        var trio = Trio()
        trio.elect()
        let old = try #require(trio.leader)
        trio.cutOff = [old]
        let sequence = trio.read(old)
        trio.tick(40)
        #expect(trio.reads[old][sequence] == nil)
    }

    @Test("no start names a request as an earlier one did, so a late answer to that fits none")
    func lateAnswers() {
        let configuration = ClusterConfiguration(voters: Trio.ids)
        var first: [UInt64] = []
        for boot in 1...3 as ClosedRange<UInt64> {
            let settings = ReplicaSettings(
                raft: RaftSettings(id: NodeID(1), seed: 1), clusterID: ClusterID(1),
                boot: BootNumber(BootNumber(disk: 7).rawValue + boot), ticksPerSecond: 10)
            var replica = Replica(
                settings: settings, restored: .fresh(configuration), store: Store())
            var effects: [ReplicaEffect] = []
            let sequence = replica.nextSequence()
            replica.propose(.put, proposedID: 0, body: [], sequence: sequence, into: &effects)
            replica.step(
                .received(
                    .raft(
                        Message(
                            term: Term(1),
                            body: .heartbeat(
                                Heartbeat(context: 1, leaderCommit: .zero, leaderCommitTerm: .zero))
                        )),
                    from: NodeID(2)), into: &effects)
            replica.flush(into: &effects)
            effects = []
            replica.step(
                .received(.forwardRefused(sequences: first, .leaderChanged), from: NodeID(2)),
                into: &effects)
            #expect(!effects.contains { if case .answer = $0 { true } else { false } })
            #expect(replica.pendingRequests == 1)
            first.append(sequence)
        }
    }

    @Test("a member that may not vote forwards nothing: an older disk may have used its names")
    func mutedForwardsNothing() throws {
        var trio = Trio()
        trio.elect()
        let leader = try #require(trio.leader)
        let follower = (leader + 1) % 3
        trio.step(follower, .votingAllowed(false))
        let sequence = trio.put(follower, "muted")
        trio.tick(3)
        #expect(trio.outcomes[follower][sequence] == nil)
        #expect(trio.count(of: "muted", at: leader) == 0)
        trio.step(follower, .votingAllowed(true))
        trio.tick(3)
        #expect(trio.count(of: "muted", at: leader) == 1)
    }

    @Test("a lease ends after its time and takes its keys along, on every node (L1, L3)")
    func leaseExpires() throws {
        var trio = Trio()
        trio.elect()
        trio.grant(7, seconds: 3)
        _ = trio.put(1, "leased", lease: 7)
        trio.deliver()
        trio.tick(25)
        #expect(trio.count(of: "leased", at: 0) == 1)
        trio.tick(20)
        for node in 0..<3 { #expect(trio.count(of: "leased", at: node) == 0) }
        #expect(trio.replicas[0].store.leases.count == 0)
    }

    @Test("a renewal through a follower keeps a lease alive, and none succeeds after its end (L4)")
    func leaseRenewed() throws {
        var trio = Trio()
        trio.elect()
        trio.grant(9, seconds: 3)
        let follower = (try #require(trio.leader) + 1) % 3
        for _ in 0..<4 {
            trio.tick(20)
            let sequence = trio.renew(follower, 9)
            trio.tick(2)
            #expect(
                trio.leases[follower][sequence]
                    == .alive(grantedSeconds: 3, remainingSeconds: 3))
        }
        trio.tick(50)
        let late = trio.renew(follower, 9)
        trio.tick(3)
        #expect(trio.leases[follower][late] == .notFound)
    }

    @Test("a change of leader never shortens a lease (L5)")
    func leaseSurvivesLeader() throws {
        var trio = Trio()
        trio.elect()
        trio.grant(5, seconds: 6)
        let old = try #require(trio.leader)
        trio.tick(30)
        trio.cutOff = [old]
        trio.elect()
        let next = try #require(trio.leader)
        #expect(next != old)
        trio.tick(50)
        #expect(trio.replicas[next].store.leases.contains(5))
        trio.tick(60)
        #expect(!trio.replicas[next].store.leases.contains(5))
    }
}

extension Trio {
    mutating func grant(_ id: Int64, seconds: Int64) {
        var body = ProtobufWriter()
        body.field(1, seconds)
        body.field(2, id)
        _ = propose(0, .leaseGrant, body: body.bytes)
        deliver()
    }
}
