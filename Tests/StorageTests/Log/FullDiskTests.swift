import Primitives
import Storage
import Testing

@Suite("The log on a full disk (DESIGN §5)")
struct FullDiskTests {
    /// What all files take now: with this capacity nothing can grow.
    private static func fill(_ fileSystem: MemoryFileSystem, _ directory: String) throws {
        let used = try fileSystem.list(directory).reduce(0) {
            $0 + (fileSystem.contents(of: directory + "/" + $1)?.count ?? 0)
        }
        fileSystem.setCapacity(used)
    }

    @Test("bytes that find no room in a room that was reserved are written there later")
    func refusedOverwrite() throws {
        for retriesBySync in [false, true] {
            let fileSystem = try LogFixture.fileSystem()
            let log = try LogFixture.open(fileSystem)
            try log.append(LogFixture.entries(1...3))
            fileSystem.plan(.noSpace, path: ".log")
            let failure = #expect(throws: StorageError.self) {
                try log.append(LogFixture.entries(4...6))
            }
            #expect(failure?.isOutOfSpace == true)
            #expect(log.lastIndex == LogIndex(6))
            if !retriesBySync { try log.append(LogFixture.entries(7...9)) }
            try log.sync()
            fileSystem.crash(.drop)
            let again = try LogFixture.open(fileSystem, boot: 2)
            #expect(
                try LogFixture.all(again)
                    == LogFixture.entries(retriesBySync ? 1...6 : 1...9))
        }
    }

    @Test("a truncation that found no room for what follows it can be repeated")
    func refusedTruncation() throws {
        let fileSystem = try LogFixture.fileSystem()
        let log = try LogFixture.open(fileSystem)
        try log.append(LogFixture.entries(1...20))
        try log.sync()
        try Self.fill(fileSystem, LogFixture.directory)
        let later = LogFixture.entries(11...200, term: 2)
        #expect(throws: StorageError.self) {
            try log.append(later, truncatingFrom: LogIndex(11))
        }
        fileSystem.setCapacity(.max)
        try log.append(later, truncatingFrom: LogIndex(11))
        try log.sync()
        let again = try LogFixture.open(fileSystem, boot: 2)
        #expect(try LogFixture.all(again) == LogFixture.entries(1...10) + later)
    }

    @Test("a segment that is not needed any more makes room when there is no other")
    func recycledSegment() throws {
        let fileSystem = try LogFixture.fileSystem()
        let log = try LogFixture.open(fileSystem)
        try log.append(LogFixture.entries(1...400))
        try log.sync()
        #expect(log.segmentCount > 2)
        try Self.fill(fileSystem, LogFixture.directory)
        try log.release(through: LogIndex(300))
        // More than the last segment has room for.
        try log.append(LogFixture.entries(401...500))
        try log.sync()
        fileSystem.crash(.drop)
        let again = try LogFixture.open(fileSystem, boot: 2)
        #expect(
            try LogFixture.all(again).map(\.index.rawValue)
                == Array(again.firstIndex.rawValue...500))
    }

    @Test("a restart without room for a copy makes durable what it reads, and goes on from there")
    func restartInPlace() throws {
        let fileSystem = try LogFixture.fileSystem()
        let log = try LogFixture.open(fileSystem)
        try log.append(LogFixture.entries(1...5))
        try log.sync()
        try log.append(LogFixture.entries(6...8))
        fileSystem.plan(.syncError, path: ".log")
        #expect(throws: StorageError.self) { try log.sync() }
        try Self.fill(fileSystem, LogFixture.directory)
        let again = try LogFixture.open(fileSystem, boot: 2)
        let seen = try LogFixture.all(again)
        fileSystem.crash(.drop)
        #expect(seen == LogFixture.entries(1...8))
        let last = try LogFixture.open(fileSystem, boot: 3)
        #expect(try LogFixture.all(last) == seen)
        try last.append(LogFixture.entries(9...12))
        try last.sync()
        fileSystem.crash(.drop)
        let end = try LogFixture.open(fileSystem, boot: 4)
        #expect(try LogFixture.all(end) == LogFixture.entries(1...12))
        #expect(end.segmentCount == 1)
    }

    @Test(
        "a crash anywhere in a restart without room keeps what was synced and invents no damage",
        arguments: CrashKind.allCases)
    func crashInPlace(kind: CrashKind) throws {
        var restarts = 0
        for seed in 1...12 as ClosedRange<UInt64> {
            for point in 0...24 {
                let fileSystem = try LogFixture.fileSystem(seed: seed)
                let log = try LogFixture.open(fileSystem)
                try log.append(LogFixture.entries(1...10))
                try log.sync()
                try log.append(LogFixture.entries(11...30, count: 300))
                fileSystem.crash(.torn)
                try Self.fill(fileSystem, LogFixture.directory)
                fileSystem.failPower(afterOperations: point)
                let restarted = try? LogFixture.open(fileSystem, boot: 2)
                if restarted != nil { restarts += 1 }
                fileSystem.crash(kind)
                let again = try LogFixture.open(fileSystem, boot: 3)
                #expect(again.rotten.isEmpty, "seed \(seed), \(kind) at \(point)")
                let found = try LogFixture.all(again)
                let written = LogFixture.entries(1...10) + LogFixture.entries(11...30, count: 300)
                #expect(found.count >= 10 && found == Array(written.prefix(found.count)))
                if let restarted {
                    #expect(again.lastIndex == restarted.lastIndex, "seed \(seed), \(kind)")
                }
            }
        }
        #expect(restarts > 0)
    }

    @Test("what a restart without room cut off is gone: it is not taken for damage to what follows")
    func tornBehindTheEnd() throws {
        for seed in 1...40 as ClosedRange<UInt64> {
            let fileSystem = try LogFixture.fileSystem(seed: seed)
            let log = try LogFixture.open(fileSystem)
            try log.append(LogFixture.entries(1...10))
            try log.sync()
            try log.append(LogFixture.entries(11...30, count: 300))
            fileSystem.crash(.reorder)
            try Self.fill(fileSystem, LogFixture.directory)
            let restarted = try LogFixture.open(fileSystem, boot: 2)
            let end = restarted.lastIndex.rawValue
            try restarted.append(LogFixture.entries((end + 1)...(end + 15), term: 2, count: 300))
            fileSystem.crash(.reorder)
            let again = try LogFixture.open(fileSystem, boot: 3)
            #expect(again.rotten.isEmpty && again.lastIndex.rawValue >= end, "seed \(seed)")
        }
    }

    @Test("a spare that cannot even take a header goes, and its room with it")
    func refusedHeader() throws {
        let fileSystem = try LogFixture.fileSystem()
        let log = try LogFixture.open(fileSystem)
        #expect(try log.prepareSpare())
        let spares = try fileSystem.list(LogFixture.directory).filter { $0.hasPrefix("spare-") }
        fileSystem.plan(.noSpace, path: spares[0] + ".tmp")
        let failure = #expect(throws: StorageError.self) {
            try log.append(LogFixture.entries(1...200))
        }
        #expect(failure?.isOutOfSpace == true)
        #expect(try fileSystem.list(LogFixture.directory).filter { $0.hasPrefix("spare-") } == [])
        let end = min(log.lastIndex.rawValue, 199)
        try log.append(LogFixture.entries((end + 1)...200))
        try log.sync()
        #expect(try LogFixture.all(log) == LogFixture.entries(1...200))
    }

    @Test("a segment with damage is not written over, and takes nothing until a copy finds room")
    func rottenWaits() throws {
        let fileSystem = try LogFixture.fileSystem()
        let log = try LogFixture.open(fileSystem)
        for index in 1...20 as ClosedRange<UInt64> {
            try log.append([LogFixture.entry(index)])
            try log.sync()
        }
        fileSystem.makeUnreadable(LogFixture.segmentPath(1), at: 8192 + 5 * 512)
        let before = fileSystem.contents(of: LogFixture.segmentPath(1))
        try Self.fill(fileSystem, LogFixture.directory)
        let again = try LogFixture.open(fileSystem, boot: 2)
        #expect(again.rotten.count == 1)
        let first = again.intactThrough.next
        let failure = #expect(throws: StorageError.self) {
            try again.append([], truncatingFrom: first)
        }
        #expect(failure?.isOutOfSpace == true)
        let isUntouched = fileSystem.contents(of: LogFixture.segmentPath(1)) == before
        #expect(isUntouched)
        fileSystem.setCapacity(.max)
        try again.append([], truncatingFrom: first)
        try again.sync()
        #expect(try LogFixture.open(fileSystem, boot: 3).lastIndex == first.previous)
    }
}
