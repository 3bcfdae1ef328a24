internal import Primitives
internal import Replication
internal import StateMachine
internal import Storage

/// Checkpoints of a store, one of its records an operation; syncs included.
enum CheckpointPieces {
    private static let changedCount = 10_000

    static var all: [Piece] {
        [
            Piece("checkpoint-all", "a record of a checkpoint of 100,000 keys written anew") {
                try whole($0)
            },
            Piece("checkpoint-changes", "a put's share of a checkpoint of changes every 10,000") {
                try changes($0)
            },
            Piece("checkpoint-load", "a record of a checkpoint of 100,000 keys made a store") {
                try load($0)
            },
        ]
    }

    private static func whole(_ place: Workplace) throws -> Work {
        let (fixture, _) = try StoreFixture.filled()
        let writer = try CheckpointWriting(fixture, folder: place.path("checkpoint-all"))
        return Work(
            step: Samples.keyCount, operationsMax: Samples.keyCount,
            run: { _ in try writer.write(changesOnly: false) },
            volume: { writer.volume(records: Samples.keyCount) })
    }

    private static func changes(_ place: Workplace) throws -> Work {
        var (fixture, samples) = try StoreFixture.filled()
        let writer = try CheckpointWriting(fixture, folder: place.path("checkpoint-changes"))
        // Both files have to be there before one of them can be changed.
        for _ in 0..<2 { try writer.write(changesOnly: false) }
        let payloads = samples.shuffled(Samples.keyCount).map {
            Samples.command(.put, Samples.put(Samples.key($0), samples.value()))
        }
        var next = 0
        return Work(
            step: changedCount, operationsMax: changedCount,
            prepare: {
                for _ in 0..<changedCount {
                    try fixture.apply(payloads[next])
                    next = next + 1 == payloads.count ? 0 : next + 1
                }
            },
            run: { _ in try writer.write(changesOnly: true) },
            volume: { writer.volume(records: changedCount) })
    }

    private static func load(_ place: Workplace) throws -> Work {
        let (fixture, _) = try StoreFixture.filled()
        let writer = try CheckpointWriting(fixture, folder: place.path("checkpoint-load"))
        try writer.write(changesOnly: false)
        return Work(
            step: Samples.keyCount, operationsMax: Samples.keyCount,
            run: { _ in
                let count = try writer.load().keyCount
                invariant(count == Samples.keyCount, "\(count) keys were loaded")
            }, volume: { writer.volume(records: Samples.keyCount) })
    }
}

private final class CheckpointWriting {
    private let fixture: StoreFixture
    private let checkpoints: CheckpointStore
    private let configuration: [UInt8] = Array(repeating: 0, count: 34)
    /// Of the last checkpoint: rows that were written, and their bytes.
    private var rowCount = 0
    private var rowBytes = 0

    init(_ fixture: StoreFixture, folder: String) throws(StorageError) {
        self.fixture = fixture
        checkpoints = try CheckpointStore.open(
            PosixFileSystem(), directory: folder, clusterID: ClusterID(1), memberID: NodeID(1))
    }

    /// Freezes the store and writes it, or what changed of it since the older checkpoint.
    func write(changesOnly: Bool) throws {
        let frozen = fixture.store.freeze()
        let base = changesOnly ? checkpoints.nextBase?.index : nil
        let changes = frozen.changes(since: base)
        invariant(
            changes.replacesAll != changesOnly,
            "what changed since \(base?.rawValue ?? 0) is known, or everything is written")
        rowCount = 0
        rowBytes = 0
        let rows = changes.upserts.lazy.map { row in
            self.rowCount += 1
            self.rowBytes += row.key.count + row.value.count
            return Row(row)
        }
        try checkpoints.write(
            CheckpointHeader(
                index: frozen.appliedIndex, term: frozen.appliedTerm,
                configuration: configuration),
            upserts: rows, deletes: changes.deletes.map { ($0.table, $0.key) },
            replacingAll: changes.replacesAll, rowCount: frozen.rows().count)
    }

    func load() throws -> Store {
        guard let newest = checkpoints.newest else { return Store() }
        var loader = StoreLoader()
        try checkpoints.load(newest) { try loader.add($0) }
        return try loader.finish()
    }

    func volume(records: Int) -> Volume {
        Volume(
            items: Double(rowCount) / Double(records), noun: "rows",
            bytes: Double(rowBytes) / Double(records))
    }
}
