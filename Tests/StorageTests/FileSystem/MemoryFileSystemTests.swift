import Primitives
import Storage
import Testing

@Suite("The faulty file system loses what it says, and nothing else")
struct MemoryFileSystemTests {
    private static func make(
        seed: UInt64 = 1, rates: FaultRates = FaultRates()
    ) throws -> (MemoryFileSystem, any StorageFile) {
        let fileSystem = MemoryFileSystem(seed: seed, rates: rates)
        let file = try fileSystem.open("/a", .createNew)
        try fileSystem.syncDirectory("/")
        return (fileSystem, file)
    }

    @Test("what was synced survives every crash; what was not follows the crash's kind")
    func syncedSurvives() throws {
        for kind in CrashKind.allCases {
            let (fileSystem, file) = try Self.make()
            try file.write([UInt8](repeating: 1, count: 2048), at: 0)
            try file.sync()
            try file.write([UInt8](repeating: 2, count: 1024), at: 512)
            #expect(try file.read(1, at: 512) == [2])
            fileSystem.crash(kind)
            let bytes = try #require(fileSystem.contents(of: "/a"))
            #expect(bytes.count == 2048)
            #expect(bytes[0..<512].allSatisfy { $0 == 1 })
            #expect(bytes[1536...].allSatisfy { $0 == 1 })
            if kind == .drop { #expect(bytes.allSatisfy { $0 == 1 }) }
            if kind == .keep { #expect(bytes[512..<1536].allSatisfy { $0 == 2 }) }
        }
    }

    @Test("a crash never leaves half a sector, and over many seeds leaves each mixture of sectors")
    func sectors() throws {
        var torn: Set<[UInt8]> = []
        var reordered: Set<[UInt8]> = []
        for seed in 1...200 as ClosedRange<UInt64> {
            for kind in [CrashKind.torn, .reorder] {
                let (fileSystem, file) = try Self.make(seed: seed)
                try file.write([UInt8](repeating: 1, count: 1536), at: 0)
                try file.sync()
                try file.write([UInt8](repeating: 2, count: 1536), at: 0)
                fileSystem.crash(kind)
                let bytes = try #require(fileSystem.contents(of: "/a"))
                let firsts = [bytes[0], bytes[512], bytes[1024]]
                for (sector, first) in firsts.enumerated() {
                    #expect(bytes[(sector * 512)..<(sector * 512 + 512)].allSatisfy { $0 == first })
                }
                if kind == .torn { torn.insert(firsts) } else { reordered.insert(firsts) }
            }
        }
        #expect(torn == [[1, 1, 1], [2, 1, 1], [2, 2, 1], [2, 2, 2]])
        #expect(reordered.count == 8)
    }

    @Test("names that no directory sync covered may be lost, those it covered may not")
    func names() throws {
        let (fileSystem, file) = try Self.make()
        try file.write([1], at: 0)
        try file.sync()
        try fileSystem.rename("/a", to: "/b")
        let other = try fileSystem.open("/c", .createNew)
        try other.write([7], at: 0)
        try other.sync()
        #expect(try fileSystem.list("/") == ["b", "c"])
        fileSystem.crash(.drop)
        #expect(try fileSystem.list("/") == ["a"])
        #expect(fileSystem.contents(of: "/a") == [1])
        try fileSystem.rename("/a", to: "/b")
        try fileSystem.syncDirectory("/")
        fileSystem.crash(.drop)
        #expect(try fileSystem.list("/") == ["b"])
        try fileSystem.remove("/b")
        fileSystem.crash(.drop)
        #expect(try fileSystem.list("/") == ["b"])
        try fileSystem.remove("/b")
        try fileSystem.syncDirectory("/")
        fileSystem.crash(.drop)
        #expect(try fileSystem.list("/") == [])
    }

    @Test(
        "after a failed sync the file is dead, its pages can be read anew, and a crash takes them")
    func failedSync() throws {
        let (fileSystem, file) = try Self.make()
        try file.write([1], at: 0)
        fileSystem.plan(.syncError, path: "/a")
        let failure = StorageError.syncFailed(path: "/a", errno: 5)
        #expect(throws: failure) { try file.sync() }
        #expect(throws: failure) { try file.sync() }
        #expect(throws: failure) { try file.write([2], at: 0) }
        #expect(throws: failure) { try file.read(1, at: 0) }
        let again = try fileSystem.open("/a", .readWrite)
        #expect(try again.readAll() == [1])
        try again.sync()
        fileSystem.crash(.keep)
        #expect(fileSystem.contents(of: "/a") == [])
    }

    @Test("a lost write is acknowledged and gone after the crash; a misdirected one is elsewhere")
    func lyingDisk() throws {
        let (fileSystem, file) = try Self.make()
        fileSystem.plan(.lostWrite, path: "/a")
        try file.write([1], at: 0)
        try file.write([2], at: 1)
        try file.sync()
        #expect(try file.readAll() == [1, 2])
        fileSystem.plan(.misdirectedWrite(by: 5), path: "/a")
        try file.write([3], at: 2)
        #expect(try file.readAll() == [1, 2, 0, 0, 0, 0, 0, 3])
        try file.sync()
        fileSystem.crash(.drop)
        #expect(fileSystem.contents(of: "/a") == [0, 2, 0, 0, 0, 0, 0, 3])
    }

    @Test(
        "errors come where they were planned: EIO for reads and writes, a full disk, a bad sector")
    func errors() throws {
        let (fileSystem, file) = try Self.make()
        try file.write([UInt8](repeating: 1, count: 1024), at: 0)
        fileSystem.plan(.readError, path: "/a")
        #expect(throws: StorageError.io(operation: "read", path: "/a", offset: 3, errno: 5)) {
            try file.read(1, at: 3)
        }
        #expect(try file.read(1, at: 3) == [1])
        fileSystem.plan(.writeError, path: "/a")
        #expect(throws: StorageError.io(operation: "write", path: "/a", offset: 3, errno: 5)) {
            try file.write([2], at: 3)
        }
        #expect(try file.read(1, at: 3) == [1])
        fileSystem.plan(.noSpace, path: "/a")
        #expect(throws: StorageError.outOfSpace(operation: "write", path: "/a", bytesNeeded: 1)) {
            try file.write([2], at: 3)
        }
        fileSystem.setCapacity(2000)
        try file.write([2], at: 1999)
        #expect(throws: StorageError.outOfSpace(operation: "allocate", path: "/a", bytesNeeded: 1))
        {
            try file.allocate(2001)
        }
        fileSystem.makeUnreadable("/a", at: 600)
        #expect(try file.read(512, at: 0).count == 512)
        #expect(throws: StorageError.io(operation: "read", path: "/a", offset: 512, errno: 5)) {
            try file.read(513, at: 0)
        }
        try file.write([UInt8](repeating: 4, count: 512), at: 512)
        #expect(try file.read(1, at: 600) == [4])
    }

    @Test("when the power has failed nothing works until the crash, and old handles never do again")
    func power() throws {
        let (fileSystem, file) = try Self.make()
        fileSystem.failPower(afterOperations: 1)
        try file.write([1], at: 0)
        #expect(throws: StorageError.self) { try file.sync() }
        #expect(throws: StorageError.self) { try file.read(1, at: 0) }
        #expect(throws: StorageError.self) { try fileSystem.open("/a", .read) }
        #expect(throws: StorageError.self) { try fileSystem.list("/") }
        fileSystem.crash(.keep)
        #expect(throws: StorageError.self) { try file.read(1, at: 0) }
        #expect(try fileSystem.open("/a", .read).readAll() == [1])
    }

    @Test("rates strike about as often as they say, the same for the same seed")
    func rates() throws {
        var rates = FaultRates()
        rates.readError = 6554
        rates.stall = 6554
        rates.bitFlip = 32_768
        var runs: [[Int]] = []
        for _ in 0..<2 {
            let (fileSystem, file) = try Self.make(seed: 3, rates: rates)
            var failures = 0
            var flips = 0
            for _ in 0..<1000 {
                try file.write([0], at: 0)
                do { flips += try file.read(1, at: 0) == [0] ? 0 : 1 } catch { failures += 1 }
            }
            runs.append([failures, flips, fileSystem.stallCount])
        }
        #expect(runs[0] == runs[1])
        #expect(60...140 ~= runs[0][0])
        #expect(350...550 ~= runs[0][1])
        #expect(60...140 ~= runs[0][2])
    }

    @Test(
        "without faults a random history keeps all that was synced",
        arguments: 1...60 as ClosedRange<UInt64>)
    func losesNothingElse(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let (fileSystem, first) = try Self.make(seed: seed)
        var file = first
        var written = [UInt8](repeating: 0, count: 8192)
        try file.write(written, at: 0)
        try file.sync()
        var synced = written
        for step in 0..<80 {
            switch random.next(below: 8) {
            case 0..<5:
                let start = Int(random.next(below: 16)) * 512
                let count = min(8192 - start, Int(random.next(below: 4) + 1) * 512)
                let bytes = [UInt8](repeating: UInt8(step + 1), count: count)
                try file.write(bytes, at: start)
                written.replaceSubrange(start..<(start + count), with: bytes)
            case 5..<7:
                try file.sync()
                synced = written
            default:
                #expect(try file.readAll() == written)
                let kinds = CrashKind.allCases
                let kind = kinds[Int(random.next(below: UInt64(kinds.count)))]
                fileSystem.crash(kind)
                file = try fileSystem.open("/a", .readWrite)
                let found = try file.readAll()
                if kind == .drop { #expect(found == synced) }
                if kind == .keep { #expect(found == written) }
                // A sector that no unsynced write touched is as it was synced.
                for start in stride(from: 0, to: 8192, by: 512)
                where synced[start] == written[start] && kind == .torn {
                    #expect(found[start] >= synced[start], "seed \(seed), step \(step)")
                }
                written = found
                synced = found
            }
        }
    }
}
