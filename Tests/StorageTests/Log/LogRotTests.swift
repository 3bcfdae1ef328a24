import Primitives
import Storage
import Testing

/// A log of one-entry batches: entry i (from 1) is a batch of three sectors at 8192 + 1536 × (i −
/// 1).
private struct Scene {
    static let batchBytes = 1536
    let fileSystem: MemoryFileSystem
    let path = LogFixture.segmentPath(1)

    /// `synced` entries with a sync after each, then `unsynced` that a crash happened to keep.
    init(synced: UInt64, unsynced: UInt64 = 0) throws {
        fileSystem = try LogFixture.fileSystem()
        let log = try LogFixture.open(fileSystem)
        for index in 1...(synced + unsynced) {
            try log.append([LogFixture.entry(index, count: 1000)])
            if index <= synced { try log.sync() }
        }
        fileSystem.crash(.keep)
    }

    static func offset(_ index: Int) -> Int { 8192 + batchBytes * (index - 1) }

    func zeroSector(_ sector: Int, ofEntry index: Int) {
        fileSystem.corrupt(
            path, at: Self.offset(index) + 512 * sector, with: [UInt8](repeating: 0, count: 512))
    }

    func open() throws -> SegmentedLog { try LogFixture.open(fileSystem, boot: 2) }

    static func range(_ log: SegmentedLog) -> [String] {
        log.rotten.map { "\($0.first)...\($0.last.map { "\($0)" } ?? "?")" }
    }
}

private func entry(_ index: UInt64) -> LogEntry { LogFixture.entry(index, count: 1000) }

@Suite("Torn or rotten? (DESIGN §5)")
struct LogRotTests {
    @Test("a last write that landed a sector further on is rot, not a torn tail")
    func misplacedTail() throws {
        let scene = try Scene(synced: 3)
        let log = try scene.open()
        scene.fileSystem.plan(.misdirectedWrite(by: 512), path: ".log")
        try log.append([entry(4)])
        try log.sync()
        scene.fileSystem.crash(.keep)
        let again = try LogFixture.open(scene.fileSystem, boot: 3)
        #expect(again.tornBytesCut == 0)
        #expect(again.rotten.map(\.first) == [LogIndex(4)])
    }

    @Test(
        "a sector of the last batch that still holds zeros is a torn tail: cut, and gone for good")
    func tornBody() throws {
        let scene = try Scene(synced: 3, unsynced: 1)
        scene.zeroSector(1, ofEntry: 4)
        let log = try scene.open()
        #expect(log.rotten.isEmpty)
        #expect(log.tornBytesCut > 0)
        #expect(try LogFixture.all(log) == (1...3).map(entry))
        // Cut means cut: a power loss right now does not bring it back.
        scene.fileSystem.crash(.drop)
        let again = try scene.open()
        #expect(again.tornBytesCut == 0)
        try again.append([LogFixture.entry(4, term: 2, count: 10)])
        try again.sync()
        scene.fileSystem.crash(.drop)
        let last = try scene.open()
        #expect(last.rotten.isEmpty)
        #expect(last.lastIndex == LogIndex(4))
        #expect(last.term(at: LogIndex(4)) == Term(2))
    }

    @Test("a last batch whose header never came is a torn tail, whatever of its body did")
    func tornHeader() throws {
        let scene = try Scene(synced: 3, unsynced: 1)
        scene.zeroSector(0, ofEntry: 4)
        let log = try scene.open()
        #expect(log.rotten.isEmpty)
        #expect(log.tornBytesCut == 1536)
        #expect(log.lastIndex == LogIndex(3))
    }

    @Test("behind a torn batch nothing counts, whole batches of the same unsynced time neither")
    func tornMiddle() throws {
        let scene = try Scene(synced: 3, unsynced: 3)
        scene.zeroSector(2, ofEntry: 5)
        let log = try scene.open()
        #expect(log.rotten.isEmpty)
        #expect(try LogFixture.all(log) == (1...4).map(entry))
    }

    @Test("a flipped bit in the last batch is rot, never a torn tail (D05)")
    func rottenLast() throws {
        for sector in 0..<3 {
            let scene = try Scene(synced: 4)
            let offset = Scene.offset(4) + 512 * sector + 99
            scene.fileSystem.flipBit(scene.path, at: offset, bit: 3)
            let log = try scene.open()
            #expect(Scene.range(log) == ["4...4"], "sector \(sector)")
            #expect(log.intactThrough == LogIndex(3))
            #expect(log.tornBytesCut == 0)
            let good = try log.read(from: LogIndex(1), through: LogIndex(4), bytesMax: .max)
            #expect(good == (1...3).map(entry))
            #expect(throws: StorageError.self) {
                try log.read(from: LogIndex(4), through: LogIndex(4), bytesMax: 1)
            }
        }
    }

    @Test(
        "zeros below an offset that a later header calls synced are rot, and what follows is kept")
    func rotUnderSyncedOffset() throws {
        for sector in 0..<3 {
            let scene = try Scene(synced: 5)
            scene.zeroSector(sector, ofEntry: 2)
            let before = scene.fileSystem.contents(of: scene.path)
            let log = try scene.open()
            #expect(Scene.range(log) == ["2...2"], "sector \(sector)")
            #expect(log.lastIndex == LogIndex(5))
            #expect(
                try log.read(from: LogIndex(1), through: LogIndex(5), bytesMax: .max) == [entry(1)])
            let behind = try log.read(from: LogIndex(3), through: LogIndex(5), bytesMax: .max)
            #expect(behind == (3...5).map(entry))
            #expect(scene.fileSystem.contents(of: scene.path) == before)
        }
    }

    @Test("a damaged header in the middle loses its own batch only")
    func rottenHeader() throws {
        let scene = try Scene(synced: 5)
        scene.fileSystem.flipBit(scene.path, at: Scene.offset(3) + 40, bit: 0)
        let log = try scene.open()
        #expect(Scene.range(log) == ["3...3"])
        #expect(
            try log.read(from: LogIndex(4), through: LogIndex(5), bytesMax: .max)
                == (4...5).map(entry))
    }

    @Test("a damaged header at the end leaves open how much is lost, and only superseding it heals")
    func rottenLastHeader() throws {
        let scene = try Scene(synced: 4)
        scene.fileSystem.flipBit(scene.path, at: Scene.offset(4) + 8, bit: 0)
        let log = try scene.open()
        #expect(Scene.range(log) == ["4...?"])
        #expect(log.lastIndex == LogIndex(3))
        try log.append([])
        try log.sync()
        let again = try scene.open()
        #expect(Scene.range(again) == ["4...?"])
        let fresh = LogFixture.entry(4, term: 2)
        try again.append([fresh], truncatingFrom: LogIndex(4))
        try again.sync()
        #expect(again.rotten.isEmpty)
        let last = try scene.open()
        #expect(last.rotten.isEmpty)
        #expect(try LogFixture.all(last) == (1...3).map(entry) + [fresh])
    }

    @Test("entries that supersede the damage heal it, now and after a restart")
    func superseding() throws {
        let scene = try Scene(synced: 5)
        scene.fileSystem.flipBit(scene.path, at: Scene.offset(2) + 600, bit: 5)
        let log = try scene.open()
        #expect(throws: StorageError.self) { try log.append([entry(6)]) }
        #expect(throws: StorageError.self) {
            try log.append([entry(3)], truncatingFrom: LogIndex(3))
        }
        try log.append((2...6).map(entry), truncatingFrom: LogIndex(2))
        try log.sync()
        #expect(log.rotten.isEmpty)
        let again = try scene.open()
        #expect(again.rotten.isEmpty)
        #expect(try LogFixture.all(again) == (1...6).map(entry))
    }

    @Test("a write that the disk lost shows in the chain")
    func lostWrite() throws {
        let scene = try Scene(synced: 2)
        let log = try scene.open()
        scene.fileSystem.plan(.lostWrite, path: ".log")
        try log.append([entry(3)])
        try log.sync()
        try log.append([entry(4)])
        try log.sync()
        scene.fileSystem.crash(.drop)
        let again = try scene.open()
        #expect(Scene.range(again) == ["3...3"])
        #expect(again.lastIndex == LogIndex(4))
    }

    @Test("a write that landed in the wrong place is neither read there nor taken for torn")
    func misdirectedWrite() throws {
        let scene = try Scene(synced: 2)
        let log = try scene.open()
        scene.fileSystem.plan(.misdirectedWrite(by: 1536), path: ".log")
        try log.append([entry(3)])
        try log.sync()
        try log.append([entry(4)])
        try log.sync()
        scene.fileSystem.crash(.drop)
        let again = try scene.open()
        #expect(Scene.range(again) == ["3...3"])
        #expect(try again.read(from: LogIndex(4), through: LogIndex(4), bytesMax: 1) == [entry(4)])
    }

    @Test("a batch that is whole but not the one its successor was chained to is rot")
    func staleBatch() throws {
        let scene = try Scene(synced: 4)
        let other = try LogFixture.fileSystem()
        let log = try LogFixture.open(other)
        for index in 1...2 as ClosedRange<UInt64> {
            try log.append([LogFixture.entry(index, term: index, count: 1000)])
            try log.sync()
        }
        let stale = try #require(other.contents(of: scene.path))
        let place = Scene.offset(2)
        scene.fileSystem.corrupt(
            scene.path, at: place, with: Array(stale[place..<(place + Scene.batchBytes)]))
        let again = try scene.open()
        #expect(Scene.range(again) == ["2...2"])
        #expect(again.intactThrough == LogIndex(1))
    }

    @Test("a lost truncation is not covered up: what it may have superseded is named")
    func lostTruncation() throws {
        let fileSystem = try LogFixture.fileSystem()
        let log = try LogFixture.open(fileSystem)
        for index in 1...6 as ClosedRange<UInt64> {
            try log.append([entry(index)])
            try log.sync()
        }
        let second = LogFixture.entry(3, term: 2, count: 1000)
        try log.append([second], truncatingFrom: LogIndex(3))
        try log.sync()
        try log.append([LogFixture.entry(4, term: 2, count: 1000)])
        try log.sync()
        fileSystem.flipBit(LogFixture.segmentPath(1), at: Scene.offset(7) + 20, bit: 1)
        let again = try LogFixture.open(fileSystem)
        #expect(Scene.range(again) == ["3...3"])
        #expect(again.intactThrough == LogIndex(2))
        #expect(again.lastIndex == LogIndex(4))
    }

    @Test("a damaged page at the start of a segment costs nothing")
    func damagedPage() throws {
        let scene = try Scene(synced: 3)
        scene.fileSystem.corrupt(scene.path, at: 0, with: [UInt8](repeating: 0xEE, count: 4096))
        let log = try scene.open()
        #expect(log.rotten.isEmpty)
        #expect(try LogFixture.all(log) == (1...3).map(entry))
    }

    @Test("one damaged copy of a segment's header costs nothing")
    func oneHeaderCopy() throws {
        for place in [3, 90, 4096 + 50] {
            let scene = try Scene(synced: 3)
            scene.fileSystem.flipBit(scene.path, at: place, bit: 2)
            let log = try scene.open()
            #expect(log.rotten.isEmpty)
            #expect(try LogFixture.all(log) == (1...3).map(entry))
        }
    }

    @Test("a segment without a header is named as a whole, and the segments around it are read")
    func segmentLost() throws {
        for isMissing in [false, true] {
            let fileSystem = try LogFixture.fileSystem()
            let log = try LogFixture.open(fileSystem)
            let entries = LogFixture.entries(1...40, count: 1000)
            for entry in entries { try log.append([entry]) }
            try log.sync()
            #expect(log.segmentCount == 5)
            let path = LogFixture.segmentPath(3)
            if isMissing {
                try fileSystem.remove(path)
            } else {
                fileSystem.flipBit(path, at: 30, bit: 1)
                fileSystem.flipBit(path, at: 4096 + 60, bit: 1)
            }
            let again = try LogFixture.open(fileSystem)
            #expect(Scene.range(again) == ["17...24"])
            #expect(again.lastIndex == LogIndex(40))
            #expect(
                try again.read(from: LogIndex(9), through: LogIndex(40), bytesMax: .max)
                    == Array(entries[8..<16]))
            #expect(
                try again.read(from: LogIndex(25), through: LogIndex(40), bytesMax: .max)
                    == Array(entries[24...]))
            try again.release(through: LogIndex(32))
            #expect(again.rotten.isEmpty)
            #expect(try LogFixture.open(fileSystem).rotten.isEmpty)
        }
    }

    @Test("in a segment that has a successor nothing is torn, and only what is damaged is lost")
    func earlierSegment() throws {
        for damaged in [5, 8] {
            let fileSystem = try LogFixture.fileSystem()
            let log = try LogFixture.open(fileSystem)
            for index in 1...12 as ClosedRange<UInt64> { try log.append([entry(index)]) }
            try log.sync()
            let zeros = [UInt8](repeating: 0, count: Scene.batchBytes)
            fileSystem.corrupt(LogFixture.segmentPath(1), at: Scene.offset(damaged), with: zeros)
            let again = try LogFixture.open(fileSystem)
            #expect(Scene.range(again) == ["\(damaged)...\(damaged)"])
            #expect(again.lastIndex == LogIndex(12))
            let behind = try again.read(
                from: LogIndex(UInt64(damaged) + 1), through: LogIndex(12), bytesMax: .max)
            #expect(behind.count == 12 - damaged)
        }
    }

    @Test("the lost end of a segment is named even where its successor is still empty")
    func lostBeforeEmptySegment() throws {
        let fileSystem = try LogFixture.fileSystem()
        let log = try LogFixture.open(fileSystem)
        for index in 1...9 as ClosedRange<UInt64> { try log.append([entry(index)]) }
        fileSystem.crash(.keep)
        let zeros = [UInt8](repeating: 0, count: Scene.batchBytes)
        fileSystem.corrupt(LogFixture.segmentPath(1), at: Scene.offset(8), with: zeros)
        fileSystem.corrupt(LogFixture.segmentPath(2), at: Scene.offset(1), with: zeros)
        let again = try LogFixture.open(fileSystem)
        #expect(Scene.range(again) == ["8...8"])
        #expect(again.lastIndex == LogIndex(8))
    }

    @Test(
        "a last segment without a header is not written to: what supersedes it goes into a new one")
    func lastSegmentLost() throws {
        let fileSystem = try LogFixture.fileSystem()
        let log = try LogFixture.open(fileSystem)
        // Seven leave room for one more of their size, so the large one begins the next segment.
        for index in 1...7 as ClosedRange<UInt64> { try log.append([entry(index)]) }
        try log.append([LogFixture.entry(8, count: 4000)])
        try log.sync()
        #expect(log.segmentCount == 2)
        fileSystem.flipBit(LogFixture.segmentPath(2), at: 30, bit: 1)
        fileSystem.flipBit(LogFixture.segmentPath(2), at: 4096 + 60, bit: 1)
        let before = fileSystem.contents(of: LogFixture.segmentPath(1))
        let again = try LogFixture.open(fileSystem)
        #expect(Scene.range(again) == ["8...?"])
        #expect(again.lastIndex == LogIndex(7))
        try again.append([entry(8)], truncatingFrom: LogIndex(8))
        try again.sync()
        #expect(fileSystem.contents(of: LogFixture.segmentPath(1)) == before)
        let last = try LogFixture.open(fileSystem)
        #expect(last.rotten.isEmpty)
        #expect(try LogFixture.all(last) == (1...8).map(entry))
    }

    @Test("a sector that the disk cannot read is rot, not a failure to start")
    func latentError() throws {
        let scene = try Scene(synced: 4)
        scene.fileSystem.makeUnreadable(scene.path, at: Scene.offset(2) + 512)
        let log = try scene.open()
        #expect(Scene.range(log) == ["2...2"])
        #expect(log.lastIndex == LogIndex(4))
    }

    @Test("a sector that can be read again at a later start is not lost")
    func transientError() throws {
        let scene = try Scene(synced: 4)
        scene.fileSystem.makeUnreadable(scene.path, at: Scene.offset(2) + 512)
        #expect(Scene.range(try scene.open()) == ["2...2"])
        scene.fileSystem.makeReadable(scene.path)
        let again = try scene.open()
        #expect(again.rotten.isEmpty)
        #expect(try LogFixture.all(again) == (1...4).map(entry))
    }

    @Test("where a checkpoint covers the damage, what is read behind it is made durable first")
    func disownedIsDurable() throws {
        let scene = try Scene(synced: 4)
        let log = try scene.open()
        scene.fileSystem.plan(.syncError, path: ".log")
        try log.append([entry(5)])
        #expect(throws: StorageError.self) { try log.sync() }
        scene.fileSystem.flipBit(scene.path, at: Scene.offset(2) + 700, bit: 1)
        // The next process finds entry 5 in the page cache, and it is nowhere else.
        let next = try scene.open()
        #expect(Scene.range(next) == ["2...2"])
        try next.disown(through: LogIndex(3), term: Term(1))
        #expect(next.lastIndex == LogIndex(5) && next.rotten.isEmpty)
        scene.fileSystem.crash(.drop)
        #expect(try scene.open().lastIndex == LogIndex(5))
    }

    @Test("records of a segment's earlier life never look valid, even where nobody zeroed them")
    func oldGeneration() throws {
        let fileSystem = try LogFixture.fileSystem()
        let log = try LogFixture.open(fileSystem)
        for index in 1...9 as ClosedRange<UInt64> { try log.append([entry(index)]) }
        try log.sync()
        let old = try #require(fileSystem.contents(of: LogFixture.segmentPath(1)))
        let body = Array(old[Scene.offset(2)..<Scene.offset(5)])
        fileSystem.corrupt(LogFixture.segmentPath(2), at: Scene.offset(2), with: body)
        let again = try LogFixture.open(fileSystem)
        #expect(again.lastIndex == LogIndex(9))
        #expect(
            try again.read(from: LogIndex(1), through: LogIndex(9), bytesMax: .max)
                == (1...9).map(entry))
        #expect(Scene.range(again) == ["10...?"])
    }

    @Test("rot that sets in while the log is open shows when it is read")
    func rotWhileOpen() throws {
        let scene = try Scene(synced: 4)
        let log = try scene.open()
        scene.fileSystem.flipBit(scene.path, at: Scene.offset(3) + 700, bit: 7)
        #expect(try log.read(from: LogIndex(1), through: LogIndex(2), bytesMax: .max).count == 2)
        let rot = StorageError.rot(
            path: scene.path, offset: Scene.offset(3), first: LogIndex(3), last: LogIndex(3))
        #expect(throws: rot) {
            try log.read(from: LogIndex(3), through: LogIndex(4), bytesMax: .max)
        }
        #expect(rot.exitStatus == 65)
    }

    @Test(
        "a log of another cluster, member or newer version is refused at once and stays as it was")
    func foreign() throws {
        let scene = try Scene(synced: 2, unsynced: 1)
        scene.zeroSector(1, ofEntry: 3)
        let before = scene.fileSystem.contents(of: scene.path)
        let names = try scene.fileSystem.list(LogFixture.directory)
        let operations = scene.fileSystem.operationCount
        for (cluster, member) in [(0xC1, 0x52), (0xC2, 0x51)] as [(UInt64, UInt64)] {
            let identity = NodeIdentity(
                clusterID: ClusterID(cluster), memberID: NodeID(member), name: "n1")
            let failure = #expect(throws: StorageError.self) {
                try SegmentedLog.open(
                    fileSystem: scene.fileSystem, directory: LogFixture.directory,
                    identity: identity, options: LogFixture.options(), boot: BootNumber(2))
            }
            #expect(failure?.exitStatus == 65)
            #expect(failure.map { "\($0)" }?.contains("belongs to") == true)
        }
        var head = try #require(before).prefix(16).map { $0 }
        head[8] = 3
        let sum = Checksum.crc32c(Array(head[0..<12]))
        withUnsafeBytes(of: sum.littleEndian) { head.replaceSubrange(12..<16, with: $0) }
        scene.fileSystem.corrupt(scene.path, at: 0, with: head)
        #expect(throws: StorageError.newerFormat(path: scene.path, found: 3, supported: 2)) {
            try scene.open()
        }
        #expect(scene.fileSystem.operationCount == operations)
        #expect(try scene.fileSystem.list(LogFixture.directory) == names)
    }
}
