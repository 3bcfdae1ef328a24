import Primitives
import Storage
import Testing

@Suite("The segmented log (DESIGN §5)")
struct SegmentedLogTests {
    @Test("a fresh log is empty and starts at index 1")
    func fresh() throws {
        let log = try LogFixture.open(try LogFixture.fileSystem())
        #expect(log.firstIndex == LogIndex(1))
        #expect(log.lastIndex == .zero)
        #expect(log.isEmpty)
        #expect(log.rotten.isEmpty)
        #expect(throws: StorageError.self) {
            try log.read(from: LogIndex(1), through: LogIndex(1), bytesMax: 1)
        }
    }

    @Test("what was appended can be read, before the sync, after it and after a restart")
    func appendAndRead() throws {
        let fileSystem = try LogFixture.fileSystem()
        let log = try LogFixture.open(fileSystem)
        let entries = LogFixture.entries(1...20)
        try log.append(entries)
        #expect(try LogFixture.all(log) == entries)
        #expect(log.hasUnsynced)
        try log.sync()
        #expect(!log.hasUnsynced)
        #expect(try LogFixture.all(log) == entries)
        let again = try LogFixture.open(fileSystem, boot: 2)
        #expect(try LogFixture.all(again) == entries)
        #expect(again.termRuns == [TermRun(first: LogIndex(1), term: Term(1))])
    }

    @Test("an append is one write and a sync is one sync")
    func groupCommit() throws {
        let fileSystem = try LogFixture.fileSystem()
        let log = try LogFixture.open(fileSystem)
        let before = (fileSystem.operationCount, fileSystem.syncCount)
        try log.append(LogFixture.entries(1...50, count: 60))
        #expect(fileSystem.operationCount == before.0 + 1)
        try log.sync()
        #expect(fileSystem.operationCount == before.0 + 2)
        #expect(fileSystem.syncCount == before.1 + 1)
        try log.sync()
        #expect(fileSystem.syncCount == before.1 + 1)
    }

    @Test(
        "entries of every size come back, an empty payload and one that fills a segment among them")
    func sizes() throws {
        let fileSystem = try LogFixture.fileSystem()
        let log = try LogFixture.open(fileSystem)
        var entries: [LogEntry] = []
        let sizes = [0, 1, 7, 8, 9, 500, 511, 512, 513, 4000, 5000, 11_800]
        for (position, size) in sizes.enumerated() {
            entries.append(LogFixture.entry(UInt64(position + 1), count: size))
        }
        entries[0].kind = .noop
        entries[3].kind = .configuration
        try log.append(entries)
        try log.sync()
        #expect(try LogFixture.all(log) == entries)
        #expect(try LogFixture.all(try LogFixture.open(fileSystem)) == entries)
        #expect(log.segmentCount > 1)
    }

    @Test("an entry that no segment can hold is refused and leaves the log as it was")
    func tooLarge() throws {
        let log = try LogFixture.open(try LogFixture.fileSystem())
        try log.append(LogFixture.entries(1...3))
        #expect(throws: StorageError.self) { try log.append([LogFixture.entry(4, count: 20_000)]) }
        #expect(log.lastIndex == LogIndex(3))
        try log.append([LogFixture.entry(4)])
        try log.sync()
        #expect(try LogFixture.all(log) == LogFixture.entries(1...4))
    }

    @Test("a truncation supersedes entries across segments, now and after a restart")
    func truncation() throws {
        let fileSystem = try LogFixture.fileSystem()
        let log = try LogFixture.open(fileSystem)
        try log.append(LogFixture.entries(1...300))
        #expect(log.segmentCount > 2)
        let second = LogFixture.entries(57...60, term: 2)
        try log.append(second, truncatingFrom: LogIndex(57))
        try log.sync()
        let expected = LogFixture.entries(1...56) + second
        #expect(try LogFixture.all(log) == expected)
        #expect(log.lastIndex == LogIndex(60))
        #expect(log.term(at: LogIndex(56)) == Term(1))
        #expect(log.term(at: LogIndex(57)) == Term(2))
        #expect(log.term(at: LogIndex(61)) == nil)
        let again = try LogFixture.open(fileSystem)
        #expect(try LogFixture.all(again) == expected)
        #expect(again.termRuns == log.termRuns)
    }

    @Test("a truncation without entries shortens the log durably")
    func bareTruncation() throws {
        let fileSystem = try LogFixture.fileSystem()
        let log = try LogFixture.open(fileSystem)
        try log.append(LogFixture.entries(1...10))
        try log.append([], truncatingFrom: LogIndex(4))
        try log.sync()
        #expect(log.lastIndex == LogIndex(3))
        let again = try LogFixture.open(fileSystem)
        #expect(try LogFixture.all(again) == LogFixture.entries(1...3))
        try again.append(LogFixture.entries(4...5, term: 3))
        #expect(again.lastIndex == LogIndex(5))
    }

    @Test("a read stops at its byte limit but brings at least one entry")
    func readLimits() throws {
        let log = try LogFixture.open(try LogFixture.fileSystem())
        let entries = LogFixture.entries(1...200)
        try log.append(entries)
        let one = try log.read(from: LogIndex(7), through: LogIndex(200), bytesMax: 1)
        #expect(one == [entries[6]])
        let some = try log.read(from: LogIndex(7), through: LogIndex(200), bytesMax: 132 * 5)
        #expect(some == Array(entries[6..<11]))
        let range = try log.read(from: LogIndex(30), through: LogIndex(170), bytesMax: 1 << 30)
        #expect(range == Array(entries[29..<170]))
        #expect(
            throws: StorageError.notInLog(
                index: LogIndex(201), first: LogIndex(1), last: LogIndex(200))
        ) { try log.read(from: LogIndex(201), through: LogIndex(201), bytesMax: 1) }
    }

    @Test(
        "release drops whole segments only, and the log then starts behind them after a restart too"
    )
    func release() throws {
        let fileSystem = try LogFixture.fileSystem()
        let log = try LogFixture.open(fileSystem)
        let entries = LogFixture.entries(1...400, term: 4)
        try log.append(entries)
        try log.sync()
        let segments = log.segmentCount
        try log.release(through: LogIndex(200))
        #expect(log.segmentCount < segments)
        #expect(log.firstIndex > LogIndex(50))
        #expect(log.firstIndex <= LogIndex(201))
        #expect(log.term(at: log.baseIndex) == Term(4))
        let first = Int(log.firstIndex.rawValue)
        #expect(try LogFixture.all(log) == Array(entries[(first - 1)...]))
        let again = try LogFixture.open(fileSystem)
        #expect(again.firstIndex == log.firstIndex)
        #expect(again.baseTerm == Term(4))
        #expect(try LogFixture.all(again) == Array(entries[(first - 1)...]))
        try again.release(through: LogIndex(400))
        #expect(again.segmentCount == 1)
        #expect(again.lastIndex == LogIndex(400))
    }

    @Test("after a reset the log is empty behind the snapshot, and a restart agrees")
    func reset() throws {
        let fileSystem = try LogFixture.fileSystem()
        let log = try LogFixture.open(fileSystem)
        try log.append(LogFixture.entries(1...300))
        try log.reset(to: LogIndex(1000), term: Term(7))
        #expect(log.firstIndex == LogIndex(1001))
        #expect(log.isEmpty)
        #expect(log.term(at: LogIndex(1000)) == Term(7))
        try log.append(LogFixture.entries(1001...1003, term: 8))
        try log.sync()
        let again = try LogFixture.open(fileSystem)
        #expect(again.baseIndex == LogIndex(1000))
        #expect(again.baseTerm == Term(7))
        #expect(try LogFixture.all(again) == LogFixture.entries(1001...1003, term: 8))
    }

    @Test("released files are filled with zeros and used again, and nothing of their past shows")
    func recycling() throws {
        let fileSystem = try LogFixture.fileSystem()
        let log = try LogFixture.open(fileSystem)
        try log.append(LogFixture.entries(1...300))
        try log.sync()
        try log.release(through: LogIndex(300))
        #expect(try log.prepareSpare())
        #expect(log.spareCount == 1)
        while try log.prepareSpare() {}
        let names = try fileSystem.list(LogFixture.directory)
        #expect(names.filter { $0.hasPrefix("recycled") }.isEmpty)
        let spare = try #require(names.first { $0.hasPrefix("spare") })
        let zeros = try #require(fileSystem.contents(of: LogFixture.directory + "/" + spare))
        #expect(zeros.count == 20 << 10)
        #expect(zeros.allSatisfy { $0 == 0 })
        try log.append(LogFixture.entries(301...420, term: 2))
        #expect(log.spareCount == 0)
        try log.sync()
        let again = try LogFixture.open(fileSystem)
        #expect(
            try LogFixture.all(again).suffix(120) == LogFixture.entries(301...420, term: 2)[...])
    }

    @Test("bodies that shrink are stored compressed and read back the same")
    func compression() throws {
        let fileSystem = try LogFixture.fileSystem()
        let log = try LogFixture.open(
            fileSystem, options: LogFixture.options(compressionMinBytes: 256))
        let entries = (1...100).map { index in
            LogEntry(
                index: LogIndex(UInt64(index)), term: Term(1), kind: .command,
                payload: Array(repeating: UInt8(index), count: 1000))
        }
        try log.append(entries)
        try log.sync()
        #expect(log.segmentCount < 4)
        #expect(try LogFixture.all(log) == entries)
        #expect(try LogFixture.all(try LogFixture.open(fileSystem)) == entries)
    }

    @Test("a failed sync is final: the log refuses everything after it")
    func failedSync() throws {
        let fileSystem = try LogFixture.fileSystem()
        let log = try LogFixture.open(fileSystem)
        try log.append(LogFixture.entries(1...3))
        fileSystem.plan(.syncError, path: ".log")
        let failure = StorageError.syncFailed(path: LogFixture.segmentPath(1), errno: 5)
        #expect(throws: failure) { try log.sync() }
        #expect(throws: failure) { try log.sync() }
        #expect(throws: failure) { try log.append(LogFixture.entries(4...4)) }
        #expect(throws: failure) {
            try log.read(from: LogIndex(1), through: LogIndex(1), bytesMax: 1)
        }
        #expect(failure.exitStatus == 74)
    }

    @Test("a restart after a failed sync makes durable what it read")
    func restartAfterFailedSync() throws {
        let fileSystem = try LogFixture.fileSystem()
        let log = try LogFixture.open(fileSystem)
        try log.append(LogFixture.entries(1...3))
        fileSystem.plan(.syncError, path: ".log")
        #expect(throws: StorageError.self) { try log.sync() }
        let again = try LogFixture.open(fileSystem, boot: 2)
        let seen = try LogFixture.all(again)
        fileSystem.crash(.drop)
        let last = try LogFixture.open(fileSystem, boot: 3)
        #expect(try LogFixture.all(last) == seen)
    }

    @Test("a full disk stops an append at a segment's end, and it goes on when there is room")
    func fullDisk() throws {
        let fileSystem = try LogFixture.fileSystem()
        let log = try LogFixture.open(fileSystem)
        fileSystem.setCapacity(20_000)
        let entries = LogFixture.entries(1...300)
        #expect(throws: StorageError.self) { try log.append(entries) }
        let reached = Int(log.lastIndex.rawValue)
        #expect(reached > 50 && reached < 300)
        try log.sync()
        #expect(try LogFixture.all(log) == Array(entries[..<reached]))
        fileSystem.setCapacity(.max)
        try log.append(Array(entries[reached...]))
        try log.sync()
        #expect(try LogFixture.all(try LogFixture.open(fileSystem)) == entries)
    }
}
