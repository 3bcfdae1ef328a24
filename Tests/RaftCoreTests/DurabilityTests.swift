import Primitives
import RaftCore
import Testing

@Suite("Asynchronous writes (dissertation §10.2.1; DESIGN §4)")
struct DurabilityTests {
    @Test("a leader counts itself only when its own write is durable")
    func leaderCountsItselfLast() throws {
        var member = Member()
        _ = member.lead()
        #expect(member.receive(matched(1), term: 1, from: 2) == [])
        #expect(
            member.persisted(2) == [
                .send(
                    to(2, term: 1, beat(0, commit: 1, 1))), .committed(through: index(1)),
            ])
    }

    @Test("a leader with several writes under way counts itself through the complete ones")
    func leaderCountsCompleteWrites() throws {
        var member = Member(voters: [1])
        _ = member.untilPreVote()
        _ = member.persisted(1)
        _ = try member.propose("a")
        _ = try member.propose("b")
        #expect(member.persisted(3) == [.committed(through: index(2))])
        #expect(member.persisted(4) == [.committed(through: index(3))])
    }

    @Test("two followers commit without the leader's disk")
    func followersCommit() {
        var member = Member()
        _ = member.lead()
        _ = member.receive(matched(1), term: 1, from: 2)
        #expect(
            member.receive(matched(1), term: 1, from: 3).last == .committed(through: index(1)))
    }

    @Test("appends leave before the leader's own write, and share its entries")
    func replicatesInParallel() throws {
        var member = Member()
        member.leadAndCommit()
        _ = member.receive(matched(1), term: 1, from: 3)
        let entries = [command(2, term: 1, "a"), command(3, term: 1, "b")]
        #expect(
            try member.propose("a", "b") == [
                .send(to(2, term: 1, append(after: 1, 1, commit: 1, entries))),
                .send(to(3, term: 1, append(after: 1, 1, commit: 1, entries))),
                .persist(Write(id: WriteID(3), entries: entries)),
            ])
    }

    @Test(
        "the same index and term, written, truncated and written again, counts the second time only"
    )
    func sameEntryTwice() {
        // Member 1 appends 2:1 from leader 2 of term 1; leader 3 of term 2 truncates it; then a
        // leader of term 3, who has 2:1 as well, sends it once more. The first write completes
        // last.
        var member = Member(
            hard: HardState(term: term(1), votedFor: nil), log: [command(1, term: 1)])
        _ = member.receive(append(after: 1, 1, [command(2, term: 1)]), term: 1, from: 2)
        _ = member.receive(append(after: 1, 1, [command(2, term: 2)]), term: 2, from: 3)
        var third = member
        _ = third.persisted(1)
        #expect(third.core.durableIndex == index(1))
        _ = third.persisted(2)
        #expect(third.core.durableIndex == index(2))
        _ = member.receive(
            append(after: 1, 1, [command(2, term: 3)]), term: 3, from: 2)
        _ = member.persisted(2)
        #expect(member.core.durableIndex == index(1))
        _ = member.persisted(3)
        #expect(member.core.durableIndex == index(2))
    }

    @Test("a leader that truncated as a follower does not count the old write")
    func oldWriteDoesNotCommit() {
        var member = Member(
            hard: HardState(term: term(1), votedFor: nil), log: [command(1, term: 1)])
        _ = member.receive(
            append(after: 1, 1, [command(2, term: 1), command(3, term: 1)]), term: 1, from: 2)
        _ = member.receive(append(after: 1, 1, [command(2, term: 2)]), term: 2, from: 3)
        _ = member.persisted(1)
        #expect(member.core.durableIndex == index(1))
        #expect(member.core.lastIndex == index(2))
    }

    @Test("the completion of a write is that of all before it, and completing twice is harmless")
    func completionsInOrder() {
        var ledger = WriteLedger(durableIndex: index(3))
        let first = ledger.issue(claim: index(5), holdsHardState: true, tick: 1)
        let second = ledger.issue(claim: index(7), holdsHardState: false, tick: 2)
        #expect(!ledger.isHardStateDurable)
        #expect(ledger.oldestTick == 1)
        ledger.complete(second)
        #expect(ledger.durableIndex == index(7) && ledger.isHardStateDurable && ledger.isIdle)
        ledger.complete(first)
        #expect(ledger.durableIndex == index(7))
    }

    @Test("a truncation cuts every earlier claim, and only those")
    func truncationCutsClaims() {
        var ledger = WriteLedger(durableIndex: index(3))
        _ = ledger.issue(claim: index(5), holdsHardState: false, tick: 1)
        let second = ledger.issue(claim: index(9), holdsHardState: false, tick: 1)
        ledger.truncate(from: index(5))
        let third = ledger.issue(claim: index(6), holdsHardState: false, tick: 1)
        ledger.complete(second)
        #expect(ledger.durableIndex == index(4))
        ledger.complete(third)
        #expect(ledger.durableIndex == index(6))
        ledger.truncate(from: index(2))
        #expect(ledger.durableIndex == index(1))
    }

    @Test("a completion that was never issued stops the process")
    func unknownCompletion() async {
        await #expect(processExitsWith: .failure) {
            var member = Member()
            _ = member.persisted(1)
        }
    }
}
