import Backup
import EtcdSnapshot
import Primitives
import StateMachine
import Testing

@Suite("A snapshot of etcd's as a state")
struct EtcdImportTests {
    private typealias Pair = (key: [UInt8], value: [UInt8])

    private func keyValue(
        _ key: String, _ value: String, create: Int64, mod: Int64, version: Int64, lease: Int64 = 0
    ) -> Pair {
        var message = ProtobufWriter()
        message.field(1, Array(key.utf8))
        message.field(2, create)
        message.field(3, mod)
        message.field(4, version)
        message.field(5, Array(value.utf8))
        message.field(6, lease)
        return (EtcdSchema.revisionKey(main: mod, sub: 0), message.bytes)
    }

    private func deletion(_ key: String, mod: Int64) -> Pair {
        var message = ProtobufWriter()
        message.field(1, Array(key.utf8))
        return (EtcdSchema.revisionKey(main: mod, sub: 0, isDeletion: true), message.bytes)
    }

    private func file(
        _ keys: [Pair], leases: [EtcdLease] = [], meta: [Pair] = []
    ) throws -> BoltBytes {
        var builder = BoltBuilder(isMeasuring: false)
        builder.beginBucket(EtcdSchema.Bucket.key.rawValue)
        for pair in keys { try builder.add(pair.key, pair.value) }
        builder.endBucket()
        builder.beginBucket(EtcdSchema.Bucket.lease.rawValue)
        for lease in leases {
            try builder.add(
                EtcdSchema.bigEndian(UInt64(bitPattern: lease.id)),
                EtcdSchema.lease(
                    id: lease.id, seconds: lease.seconds, remainingSeconds: lease.remainingSeconds)
            )
        }
        builder.endBucket()
        builder.beginBucket(EtcdSchema.Bucket.meta.rawValue)
        for pair in meta { try builder.add(pair.key, pair.value) }
        builder.endBucket()
        let layout = builder.finish()
        return BoltBytes(layout.metas + builder.takeOutput())
    }

    @Test("keys keep their revisions, versions and leases; deleted ones stay deleted")
    func keys() throws {
        let source = try file(
            [
                keyValue("a", "1", create: 2, mod: 2, version: 1),
                keyValue("b", "1", create: 3, mod: 3, version: 1, lease: 9),
                keyValue("a", "2", create: 2, mod: 4, version: 2), deletion("b", mod: 5),
                keyValue("b", "2", create: 6, mod: 6, version: 1, lease: 9),
                deletion("c", mod: 8),
            ], leases: [EtcdLease(id: 9, seconds: 60, remainingSeconds: 5)],
            meta: [(Array("consistent_index".utf8), EtcdSchema.bigEndian(40))])
        let state = try BackupState.load(etcd: source, path: "e.db")
        let store = state.store
        #expect(store.revision == Revision(8) && store.appliedIndex == LogIndex(40))
        #expect(store.compactedRevision == .zero && store.keyCount == 2)
        let a = try #require(Array("a".utf8).withUnsafeBytes { store.get($0) })
        #expect(a.value == Array("2".utf8) && a.createRevision == 2 && a.version == 2)
        let b = try #require(Array("b".utf8).withUnsafeBytes { store.get($0) })
        #expect(b.createRevision == 6 && b.lease == 9)
        let old = Array("b".utf8).withUnsafeBytes { store.get($0, at: Revision(3)) }
        #expect(old?.value == Array("1".utf8))
        #expect(store.leases.all.map(\.id) == [9] && store.leases.keys(of: 9) == [Bytes("b")])
        store.checkInvariants()
        // There is no SHA-256 behind it.
        #expect(state.notices.count == 1 && state.clusterID == nil)
    }

    @Test("a compaction that was scheduled counts, and what it makes unreachable goes")
    func compacted() throws {
        let source = try file(
            [
                keyValue("a", "1", create: 2, mod: 2, version: 1),
                keyValue("a", "2", create: 2, mod: 3, version: 2), deletion("a", mod: 4),
                keyValue("z", "1", create: 5, mod: 5, version: 1),
            ],
            meta: [
                (Array("scheduledCompactRev".utf8), EtcdSchema.revisionKey(main: 5, sub: 0))
            ])
        let store = try BackupState.load(etcd: source, path: "e.db").store
        #expect(store.compactedRevision == Revision(5) && store.recordCount == 1)
    }

    @Test("a key whose lease has ended has none, and this is said")
    func strayLease() throws {
        let source = try file([keyValue("a", "1", create: 2, mod: 2, version: 1, lease: 4)])
        let state = try BackupState.load(etcd: source, path: "e.db")
        #expect(state.notices.contains { $0.contains("named leases that have ended") })
        #expect(Array("a".utf8).withUnsafeBytes { state.store.get($0) }?.lease == 0)
    }

    @Test("keys where the datacenter's records are, and leases without time, are refused")
    func refused() throws {
        let reserved = try file([keyValue("/keelson/x", "1", create: 2, mod: 2, version: 1)])
        let endless = try file([], leases: [EtcdLease(id: 9, seconds: 0, remainingSeconds: 0)])
        for source in [reserved, endless] {
            let error = BackupFixture.error {
                _ = try BackupState.load(etcd: source, path: "e.db")
            }
            guard case .notImportable("e.db", _)? = error else {
                #expect(Bool(false), "\(String(describing: error))")
                continue
            }
            #expect(error?.exitStatus == 65)
        }
    }

    @Test("a version that its key cannot have come to is refused", arguments: [4, Int64.max])
    func absurdVersion(version: Int64) throws {
        let sound = try file([keyValue("a", "1", create: 2, mod: 4, version: 3)])
        _ = try BackupState.load(etcd: sound, path: "e.db")
        let source = try file([keyValue("a", "1", create: 2, mod: 4, version: version)])
        let error = BackupFixture.error { _ = try BackupState.load(etcd: source, path: "e.db") }
        #expect(error?.exitStatus == 65 && "\(error!)".contains("no whole snapshot of etcd"))
    }

    @Test("what it becomes is restored as a backup is")
    func restored() throws {
        let source = try file([keyValue("a", "1", create: 2, mod: 2, version: 1)])
        let order = try RestoreOrder(
            members: [RestoredMember(name: "a", peerURLs: ["http://a:1"])], token: "t")
        let plan = try RestorePlan(try BackupState.load(etcd: source, path: "e.db"), order)
        #expect(plan.oldClusterID == nil && plan.oldRevision == Revision(2))
        #expect(plan.store.revision == Revision(2 + RestorationStep.revisionsMin))
        #expect(plan.store.keyCount == 1)
    }
}
