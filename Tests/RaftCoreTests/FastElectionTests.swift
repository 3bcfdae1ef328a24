import Primitives
import RaftCore
import Testing

@Suite("Fast election after a crash (DESIGN §4)")
struct FastElectionTests {
    /// A follower of member 3 in term 1 that just heard from it.
    func follower(_ id: UInt64 = 1, lease: Bool = false) -> Member {
        var member = Member(id, hard: HardState(term: term(1), votedFor: nil)) {
            $0.leaseReads = lease
        }
        if lease { _ = member.tick(5) }
        _ = member.receive(beat(1), term: 1, from: 3)
        return member
    }

    @Test("a refused connection to the leader starts a pre-vote at once")
    func atOnce() {
        var member = follower()
        #expect(
            member.step(.connectionRefused(node(3))) == [
                .roleChanged(.preCandidate, term(1), leader: nil),
                .send(to(2, term: 2, ask(pre: true, last: 0, 0, fast: true))),
                .send(to(3, term: 2, ask(pre: true, last: 0, 0, fast: true))),
            ])
    }

    @Test("a refused connection to anyone else means nothing")
    func otherPeer() {
        var member = follower()
        #expect(member.step(.connectionRefused(node(2))) == [])
    }

    @Test("the candidate asks again at every tick")
    func everyTick() {
        var member = follower()
        _ = member.step(.connectionRefused(node(3)))
        _ = member.receive(vote(false, pre: true), term: 1, from: 2)
        for _ in 0..<3 {
            #expect(
                member.tick() == [
                    .send(to(2, term: 2, ask(pre: true, last: 0, 0, fast: true))),
                    .send(to(3, term: 2, ask(pre: true, last: 0, 0, fast: true))),
                ])
        }
    }

    @Test("a member without evidence refuses inside the stickiness window")
    func withoutEvidence() {
        var member = follower()
        #expect(
            member.receive(ask(pre: true, last: 0, 0, fast: true), term: 2, from: 2) == [
                .send(to(2, term: 1, vote(false, pre: true)))
            ])
        #expect(member.receive(ask(last: 0, 0, fast: true), term: 2, from: 2) == [])
    }

    @Test("a member with the same evidence makes way for the better candidate and votes for it")
    func withEvidence() {
        var member = follower()
        _ = member.step(.connectionRefused(node(3)))
        #expect(
            member.receive(ask(pre: true, last: 0, 0, fast: true), term: 2, from: 2) == [
                .send(to(2, term: 2, vote(true, pre: true))),
                .roleChanged(.follower, term(1), leader: nil),
            ])
        guard
            case .persist(let write) = member.receive(
                ask(last: 0, 0, fast: true), term: 2, from: 2
            ).last
        else {
            Issue.record("no vote")
            return
        }
        #expect(write.thenSend == [to(2, term: 2, vote(true))])
    }

    @Test("of two with the same evidence and log the higher id insists, and asks the other at once")
    func higherInsists() {
        var member = follower(2)
        _ = member.step(.connectionRefused(node(3)))
        #expect(
            member.receive(ask(pre: true, last: 0, 0, fast: true), term: 2, from: 1) == [
                .send(to(1, term: 1, vote(false, pre: true))),
                .send(to(1, term: 2, ask(pre: true, last: 0, 0, fast: true))),
            ])
    }

    @Test("a member that made way tries again when nothing comes of it")
    func triesAgain() {
        var member = follower()
        _ = member.step(.connectionRefused(node(3)))
        _ = member.receive(ask(pre: true, last: 0, 0, fast: true), term: 2, from: 2)
        #expect(member.tick(3) == [])
        _ = member.tick()
        #expect(member.core.role == .preCandidate)
    }

    @Test("anything that came from the leader since clears the evidence")
    func evidenceIsCleared() {
        var member = follower()
        _ = member.step(.connectionRefused(node(3)))
        #expect(
            member.receive(beat(2), term: 1, from: 3) == [
                .roleChanged(.follower, term(1), leader: node(3)),
                .send(to(3, term: 1, answer(2))),
            ])
        #expect(
            member.receive(ask(pre: true, last: 0, 0, fast: true), term: 2, from: 2) == [
                .send(to(2, term: 1, vote(false, pre: true)))
            ])
    }

    @Test("a stale message of the leader clears the evidence too: its process lives")
    func staleMessageClears() {
        var member = follower()
        _ = member.step(.connectionRefused(node(3)))
        _ = member.receive(vote(false, pre: true), term: 1, from: 3)
        #expect(
            member.receive(ask(pre: true, last: 0, 0, fast: true), term: 2, from: 2) == [
                .send(to(2, term: 1, vote(false, pre: true)))
            ])
    }

    @Test("a new leader ends the evidence against the old one")
    func newLeader() {
        var member = follower()
        _ = member.step(.connectionRefused(node(3)))
        _ = member.receive(beat(1), term: 2, from: 2)
        _ = member.persisted(1)
        #expect(member.receive(ask(last: 9, 9, fast: true), term: 3, from: 4) == [])
        #expect(member.tick(9) == [])
    }

    @Test("with lease reads on there is no fast election")
    func offWithLeases() {
        var member = follower(lease: true)
        #expect(member.step(.connectionRefused(node(3))) == [])
        _ = member.tick(9)
        #expect(member.receive(ask(last: 0, 0, fast: true), term: 2, from: 2) == [])
    }

    @Test("a learner with evidence does not campaign")
    func learner() {
        var member = Member(4, learners: [4], hard: HardState(term: term(1), votedFor: nil))
        _ = member.receive(beat(1), term: 1, from: 3)
        #expect(member.step(.connectionRefused(node(3))) == [])
        #expect(member.tick(100) == [.roleChanged(.follower, term(1), leader: nil)])
    }
}
