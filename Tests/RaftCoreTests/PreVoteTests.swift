import Primitives
import RaftCore
import Testing

@Suite("PreVote, stickiness and CheckQuorum (dissertation §9.6, §4.2.3, §6.2)")
struct PreVoteTests {
    @Test("a pre-vote changes neither term nor vote, of either side")
    func nothingChanges() {
        var member = Member(hard: HardState(term: term(3), votedFor: nil))
        #expect(
            member.receive(ask(pre: true, last: 0, 0), term: 8, from: 2) == [
                .send(to(2, term: 8, vote(true, pre: true)))
            ])
        #expect(member.core.hardState == HardState(term: term(3), votedFor: nil))
        var candidate = Member(hard: HardState(term: term(3), votedFor: nil))
        _ = candidate.untilPreVote()
        #expect(candidate.core.hardState == HardState(term: term(3), votedFor: nil))
    }

    @Test("several candidates may be granted the same pre-vote")
    func notExclusive() {
        var member = Member()
        for peer: UInt64 in [2, 3] {
            #expect(
                member.receive(ask(pre: true, last: 0, 0), term: 1, from: peer) == [
                    .send(to(peer, term: 1, vote(true, pre: true)))
                ])
        }
    }

    @Test("a pre-vote is refused to a log that is behind, in the member's own term")
    func behind() {
        var member = Member(log: [command(1, term: 2)])
        #expect(
            member.receive(ask(pre: true, last: 9, 1), term: 7, from: 2) == [
                .send(to(2, term: 2, vote(false, pre: true)))
            ])
    }

    @Test("a member that hears its leader refuses pre-votes and ignores votes")
    func sticky() {
        var member = Member(hard: HardState(term: term(1), votedFor: nil))
        _ = member.receive(beat(1), term: 1, from: 3)
        _ = member.tick(9)
        #expect(
            member.receive(ask(pre: true, last: 9, 1), term: 2, from: 2) == [
                .send(to(2, term: 1, vote(false, pre: true)))
            ])
        #expect(member.receive(ask(last: 9, 1), term: 2, from: 2) == [])
        #expect(member.core.term == term(1))
        _ = member.tick()
        #expect(
            member.receive(ask(pre: true, last: 9, 1), term: 2, from: 2).last
                == .send(to(2, term: 2, vote(true, pre: true))))
    }

    @Test("a leader refuses pre-votes and ignores votes while it leads")
    func leaderIsSticky() {
        var member = Member()
        member.leadAndCommit()
        #expect(
            member.receive(ask(pre: true, last: 9, 9), term: 2, from: 3) == [
                .send(to(3, term: 1, vote(false, pre: true)))
            ])
        #expect(member.receive(ask(last: 9, 9), term: 2, from: 3) == [])
        #expect(member.core.role == .leader)
    }

    @Test("a vote that the old leader asks for passes stickiness")
    func transferPasses() {
        var member = Member(hard: HardState(term: term(1), votedFor: nil))
        _ = member.receive(beat(1), term: 1, from: 3)
        guard
            case .persist(let write) = member.receive(
                ask(last: 9, 1, transfer: true), term: 2, from: 2
            ).last
        else {
            Issue.record("no vote")
            return
        }
        #expect(write.thenSend == [to(2, term: 2, vote(true))])
    }

    @Test("a pre-candidate asks again with each heartbeat interval, those who refused too")
    func asksAgain() {
        var member = Member()
        _ = member.untilPreVote()
        _ = member.receive(vote(false, pre: true), term: 0, from: 2)
        #expect(member.tick() == [])
        #expect(
            member.tick() == [
                .send(to(2, term: 1, ask(pre: true, last: 0, 0))),
                .send(to(3, term: 1, ask(pre: true, last: 0, 0))),
            ])
    }

    @Test("a refusal in a higher term makes the pre-candidate a follower of that term")
    func learnsTerm() {
        var member = Member()
        _ = member.untilPreVote()
        _ = member.receive(vote(false, pre: true), term: 6, from: 2)
        #expect(member.core.role == .follower)
        #expect(member.core.term == term(6))
    }

    @Test("a grant for another term than the next counts nothing")
    func strayGrant() {
        var member = Member(hard: HardState(term: term(4), votedFor: nil))
        _ = member.untilPreVote()
        _ = member.receive(vote(true, pre: true), term: 4, from: 2)
        _ = member.receive(vote(true, pre: true), term: 6, from: 2)
        #expect(member.core.role == .preCandidate)
        #expect(member.core.term == term(4))
    }

    @Test("a leader that no majority answers for an election timeout steps down (CheckQuorum)")
    func checkQuorum() {
        var member = Member(voters: [1, 2, 3, 4, 5])
        member.leadAndCommit(votes: [2, 3])
        for _ in 0..<10 {
            _ = member.tick(5)
            for peer: UInt64 in [2, 4] { _ = member.receive(answer(0), term: 1, from: peer) }
        }
        #expect(member.core.role == .leader)
        _ = member.tick(5)
        _ = member.receive(answer(0), term: 1, from: 2)
        #expect(member.tick(4).allSatisfy { $0 != .roleChanged(.follower, term(1), leader: nil) })
        #expect(member.tick() == [.roleChanged(.follower, term(1), leader: nil)])
    }

    @Test("acknowledgements do not make up for heartbeats that nobody answers (CheckQuorum)")
    func heartbeatsUnanswered() {
        var member = Member()
        member.leadAndCommit()
        for _ in 0..<19 {
            _ = member.tick()
            _ = member.receive(matched(1), term: 1, from: 2)
        }
        #expect(member.core.role == .leader)
        _ = member.tick()
        #expect(member.core.role == .follower)
    }

    @Test("answers to heartbeats that are late by less than an election timeout are enough")
    func heartbeatsAnsweredLate() {
        var member = Member()
        member.leadAndCommit()
        for tick in 1...200 {
            _ = member.tick()
            if tick % 5 == 0 { _ = member.receive(matched(1), term: 1, from: 2) }
            if tick % 19 == 0 { _ = member.receive(answer(1), term: 1, from: 2) }
            #expect(member.core.role == .leader)
        }
    }

    @Test("while not allowed to vote a member neither votes, campaigns nor acknowledges")
    func votingNotAllowed() {
        var member = Member(hard: HardState(term: term(1), votedFor: nil))
        _ = member.step(.votingAllowed(false))
        #expect(member.receive(ask(pre: true, last: 0, 0), term: 2, from: 2) == [])
        #expect(member.receive(ask(last: 0, 0), term: 2, from: 2) == [])
        #expect(
            member.receive(append(after: 0, 0, [command(1, term: 1)]), term: 1, from: 3) == [
                .roleChanged(.follower, term(1), leader: node(3)),
                .send(to(3, term: 1, received(1))),
                .persist(Write(id: WriteID(1), entries: [command(1, term: 1)])),
            ])
        // What it has in memory and what it lacks it says: that promises nothing, and brings what
        // comes next, or a snapshot where it needs one.
        #expect(
            member.receive(append(after: 9, 1), term: 1, from: 3) == [
                .send(to(3, term: 1, rejected(9, hint: 1, 1)))
            ])
        #expect(member.receive(beat(5), term: 1, from: 3) == [])
        _ = member.persisted(1)
        var alone = member
        #expect(alone.tick(50) == [.roleChanged(.follower, term(1), leader: nil)])
        #expect(member.tick(9) == [])
        #expect(member.step(.votingAllowed(true)) == [.send(to(3, term: 1, matched(1)))])
        #expect(
            member.receive(append(after: 1, 1), term: 1, from: 3) == [
                .send(to(3, term: 1, matched(1)))
            ])
    }

    @Test("a member whose disk is full follows in memory, and neither votes nor acknowledges")
    func followsWithoutDisk() {
        var member = Member(hard: HardState(term: term(1), votedFor: nil))
        _ = member.step(.storageFull(true))
        #expect(member.receive(ask(last: 0, 0), term: 2, from: 2) == [])
        #expect(
            member.receive(append(after: 9, 1), term: 1, from: 3).contains(
                .send(to(3, term: 1, rejected(9, hint: 0, 0)))))
        #expect(member.receive(beat(5), term: 1, from: 3) == [])
        // A later term and its entries, and no write completes.
        let first = member.receive(append(after: 0, 0, [command(1, term: 2)]), term: 2, from: 3)
        #expect(first.contains(.send(to(3, term: 2, received(1)))))
        // A restart may find it in the term before: nobody may hold that against it.
        #expect(!to(3, term: 2, received(1)).message.isOfDurableTerm)
        #expect(!to(3, term: 2, rejected(1, hint: 0, 0)).message.isOfDurableTerm)
        let second = member.receive(
            append(after: 1, 2, commit: 2, [command(2, term: 2)]), term: 2, from: 3)
        #expect(second.contains(.send(to(3, term: 2, received(2)))))
        #expect(second.contains(.committed(through: LogIndex(2))))
        // The acknowledgement waits for the disk.
        _ = member.step(.votingAllowed(false))
        #expect(member.step(.storageFull(false)) == [])
        let allowed = member.step(.votingAllowed(true))
        #expect(
            allowed == [.persist(Write(id: WriteID(3), thenSend: [to(3, term: 2, matched(2))]))])
    }

    @Test("it asks for no more than it may keep in memory")
    func followsWithinBounds() {
        var member = Member(
            hard: HardState(term: term(1), votedFor: nil), change: { $0.unstoredBytesMax = 0 })
        _ = member.step(.storageFull(true))
        let effects = member.receive(append(after: 0, 0, [command(1, term: 1)]), term: 1, from: 3)
        #expect(!effects.contains(.send(to(3, term: 1, received(1)))))
    }

    @Test("what is only received opens the window, and counts for no commit and no quorum")
    func receivedCountsForNothing() throws {
        var member = Member(change: { $0.inflightMessagesMax = 1 })
        member.leadAndCommit()
        let first = try member.propose("a")
        #expect(first.contains { isAppend($0, to: 2) })
        #expect(try !member.propose("b").contains { isAppend($0, to: 2) })
        let last = member.core.lastIndex.rawValue
        let answer = member.receive(received(last - 1), term: 1, from: 2)
        #expect(answer.contains { isAppend($0, to: 2) })
        _ = member.receive(received(last), term: 1, from: 2)
        _ = member.receive(received(last), term: 1, from: 3)
        #expect(member.core.commitIndex.rawValue == last - 2)
    }

    @Test("a leader whom all others tell no more than what they received has no quorum")
    func receivedIsNoContact() {
        var member = Member()
        member.leadAndCommit()
        let last = member.core.lastIndex.rawValue
        for _ in 0..<12 {
            _ = member.tick()
            for peer: UInt64 in [2, 3] {
                _ = member.receive(received(last), term: 1, from: peer)
            }
        }
        #expect(member.core.role != .leader)
    }

    private func isAppend(_ effect: Effect, to peer: UInt64) -> Bool {
        guard case .send(let envelope) = effect, case .appendEntries = envelope.message.body else {
            return false
        }
        return envelope.to == node(peer)
    }

    @Test("a leader that may no longer vote hands over at once")
    func leaderMayNotVote() {
        var member = Member()
        member.leadAndCommit()
        #expect(
            member.step(.votingAllowed(false)) == [
                .send(to(2, term: 1, .timeoutNow)), .roleChanged(.follower, term(1), leader: nil),
            ])
    }
}
