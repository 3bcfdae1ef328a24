import Primitives
import Storage
import Testing

@Suite("A spare is zeros, whatever was cut short (DESIGN §5)")
struct SpareCrashTests {
    @Test("a start that fails while it copies into a spare leaves no damage behind")
    func failedCopy() throws {
        for operations in 0..<30 {
            for seed in UInt64(1)...12 {
                try copyCutShort(after: operations, seed: seed)
            }
        }
    }

    private func copyCutShort(after operations: Int, seed: UInt64) throws {
        let disk = try LogFixture.fileSystem(seed: seed)
        var log: SegmentedLog? = try LogFixture.open(disk)
        try log?.append(LogFixture.entries(1...4))
        try log?.sync()
        while try log?.prepareSpare() == true {}
        // In the page cache only: the copy has them, the segment may lose them.
        try log?.append(LogFixture.entries(5...30, count: 300))
        log = nil
        disk.killProcess()
        disk.failPower(afterOperations: operations)
        _ = try? LogFixture.open(disk, boot: 2)
        disk.crash(seed % 2 == 0 ? .reorder : .torn)

        log = try LogFixture.open(disk, boot: 3)
        let last = try #require(log?.lastIndex.rawValue)
        #expect(last >= 4)
        #expect(log?.rotten.isEmpty == true, "after \(operations) operations, seed \(seed)")
        while try log?.prepareSpare() == true {}
        try log?.append(LogFixture.entries((last + 1)...(last + 2), term: 2))
        try log?.sync()
        log = nil
        disk.crash(.drop)
        log = try LogFixture.open(disk, boot: 4)
        #expect(log?.rotten.isEmpty == true, "after \(operations) operations, seed \(seed)")
        #expect(log?.lastIndex == LogIndex(last + 2))
    }

    @Test("a recycled file that becomes a spare is one file, whatever of its names a crash keeps")
    func recycledTwice() throws {
        for operations in 0..<24 {
            for seed in UInt64(1)...16 {
                let disk = try LogFixture.fileSystem(seed: seed)
                var log: SegmentedLog? = try LogFixture.open(disk)
                try log?.append(LogFixture.entries(1...60, count: 900))
                try log?.sync()
                try log?.release(through: LogIndex(50))
                disk.failPower(afterOperations: operations)
                while (try? log?.prepareSpare()) == true {}
                log = nil
                disk.crash(.reorder)
                log = try LogFixture.open(disk, boot: 2)
                while try log?.prepareSpare() == true {}
                let fresh = LogFixture.entries(61...70, count: 900)
                try log?.append(fresh)
                try log?.sync()
                while try log?.prepareSpare() == true {}
                let first = try #require(log?.firstIndex.rawValue)
                let expected = LogFixture.entries(first...60, count: 900) + fresh
                let read = try log.map { try LogFixture.all($0) }
                #expect(read == expected, "after \(operations) operations, seed \(seed)")
            }
        }
    }

    @Test("a spare whose use failed is used no more")
    func failedSync() throws {
        let disk = try LogFixture.fileSystem()
        var log: SegmentedLog? = try LogFixture.open(disk)
        try log?.append(LogFixture.entries(1...20, count: 300))
        try log?.sync()
        while try log?.prepareSpare() == true {}
        log = nil
        disk.killProcess()
        for name in try disk.list(LogFixture.directory) where !name.hasSuffix(".log") {
            disk.plan(.syncError, path: name)
            disk.plan(.syncError, path: name + ".tmp")
        }
        #expect(throws: StorageError.self) { try LogFixture.open(disk, boot: 2) }
        disk.killProcess()
        for name in try disk.list(LogFixture.directory) where name.hasPrefix("spare") {
            let contents = disk.contents(of: LogFixture.directory + "/" + name) ?? []
            #expect(name.hasSuffix(".tmp") || contents.allSatisfy { $0 == 0 }, "\(name)")
        }
    }
}
