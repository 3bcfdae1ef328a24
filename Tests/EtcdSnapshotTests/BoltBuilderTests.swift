import EtcdSnapshot
import Primitives
import Testing

@Suite("bbolt files, written from front to back")
struct BoltBuilderTests {
    private typealias Pairs = [(key: [UInt8], value: [UInt8])]

    /// Measures, writes, and reads what was written.
    private func written(_ buckets: [(String, Pairs)]) throws -> [String: Pairs] {
        var measure = BoltBuilder(isMeasuring: true)
        var builder = BoltBuilder(isMeasuring: false)
        var pages: [UInt8] = []
        for (name, pairs) in buckets {
            measure.beginBucket(name)
            builder.beginBucket(name)
            for pair in pairs {
                try measure.add(pair.key, valueBytes: pair.value.count) { _ in
                    Issue.record("a value was asked for")
                }
                try builder.add(pair.key, pair.value)
                if builder.pendingBytes > 100_000 { pages += builder.takeOutput() }
            }
            measure.endBucket()
            builder.endBucket()
        }
        let layout = builder.finish()
        #expect(measure.finish() == layout)
        pages += builder.takeOutput()
        let file = layout.metas + pages
        #expect(file.count == layout.fileBytes)
        var bolt = BoltFile(file)
        return try bolt.buckets()
    }

    private func check(_ buckets: [(String, Pairs)]) throws {
        let found = try written(buckets)
        #expect(found.keys.sorted() == buckets.map(\.0).sorted())
        for (name, pairs) in buckets {
            let there = try #require(found[name])
            #expect(there.count == pairs.count)
            #expect(zip(there, pairs).allSatisfy { $0.key == $1.key && $0.value == $1.value })
        }
    }

    private func pairs(_ count: Int, valueBytes: Int) -> Pairs {
        (0..<count).map { number in
            (
                EtcdSchema.revisionKey(main: Int64(number), sub: 0),
                [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: valueBytes)
            )
        }
    }

    @Test("empty buckets, one pair, and no bucket at all")
    func small() throws {
        try check([])
        try check([("b", []), ("a", [])])
        try check([("b", [([1], [])]), ("a", [([0], [2, 3])])])
    }

    @Test("trees of several levels hold every pair in order", arguments: [100, 5_000, 100_000])
    func large(count: Int) throws {
        try check([("key", pairs(count, valueBytes: 40)), ("meta", [([1], [1])])])
    }

    @Test("values larger than a page go on behind it", arguments: [4_000, 4_050, 4_096, 50_000])
    func overflow(valueBytes: Int) throws {
        try check([("key", pairs(7, valueBytes: valueBytes))])
        let mixed = pairs(3, valueBytes: 10) + [([255], [UInt8](repeating: 7, count: valueBytes))]
        try check([("key", mixed)])
    }

    @Test("random pairs of random sizes", arguments: 0..<20)
    func random(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var keys: Set<Bytes> = []
        for _ in 0..<random.next(below: 3_000) {
            let count = 1 + Int(random.next(below: random.next(below: 20) == 0 ? 3_000 : 30))
            keys.insert(Bytes((0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }))
        }
        let pairs = keys.sorted().map { key -> (key: [UInt8], value: [UInt8]) in
            let isLarge = random.next(below: 50) == 0
            let count = Int(random.next(below: isLarge ? 20_000 : 200))
            return (key.storage, [UInt8](repeating: 9, count: count))
        }
        try check([("a", pairs), ("b", [])])
    }

    @Test("keys that do not ascend, empty ones and too large ones are refused")
    func refusals() {
        var builder = BoltBuilder(isMeasuring: false)
        builder.beginBucket("b")
        #expect(throws: BoltError.keyTooLarge(bytes: 0)) { try builder.add([], [1]) }
        #expect(throws: BoltError.keyTooLarge(bytes: 32_769)) {
            try builder.add([UInt8](repeating: 1, count: 32_769), [1])
        }
        #expect(throws: Never.self) { try builder.add([2], [1]) }
        for key: [UInt8] in [[2], [1], [1, 255]] {
            #expect(throws: BoltError.outOfOrder(bucket: "b")) { try builder.add(key, [1]) }
        }
    }
}
