import Primitives
import StateMachine
import Testing

@Suite("Rows of checkpoints and snapshots (DESIGN §5, §6)")
struct RowTests {
    struct RowKey: Hashable {
        var table: UInt8
        var key: [UInt8]
    }

    /// A checkpoint file: rows by key, to which changes are applied.
    struct File {
        var rows: [RowKey: [UInt8]] = [:]
        var index: LogIndex?

        mutating func write(_ frozen: FrozenStore) -> Int {
            let changes = frozen.changes(since: index)
            if changes.replacesAll { rows = [:] }
            for (table, key) in changes.deletes { rows[RowKey(table: table, key: key)] = nil }
            for row in changes.upserts { rows[RowKey(table: row.table, key: row.key)] = row.value }
            index = frozen.appliedIndex
            return changes.upserts.count
        }

        func load() throws -> Store {
            var loader = StoreLoader()
            let order = rows.keys.sorted {
                $0.table != $1.table
                    ? $0.table < $1.table : $0.key.lexicographicallyPrecedes($1.key)
            }
            for key in order {
                try loader.add(table: key.table, key: key.key, value: rows[key] ?? [])
            }
            return try loader.finish()
        }
    }

    @Test("rows come sorted by table and key, and each key once")
    func sorted() {
        let driver = StoreDriver()
        for number in 0..<3000 { driver.put("k\(number)", "v") }
        for lease in 1...600 { driver.grant(Int64(lease)) }
        var last: StoreRow?
        for row in driver.store.freeze().rows() {
            if let last {
                let follows =
                    last.table != row.table
                    ? last.table < row.table : last.key.lexicographicallyPrecedes(row.key)
                #expect(follows)
            }
            last = row
        }
        #expect(driver.store.freeze().rows().count > 6 + 200)
    }

    /// The rows of a small store with one of `table` changed.
    private func load(
        _ table: StoreTable, _ driver: StoreDriver = StoreDriver(),
        changing change: (inout StoreRow) -> Void
    ) throws -> Store {
        driver.put("k", "v")
        var rows = Array(driver.store.freeze().rows())
        let row = try #require(rows.firstIndex { $0.table == table.rawValue })
        change(&rows[row])
        var loader = StoreLoader()
        for row in rows { try loader.add(row) }
        return try loader.finish()
    }

    private func set(_ number: UInt64, at place: Int, of row: inout StoreRow) {
        let bytes = (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
        row.value.replaceSubrange(place..<(place + 8), with: bytes)
    }

    @Test(
        "a state in which no store can stand is refused", arguments: [0, 1, 2, 3, 4],
        [UInt64(Int64.max), 1 << 62])
    func impossibleState(field: Int, number: UInt64) throws {
        // After two versions: the revision, the two floors, the entry's index, its term.
        #expect(throws: StoreLoadError.self) {
            try load(.state) { set(number, at: 8 + 8 * field, of: &$0) }
        }
    }

    @Test("a revision of users and roles that the next change would overflow is refused")
    func authRevision() throws {
        let driver = StoreDriver()
        driver.apply(.auth, AuthCommand.addRole(Array("r".utf8)).encode())
        _ = try load(.auth, driver) { _ in }
        #expect(throws: StoreLoadError.self) {
            try load(.auth, driver) { set(.max, at: 1, of: &$0) }
        }
    }

    @Test("a lease without sense, twice, or in another's row is refused", arguments: 0..<4)
    func impossibleLease(kind: Int) throws {
        let driver = StoreDriver()
        driver.grant(7, seconds: 60)
        let row = try #require(
            driver.store.freeze().rows().first {
                $0.table == StoreTable.leases.rawValue && $0.value.count > 4
            })
        func changed(_ change: (inout StoreRow) -> Void) throws {
            var loader = StoreLoader()
            for var other in driver.store.freeze().rows() {
                if other == row { change(&other) }
                try loader.add(other)
            }
            _ = try loader.finish()
        }
        try changed { _ in }
        #expect(throws: StoreLoadError.self) {
            try changed { row in
                switch kind {
                case 0: row.key[0] ^= 1
                case 1:
                    row.value[0] = 2
                    row.value += row.value[4...]
                case 2: set(UInt64(Int64.max), at: 12, of: &row)
                default: set(UInt64(bitPattern: -1), at: 20, of: &row)
                }
            }
        }
    }

    @Test("a deletion that is attached to a lease is refused")
    func leasedDeletion() throws {
        let driver = StoreDriver()
        driver.grant(7, seconds: 60)
        driver.put("a", "v")
        driver.delete("a")
        // The last record: flags, main, sub, create, version, lease, two lengths, the key.
        func load(lease: UInt8) throws -> Store {
            var loader = StoreLoader()
            for var row in driver.store.freeze().rows() {
                if row.table == StoreTable.client.rawValue {
                    row.value[row.value.count - 4] = lease
                }
                try loader.add(row)
            }
            return try loader.finish()
        }
        #expect(try load(lease: 0).fullHash() == driver.store.fullHash())
        #expect(throws: StoreLoadError.self) { try load(lease: 7) }
    }

    @Test(
        "two files written in turn from what changed load as the whole state does",
        arguments: 0..<12)
    func incremental(seed: UInt64) throws {
        let run = ModelTests.Run(seed: seed)
        var files = [File(), File()]
        for turn in 0..<16 {
            for _ in 0..<(20 + run.below(200)) { run.step() }
            if run.below(3) == 0 { run.driver.purgeAll(budget: run.purgeBudget) }
            let frozen = run.driver.store.freeze()
            if run.below(3) == 0 { run.driver.purgeAll(budget: run.purgeBudget) }
            _ = files[turn % 2].write(frozen)
            if run.below(4) == 0, let older = files[(turn + 1) % 2].index {
                run.driver.store.forgetChanges(through: older)
            }
            let loaded = try files[turn % 2].load()
            loaded.checkInvariants()
            #expect(loaded.fullHash() == frozen.fullHash())
            #expect(loaded.digest == frozen.digest)
            #expect(loaded.appliedIndex == frozen.appliedIndex)
            // A restart: the newer file is what the store was loaded from.
            if run.below(4) == 0 { run.driver.store = loaded }
        }
    }

    @Test(
        "whatever was purged between checkpoints, a file holds the store's rows and no others",
        arguments: 0..<6)
    func purged(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let driver = StoreDriver()
        var files = [File(), File()]
        for turn in 0..<14 {
            let keyCount = [1, 50, 900][Int(random.next(below: 3))] + random.next(below: 20)
            let budget = [100, 5000][Int(random.next(below: 2))]
            for number in 0..<700 { driver.put("k\(random.next(below: keyCount))", "\(number)") }
            if random.next(below: 3) == 0 { driver.delete("k1", to: "k5") }
            if turn % 3 == 1 { driver.compact(driver.store.revision.rawValue) }
            for _ in 0..<random.next(below: 20) { _ = driver.store.purge(budget: budget) }
            let frozen = driver.store.freeze()
            for _ in 0..<random.next(below: 20) { _ = driver.store.purge(budget: budget) }
            _ = files[turn % 2].write(frozen)
            var wanted: [RowKey: [UInt8]] = [:]
            for row in frozen.rows() { wanted[RowKey(table: row.table, key: row.key)] = row.value }
            #expect(files[turn % 2].rows == wanted)
            if random.next(below: 5) == 0 {
                driver.store = try files[turn % 2].load()
                driver.store.checkInvariants()
            }
        }
    }

    @Test("a small change of a large store rewrites few rows")
    func fewRows() {
        let driver = StoreDriver()
        for number in 0..<20_000 { driver.put("k\(number)", "v") }
        var file = File()
        #expect(file.write(driver.store.freeze()) > 40)
        driver.put("k7", "w")
        #expect(file.write(driver.store.freeze()) == 3)
        #expect(file.write(driver.store.freeze()) == 2)
    }

    @Test("a base older than what is known is replaced as a whole")
    func unknownBase() throws {
        let driver = StoreDriver()
        for number in 0..<10 { driver.put("k\(number)", "v") }
        driver.store.forgetChanges(through: LogIndex(8))
        #expect(driver.store.freeze().changes(since: LogIndex(7)).replacesAll)
        #expect(!driver.store.freeze().changes(since: LogIndex(8)).replacesAll)
        #expect(driver.store.freeze().changes(since: nil).replacesAll)
        let loaded = try driver.reloaded()
        #expect(loaded.freeze().changes(since: LogIndex(9)).replacesAll)
        #expect(!loaded.freeze().changes(since: LogIndex(10)).replacesAll)
    }

    @Test("everything that is not a key comes back too")
    func rest() throws {
        let driver = StoreDriver()
        driver.clock = 77
        driver.term = Term(6)
        driver.grant(5, seconds: 100)
        let left = LeaseBatch.Item(id: 5, grantIndex: LogIndex(1), remainingSeconds: 9)
        driver.apply(.leaseCheckpoint, LeaseBatch([left]).encode())
        driver.apply(
            .alarm, AlarmRequest(.activate, member: NodeID(3), kind: .noSpace).encode())
        let attributes = MemberAttributes(
            member: NodeID(3), name: "n", clientURLs: ["a", "b"], peerURLs: [], version: "1",
            level: .newest)
        driver.apply(.memberAttributes, attributes.encode())
        driver.apply(.clusterLevel, ClusterLevelCommand.encode(.newest))
        driver.apply(.downgrade, DowngradeRequest.enable(target: "3.6.0").encode())
        driver.clusterTime = 1234
        driver.apply(.alarm, AlarmRequest(.get).encode())
        driver.apply(.memberRemoval, [4, 0, 0, 0, 0, 0, 0, 0])
        let loaded = try driver.reloaded()
        #expect(
            loaded.leases.all == [
                Lease(id: 5, grantedSeconds: 100, remainingSeconds: 9, grantIndex: LogIndex(1))
            ])
        #expect(loaded.alarms == driver.store.alarms)
        #expect(loaded.members == driver.store.members)
        #expect(loaded.members.clusterLevel == .newest && loaded.downgradeTarget == "3.6.0")
        #expect(loaded.clusterTime == 1234)
        #expect(loaded.clock == 77 && loaded.appliedTerm == Term(6))
        #expect(loaded.revision == Revision(1) && loaded.digest == driver.store.digest)
    }

    @Test("a loaded store goes on as the one that it was made from")
    func goesOn() throws {
        let driver = StoreDriver()
        for number in 0..<1500 { driver.put("k\(number % 700)", "v\(number)") }
        driver.compact(900)
        let loaded = try driver.reloaded()
        let before = driver.log.count
        for number in 0..<500 { driver.put("k\(number % 90)", "w") }
        driver.compact(1800)
        driver.delete("k1", to: "k2")
        for entry in driver.log[before...] { _ = loaded.apply(entry) }
        while loaded.purge(budget: 100) {}
        loaded.checkInvariants()
        #expect(loaded.digest == driver.store.digest)
        #expect(loaded.fullHash() == driver.store.fullHash())
    }

    @Test("a thousand large values make many rows, each of bounded size")
    func largeValues() throws {
        let driver = StoreDriver()
        let value = String(repeating: "x", count: 50_000)
        for number in 0..<100 { driver.put("k\(number)", value) }
        let sizes = driver.store.freeze().rows().map(\.value.count)
        #expect(sizes.max() ?? 0 < RevisionLog.chunkBytesMax + 60_000)
        #expect(try driver.reloaded().fullHash() == driver.store.fullHash())
    }

    @Test("broken rows are refused by name, and never trap", arguments: 0..<8)
    func broken(seed: UInt64) throws {
        let driver = StoreDriver()
        driver.grant(3)
        for number in 0..<40 {
            driver.put("k\(number % 20)", "v\(number)", lease: number % 5 == 0 ? 3 : 0)
        }
        driver.delete("k3")
        driver.apply(.alarm, AlarmRequest(.activate, kind: .noSpace).encode())
        let rows = Array(driver.store.freeze().rows())
        var random = SplitMix64(seed: seed)
        for _ in 0..<400 {
            var loader = StoreLoader()
            let target = Int(random.next(below: UInt64(rows.count)))
            do throws(StoreLoadError) {
                for (position, row) in rows.enumerated() {
                    var row = row
                    if position == target, !row.value.isEmpty {
                        let place = Int(random.next(below: UInt64(row.value.count)))
                        switch random.next(below: 3) {
                        case 0: row.value[place] ^= UInt8(1 << random.next(below: 8))
                        case 1: row.value.removeLast(row.value.count - place)
                        default: row.value[place] = 0xFF
                        }
                    }
                    try loader.add(row)
                }
                _ = try loader.finish()
            } catch {
                continue
            }
        }
        var loader = StoreLoader()
        #expect(throws: StoreLoadError.unknownTable(99)) {
            try loader.add(table: 99, key: [], value: [])
        }
        #expect(throws: StoreLoadError.missingState) { try loader.finish() }
        #expect(throws: StoreLoadError.malformedKey(table: 4)) {
            try loader.add(table: 4, key: [1], value: [])
        }
        // One more than the newest level's; the first level's is 5.
        let next = UInt8(FeatureLevel.newest.rawValue) + 5
        #expect(throws: StoreLoadError.unknownFormat(UInt32(next))) {
            try loader.add(table: 1, key: [], value: [next, 0, 0, 0, 1, 0, 0, 0])
        }
        // The first format did not tell a lease's lives apart.
        #expect(throws: StoreLoadError.unknownFormat(1)) {
            try loader.add(table: 1, key: [], value: [1, 0, 0, 0, 1, 0, 0, 0])
        }
    }
}
