internal import Primitives
internal import Replication
internal import StateMachine

/// A store that entries are applied to.
final class StoreFixture {
    let store = Store()

    /// A store of ``Samples/keyCount`` keys, each of one version.
    static func filled() throws -> (fixture: StoreFixture, samples: Samples) {
        let fixture = StoreFixture()
        var samples = Samples()
        for number in 0..<Samples.keyCount {
            let put = Samples.put(Samples.key(number), samples.value())
            try fixture.apply(Samples.command(.put, put))
        }
        return (fixture, samples)
    }

    /// Applies the next entry.
    @inline(__always)
    @discardableResult
    func apply(_ payload: [UInt8]) throws -> Applied {
        let applied = store.apply(
            LogEntry(
                index: store.appliedIndex.next, term: Term(1), kind: .command, payload: payload))
        if case .failed(let error) = applied.outcome { throw error }
        return applied
    }

    /// Frees all but the newest versions.
    func forgetPast() throws {
        compact()
        while store.purge(budget: 10_000) {}
    }

    /// Makes all but the newest versions unreachable; refused where there is nothing newer.
    func compact() {
        let body = Samples.compaction(at: store.revision)
        _ = try? apply(Samples.command(.compact, body))
    }
}

/// The store: entries that are applied, and reads. What a put leaves behind is compacted between
/// batches, as auto-compaction does in a server.
enum StorePieces {
    /// Keys of one range.
    static let rangeKeys = 1000
    /// Different requests of one kind where they are large.
    private static let txnCount = 20_000

    static var all: [Piece] {
        [
            Piece("store-put", "a put of 256 B applied, to one of 100,000 keys at random") { _ in
                try puts()
            },
            Piece("store-put-new", "a put of 256 B applied that makes a key, in their order") {
                _ in try newPuts()
            },
            Piece("store-get", "a read of one key of 100,000 at random") { _ in try gets() },
            Piece("store-range-1000", "a read of 1,000 keys of 256 B") { _ in try ranges() },
            Piece("store-txn", "a transaction applied: compare, put of 256 B, range") { _ in
                try txns()
            },
            Piece("store-purge", "a record looked at, and freed, behind a compaction") { _ in
                try purges()
            },
        ]
    }

    private static func applying(
        _ payloads: [[UInt8]], to fixture: StoreFixture, prepare: @escaping () throws -> Void
    ) -> Work {
        var next = 0
        return Work(
            operationsMax: Samples.keyCount, prepare: prepare,
            run: { operations in
                for _ in 0..<operations {
                    keep(try fixture.apply(payloads[next]))
                    next = next + 1 == payloads.count ? 0 : next + 1
                }
            })
    }

    private static func puts() throws -> Work {
        var (fixture, samples) = try StoreFixture.filled()
        let payloads = samples.shuffled(Samples.keyCount).map {
            Samples.command(.put, Samples.put(Samples.key($0), samples.value()))
        }
        return applying(payloads, to: fixture, prepare: fixture.forgetPast)
    }

    private static func newPuts() throws -> Work {
        var (fixture, samples) = try StoreFixture.filled()
        let prefix = "/micro/new/"
        let payloads = (0..<Samples.keyCount).map {
            Samples.command(.put, Samples.put(Samples.key($0, under: prefix), samples.value()))
        }
        let deletion = Samples.command(
            .deleteRange, Samples.deletion(of: Array(prefix.utf8), to: Array("/micro/new0".utf8)))
        return applying(payloads, to: fixture) {
            try fixture.apply(deletion)
            try fixture.forgetPast()
        }
    }

    private static func txns() throws -> Work {
        var (fixture, samples) = try StoreFixture.filled()
        let payloads = samples.shuffled(Samples.keyCount).prefix(txnCount).map {
            Samples.command(.txn, Samples.txn(Samples.key($0), samples.value()))
        }
        return applying(payloads, to: fixture, prepare: fixture.forgetPast)
    }

    private static func gets() throws -> Work {
        var (fixture, samples) = try StoreFixture.filled()
        let requests = samples.shuffled(Samples.keyCount).map {
            RangeRequest(key: Samples.key($0))
        }
        return reading(requests, fixture.store, keys: 1)
    }

    private static func ranges() throws -> Work {
        var (fixture, samples) = try StoreFixture.filled()
        let starts = samples.shuffled(Samples.keyCount - rangeKeys).prefix(64)
        let requests = starts.map {
            RangeRequest(key: Samples.key($0), rangeEnd: Samples.key($0 + rangeKeys))
        }
        return reading(requests, fixture.store, keys: rangeKeys)
    }

    private static func reading(_ requests: [RangeRequest], _ store: Store, keys: Int) -> Work {
        var next = 0
        let bytes = Double(keys * (Samples.key(0).count + Samples.valueBytes))
        return Work(
            run: { operations in
                for _ in 0..<operations {
                    let found = try store.range(requests[next])
                    invariant(found.records.count == keys, "\(found.records.count) keys found")
                    next = next + 1 == requests.count ? 0 : next + 1
                }
            }, volume: { Volume(items: Double(keys), noun: "keys", bytes: bytes) })
    }

    private static func purges() throws -> Work {
        var (fixture, samples) = try StoreFixture.filled()
        let payloads = samples.shuffled(Samples.keyCount).map {
            Samples.command(.put, Samples.put(Samples.key($0), samples.value()))
        }
        let slice = PurgePace.recordsMax
        return Work(
            step: slice, operationsMax: Samples.keyCount,
            prepare: {
                try fixture.forgetPast()
                for payload in payloads { try fixture.apply(payload) }
                fixture.compact()
            },
            run: { operations in
                for _ in 0..<(operations / slice) { _ = fixture.store.purge(budget: slice) }
            })
    }
}
