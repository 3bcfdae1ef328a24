import Primitives
import RaftCore
import Testing

@Suite("Leader election (Raft §5.2, §5.4.1; Figure 2, RequestVote RPC)")
struct ElectionTests {
    @Test("a member starts as a follower and stays one while its leader is heard")
    func followerStays() {
        var member = Member()
        #expect(member.core.role == .follower)
        for _ in 0..<50 {
            _ = member.receive(beat(1), term: 1, from: 2)
            _ = member.tick(5)
        }
        #expect(member.core.role == .follower)
        #expect(member.core.leader == node(2))
    }

    @Test("the election timeout lies in [electionTicks, 2 * electionTicks) and differs by seed")
    func timeoutIsRandomised() {
        var seen: [Int] = []
        for seed in 1...60 {
            var member = Member { $0.seed = UInt64(seed) }
            var ticks = 0
            while member.core.role == .follower {
                _ = member.tick()
                ticks += 1
            }
            #expect((10..<20).contains(ticks))
            if !seen.contains(ticks) { seen.append(ticks) }
        }
        #expect(seen.count == 10)
    }

    @Test(
        "a candidate raises its term and votes for itself; its requests leave when that is durable")
    func candidateVotesForItself() {
        var member = Member(log: [command(1, term: 1), command(2, term: 3)])
        #expect(
            member.untilPreVote() == [
                .roleChanged(.preCandidate, term(3), leader: nil),
                .send(to(2, term: 4, ask(pre: true, last: 2, 3))),
                .send(to(3, term: 4, ask(pre: true, last: 2, 3))),
            ])
        #expect(
            member.receive(vote(true, pre: true), term: 4, from: 3) == [
                .roleChanged(.candidate, term(4), leader: nil),
                .persist(
                    Write(
                        id: WriteID(1), hardState: HardState(term: term(4), votedFor: node(1)),
                        thenSend: [
                            to(2, term: 4, ask(last: 2, 3)), to(3, term: 4, ask(last: 2, 3)),
                        ])),
            ])
    }

    @Test("a majority makes a leader, whose first entry is empty and of its term (§8)")
    func majorityElects() {
        var member = Member(log: [command(1, term: 1)])
        _ = member.untilPreVote()
        _ = member.receive(vote(true, pre: true), term: 2, from: 2)
        #expect(member.persisted(1) == [])
        let empty = noop(2, term: 2)
        #expect(
            member.receive(vote(true), term: 2, from: 2) == [
                .roleChanged(.leader, term(2), leader: node(1)),
                .send(to(2, term: 2, append(after: 1, 1, [empty]))),
                .send(to(3, term: 2, append(after: 1, 1, [empty]))),
                .persist(Write(id: WriteID(2), entries: [empty])),
            ])
    }

    @Test("a candidate's own vote counts only when it is durable")
    func ownVoteWaits() {
        var member = Member(voters: [1, 2])
        _ = member.untilPreVote()
        _ = member.receive(vote(true, pre: true), term: 1, from: 2)
        #expect(member.receive(vote(true), term: 1, from: 2) == [])
        #expect(member.core.role == .candidate)
        _ = member.persisted(1)
        #expect(member.core.role == .leader)
    }

    @Test("not even the votes of all others elect before the own vote is durable")
    func othersDoNotSuffice() {
        var member = Member()
        _ = member.untilPreVote()
        _ = member.receive(vote(true, pre: true), term: 1, from: 2)
        for peer: UInt64 in [2, 3] {
            #expect(member.receive(vote(true), term: 1, from: peer) == [])
        }
        #expect(member.core.role == .candidate)
        _ = member.persisted(1)
        #expect(member.core.role == .leader)
    }

    @Test("a single voter elects itself as soon as its vote is durable, and commits alone")
    func singleVoter() {
        var member = Member(voters: [1])
        let effects = member.untilPreVote()
        #expect(
            effects == [
                .roleChanged(.preCandidate, .zero, leader: nil),
                .roleChanged(.candidate, term(1), leader: nil),
                .persist(
                    Write(
                        id: WriteID(1), hardState: HardState(term: term(1), votedFor: node(1)))),
            ])
        #expect(
            member.persisted(1) == [
                .roleChanged(.leader, term(1), leader: node(1)),
                .persist(Write(id: WriteID(2), entries: [noop(1, term: 1)])),
            ])
        #expect(member.persisted(2) == [.committed(through: index(1))])
    }

    @Test("votes of a minority, or twice the same vote, elect nobody")
    func minorityDoesNotElect() {
        var member = Member(voters: [1, 2, 3, 4, 5])
        _ = member.untilPreVote()
        for peer: UInt64 in [2, 3] {
            _ = member.receive(vote(true, pre: true), term: 1, from: peer)
        }
        _ = member.persisted(1)
        _ = member.receive(vote(true), term: 1, from: 2)
        _ = member.receive(vote(true), term: 1, from: 2)
        #expect(member.core.role == .candidate)
        _ = member.receive(vote(true), term: 1, from: 7)
        #expect(member.core.role == .candidate)
        _ = member.receive(vote(true), term: 1, from: 5)
        #expect(member.core.role == .leader)
    }

    @Test("a candidate that a majority refuses becomes a follower of the same term")
    func refusedCandidate() {
        var member = Member()
        _ = member.untilPreVote()
        _ = member.receive(vote(true, pre: true), term: 1, from: 2)
        _ = member.persisted(1)
        #expect(member.receive(vote(false), term: 1, from: 2) == [])
        #expect(
            member.receive(vote(false), term: 1, from: 3) == [
                .roleChanged(.follower, term(1), leader: nil)
            ])
    }

    @Test("a candidate follows whoever proves to lead its term")
    func candidateFollowsLeader() {
        var member = Member()
        _ = member.untilPreVote()
        _ = member.receive(vote(true, pre: true), term: 1, from: 2)
        _ = member.persisted(1)
        #expect(
            member.receive(beat(9), term: 1, from: 3) == [
                .roleChanged(.follower, term(1), leader: node(3)),
                .send(to(3, term: 1, answer(9))),
            ])
    }

    @Test("a candidate whose time is up asks for pre-votes again before it raises its term")
    func splitVote() {
        var member = Member()
        _ = member.untilPreVote()
        _ = member.receive(vote(true, pre: true), term: 1, from: 2)
        _ = member.persisted(1)
        _ = member.tick(20)
        #expect(member.core.role == .preCandidate)
        #expect(member.core.term == term(1))
    }

    @Test("a vote in a term not yet known is durable, with the term, before it is sent")
    func voteIsDurableBeforeSent() {
        var member = Member()
        #expect(
            member.receive(ask(last: 0, 0), term: 5, from: 2) == [
                .roleChanged(.follower, term(5), leader: nil),
                .persist(
                    Write(
                        id: WriteID(1), hardState: HardState(term: term(5), votedFor: node(2)),
                        thenSend: [to(2, term: 5, vote(true))])),
            ])
    }

    @Test("at most one vote a term, first come first served; the same candidate may ask again")
    func oneVotePerTerm() {
        var member = Member()
        _ = member.receive(ask(last: 0, 0), term: 5, from: 2)
        #expect(
            member.receive(ask(last: 9, 4), term: 5, from: 3) == [
                .persist(Write(id: WriteID(2), thenSend: [to(3, term: 5, vote(false))]))
            ])
        _ = member.persisted(2)
        #expect(
            member.receive(ask(last: 0, 0), term: 5, from: 2) == [
                .send(to(2, term: 5, vote(true)))
            ])
    }

    @Test("a vote survives a restart")
    func voteSurvivesRestart() {
        var member = Member(hard: HardState(term: term(5), votedFor: node(2)))
        #expect(
            member.receive(ask(last: 9, 4), term: 5, from: 3) == [
                .send(to(3, term: 5, vote(false)))
            ])
    }

    @Test("a request of an earlier term is refused in the current one")
    func staleRequest() {
        var member = Member(hard: HardState(term: term(5), votedFor: nil))
        #expect(
            member.receive(ask(last: 9, 4), term: 4, from: 3) == [
                .send(to(3, term: 5, vote(false)))
            ])
    }

    @Test(
        "a vote goes only to a log at least as up to date: the last term decides, then the length",
        arguments: [
            (last: 2, lastTerm: 3, granted: true), (last: 3, lastTerm: 3, granted: true),
            (last: 1, lastTerm: 3, granted: false), (last: 9, lastTerm: 2, granted: false),
            (last: 1, lastTerm: 4, granted: true), (last: 0, lastTerm: 0, granted: false),
        ] as [(last: UInt64, lastTerm: UInt64, granted: Bool)])
    func upToDate(last: UInt64, lastTerm: UInt64, granted: Bool) {
        var member = Member(log: [command(1, term: 1), command(2, term: 3)])
        let effects = member.receive(ask(last: last, lastTerm), term: 9, from: 2)
        guard case .persist(let write) = effects.last else {
            Issue.record("no write in \(effects)")
            return
        }
        #expect(write.thenSend == [to(2, term: 9, vote(granted))])
        #expect(write.hardState?.votedFor == (granted ? node(2) : nil))
    }

    @Test("a higher term in any answer makes a leader a follower, durably")
    func higherTermDeposes() {
        var member = Member()
        member.leadAndCommit()
        #expect(
            member.receive(answer(0), term: 7, from: 3) == [
                .roleChanged(.follower, term(7), leader: nil),
                .persist(
                    Write(id: WriteID(3), hardState: HardState(term: term(7), votedFor: nil))),
            ])
    }

    @Test("a leader of an earlier term is told of the current one")
    func bygoneLeader() {
        var member = Member(hard: HardState(term: term(5), votedFor: nil))
        for body in [append(after: 0, 0), beat(4)] {
            #expect(
                member.receive(body, term: 4, from: 2) == [.send(to(2, term: 5, answer(0)))])
        }
        #expect(member.core.leader == nil)
    }

    @Test("a member that does not vote never campaigns", arguments: [true, false])
    func learnerDoesNotCampaign(isLearner: Bool) {
        var member = Member(4, learners: isLearner ? [4] : [])
        #expect(member.tick(200) == [])
    }

    @Test("a member that may not campaign forgets a leader that it has not heard for a timeout")
    func unheardLeader() {
        var member = Member(4, learners: [4], hard: HardState(term: term(1), votedFor: nil))
        _ = member.receive(beat(1), term: 1, from: 3)
        #expect(member.core.leader == node(3))
        #expect(member.tick(9) == [])
        #expect(member.core.leader == node(3))
        #expect(member.tick(11) == [.roleChanged(.follower, term(1), leader: nil)])
        #expect(member.tick(100) == [])
        _ = member.receive(beat(1), term: 1, from: 3)
        #expect(member.core.leader == node(3))
    }

    @Test("a learner grants a vote: the candidate may know that it has become a voter")
    func learnerVotes() {
        var member = Member(4, learners: [4])
        guard case .persist(let write) = member.receive(ask(last: 0, 0), term: 2, from: 1).last
        else {
            Issue.record("no vote")
            return
        }
        #expect(write.thenSend == [to(1, term: 2, vote(true))])
    }

    @Test("a member whose disk has not taken its term yet does not campaign in another")
    func undurableTerm() {
        var member = Member()
        _ = member.receive(beat(1), term: 2, from: 2)
        #expect(member.tick(100) == [.roleChanged(.follower, term(2), leader: nil)])
        _ = member.persisted(1)
        _ = member.untilPreVote()
        #expect(member.core.role == .preCandidate)
    }

    @Test("no message of a term leaves before the term is durable")
    func termIsDurableBeforeSpoken() {
        var member = Member()
        #expect(
            member.receive(beat(3), term: 2, from: 2) == [
                .roleChanged(.follower, term(2), leader: nil),
                .roleChanged(.follower, term(2), leader: node(2)),
                .persist(
                    Write(
                        id: WriteID(1), hardState: HardState(term: term(2), votedFor: nil),
                        thenSend: [to(2, term: 2, answer(3))])),
            ])
        #expect(
            member.receive(beat(4), term: 2, from: 2) == [
                .persist(Write(id: WriteID(2), thenSend: [to(2, term: 2, answer(4))]))
            ])
        _ = member.persisted(2)
        #expect(member.receive(beat(5), term: 2, from: 2) == [.send(to(2, term: 2, answer(5)))])
    }
}
