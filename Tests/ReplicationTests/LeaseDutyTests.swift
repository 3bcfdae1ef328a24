import Primitives
import RaftCore
import Replication
import StateMachine
import Testing

@Suite("The leader's duty about leases (DESIGN §6; L1, L5, L6)")
struct LeaseDutyTests {
    /// Ten ticks are a second; what remains of leases is written to the log every five seconds.
    func makeTrio() -> Trio {
        var trio = Trio { $0.leaseCheckpointTicks = 50 }
        trio.elect()
        return trio
    }

    /// Until the leader has appended an entry that is not applied anywhere, which it does by
    /// itself.
    func tickUntilProposal(_ trio: inout Trio, limit: Int = 200) throws {
        let leader = try #require(trio.leader)
        let before = trio.replicas[leader].raft.lastIndex
        for _ in 0..<limit where trio.replicas[leader].raft.lastIndex == before { trio.tick() }
        #expect(trio.replicas[leader].raft.lastIndex > before)
        #expect(trio.replicas[leader].appliedIndex <= before)
    }

    func remainders(_ trio: Trio, _ id: Int64) -> [Int64?] {
        trio.replicas.map { $0.store.leases.lease(id)?.remainingSeconds }
    }

    @Test(
        "a lease that begins while its node owes itself ticks lives its whole time after them (L1)")
    func ticksOwed() {
        var node = SingleReplica { _ in }
        node.persistAll()
        var grant = ProtobufWriter()
        grant.field(1, Int64(2))
        grant.field(2, Int64(7))
        node.propose(.leaseGrant, grant.bytes)
        node.persistAll()
        for owed in (0..<7).reversed() { node.step(.tick(clock: 0, owed: owed)) }
        for _ in 0..<20 {
            node.step(.tick(clock: 0))
            node.persistAll()
            #expect(node.replica.store.leases.contains(7))
        }
        node.step(.tick(clock: 0))
        node.persistAll()
        #expect(!node.replica.store.leases.contains(7))
    }

    @Test(
        "leases that a new leader finds live their time behind the ticks that it owes itself (L1)")
    func ticksOwedToOldLeases() throws {
        var trio = makeTrio()
        trio.grant(7, seconds: 2)
        let old = try #require(trio.leader)
        trio.tick(2)
        trio.cutOff = [old]
        trio.elect()
        let leader = try #require(trio.leader)
        #expect(leader != old)
        for owed in (0..<30).reversed() {
            trio.step(leader, .tick(clock: 0, owed: owed))
            trio.deliver()
        }
        // Two seconds at ten ticks each, and an election timeout of twenty.
        for _ in 0..<40 {
            #expect(trio.replicas[leader].store.leases.contains(7))
            trio.tick()
        }
        trio.tick(5)
        #expect(!trio.replicas[leader].store.leases.contains(7))
    }

    @Test("a renewal while a checkpoint of its lease is in flight waits until no remainder is left")
    func renewalBehindCheckpoint() throws {
        var trio = makeTrio()
        trio.grant(7, seconds: 100)
        let leader = try #require(trio.leader)
        trio.tick(2)
        trio.losesAppends = true
        try tickUntilProposal(&trio)
        let sequence = trio.renew(leader, 7)
        trio.tick(2)
        #expect(trio.leases[leader][sequence] == nil)
        trio.losesAppends = false
        trio.tick(10)
        #expect(
            trio.leases[leader][sequence] == .alive(grantedSeconds: 100, remainingSeconds: 100))
        #expect(remainders(trio, 7) == [0, 0, 0])
        // The next leader gives it its whole time.
        trio.cutOff = [leader]
        trio.elect()
        trio.tick(950)
        let next = try #require(trio.leader)
        #expect(next != leader)
        #expect(trio.replicas[next].store.leases.contains(7))
    }

    @Test("no checkpoint follows the clearing of a remainder for which a renewal waits")
    func checkpointBehindClearing() throws {
        var trio = makeTrio()
        trio.grant(7, seconds: 100)
        let leader = try #require(trio.leader)
        try tickUntilCheckpointed(&trio, 7)
        trio.tick(40)
        trio.losesAppends = true
        let sequence = trio.renew(leader, 7)
        trio.tick(2)
        let cleared = trio.replicas[leader].raft.lastIndex
        trio.tick(15)
        #expect(trio.replicas[leader].raft.lastIndex == cleared)
        #expect(trio.leases[leader][sequence] == nil)
        trio.losesAppends = false
        trio.tick(10)
        #expect(
            trio.leases[leader][sequence] == .alive(grantedSeconds: 100, remainingSeconds: 100))
        #expect(remainders(trio, 7) == [0, 0, 0])
    }

    func tickUntilCheckpointed(_ trio: inout Trio, _ id: Int64) throws {
        for _ in 0..<100 where remainders(trio, id).contains(0) { trio.tick() }
        #expect(!remainders(trio, id).contains(0))
    }

    @Test("a renewal that is asked again and again while it waits is answered once")
    func askedAgain() throws {
        var trio = makeTrio()
        trio.grant(7, seconds: 100)
        let leader = try #require(trio.leader)
        let follower = (leader + 1) % 3
        try tickUntilCheckpointed(&trio, 7)
        trio.losesAppends = true
        let sequence = trio.renew(follower, 7)
        trio.tick(18)
        #expect(trio.leases[follower][sequence] == nil && trio.leaseReplies == 0)
        trio.losesAppends = false
        trio.tick(10)
        #expect(
            trio.leases[follower][sequence] == .alive(grantedSeconds: 100, remainingSeconds: 100))
        #expect(trio.leaseReplies == 1)
    }

    @Test("many renewals of one lease clear its remainder once, and all are answered")
    func manyRenewals() throws {
        var trio = makeTrio()
        trio.grant(7, seconds: 100)
        let leader = try #require(trio.leader)
        try tickUntilCheckpointed(&trio, 7)
        let before = trio.replicas[leader].raft.lastIndex
        let sequences = (0..<5).map { _ in trio.renew(leader, 7) }
        trio.tick(5)
        for sequence in sequences {
            #expect(
                trio.leases[leader][sequence] == .alive(grantedSeconds: 100, remainingSeconds: 100))
        }
        #expect(trio.replicas[leader].raft.lastIndex == before.next)
        #expect(remainders(trio, 7) == [0, 0, 0])
    }

    @Test("an expiry of a lease's earlier life leaves the one that was granted before it alone")
    func expiryOfAnEarlierLife() throws {
        var trio = makeTrio()
        trio.grant(7, seconds: 4)
        let leader = try #require(trio.leader)
        trio.tick(30)
        trio.losesAppends = true
        trio.revoke(leader, 7)
        trio.grant(7, seconds: 60)
        try tickUntilProposal(&trio)
        trio.losesAppends = false
        trio.tick(10)
        #expect(
            trio.replicas.map { $0.store.leases.lease(7)?.grantedSeconds } == [60, 60, 60])
        // It can be renewed, and it ends in its own time.
        let sequence = trio.renew(leader, 7)
        trio.tick(2)
        #expect(
            trio.leases[leader][sequence] == .alive(grantedSeconds: 60, remainingSeconds: 60))
        trio.tick(620)
        #expect(trio.replicas.allSatisfy { !$0.store.leases.contains(7) })
    }

    @Test("a lease whose expiry an alarm refuses can be renewed, and ends after the alarm (L2)")
    func expiryUnderAlarm() throws {
        var trio = makeTrio()
        trio.grant(7, seconds: 3)
        trio.grant(8, seconds: 3)
        let leader = try #require(trio.leader)
        trio.setCorruptAlarm(true)
        trio.tick(60)
        #expect(trio.replicas[leader].store.leases.count == 2)
        let sequence = trio.renew(leader, 8)
        trio.tick(15)
        #expect(
            trio.leases[leader][sequence] == .alive(grantedSeconds: 3, remainingSeconds: 3))
        trio.setCorruptAlarm(false)
        trio.tick(11)
        #expect(trio.replicas[leader].store.leases.all.map(\.id) == [8])
        trio.tick(20)
        #expect(trio.replicas.allSatisfy { $0.store.leases.count == 0 })
    }
}

extension Trio {
    mutating func setCorruptAlarm(_ isRaised: Bool) {
        let request = AlarmRequest(
            isRaised ? .activate : .deactivate, member: Self.ids[0], kind: .corrupt)
        _ = propose(0, .alarm, body: request.encode())
        deliver()
    }

    mutating func revoke(_ node: Int, _ id: Int64) {
        var body = ProtobufWriter()
        body.field(1, id)
        _ = propose(node, .leaseRevoke, body: body.bytes)
        deliver()
    }
}
