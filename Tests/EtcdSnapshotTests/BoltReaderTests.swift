import Crypto
import EtcdSnapshot
import Primitives
import Testing

@Suite("bbolt files, read without trusting them")
struct BoltReaderTests {
    private typealias Pairs = [(key: [UInt8], value: [UInt8])]

    private static func file(_ buckets: [(String, Pairs)]) throws -> [UInt8] {
        var builder = BoltBuilder(isMeasuring: false)
        for (name, pairs) in buckets {
            builder.beginBucket(name)
            for pair in pairs { try builder.add(pair.key, pair.value) }
            builder.endBucket()
        }
        let layout = builder.finish()
        return layout.metas + builder.takeOutput()
    }

    private static func pairs(_ count: Int, valueBytes: Int) -> Pairs {
        (1...count).map { number in
            let key = [UInt8]("key \(number % 7)".utf8)
            var value = ProtobufWriter()
            value.field(1, key)
            value.field(2, UInt64(1))
            value.field(3, UInt64(number))
            value.field(4, UInt64(1))
            value.field(5, [UInt8](repeating: 7, count: valueBytes))
            return (EtcdSchema.revisionKey(main: Int64(number), sub: 0), value.bytes)
        }
    }

    private static func rows(_ bytes: [UInt8]) throws -> [String: Pairs] {
        let reader = try BoltReader(BoltBytes(bytes))
        var found: [String: Pairs] = [:]
        for (name, bucket) in try reader.buckets() {
            var pairs: Pairs = []
            var cursor = reader.cursor(bucket)
            while let row = try cursor.next() {
                guard case .value(let value) = row.content else { continue }
                pairs.append((row.key, value))
            }
            found[String(decoding: name, as: UTF8.self)] = pairs
        }
        return found
    }

    private func error(_ bytes: [UInt8]) -> BoltFileError? {
        do {
            _ = try SnapshotSummary(BoltBytes(bytes))
            return nil
        } catch { return error }
    }

    @Test("what was written is read, whatever the size of rows", arguments: [0, 40, 4_050, 90_000])
    func roundTrip(valueBytes: Int) throws {
        let key = Self.pairs(valueBytes > 1000 ? 9 : 9_000, valueBytes: valueBytes)
        let bytes = try Self.file([("key", key), ("lease", []), ("meta", [([1], [2])])])
        let found = try Self.rows(bytes)
        #expect(found.keys.sorted() == ["key", "lease", "meta"])
        #expect(found["lease"]?.isEmpty == true)
        let there = try #require(found["key"])
        #expect(there.count == key.count)
        #expect(zip(there, key).allSatisfy { $0.key == $1.key && $0.value == $1.value })
        let summary = try SnapshotSummary(BoltBytes(bytes))
        #expect(summary.revision == Int64(key.count) && summary.totalKeys == key.count + 1)
        #expect(summary.totalBytes == bytes.count && !summary.hasDigest)
    }

    @Test("a digest behind the file is told by the size, and checked")
    func digest() throws {
        let bytes = try Self.file([("key", Self.pairs(3, valueBytes: 9))])
        let saved = bytes + Array(SHA256.hash(data: bytes))
        #expect(try SnapshotSummary(BoltBytes(saved)).hasDigest)
        var spoilt = saved
        spoilt[bytes.count + 5] ^= 1
        #expect(error(spoilt) == .digestMismatch(offset: bytes.count))
        spoilt = saved
        spoilt[4096 * 2 + 4000] ^= 1
        #expect(error(spoilt) == .digestMismatch(offset: bytes.count))
    }

    @Test("one valid meta is enough, the newer counts, and none is said with both reasons")
    func metas() throws {
        let bytes = try Self.file([("key", Self.pairs(3, valueBytes: 9))])
        for spoiltPage in 0..<2 {
            var spoilt = bytes
            spoilt[spoiltPage * 4096 + 40] ^= 0xFF
            #expect(try Self.rows(spoilt)["key"]?.count == 3)
        }
        var spoilt = bytes
        spoilt[16] = 0
        spoilt[4096 + 72] ^= 1
        #expect(error(spoilt) == .noValidMeta(first: .noMagic, second: .wrongChecksum))
        #expect(error([]) == .noValidMeta(first: .absent, second: .absent))
        let short = Array(bytes[..<(4096 * 3)])
        #expect(
            error(short) == .noValidMeta(first: .shortFile(pages: 5), second: .shortFile(pages: 5)))
    }

    @Test("pages that are no tree are named with their place")
    func pages() throws {
        let bytes = try Self.file([("key", Self.pairs(200, valueBytes: 40))])
        // Leaves from page 2 on, then their branch, then the root's leaf, then the free list.
        let branch = bytes.count / 4096 - 3
        func changed(_ offset: Int, _ value: UInt8) -> [UInt8] {
            var copy = bytes
            copy[offset] = value
            return copy
        }
        func page(_ number: Int, _ fault: BoltPageFault) -> BoltFileError {
            .badPage(number: UInt64(number), offset: number * 4096, fault)
        }
        #expect(bytes[branch * 4096 + 8] == 1)
        let child = branch * 4096 + 16 + 8
        #expect(error(changed(child, UInt8(branch))) == page(branch, .repeated))
        #expect(error(changed(child + 16, 2)) == page(2, .repeated))
        #expect(error(changed(child, 0)) == .badPage(number: 0, offset: 0, .outsideFile))
        #expect(error(changed(child + 6, 9)) != nil)
        #expect(error(changed(branch * 4096 + 10, 0)) == page(branch, .emptyBranch))
        #expect(error(changed(2 * 4096, 3)) == page(2, .otherNumber(3)))
        #expect(error(changed(2 * 4096 + 8, 16)) == page(2, .otherKind(16)))
        let overflow = UInt32(0xFF00_0000)
        #expect(
            error(changed(2 * 4096 + 15, 0xFF)) == page(2, .overflowOutsideFile(pages: overflow)))
        let element = 2 * 4096 + 16
        #expect(error(changed(element, 2)) == page(2, .unknownFlags(index: 0, 2)))
        #expect(error(changed(element + 7, 0x7F)) == page(2, .elementOutside(index: 0)))
        #expect(error(changed(element + 8, 0)) == page(2, .badKeySize(index: 0, bytes: 0)))
        #expect(error(changed(element + 15, 0xFF)) == page(2, .elementOutside(index: 0)))
        let first = element + Int(bytes[element + 4]) + Int(bytes[element + 5]) << 8
        #expect(throws: page(2, .outOfOrder(index: 1))) { try Self.rows(changed(first, 0x70)) }
        #expect(
            error(changed(first, 0x70)) == .badRow(bucket: "key", offset: first, .badRevision))
        #expect(
            error(changed(first + 8, 0x70))
                == .badRow(bucket: "key", offset: first, .badKey))
        // A bucket inside the bucket of keys, whose value is no bucket's head but long enough.
        #expect(error(changed(element, 1)) == .badRow(bucket: "key", offset: first, .nestedBucket))
    }

    @Test("inline buckets are read, and what is wrong in them is found")
    func inline() throws {
        // A value of a bucket's: head without a root, then a leaf of one row.
        var value = [UInt8](repeating: 0, count: 16)
        value += [UInt8](repeating: 0, count: 8) + [2, 0, 1, 0, 0, 0, 0, 0]
        value += [0, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0] + [65, 66, 67]
        var bytes = try Self.file([("key", [([9], value)])])
        bytes[2 * 4096 + 16] = 1
        let reader = try BoltReader(BoltBytes(bytes))
        var cursor = reader.cursor(try #require(try reader.buckets().first).bucket)
        guard case .bucket(let inner)? = try cursor.next()?.content else {
            Issue.record("no bucket")
            return
        }
        var rows = reader.cursor(inner)
        let row = try #require(try rows.next())
        #expect(row.key == [65] && row.content == .value([66, 67]))
        #expect(try rows.next() == nil)
        // The leaf claims a second row.
        guard case .inline(var leaf, let page, let offset) = inner else { return }
        leaf[10] = 2
        var spoilt = reader.cursor(.inline(leaf, page: page, offset: offset))
        #expect(throws: BoltFileError.self) { while try spoilt.next() != nil {} }
    }

    @Test("bytes changed at random end in rows or in an error", arguments: 0..<60)
    func changes(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let whole = try Self.file([
            ("auth", []), ("key", Self.pairs(120, valueBytes: 50)), ("meta", [([1], [2])]),
        ])
        for _ in 0..<40 {
            var bytes = whole
            for _ in 0...random.next(below: 4) {
                let page = Int(random.next(below: UInt64(whole.count / 4096)))
                let within = Int(random.next(below: random.next(below: 3) == 0 ? 4096 : 64))
                bytes[page * 4096 + within] = UInt8(truncatingIfNeeded: random.next())
            }
            let reader = try? EtcdSnapshotReader(BoltBytes(bytes))
            _ = try? reader?.facts()
            var rows = reader?.revisions()
            while let row = try? rows?.next() { #expect(row.modRevision <= row.main) }
            _ = error(bytes)
        }
    }
}
