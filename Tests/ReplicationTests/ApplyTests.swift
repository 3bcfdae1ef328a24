import Primitives
import RaftCore
import Replication
import StateMachine
import Testing

@Suite("Applying in bounded steps (DESIGN §6)")
struct ApplyTests {
    @Test("a backlog is applied in one chain of steps, however many commits are reported meanwhile")
    func oneChain() {
        var node = SingleReplica { $0.applyEntriesMax = 4 }
        for number in 0..<18 { node.put("k\(number)") }
        let last = node.writes.removeLast()
        let first = node.writes.removeLast()
        node.writes = []
        node.step(.persisted(first))
        #expect(node.appliedCount == 4 && node.continuations == 1)
        // Another commit, and another tick, while the continuation is on its way.
        node.step(.persisted(last))
        #expect(node.appliedCount == 0 && node.continuations == 0)
        node.step(.tick(clock: 0))
        #expect(node.appliedCount == 0 && node.continuations == 0)
        node.step(.continueApplying)
        #expect(node.appliedCount == 4 && node.continuations == 1)
        #expect(node.continueToEnd() == [4, 4, 2])
        #expect(node.replica.store.revision == Revision(19))
        // The next commit begins anew.
        node.put("k")
        node.persistAll()
        #expect(node.appliedCount == 1 && node.continuations == 0)
    }

    @Test("an entry that changes many records is applied in a step of its own")
    func largeDeletion() {
        var node = SingleReplica { $0.applyEntriesMax = 20 }
        for number in 0..<30 {
            node.put("k\(number)")
            node.persistAll()
        }
        node.put("a")
        var body = ProtobufWriter()
        body.field(1, "k")
        body.field(2, "l")
        node.propose(.deleteRange, body.bytes)
        node.put("b")
        let last = node.writes.removeLast()
        node.writes = []
        node.step(.persisted(last))
        #expect(node.appliedCount == 1)
        #expect(node.continueToEnd() == [1, 1])
        #expect(node.replica.store.keyCount == 2)
    }

    @Test("the bytes of a step are bounded too")
    func bytes() {
        var node = SingleReplica { $0.applyBytesMax = 3000 }
        for number in 0..<6 { node.put("k\(number)", String(repeating: "x", count: 1000)) }
        node.put("large", String(repeating: "x", count: 10_000))
        let last = node.writes.removeLast()
        node.writes = []
        node.step(.persisted(last))
        #expect(node.appliedCount == 2)
        #expect(node.continueToEnd() == [2, 2, 1])
    }

    /// Ten commands on disk, none in memory.
    static func restored() -> (RestoredLog, [LogEntry]) {
        let entries = (1...10).map { index in
            let request = RequestID(
                origin: NodeID(9), boot: BootNumber(1), sequence: UInt64(index))
            var body = ProtobufWriter()
            body.field(1, "k\(index)")
            body.field(2, "v")
            return LogEntry(
                index: LogIndex(UInt64(index)), term: Term(1), kind: .command,
                payload: Command.encode(
                    CommandHeader(kind: .put, request: request), body: body.bytes))
        }
        var log = RestoredLog.fresh(ClusterConfiguration(voters: [SingleReplica.id]))
        log.hardState = HardState(term: Term(1), votedFor: nil)
        log.termRuns = [TermRun(first: LogIndex(1), term: Term(1))]
        log.lastIndex = LogIndex(10)
        return (log, entries)
    }

    @Test("what was loaded from disk is applied in bounded steps too, and loaded once")
    func loaded() throws {
        let (log, entries) = Self.restored()
        var node = SingleReplica(log) { $0.applyEntriesMax = 4 }
        let load = try #require(node.load)
        #expect(load.first == LogIndex(1))
        node.step(.loaded(first: LogIndex(1), Array(entries[..<7]), .applying))
        #expect(node.appliedCount == 4 && node.continuations == 1)
        node.step(.continueApplying)
        #expect(node.appliedCount == 3 && node.continuations == 0)
        #expect(try #require(node.load).first == LogIndex(8))
        node.step(.loaded(first: LogIndex(8), Array(entries[7...]), .applying))
        #expect(node.appliedCount == 4)
        #expect(node.replica.appliedIndex == LogIndex(11))
        #expect(node.replica.store.revision == Revision(11))
    }

    @Test("after a snapshot took the state's place, what is committed behind it is applied at once")
    func afterInstall() throws {
        let (log, entries) = Self.restored()
        var node = SingleReplica(log) { _ in }
        _ = try #require(node.load)
        let newer = Store()
        for entry in entries { _ = newer.apply(entry) }
        node.effects = []
        node.replica.install(
            newer, term: Term(1), configuration: ClusterConfiguration(voters: [SingleReplica.id]),
            into: &node.effects)
        #expect(node.appliedCount == 1)
        #expect(node.replica.appliedIndex == LogIndex(11))
        // The load that is still on its way means nothing any more.
        node.step(.loaded(first: LogIndex(1), entries, .applying))
        #expect(node.appliedCount == 0)
    }
}
