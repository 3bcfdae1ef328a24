import EtcdSnapshot
import Primitives
import Testing

@Suite("etcd's rows in a bbolt file")
struct EtcdRowsTests {
    private func reader(
        _ bucket: EtcdSchema.Bucket, _ rows: [(String, [UInt8])]
    ) throws -> EtcdSnapshotReader<BoltBytes> {
        try reader(bucket, rows.map { (Array($0.0.utf8), $0.1) })
    }

    private func reader(
        _ bucket: EtcdSchema.Bucket, _ rows: [([UInt8], [UInt8])]
    ) throws -> EtcdSnapshotReader<BoltBytes> {
        var builder = BoltBuilder(isMeasuring: false)
        builder.beginBucket(bucket.rawValue)
        for row in rows { try builder.add(row.0, row.1) }
        builder.endBucket()
        let layout = builder.finish()
        return try EtcdSnapshotReader(BoltBytes(layout.metas + builder.takeOutput()))
    }

    private func fault(_ body: () throws -> Void) -> BoltRowFault? {
        do { try body() } catch BoltFileError.badRow(_, let offset, let fault) {
            #expect(offset > 8192)
            return fault
        } catch { Issue.record("\(error)") }
        return nil
    }

    @Test("members come as they were written, with names that need escapes")
    func members() throws {
        let written = EtcdSchema.member(
            id: 0xF00D, name: "a \"b\" \\ \n ü", peerURLs: ["http://a:2380", "http://b:2380"],
            clientURLs: ["http://a:2379"], isLearner: true)
        var rows = try reader(.members, [(written.key, written.value)]).members()
        let member = EtcdMember(
            id: 0xF00D, name: "a \"b\" \\ \n ü", peerURLs: ["http://a:2380", "http://b:2380"],
            clientURLs: ["http://a:2379"], isLearner: true)
        #expect(try rows.next() == member)
        #expect(try rows.next() == nil)
    }

    @Test(
        "what is no member is refused",
        arguments: [
            "", "{", "{}", "[]", #"{"id":"1"}"#, #"{"id":2}"#, #"{"id":1}x"#,
            #"{"id":1,"peerURLs":{"a":[]}}"#, #"{"id":1,"name":"\uD800"}"#, #"{"id":1,"name":7}"#,
            #"{"id":1,"isLearner":"yes"}"#, #"{"id":18446744073709551616}"#, #"{"id":1,"name":"a"#,
        ])
    func badMembers(json: String) throws {
        var rows = try reader(.members, [("1", Array(json.utf8))]).members()
        #expect(fault { _ = try rows.next() } == .badValue)
        #expect(try rows.next() == nil)
    }

    @Test("leases come with their times, and one under another's id is refused")
    func leases() throws {
        let value = EtcdSchema.lease(id: 7, seconds: 60, remainingSeconds: 12)
        var rows = try reader(.lease, [(EtcdSchema.bigEndian(7), value)]).leases()
        #expect(try rows.next() == EtcdLease(id: 7, seconds: 60, remainingSeconds: 12))
        var other = try reader(.lease, [(EtcdSchema.bigEndian(8), value)]).leases()
        #expect(fault { _ = try other.next() } == .badValue)
        var short = try reader(.lease, [("8", value)]).leases()
        #expect(fault { _ = try short.next() } == .badKey)
    }

    @Test("a revision whose value says otherwise is refused")
    func revisions() throws {
        func value(create: UInt64, mod: UInt64, version: UInt64) -> [UInt8] {
            var writer = ProtobufWriter()
            writer.field(1, "k")
            writer.field(2, create)
            writer.field(3, mod)
            writer.field(4, version)
            return writer.bytes
        }
        let key = EtcdSchema.revisionKey(main: 5, sub: 1)
        var good = try reader(.key, [(key, value(create: 4, mod: 5, version: 2))]).revisions()
        let row = try #require(try good.next())
        #expect(row.main == 5 && row.sub == 1 && row.createRevision == 4 && row.version == 2)
        for bad in [
            value(create: 4, mod: 6, version: 2), value(create: 6, mod: 5, version: 2),
            value(create: 4, mod: 5, version: 0), value(create: 0, mod: 5, version: 1),
        ] {
            var rows = try reader(.key, [(key, bad)]).revisions()
            #expect(fault { _ = try rows.next() } == .badRevision)
        }
        var rows = try reader(.key, [(key, [])]).revisions()
        #expect(fault { _ = try rows.next() } == .badValue)
        rows = try reader(.key, [(key, [0x0A, 0x7F])]).revisions()
        #expect(fault { _ = try rows.next() } == .badValue)
        let negative = EtcdSchema.revisionKey(main: -5, sub: 0)
        rows = try reader(.key, [(negative, value(create: 4, mod: 5, version: 2))]).revisions()
        #expect(fault { _ = try rows.next() } == .badKey)
    }

    @Test("the facts of meta and auth, and values of another size")
    func facts() throws {
        let meta = try reader(
            .meta,
            [
                ("consistent_index", EtcdSchema.bigEndian(99)),
                ("finishedCompactRev", EtcdSchema.revisionKey(main: 12, sub: 0)),
                ("term", EtcdSchema.bigEndian(3)),
            ])
        let facts = try meta.facts()
        #expect(facts.consistentIndex == 99 && facts.term == 3)
        #expect(facts.finishedCompaction == 12 && facts.scheduledCompaction == nil)
        let auth = try reader(
            .auth, [("authEnabled", [1]), ("authRevision", EtcdSchema.bigEndian(8))])
        #expect(try auth.facts().isAuthEnabled)
        #expect(try auth.facts().authRevision == 8)
        #expect(fault { _ = try reader(.meta, [("term", [1])]).facts() } == .badValue)
        #expect(fault { _ = try reader(.auth, [("authEnabled", [2])]).facts() } == .badValue)
    }
}
