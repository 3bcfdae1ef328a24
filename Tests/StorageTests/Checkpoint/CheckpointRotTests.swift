import Primitives
import Storage
import Testing

@Suite("Checkpoints that rot (DESIGN §5, checkpoints)")
struct CheckpointRotTests {
    let directory = CheckpointTestDirectory()
    let fileSystem = PosixFileSystem()
    let rows = CheckpointFixture.rows(60, byteCount: 40_000)
    var path: String { directory.path }
    /// With three checkpoints the newest is in file a, and the one before it in file b.
    var newestPath: String { path + "/a.sqlite" }
    var previousPath: String { path + "/b.sqlite" }
    var manifestPath: String { path + "/manifest" }
    static let pageByteCount = 32_768

    private func writeThree() throws -> (previous: CheckpointHeader, newest: CheckpointHeader) {
        let store = try CheckpointFixture.open(fileSystem, path)
        try CheckpointFixture.writeAll(store, 1, rows)
        let previous = try CheckpointFixture.writeAll(store, 2, Array(rows[..<30]))
        return (previous, try CheckpointFixture.writeAll(store, 3, rows))
    }

    private func bytes(_ path: String) throws -> [UInt8] {
        try fileSystem.open(path, .read).readAll()
    }

    private func put(_ bytes: [UInt8], _ path: String, at offset: Int = 0) throws {
        try fileSystem.open(path, .readWrite).write(bytes, at: offset)
    }

    /// Expects that the newest checkpoint is found to be rotten at the start or when it is loaded,
    /// and that the one before it takes its place.
    private func expectFallBack(_ previous: CheckpointHeader, _ what: Comment) throws {
        let store = try CheckpointFixture.open(fileSystem, path)
        if let newest = store.newest, newest != previous {
            let failure = #expect(throws: StorageError.self, what) {
                try store.load(newest) { _ in }
            }
            #expect(failure?.isRottenCheckpoint == true, what)
        }
        #expect(store.damage.count >= 1, what)
        #expect(store.newest == previous, what)
        #expect(store.previous == nil, what)
        #expect(store.nextBase == nil, what)
        #expect(try CheckpointFixture.load(store, previous) == Array(rows[..<30]), what)
    }

    @Test("a bit that flips anywhere in the newest file is found and the one before it is used")
    func anyBit() throws {
        let (previous, _) = try writeThree()
        let right = try bytes(newestPath)
        var random = SplitMix64(seed: 5)
        var places = (0..<40).map { _ in Int(random.next(below: UInt64(right.count))) }
        places += [0, 16, 20, 24, 28, 96, 99, 100, right.count - 1]
        for place in places {
            try put([right[place] ^ 1 << UInt8(random.next(below: 8))], newestPath, at: place)
            try expectFallBack(previous, "bit at \(place)")
            try put(right, newestPath)
        }
        let store = try CheckpointFixture.open(fileSystem, path)
        #expect(try CheckpointFixture.load(store, try #require(store.newest)) == rows)
    }

    @Test("pages that changed places, or became zeros, are found")
    func misplacedPages() throws {
        let (previous, _) = try writeThree()
        let right = try bytes(newestPath)
        let size = Self.pageByteCount
        let pageCount = right.count / size
        #expect(pageCount > 10)
        for page in 1..<pageCount {
            let other = page == pageCount - 1 ? 1 : page + 1
            try put(
                Array(right[(other * size)..<((other + 1) * size)]), newestPath, at: page * size)
            try expectFallBack(previous, "page \(page) replaced by \(other)")
            try put([UInt8](repeating: 0, count: size), newestPath, at: page * size)
            try expectFallBack(previous, "page \(page) zeroed")
            try put(right, newestPath)
        }
    }

    @Test("a page that went back in time is found, though its own checksum holds")
    func stalePages() throws {
        _ = try writeThree()
        let store = try CheckpointFixture.open(fileSystem, path)
        let before = try bytes(previousPath)
        let changed = rows[..<30].map { row in
            Row(
                table: row.table, key: row.key,
                value: CheckpointFixture.bytes(
                    row.value.count, seed: UInt64(row.key[2]) + 900, repeats: row.key[2] % 4 == 2))
        }
        let newest = try store.write(
            CheckpointFixture.header(4), upserts: changed, deletes: [], replacingAll: false)
        #expect(try CheckpointFixture.load(store, newest) == changed)
        let right = try bytes(previousPath)
        let size = Self.pageByteCount
        var staleCount = 0
        for page in 0..<(min(before.count, right.count) / size) {
            let range = (page * size)..<((page + 1) * size)
            if before[range] == right[range] { continue }
            staleCount += 1
            try put(Array(before[range]), previousPath, at: page * size)
            let reopened = try CheckpointFixture.open(fileSystem, path)
            if reopened.newest == newest {
                let failure = #expect(throws: StorageError.self, "stale page \(page)") {
                    try reopened.load(newest) { _ in }
                }
                #expect(failure?.isRottenCheckpoint == true)
            }
            #expect(reopened.newest?.index == LogIndex(3))
            try put(Array(right[range]), previousPath, at: page * size)
        }
        #expect(staleCount > 10)
    }

    @Test("a whole file that went back in time is not used")
    func staleFile() throws {
        let store = try CheckpointFixture.open(fileSystem, path)
        try CheckpointFixture.writeAll(store, 1, rows)
        let stale = try bytes(newestPath)
        let previous = try CheckpointFixture.writeAll(store, 2, Array(rows[..<30]))
        try CheckpointFixture.writeAll(store, 3, rows)
        try fileSystem.open(newestPath, .readWrite).truncate(to: 0)
        try put(stale, newestPath)
        try expectFallBack(previous, "stale file")
    }

    @Test("a file that is cut, emptied or gone is found", arguments: [0, 100, 32_768, 400_000, -1])
    func cutFile(byteCount: Int) throws {
        let (previous, _) = try writeThree()
        if byteCount < 0 {
            try fileSystem.remove(newestPath)
        } else {
            try fileSystem.open(newestPath, .readWrite).truncate(to: byteCount)
        }
        try expectFallBack(previous, "cut to \(byteCount)")
    }

    @Test("a rotten checkpoint is replaced by the next one, and all is well again")
    func replaced() throws {
        let (previous, newest) = try writeThree()
        try put([0xFF, 0xFF, 0xFF], newestPath, at: 200_000)
        let store = try CheckpointFixture.open(fileSystem, path)
        #expect(throws: StorageError.self) { try store.load(newest) { _ in } }
        let next = try store.write(
            CheckpointFixture.header(5), upserts: rows, deletes: [], replacingAll: false)
        #expect(next.sequence == newest.sequence + 1)
        let later = try CheckpointFixture.open(fileSystem, path)
        #expect((later.newest, later.previous) == (next, previous))
        #expect(later.damage == [])
        #expect(try CheckpointFixture.load(later, next) == rows)
    }

    @Test("a base that is rotten where it must be changed is given up, not built upon")
    func rottenBase() throws {
        let (previous, newest) = try writeThree()
        let store = try CheckpointFixture.open(fileSystem, path)
        #expect(store.nextBase == previous)
        let size = try bytes(previousPath).count
        for page in 2..<(size / Self.pageByteCount) {
            try put([0xA5, 0xA5], previousPath, at: page * Self.pageByteCount + 50)
        }
        let failure = #expect(throws: StorageError.self) {
            try store.write(
                CheckpointFixture.header(4), upserts: rows, deletes: [], replacingAll: false)
        }
        #expect(failure?.isRottenCheckpoint == true)
        #expect((store.newest, store.previous, store.nextBase) == (newest, nil, nil))
        let next = try store.write(
            CheckpointFixture.header(4), upserts: rows, deletes: [], replacingAll: false)
        #expect((store.newest, store.previous) == (next, newest))
        #expect(try CheckpointFixture.load(store, next) == rows)
    }

    @Test("one rotten slot of the manifest, or both, cost nothing", arguments: [[0], [1], [0, 1]])
    func rottenManifest(slots: [Int]) throws {
        let (previous, newest) = try writeThree()
        for slot in slots { try put([0x5A], manifestPath, at: slot * 4_096 + 40) }
        for _ in 0..<2 {
            let store = try CheckpointFixture.open(fileSystem, path)
            #expect((store.newest, store.previous) == (newest, previous))
            #expect(try CheckpointFixture.load(store, newest) == rows)
        }
    }

    @Test("A35 random bytes in manifest, database or journal never trap", arguments: 0..<12)
    func fuzz(seed: UInt64) throws {
        let (previous, newest) = try writeThree()
        var random = SplitMix64(seed: seed)
        for file in [newestPath, previousPath, manifestPath, newestPath + "-journal"] {
            if random.next(below: 2) == 0 { continue }
            let size = try fileSystem.exists(file) ? bytes(file).count : 0
            let noise = CheckpointFixture.bytes(
                Int(random.next(below: 70_000)), seed: random.next())
            let target = try fileSystem.open(file, .openOrCreate)
            try target.write(noise, at: Int(random.next(below: UInt64(size + 1))))
        }
        let store = try CheckpointFixture.open(fileSystem, path)
        while let header = store.newest {
            #expect(header == newest || header == previous)
            if (try? CheckpointFixture.load(store, header)) != nil { break }
        }
        let next = try CheckpointFixture.writeAll(store, 9, rows)
        let later = try CheckpointFixture.open(fileSystem, path)
        #expect(later.newest == next)
        #expect(try CheckpointFixture.load(later, next) == rows)
    }
}
