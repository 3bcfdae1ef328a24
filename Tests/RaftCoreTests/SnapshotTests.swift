import Primitives
import RaftCore
import Testing

@Suite("Compaction, loads and snapshots (Raft §7, dissertation chapter 5)")
struct SnapshotTests {
    /// Leads term 2 with entries 1...4 of term 1 behind its empty entry 5; all committed and
    /// applied.
    func leader(inMemory: Int = 4, window: Int = 1 << 20) -> Member {
        var member = Member(
            log: (1...4).map { command($0, term: 1) }, inMemory: inMemory
        ) { $0.windowBytesMax = window }
        member.leadAndCommit()
        _ = member.step(.applied(index(5)))
        return member
    }

    @Test("entries that are not in memory are loaded, one load at a time, and then sent")
    func loads() {
        var member = leader(inMemory: 0)
        #expect(
            member.receive(rejected(4, hint: 0, 0), term: 2, from: 3) == [
                .load(first: index(1), last: index(4), bytesMax: 1 << 20)
            ])
        #expect(member.receive(rejected(4, hint: 0, 0), term: 2, from: 3) == [])
        #expect(member.tick(2).allSatisfy { if case .load = $0 { false } else { true } })
        let entries = [command(1, term: 1), command(2, term: 1)]
        #expect(
            member.step(.loaded(first: index(1), entries)) == [
                .send(to(3, term: 2, append(after: 0, 0, commit: 5, entries)))
            ])
        #expect(
            member.receive(matched(2), term: 2, from: 3) == [
                .load(first: index(3), last: index(4), bytesMax: 1 << 20)
            ])
        #expect(
            member.step(
                .loaded(first: index(3), [command(3, term: 1), command(4, term: 1)])) == [
                    .send(
                        to(
                            3, term: 2,
                            append(
                                after: 2, 1, commit: 5, [command(3, term: 1), command(4, term: 1)]))
                    ),
                    .send(to(3, term: 2, append(after: 4, 1, commit: 5, [noop(5, term: 2)]))),
                ])
    }

    @Test("loaded entries that the log no longer holds are not sent")
    func staleLoad() {
        var member = leader(inMemory: 0)
        _ = member.receive(rejected(4, hint: 0, 0), term: 2, from: 3)
        let stale = LogEntry(index: index(1), term: term(9), kind: .command, payload: [])
        #expect(member.step(.loaded(first: index(1), [stale])) == [])
        #expect(
            member.tick(2).contains(.load(first: index(1), last: index(4), bytesMax: 1 << 20)))
    }

    @Test("entries that the disk cannot read are replaced by a snapshot that holds them")
    func unreadable() {
        var member = leader(inMemory: 0)
        _ = member.receive(rejected(4, hint: 0, 0), term: 2, from: 3)
        #expect(
            member.step(.loaded(first: index(1), [])) == [
                .sendSnapshot(to: node(3), leastIndex: index(1))
            ])
        #expect(member.tick(2).allSatisfy { if case .load = $0 { false } else { true } })
        #expect(
            member.step(.snapshotSent(to: node(3), index(5), succeeded: true)) == [
                .send(to(3, term: 2, append(after: 5, 2, commit: 5)))
            ])
    }

    @Test("a follower that needs what is compacted is sent a snapshot, once")
    func snapshotOnce() throws {
        var member = leader()
        _ = member.step(.compacted(through: index(3)))
        #expect(
            member.receive(rejected(4, hint: 0, 0), term: 2, from: 3) == [
                .sendSnapshot(to: node(3), leastIndex: index(3))
            ])
        #expect(member.core.progress[2].mode == .snapshot)
        _ = member.receive(rejected(4, hint: 0, 0), term: 2, from: 3)
        let effects = try member.propose("a")
        #expect(effects.count == 2)
        #expect(
            member.step(.snapshotSent(to: node(3), index(5), succeeded: true)) == [
                .send(
                    to(3, term: 2, append(after: 5, 2, commit: 5, [command(6, term: 2, "a")])))
            ])
    }

    @Test("the follower's own word that it installed the snapshot is as good")
    func acknowledgedSnapshot() throws {
        var member = leader()
        _ = member.step(.compacted(through: index(3)))
        _ = member.receive(rejected(4, hint: 0, 0), term: 2, from: 3)
        _ = try member.propose("a")
        #expect(
            member.receive(matched(5), term: 2, from: 3) == [
                .send(
                    to(3, term: 2, append(after: 5, 2, commit: 5, [command(6, term: 2, "a")])))
            ])
        #expect(member.step(.snapshotSent(to: node(3), index(5), succeeded: true)) == [])
    }

    @Test("a snapshot that failed is tried again at a heartbeat, not at once")
    func failedSnapshot() {
        var member = leader()
        _ = member.step(.compacted(through: index(3)))
        _ = member.receive(rejected(4, hint: 0, 0), term: 2, from: 3)
        #expect(member.step(.snapshotSent(to: node(3), index(5), succeeded: false)) == [])
        #expect(
            member.tick(4).contains(.sendSnapshot(to: node(3), leastIndex: index(3))))
    }

    /// Lets time pass while the third member answers heartbeats, and the second one too if it is
    /// there.
    func wait(_ ticks: Int, _ member: inout Member, second: Bool = false) {
        for _ in 0..<ticks {
            _ = member.tick()
            for peer: UInt64 in second ? [2, 3] : [3] {
                _ = member.receive(answer(0), term: 2, from: peer)
            }
        }
    }

    /// The third member waits for a snapshot and an entry for a quorum.
    func waitingLeader() throws -> Member {
        var member = leader()
        _ = member.step(.compacted(through: index(3)))
        _ = member.receive(rejected(4, hint: 0, 0), term: 2, from: 3)
        _ = try member.propose("a")
        _ = member.persisted(3)
        return member
    }

    @Test("a leader whose quorum waits for a snapshot is not of no use; it is behind it")
    func quorumWaits() throws {
        var member = try waitingLeader()
        wait(100, &member)
        #expect(member.core.role == .leader && !member.core.isTransferring)
        _ = member.step(.snapshotSent(to: node(3), index(5), succeeded: true))
        wait(19, &member)
        #expect(!member.core.isTransferring)
        wait(1, &member)
        #expect(member.core.isTransferring)
    }

    @Test("a snapshot that the quorum does not need is no excuse")
    func quorumDoesNotWait() throws {
        var member = try waitingLeader()
        wait(20, &member, second: true)
        #expect(member.core.isTransferring)
    }

    @Test("a snapshot that failed is no excuse any more")
    func quorumWaitsInVain() throws {
        var member = try waitingLeader()
        wait(50, &member)
        _ = member.step(.snapshotSent(to: node(3), index(5), succeeded: false))
        wait(10, &member)
        #expect(member.core.progress.last?.mode == .snapshot && !member.core.isTransferring)
        wait(10, &member)
        #expect(member.core.isTransferring)
    }

    @Test("nothing is forgotten that is not applied and durable")
    func compactionIsBounded() {
        var member = Member(log: (1...4).map { command($0, term: 1) }, committed: 2)
        _ = member.step(.compacted(through: index(4)))
        #expect(member.core.snapshotIndex == index(2))
    }

    @Test("a snapshot that the log does not reach resets it, durably, before it is acknowledged")
    func resetsLog() {
        var member = Member(log: [command(1, term: 1), command(2, term: 1)])
        _ = member.receive(beat(0), term: 3, from: 2)
        _ = member.persisted(1)
        let configuration = ClusterConfiguration(voters: nodes([1, 2, 4]))
        let position = LogPosition(index: index(9), term: term(2))
        #expect(
            member.step(
                .installed(index: index(9), term: term(2), configuration: configuration)) == [
                    .configurationChanged(configuration, index(9)),
                    .persist(
                        Write(
                            id: WriteID(2), startAfter: position,
                            thenSend: [to(2, term: 3, matched(9))])),
                ])
        #expect(member.core.commitIndex == index(9) && member.core.appliedIndex == index(9))
        #expect(member.core.lastIndex == index(9) && member.core.lastTerm == term(2))
        #expect(member.core.configuration == configuration)
        _ = member.persisted(2)
        #expect(
            member.receive(append(after: 9, 2, [command(10, term: 3)]), term: 3, from: 2) == [
                .persist(
                    Write(
                        id: WriteID(3), entries: [command(10, term: 3)],
                        thenSend: [to(2, term: 3, matched(10))]))
            ])
    }

    @Test("a log of other terms at the snapshot's index is replaced")
    func replacesOtherLog() {
        var member = Member(log: (1...6).map { command($0, term: 1) })
        _ = member.step(
            .installed(
                index: index(4), term: term(2), configuration: member.core.configuration))
        #expect(member.core.lastIndex == index(4) && member.core.lastTerm == term(2))
    }

    @Test("a matching suffix of the log is kept, and no write is needed (Figure 13, step 6)")
    func keepsSuffix() {
        var member = Member(
            hard: HardState(term: term(1), votedFor: nil), log: (1...6).map { command($0, term: 1) }
        )
        _ = member.receive(beat(0), term: 1, from: 2)
        #expect(
            member.step(
                .installed(
                    index: index(4), term: term(1), configuration: member.core.configuration)) == [
                    .send(to(2, term: 1, matched(4)))
                ])
        #expect(member.core.lastIndex == index(6) && member.core.commitIndex == index(4))
    }

    @Test("a snapshot behind what is applied changes nothing")
    func oldSnapshot() {
        var member = leader()
        #expect(
            member.step(
                .installed(index: index(2), term: term(1), configuration: member.core.configuration)
            ) == [])
        #expect(member.core.appliedIndex == index(5))
    }

    @Test("memory holds the newest entries, those that are applied and durable go first")
    func window() throws {
        var member = leader(window: 70)
        #expect(
            member.core.entries(from: index(1), through: index(5), bytesMax: 1000) == nil)
        #expect(
            member.core.entries(from: index(4), through: index(9), bytesMax: 1000) == [
                command(4, term: 1), noop(5, term: 2),
            ])
        _ = try member.propose("a", "b", "c", "d")
        #expect(
            member.core.entries(from: index(4), through: index(9), bytesMax: 40)?.count == 1)
        #expect(member.core.entries(from: index(10), through: index(12), bytesMax: 40) == [])
    }
}
