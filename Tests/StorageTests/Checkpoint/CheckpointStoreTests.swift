import Primitives
import Storage
import Testing

@Suite("CheckpointStore (DESIGN §5, checkpoints)")
struct CheckpointStoreTests {
    let directory = CheckpointTestDirectory()
    var path: String { directory.path + "/checkpoints" }

    private func open() throws -> CheckpointStore {
        try CheckpointFixture.open(PosixFileSystem(), path)
    }

    @Test("a new directory holds no checkpoint")
    func startsEmpty() throws {
        let store = try open()
        #expect(store.newest == nil)
        #expect(store.previous == nil)
        #expect(store.nextBase == nil)
        #expect(store.damage == [])
        #expect(try open().damage == [])
    }

    @Test("what was written is loaded again, in order, by a later process too")
    func roundTrip() throws {
        let rows = CheckpointFixture.rows(100)
        let store = try open()
        let written = try CheckpointFixture.writeAll(store, 7, rows)
        #expect(written.sequence == 1)
        #expect(store.newest == written)
        #expect(store.previous == nil)
        #expect(try CheckpointFixture.load(store, written) == rows)
        let later = try open()
        #expect(later.newest == written)
        #expect(later.damage == [])
        #expect(try CheckpointFixture.load(later, written) == rows)
    }

    @Test("a checkpoint of no rows is one")
    func noRows() throws {
        let written = try CheckpointFixture.writeAll(try open(), 3, [])
        let store = try open()
        #expect(store.newest == written)
        #expect(try CheckpointFixture.load(store, written) == [])
    }

    @Test("rows given in any order are loaded sorted by table and key, a prefix first")
    func sortsRows() throws {
        let store = try open()
        let rows = [
            Row(table: 2, key: [], value: [1]), Row(table: 0, key: [0xFF], value: [2]),
            Row(table: 0, key: [1, 0], value: [3]), Row(table: 255, key: [0], value: [4]),
            Row(table: 0, key: [1], value: []), Row(table: 0, key: [], value: [6]),
        ]
        let written = try CheckpointFixture.writeAll(store, 1, rows)
        #expect(try CheckpointFixture.load(store, written) == rows.sorted { $0.id < $1.id })
    }

    @Test("of two rows with one key the last one counts")
    func lastOneCounts() throws {
        let store = try open()
        let first = Row(table: 1, key: [5], value: [1])
        let second = Row(table: 1, key: [5], value: [2, 2])
        let written = try CheckpointFixture.writeAll(store, 1, [first, second])
        #expect(try CheckpointFixture.load(store, written) == [second])
    }

    @Test("the files are written in turn and the older one says what it still holds")
    func writtenInTurn() throws {
        let store = try open()
        let first = try CheckpointFixture.writeAll(store, 1, CheckpointFixture.rows(10))
        #expect(store.nextBase == nil)
        let second = try CheckpointFixture.writeAll(store, 2, CheckpointFixture.rows(20))
        #expect(store.nextBase == first)
        #expect(store.previous == first)
        let third = try CheckpointFixture.writeAll(store, 3, CheckpointFixture.rows(30))
        #expect(store.nextBase == second)
        #expect((store.newest, store.previous) == (third, second))
        let later = try open()
        #expect((later.newest, later.previous) == (third, second))
        #expect(try CheckpointFixture.load(later, second) == CheckpointFixture.rows(20))
        #expect(later.nextBase == second)
    }

    @Test("changes on top of a base give what writing everything gives", arguments: 0..<8)
    func incrementalEqualsFull(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let store = try open()
        // State and changes for each of the two files: what was touched since it was written.
        var state: [Row] = []
        var touched: [[RowID]] = []
        for index in 1...12 as ClosedRange<UInt64> {
            var changed: [RowID] = []
            for _ in 0..<random.next(below: 40) {
                let number = Int(random.next(below: 60))
                let id = RowID(table: UInt8(number % 3), key: CheckpointFixture.key(number))
                changed.append(id)
                state.removeAll { $0.id == id }
                if random.next(below: 3) > 0 {
                    let size = Int(random.next(below: 70_000))
                    state.append(
                        Row(
                            table: id.table, key: id.key,
                            value: CheckpointFixture.bytes(
                                size, seed: random.next(), repeats: size % 2 == 0)))
                }
            }
            state.sort { $0.id < $1.id }
            touched.append(changed)
            let base = store.nextBase
            let since = base.map { base in touched[Int(base.index.rawValue)...].flatMap(\.self) }
            let upserts = state.filter { row in since?.contains(row.id) ?? true }
            let deletes = (since ?? []).filter { id in !state.contains { $0.id == id } }
            let written = try store.write(
                CheckpointFixture.header(index), upserts: upserts,
                deletes: deletes.map { ($0.table, $0.key) }, replacingAll: false)
            #expect(try CheckpointFixture.load(store, written) == state)
        }
        #expect(try CheckpointFixture.load(try open(), try #require(store.newest)) == state)
        #expect(store.damage == [])
    }

    @Test("deletes come before upserts and a delete of nothing is none")
    func deletesFirst() throws {
        let store = try open()
        let rows = CheckpointFixture.rows(4)
        try CheckpointFixture.writeAll(store, 1, rows)
        try CheckpointFixture.writeAll(store, 2, rows)
        let replacement = Row(table: rows[0].table, key: rows[0].key, value: [9])
        let written = try store.write(
            CheckpointFixture.header(3), upserts: [replacement],
            deletes: [rows[0], rows[1], Row(table: 9, key: [9], value: [])].map {
                ($0.table, $0.key)
            }, replacingAll: false)
        #expect(
            try CheckpointFixture.load(store, written) == [replacement] + rows[2...])
    }

    @Test("rows are drawn as they are written, never ahead")
    func drawsLazily() throws {
        let store = try open()
        var drawn = 0
        let rows = (0..<50).lazy.map { number -> Row in
            drawn += 1
            return Row(table: 0, key: CheckpointFixture.key(number), value: [])
        }
        #expect(drawn == 0)
        try store.write(
            CheckpointFixture.header(1), upserts: rows, deletes: [], replacingAll: true)
        #expect(drawn == 50)
    }

    @Test("a row over its limit is refused and the checkpoints stay what they were")
    func refusesLargeRows() throws {
        let store = try open()
        let first = try CheckpointFixture.writeAll(store, 1, CheckpointFixture.rows(8))
        let second = try CheckpointFixture.writeAll(store, 2, CheckpointFixture.rows(9))
        let large = Row(
            table: 0, key: [UInt8](repeating: 0, count: RowLimits.keyBytesMax + 1), value: [])
        for replacingAll in [false, true] {
            let failure = #expect(throws: StorageError.self) {
                try store.write(
                    CheckpointFixture.header(3), upserts: CheckpointFixture.rows(3) + [large],
                    deletes: [], replacingAll: replacingAll)
            }
            guard case .tooLarge = failure else { throw failure ?? .notFound(path: "") }
            #expect(store.newest == second)
            #expect(try CheckpointFixture.load(store, second) == CheckpointFixture.rows(9))
            #expect(store.nextBase == (replacingAll ? store.nextBase : first))
        }
        let third = try CheckpointFixture.writeAll(store, 3, CheckpointFixture.rows(3))
        #expect(try CheckpointFixture.load(try open(), third) == CheckpointFixture.rows(3))
    }

    @Test("a checkpoint of another cluster or member is refused")
    func refusesForeign() throws {
        try CheckpointFixture.writeAll(try open(), 1, [])
        for (cluster, member) in [(0xC2, 0xA), (0xC1, 0xB)] as [(UInt64, UInt64)] {
            let failure = #expect(throws: StorageError.self) {
                try CheckpointStore.open(
                    PosixFileSystem(), directory: path, clusterID: ClusterID(cluster),
                    memberID: NodeID(member))
            }
            guard case .foreign = failure else { throw failure ?? .notFound(path: "") }
        }
    }

    @Test("a checkpoint that the store does not hold is not loaded")
    func unknownHeader() throws {
        let store = try open()
        try CheckpointFixture.writeAll(store, 1, [])
        #expect(throws: StorageError.self) {
            try store.load(CheckpointFixture.header(1)) { _ in }
        }
    }

    @Test("a consumer that refuses a row makes the store fall back")
    func consumerRefuses() throws {
        struct Refusal: Error {}
        let store = try open()
        let first = try CheckpointFixture.writeAll(store, 1, CheckpointFixture.rows(5))
        let second = try CheckpointFixture.writeAll(store, 2, CheckpointFixture.rows(5))
        let failure = #expect(throws: StorageError.self) {
            try store.load(second) { _ in throw Refusal() }
        }
        #expect(failure?.isRottenCheckpoint == true)
        #expect((store.newest, store.previous) == (first, nil))
    }
}
