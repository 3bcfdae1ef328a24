import Primitives
import RaftCore
import Testing

@Suite("Leadership transfer, and leaders of no use (dissertation §3.10; DESIGN §4)")
struct TransferTests {
    func leader(_ change: (inout RaftSettings) -> Void = { _ in }) -> Member {
        var member = Member(change: change)
        member.leadAndCommit()
        _ = member.receive(matched(1), term: 1, from: 3)
        return member
    }

    @Test("a target that holds the whole log is told at once to campaign")
    func atOnce() throws {
        var member = leader()
        #expect(
            member.step(.transferLeadership(to: node(3))) == [.send(to(3, term: 1, .timeoutNow))])
        #expect(member.core.isTransferring)
        #expect(throws: ProposalRefusal.transferring) { try member.propose("a") }
    }

    @Test("a target that lags is caught up first")
    func catchesUp() throws {
        var member = leader()
        _ = try member.propose("a")
        #expect(member.step(.transferLeadership(to: node(2))) == [])
        _ = member.persisted(3)
        let effects = member.receive(matched(2), term: 1, from: 2)
        #expect(effects.contains(.send(to(2, term: 1, .timeoutNow))))
    }

    @Test("without a target the best caught-up voter is chosen")
    func best() throws {
        var member = leader()
        _ = try member.propose("a")
        _ = member.receive(matched(2), term: 1, from: 3)
        #expect(
            member.step(.transferLeadership(to: nil)) == [.send(to(3, term: 1, .timeoutNow))])
    }

    @Test("only another voter can be a target", arguments: [1, 4, 9] as [UInt64])
    func targets(target: UInt64) {
        var member = Member(learners: [4])
        member.leadAndCommit()
        #expect(member.step(.transferLeadership(to: node(target))) == [])
        #expect(!member.core.isTransferring)
    }

    @Test("a transfer is given up after an election timeout, and proposals are taken again")
    func givenUp() throws {
        var member = leader()
        _ = member.step(.transferLeadership(to: node(2)))
        for _ in 0..<9 {
            _ = member.tick()
            _ = member.receive(answer(0), term: 1, from: 3)
        }
        #expect(member.core.isTransferring)
        _ = member.tick()
        #expect(!member.core.isTransferring)
        _ = try member.propose("a")
    }

    @Test("timeoutNow starts an election at once, without a pre-vote, past stickiness")
    func timeoutNow() {
        var member = Member(hard: HardState(term: term(1), votedFor: nil))
        _ = member.receive(beat(1), term: 1, from: 2)
        #expect(
            member.receive(.timeoutNow, term: 1, from: 2) == [
                .roleChanged(.candidate, term(2), leader: nil),
                .persist(
                    Write(
                        id: WriteID(1), hardState: HardState(term: term(2), votedFor: node(1)),
                        thenSend: [
                            to(2, term: 2, ask(last: 0, 0, transfer: true)),
                            to(3, term: 2, ask(last: 0, 0, transfer: true)),
                        ])),
            ])
    }

    @Test("timeoutNow from anyone but the leader, or to a learner, means nothing")
    func strayTimeoutNow() {
        var member = Member(hard: HardState(term: term(1), votedFor: nil))
        _ = member.receive(beat(1), term: 1, from: 2)
        #expect(member.receive(.timeoutNow, term: 1, from: 3) == [])
        var learner = Member(4, learners: [4], hard: HardState(term: term(1), votedFor: nil))
        _ = learner.receive(beat(1), term: 1, from: 2)
        #expect(learner.receive(.timeoutNow, term: 1, from: 2) == [])
    }

    /// Lets time pass while all others answer heartbeats and nothing else.
    func wait(_ ticks: Int, _ member: inout Member) -> [Effect] {
        var effects: [Effect] = []
        for _ in 0..<ticks {
            effects += member.tick()
            if member.core.role != .leader { break }
            for peer: UInt64 in 2...5 { effects += member.receive(answer(0), term: 1, from: peer) }
        }
        return effects
    }

    @Test("a leader that commits nothing for two election timeouts hands over, then steps down")
    func uselessLeader() throws {
        var member = leader()
        _ = try member.propose("a")
        _ = member.persisted(3)
        _ = wait(19, &member)
        #expect(!member.core.isTransferring)
        _ = wait(1, &member)
        #expect(member.core.isTransferring)
        _ = wait(9, &member)
        #expect(member.core.role == .leader)
        #expect(wait(1, &member) == [.roleChanged(.follower, term(1), leader: nil)])
        // The others go first.
        _ = member.tick(29)
        #expect(member.core.role == .follower)
    }

    @Test("a leader that commits again before its time to hand over is up stays")
    func usefulAgain() throws {
        var member = leader()
        _ = try member.propose("a")
        _ = member.persisted(3)
        _ = wait(20, &member)
        #expect(member.core.isTransferring)
        _ = wait(5, &member)
        _ = member.receive(matched(2), term: 1, from: 3)
        _ = wait(5, &member)
        #expect(member.core.role == .leader && !member.core.isTransferring)
        _ = try member.propose("b")
    }

    @Test("a leader whose disk hangs hands over although followers commit without it")
    func hungDisk() throws {
        var member = leader()
        _ = try member.propose("a")
        for peer: UInt64 in [2, 3] { _ = member.receive(matched(2), term: 1, from: peer) }
        #expect(member.core.commitIndex == index(2))
        let effects = wait(20, &member)
        #expect(effects.contains(.send(to(2, term: 1, .timeoutNow))))
    }

    @Test("a leader that always has something pending, but moves on, stays")
    func busyLeader() throws {
        var member = leader()
        _ = try member.propose("a")
        for at: UInt64 in 2...8 {
            _ = wait(15, &member)
            _ = try member.propose("a")
            _ = member.persisted(at + 1)
            _ = member.receive(matched(at), term: 1, from: 2)
            #expect(member.core.commitIndex == index(at))
        }
        #expect(member.core.role == .leader && !member.core.isTransferring)
    }

    @Test("a leader whose new voters are still catching up stays while they come nearer")
    func catchingUp() throws {
        var member = leader()
        for at: UInt64 in 2...6 {
            _ = try member.propose("a")
            _ = member.persisted(at + 1)
            _ = member.receive(matched(at), term: 1, from: 2)
        }
        var effects: [Effect] = []
        _ = try member.core.proposeConfiguration(
            ConfigurationChange([
                .init(node(4), .voter), .init(node(5), .voter), .init(node(2), nil),
                .init(node(3), nil),
            ]), into: &effects)
        _ = member.persisted(8)
        for at: UInt64 in 1...6 {
            _ = wait(15, &member)
            for peer: UInt64 in [4, 5] { _ = member.receive(matched(at), term: 1, from: peer) }
        }
        #expect(member.core.role == .leader && !member.core.isTransferring)
    }

    @Test("an idle leader, and one that commits now and then, stays")
    func usefulLeader() throws {
        var member = leader()
        _ = wait(100, &member)
        #expect(member.core.role == .leader && !member.core.isTransferring)
        for at: UInt64 in 2...6 {
            _ = try member.propose("a")
            _ = wait(19, &member)
            _ = member.persisted(at + 1)
            _ = member.receive(matched(at), term: 1, from: 2)
        }
        #expect(member.core.role == .leader && !member.core.isTransferring)
    }
}
