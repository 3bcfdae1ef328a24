import Primitives
import RaftCore
import Testing

@Suite("Log replication, follower (Raft §5.3; Figure 2, AppendEntries RPC, receiver)")
struct FollowerTests {
    /// Holds 1:1 2:1 3:2 4:2, all durable, in term 3, and knows that 2 leads it.
    func follower(committed: UInt64 = 0) -> Member {
        var member = Member(
            hard: HardState(term: term(3), votedFor: nil),
            log: [
                command(1, term: 1), command(2, term: 1), command(3, term: 2), command(4, term: 2),
            ], committed: committed)
        _ = member.receive(beat(0), term: 3, from: 2)
        return member
    }

    @Test("what matches is appended, and acknowledged by the write that makes it durable")
    func appendsWhatMatches() {
        var member = follower()
        let entries = [command(5, term: 2), command(6, term: 3)]
        #expect(
            member.receive(append(after: 4, 2, entries), term: 3, from: 2) == [
                .persist(
                    Write(
                        id: WriteID(1), entries: entries, thenSend: [to(2, term: 3, matched(6))]))
            ])
        #expect(member.core.durableIndex == index(4))
        _ = member.persisted(1)
        #expect(member.core.durableIndex == index(6))
    }

    @Test("an append is refused where the previous entry is missing; the hint is the log's end")
    func refusesGap() {
        var member = follower()
        #expect(
            member.receive(append(after: 7, 3, [command(8, term: 3)]), term: 3, from: 2) == [
                .send(to(2, term: 3, rejected(7, hint: 4, 2)))
            ])
    }

    @Test("an append is refused where the previous entry has another term; the hint skips the term")
    func refusesOtherTerm() {
        var member = follower()
        #expect(
            member.receive(append(after: 4, 1, []), term: 3, from: 2) == [
                .send(to(2, term: 3, rejected(4, hint: 2, 1)))
            ])
    }

    @Test("entries that conflict are truncated with all that follow, in the write that appends")
    func truncatesConflict() {
        var member = follower()
        let entries = [command(3, term: 3)]
        #expect(
            member.receive(append(after: 2, 1, entries), term: 3, from: 2) == [
                .persist(
                    Write(
                        id: WriteID(1), truncateFrom: index(3), entries: entries,
                        thenSend: [to(2, term: 3, matched(3))]))
            ])
        #expect(member.core.lastIndex == index(3))
        #expect(member.core.durableIndex == index(2))
    }

    @Test("a delayed append of what is there already truncates nothing")
    func delayedAppend() {
        var member = follower()
        #expect(
            member.receive(append(after: 1, 1, [command(2, term: 1)]), term: 3, from: 2) == [
                .send(to(2, term: 3, matched(2)))
            ])
        #expect(member.core.lastIndex == index(4))
    }

    @Test("only the new part of an overlapping append is written")
    func overlappingAppend() {
        var member = follower()
        #expect(
            member.receive(
                append(after: 3, 2, [command(4, term: 2), command(5, term: 3)]), term: 3, from: 2)
                == [
                    .persist(
                        Write(
                            id: WriteID(1), entries: [command(5, term: 3)],
                            thenSend: [to(2, term: 3, matched(5))]))
                ])
    }

    @Test("an append that brings nothing new does not acknowledge what is still being written")
    func duplicateWaits() {
        var member = follower()
        let body = append(after: 4, 2, [command(5, term: 3)])
        _ = member.receive(body, term: 3, from: 2)
        #expect(
            member.receive(body, term: 3, from: 2) == [
                .persist(Write(id: WriteID(2), thenSend: [to(2, term: 3, matched(5))]))
            ])
        _ = member.persisted(2)
        #expect(member.receive(body, term: 3, from: 2) == [.send(to(2, term: 3, matched(5)))])
    }

    @Test("the commit index is the leader's, but never past what is known to match")
    func commitIsBounded() {
        var member = follower()
        #expect(
            member.receive(append(after: 2, 1, commit: 9), term: 3, from: 2) == [
                .send(to(2, term: 3, matched(2))), .committed(through: index(2)),
            ])
        #expect(
            member.receive(append(after: 4, 2, commit: 3), term: 3, from: 2) == [
                .send(to(2, term: 3, matched(4))), .committed(through: index(4)),
            ])
    }

    @Test("a heartbeat commits only where index and term agree with the log (Log Matching)")
    func heartbeatCommit() {
        var member = follower()
        #expect(
            member.receive(beat(7, commit: 3, 3), term: 3, from: 2) == [
                .send(to(2, term: 3, answer(7)))
            ])
        #expect(
            member.receive(beat(0, commit: 3, 2), term: 3, from: 2) == [
                .committed(through: index(3))
            ])
    }

    @Test("a commit index that overtakes its entries is remembered until they come")
    func overtakingCommit() {
        var member = follower()
        #expect(member.receive(beat(0, commit: 5, 3), term: 3, from: 2) == [])
        let effects = member.receive(append(after: 4, 2, [command(5, term: 3)]), term: 3, from: 2)
        #expect(effects.last == .committed(through: index(5)))
    }

    @Test("what one leader said of its commit index is forgotten with its term")
    func commitOfAnotherTerm() {
        var member = follower()
        _ = member.receive(beat(0, commit: 5, 3), term: 3, from: 2)
        let effects = member.receive(append(after: 4, 2, [command(5, term: 4)]), term: 4, from: 3)
        #expect(effects.allSatisfy { $0 != .committed(through: index(5)) })
        #expect(member.core.commitIndex == .zero)
    }

    @Test("an append in a higher term is stored with the term, in one write")
    func higherTerm() {
        var member = follower()
        #expect(
            member.receive(append(after: 4, 2, [command(5, term: 4)]), term: 4, from: 3) == [
                .roleChanged(.follower, term(4), leader: nil),
                .roleChanged(.follower, term(4), leader: node(3)),
                .persist(
                    Write(
                        id: WriteID(1), hardState: HardState(term: term(4), votedFor: nil),
                        entries: [command(5, term: 4)], thenSend: [to(3, term: 4, matched(5))])),
            ])
    }

    @Test("entries that are not consecutive, or of impossible terms, are dropped")
    func malformed() {
        var member = follower()
        for entries in [
            [command(6, term: 3)], [command(5, term: 3), command(7, term: 3)],
            [command(5, term: 1)], [command(5, term: 4)],
        ] {
            #expect(member.receive(append(after: 4, 2, entries), term: 3, from: 2) == [])
        }
        #expect(member.core.lastIndex == index(4))
    }

    @Test("a leader whose log differs below the commit index stops the member")
    func committedConflict() async {
        await #expect(processExitsWith: .failure) {
            var member = FollowerTests().follower(committed: 4)
            _ = member.receive(append(after: 2, 1, [command(3, term: 3)]), term: 3, from: 2)
        }
    }

    @Test("two leaders in one term stop the member that sees both (Election Safety)")
    func twoLeaders() async {
        await #expect(processExitsWith: .failure) {
            var member = FollowerTests().follower()
            _ = member.receive(beat(1), term: 3, from: 3)
        }
    }

    @Test("what the snapshot covers is taken to match")
    func belowSnapshot() {
        var member = follower(committed: 4)
        _ = member.step(.compacted(through: index(3)))
        #expect(
            member.receive(
                append(after: 1, 1, [command(2, term: 1)]), term: 3, from: 2)
                == [.send(to(2, term: 3, matched(3)))])
        let entries = [command(3, term: 2), command(4, term: 2), command(5, term: 3)]
        #expect(
            member.receive(append(after: 2, 1, entries), term: 3, from: 2) == [
                .persist(
                    Write(
                        id: WriteID(1), entries: [command(5, term: 3)],
                        thenSend: [to(2, term: 3, matched(5))]))
            ])
    }
}
