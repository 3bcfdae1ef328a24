import Backup
import Primitives
import StateMachine
import Storage
import Testing

@Suite("A backup's file")
struct BackupFileTests {
    private let disk = MemoryFileSystem(seed: 1)

    private func load(_ path: String = "/b.kbk") throws -> BackupState {
        try BackupState.load(path, fileSystem: disk)
    }

    @Test("what was written is read again, with its numbers")
    func roundTrip() throws {
        let source = BackupFixture.filled()
        let written = try BackupFixture.write(source.store, to: "/b.kbk", disk)
        let state = try load()
        #expect(BackupFixture.lines(state.store) == BackupFixture.lines(source.store))
        #expect(state.store.revision == source.store.revision)
        #expect(state.origin == .backup(written))
        #expect(written.index == source.store.appliedIndex && written.term == Term(3))
        #expect(written.clock == source.store.clock && written.clusterID == BackupFixture.cluster)
        #expect(written.description == BackupFixture.description)
        #expect(written.blockCount > 6 && written.digest.utf8.count == 64)
        #expect(try disk.list("/") == ["b.kbk"])
    }

    @Test("a byte that changed anywhere, in whatever block, is found")
    func everyBlock() throws {
        try BackupFixture.write(BackupFixture.filled().store, to: "/b.kbk", disk)
        let bytes = try #require(disk.contents(of: "/b.kbk"))
        // Every byte of the first and the last kilobyte, and one in each eighth sector between.
        var offsets = Array(0..<1024) + Array((bytes.count - 1024)..<bytes.count)
        offsets += stride(from: 1024, to: bytes.count - 1024, by: 61)
        for offset in offsets {
            disk.flipBit("/b.kbk", at: offset, bit: offset % 8)
            let error = BackupFixture.error { _ = try load() }
            #expect(error?.exitStatus == 65, "byte \(offset): \(String(describing: error))")
            disk.corrupt("/b.kbk", at: offset, with: [bytes[offset]])
        }
        #expect(BackupFixture.error { _ = try load() } == nil)
    }

    @Test("a damaged block is named with its number and place")
    func namedBlock() throws {
        try BackupFixture.write(BackupFixture.filled().store, to: "/b.kbk", disk)
        disk.flipBit("/b.kbk", at: 9000, bit: 3)
        guard
            case .damaged("/b.kbk", let block, let offset, _) = BackupFixture.error({
                _ = try load()
            })
        else { return #expect(Bool(false), "nothing was found") }
        #expect(block > 0 && offset > 0 && offset <= 9000 && 9000 - offset < 8192)
    }

    @Test("a file that was cut off is called so, wherever it ends")
    func truncated() throws {
        try BackupFixture.write(BackupFixture.filled(keyCount: 40).store, to: "/b.kbk", disk)
        let bytes = try #require(disk.contents(of: "/b.kbk"))
        for count in stride(from: 8, to: bytes.count, by: 13) {
            let file = try disk.open("/cut", .openOrCreate)
            try file.truncate(to: 0)
            try file.write(Array(bytes[..<count]), at: 0)
            #expect(
                BackupFixture.error { _ = try load("/cut") }
                    == .truncated(path: "/cut", offset: count))
        }
    }

    @Test("bytes behind its end are found")
    func longer() throws {
        try BackupFixture.write(BackupFixture.filled(keyCount: 4).store, to: "/b.kbk", disk)
        let file = try disk.open("/b.kbk", .readWrite)
        try file.write([0], at: try file.size())
        #expect(BackupFixture.error { _ = try load() }?.exitStatus == 65)
    }

    @Test("a newer format, another kind of file and none at all are told apart")
    func otherFiles() throws {
        try BackupFixture.write(BackupFixture.filled(keyCount: 4).store, to: "/b.kbk", disk)
        disk.corrupt("/b.kbk", at: 8, with: [2, 0, 0, 0])
        let newer = BackupFixture.error { _ = try load() }
        #expect(newer == .newerFormat(path: "/b.kbk", found: 2, supported: 1))
        #expect(newer?.exitStatus == 65)
        try disk.open("/other", .createNew).write(Array("SQLite format 3".utf8), at: 0)
        #expect(BackupFixture.error { _ = try load("/other") } == .foreign(path: "/other"))
        try disk.makeDirectory("/folder")
        #expect(BackupFixture.error { _ = try load("/folder") } == .noArchive(path: "/folder"))
        let missing = BackupFixture.error { _ = try load("/none") }
        #expect(missing == .storage(.notFound(path: "/none")) && missing?.exitStatus == 74)
    }

    @Test("a stream that ends early, or that is none, leaves no file")
    func halfAStream() throws {
        var chunks = try BackupFixture.chunks(BackupFixture.filled().store)
        chunks.removeLast()
        var writer = try BackupWriter("/b.kbk", BackupFixture.description, fileSystem: disk)
        for chunk in chunks { try writer.append(chunk) }
        let early = BackupFixture.error { _ = try writer.finish() }
        #expect(early?.exitStatus == 65)
        writer.discard()
        #expect(try disk.list("/").isEmpty)

        writer = try BackupWriter("/b.kbk", BackupFixture.description, fileSystem: disk)
        try writer.append(chunks[0])
        #expect(BackupFixture.error { try writer.append(chunks[2]) }?.exitStatus == 65)
    }

    @Test("a disk that fills while it is written leaves nothing under its name")
    func fullDisk() throws {
        let store = BackupFixture.filled().store
        for capacity in stride(from: 0, to: 30_000, by: 1501) {
            let disk = MemoryFileSystem(seed: 2)
            disk.setCapacity(capacity)
            let error = BackupFixture.error {
                try BackupFixture.write(store, to: "/b.kbk", disk)
            }
            #expect(error?.exitStatus == 74)
            #expect(try disk.list("/").isEmpty)
        }
    }

    @Test("power that fails while it is written leaves it whole, or not there", arguments: 0..<12)
    func powerLoss(operations: Int) throws {
        let store = BackupFixture.filled(keyCount: 50).store
        for kind in CrashKind.allCases {
            let disk = MemoryFileSystem(seed: UInt64(operations))
            disk.failPower(afterOperations: operations)
            _ = BackupFixture.error { try BackupFixture.write(store, to: "/b.kbk", disk) }
            disk.crash(kind)
            if try disk.exists("/b.kbk") {
                _ = try BackupState.load("/b.kbk", fileSystem: disk)
            }
            // What an earlier attempt left is no hindrance.
            if try !disk.exists("/b.kbk") { try BackupFixture.write(store, to: "/b.kbk", disk) }
        }
    }

    @Test("a file that is there is not written over, and two do not write one")
    func occupied() throws {
        let store = BackupFixture.filled(keyCount: 4).store
        let first = try BackupWriter("/b.kbk", BackupFixture.description, fileSystem: disk)
        #expect(
            BackupFixture.error { try BackupFixture.write(store, to: "/b.kbk", disk) }
                == .storage(.locked(path: "/b.kbk.part")))
        first.discard()
        try BackupFixture.write(store, to: "/c.kbk", disk)
        #expect(
            BackupFixture.error { try BackupFixture.write(store, to: "/c.kbk", disk) }
                == .storage(.alreadyExists(path: "/c.kbk")))
    }
}
