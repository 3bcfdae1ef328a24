import Primitives
import Simulation
import Testing

@Suite("Promises about what was written (K1, K3, K6, K8)")
struct DurabilityCheckTests {
    private let history: RecordedHistory
    private let store: TinyStore
    private let writes: WriteHistory

    init() {
        let workload = Workload(seed: 5, operations: 500, unknownPercent: 8, tellsWrites: true)
        (history, store) = workload.runWithStore()
        writes = history.writes ?? WriteHistory([])
    }

    private var finalState: [RecordedPair] { Array(store.live.values) }

    @Test("what a correct store does keeps every promise", arguments: 1...20 as ClosedRange)
    func correct(seed: UInt64) {
        let workload = Workload(seed: seed, unknownPercent: 10, tellsWrites: true)
        let (history, store) = workload.runWithStore()
        let writes = history.writes ?? WriteHistory([])
        let operations = history.operations
        #expect(
            AcknowledgedWrites.check(operations, writes, finalState: Array(store.live.values))
                == [])
        // Here serializable answers of one member do fall.
        let linearizable = operations.filter { !$0.request.isSerializable }
        #expect(RevisionRules.check(linearizable, writes) == [])
        #expect(AtMostOnce.check(operations, writes) == [])
    }

    private func acknowledged() -> RecordedOperation? {
        history.operations.first {
            if case .put = $0.request { $0.writtenRevision ?? 0 > 20 } else { false }
        }
    }

    @Test("K1: an acknowledged write that is lost, or altered")
    func durable() {
        let revision = acknowledged()?.writtenRevision ?? 0
        let lost = WriteHistory(writes.revisions.filter { $0.revision < revision })
        #expect(!AcknowledgedWrites.check(history.operations, lost).isEmpty)
        let altered = WriteHistory(
            writes.revisions.map { change in
                guard change.revision == revision else { return change }
                var change = change
                change.events[0].pair.value = Bytes("other")
                return change
            })
        let found = AcknowledgedWrites.check(history.operations, altered)
        #expect(found.map { $0.property } == ["K1"])
    }

    @Test("K1: half of a transaction")
    func half() {
        let operation = history.operations.first { operation in
            guard case .txn = operation.request else { return false }
            return operation.writtenRevision != nil
        }
        let broken = WriteHistory(
            writes.revisions.map { change in
                change.revision == operation?.writtenRevision
                    ? RecordedRevision(change.revision, Array(change.events.dropLast())) : change
            })
        #expect(AcknowledgedWrites.check(history.operations, broken).count == 1)
    }

    @Test("K1: a final state that lacks a key")
    func finalState_() {
        let found = AcknowledgedWrites.check(
            history.operations, writes, finalState: Array(finalState.dropFirst()))
        #expect(found.map { $0.property } == ["K1"])
    }

    @Test("K3: one revision for two writes, a gap, a revision that falls")
    func revisions() {
        var twice = Script()
        twice.put(0...10, "a", "1", revision: 2)
        twice.put(0...10, "b", "1", revision: 2)
        #expect(RevisionRules.check(twice.history.operations).map { $0.property } == ["K3"])
        let gap = WriteHistory(writes.revisions.filter { $0.revision != 9 })
        #expect(RevisionRules.check([], gap).count == 1)
        var falling = Script()
        falling.put(0...10, "a", "1", revision: 2)
        falling.get(20...30, "a", nil, revision: 1)
        #expect(RevisionRules.check(falling.history.operations).count == 1)
    }

    @Test("K3: a member's own answers fall only over a restart")
    func member() {
        var script = Script()
        script.get(0...10, "a", nil, revision: 5, isSerializable: true)
        script.get(20...30, "a", nil, revision: 4, isSerializable: true)
        for place in 0..<2 { script.history.operations[place].member = 3 }
        let operations = script.history.operations
        #expect(RevisionRules.check(operations).count == 1)
        #expect(RevisionRules.check(operations, restarts: [3: [15_000_000]]) == [])
        #expect(RevisionRules.check(operations, restarts: [3: [5_000_000]]).count == 1)
    }

    @Test("K6: a write that was done twice, and a refused one that was done")
    func atMostOnce() {
        let operation = acknowledged()
        var revisions = writes.revisions
        let again = revisions.first { $0.revision == operation?.writtenRevision }
        revisions.append(RecordedRevision(writes.lastRevision + 1, again?.events ?? []))
        let found = AtMostOnce.check(history.operations, WriteHistory(revisions))
        #expect(found.map { $0.subject } == ["operation \(operation?.id ?? -1)"])
        var operations = history.operations
        let place = operations.firstIndex { $0.id == operation?.id } ?? 0
        operations[place].outcome = .failed("etcdserver: no leader")
        #expect(AtMostOnce.check(operations, writes).count == 1)
    }

    @Test("K8: two members of one index and two hashes")
    func replicas() {
        func hash(_ member: Int, _ index: UInt64, _ hash: UInt64) -> MemberHash {
            MemberHash(member: member, appliedIndex: index, compactRevision: 3, hash: hash)
        }
        #expect(ReplicaIdentity.check([hash(1, 5, 9), hash(2, 5, 9), hash(3, 6, 8)]) == [])
        let found = ReplicaIdentity.check([hash(1, 5, 9), hash(2, 5, 9), hash(3, 5, 8)])
        #expect(found.map { $0.subject } == ["member 3"])
    }
}
