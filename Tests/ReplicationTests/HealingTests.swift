import Primitives
import RaftCore
import Replication
import Storage
import Testing

@Suite("A log with holes gets a snapshot in its place (DESIGN §5)")
struct HealingTests {
    @Test("the leader names the end of its log, and sends a snapshot that reaches it")
    func asksAndGets() throws {
        var trio = Trio()
        trio.elect()
        let leader = try #require(trio.leader)
        let damaged = (leader + 1) % 3
        _ = trio.put(leader, "a")
        trio.tick()
        trio.step(damaged, .votingAllowed(false))
        trio.step(damaged, .holes(fillable: []))
        _ = trio.put(leader, "b")
        trio.deliver()
        let end = trio.replicas[leader].raft.lastIndex
        trio.tick(60)
        #expect(trio.healsFrom[damaged] == Array(repeating: end, count: 3))
        #expect(trio.snapshots[leader].first?.to == Trio.ids[damaged])
        #expect(trio.snapshots[leader].allSatisfy { $0.leastIndex == end })
        #expect(trio.snapshots[leader].count == 2)
        // Nothing behind a hole is kept, or told to be.
        #expect(trio.replicas[damaged].raft.lastIndex < end)
        trio.step(damaged, .healed)
        trio.step(damaged, .votingAllowed(true))
        trio.tick(30)
        #expect(trio.replicas[damaged].raft.lastIndex == trio.replicas[leader].raft.lastIndex)
        #expect(trio.healsFrom[damaged].count == 3)
    }

    @Test("a hole's entries come from anybody who holds the entry behind it")
    func fills() throws {
        var trio = Trio()
        trio.elect()
        let leader = try #require(trio.leader)
        let damaged = (leader + 1) % 3
        for key in ["a", "b", "c", "d"] { _ = trio.put(leader, key) }
        trio.tick(3)
        let term = trio.replicas[leader].raft.term
        let hole = LogHole(first: LogIndex(2), last: LogIndex(3), nextTerm: term)
        trio.step(damaged, .votingAllowed(false))
        trio.step(damaged, .holes(fillable: [hole]))
        trio.cutOff = [leader]
        trio.tick(40)
        let expected = trio.onDisk[leader].filter {
            $0.index >= hole.first && $0.index <= hole.last
        }
        #expect(expected.count == 2)
        #expect(trio.filled[damaged] == [expected])
    }

    @Test("who holds another entry behind the hole sends nothing; strange entries are not taken")
    func strangers() throws {
        var trio = Trio()
        trio.elect()
        let leader = try #require(trio.leader)
        let damaged = (leader + 1) % 3
        for key in ["a", "b", "c", "d"] { _ = trio.put(leader, key) }
        trio.tick(3)
        let other = Term(trio.replicas[leader].raft.term.rawValue + 5)
        let hole = LogHole(first: LogIndex(2), last: LogIndex(3), nextTerm: other)
        trio.step(damaged, .holes(fillable: [hole]))
        trio.tick(60)
        #expect(trio.filled[damaged].isEmpty)
        let entries = trio.onDisk[leader]
        for wrong in [Array(entries[2...2]), Array(entries[1...3]), [entries[1], entries[1]]] {
            trio.step(
                damaged,
                .received(
                    .entriesResponse(boot: BootNumber(1), wrong), from: Trio.ids[leader]))
        }
        trio.step(
            damaged,
            .received(
                .entriesResponse(boot: BootNumber(2), Array(entries[1...2])),
                from: Trio.ids[leader]))
        #expect(trio.filled[damaged].isEmpty)
    }

    @Test("an answer to an earlier start, or from a leader of an earlier term, counts for nothing")
    func staleAnswers() throws {
        var trio = Trio()
        trio.elect()
        let leader = try #require(trio.leader)
        let damaged = (leader + 1) % 3
        trio.step(damaged, .holes(fillable: []))
        trio.step(
            damaged,
            .received(
                .snapshotFloor(boot: BootNumber(7), LogIndex(5)), from: Trio.ids[leader]))
        #expect(trio.healsFrom[damaged].isEmpty)
        let later = Term(trio.replicas[leader].raft.term.rawValue + 1)
        trio.step(
            leader,
            .received(.snapshotRequest(boot: BootNumber(1), later), from: Trio.ids[damaged]))
        trio.deliver()
        #expect(trio.healsFrom[damaged].isEmpty)
    }

    @Test("what a later start acknowledged before it was damaged counts too")
    func laterStart() throws {
        var trio = Trio()
        trio.elect()
        let leader = try #require(trio.leader)
        let damaged = (leader + 1) % 3
        let term = trio.replicas[leader].raft.term
        func ask(_ boot: UInt64) {
            trio.step(
                leader,
                .received(
                    .snapshotRequest(boot: BootNumber(boot), term), from: Trio.ids[damaged]))
        }
        ask(1)
        _ = trio.put(leader, "a")
        trio.tick()
        ask(1)
        let first = trio.snapshots[leader].last?.leastIndex
        ask(2)
        ask(2)
        #expect(trio.snapshots[leader].count == 2)
        #expect(try #require(trio.snapshots[leader].last?.leastIndex) > #require(first))
    }
}
