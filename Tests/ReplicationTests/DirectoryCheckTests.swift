import Primitives
import RaftCore
import Replication
import StateMachine
import Storage
import Testing

@Suite("keelson verify: a data directory is read and checked (issue: operate it)")
struct DirectoryCheckTests {
    /// What a start finds in the directory: all that a damaged block could change.
    private struct Answer: Equatable {
        var hardState: HardState
        var boot: BootNumber
        var peers: [PeerMemory]
        var digest: UInt64
        var snapshotIndex: LogIndex
        var lastIndex: LogIndex
        var entries: [LogEntry]
    }

    private let options = LogOptions(
        segmentBytes: Disk.segmentBytes, batchBytesMax: 512, compressionMinBytes: .max,
        spareSegments: 0)

    /// Two checkpoints, a superseded end, a vote and two peers.
    private func filled() throws -> Disk {
        let disk = Disk()
        var storage = try disk.open()
        try Disk.append(Disk.entries(1...30), to: &storage)
        try Disk.checkpoint(10, term: 1, in: storage)
        try Disk.checkpoint(20, term: 1, in: storage)
        try Disk.perform(
            Write(
                id: WriteID(2), hardState: HardState(term: Term(3), votedFor: NodeID(2)),
                truncateFrom: LogIndex(26), entries: Disk.entries(26...40, term: 3)),
            on: &storage)
        let peer = { (id: UInt64) in
            PeerMemory(
                member: NodeID(id), boot: BootNumber(4), nonce: 5, term: Term(3),
                index: LogIndex(30), spokenTerm: Term(3))
        }
        try Disk.perform(.remember([peer(2), peer(3)], PeerMemoryTicket(1)), on: &storage)
        disk.fileSystem.crash(.keep)
        return disk
    }

    private func check(_ disk: Disk) throws -> DirectoryReport {
        try DirectoryCheck.run(
            "/n1", fileSystem: OverlayFileSystem(over: disk.fileSystem), logOptions: options)
    }

    private func answer(_ disk: Disk) throws -> Answer {
        let identity = NodeIdentity(
            clusterID: Disk.cluster, memberID: Disk.member, name: "n1", initialVoters: Disk.voters)
        let storage = try NodeStorage.open(
            NodePlace(
                path: "/n1", identity: identity, freshDisk: 7, nonce: 1, logOptions: options),
            fileSystem: OverlayFileSystem(over: disk.fileSystem), progress: { _ in })
        return Answer(
            hardState: storage.restored.hardState, boot: storage.boot,
            peers: try PeerMemoryFile.read(fileSystem: disk.fileSystem, directory: "/n1"),
            digest: storage.store.digest.value, snapshotIndex: storage.restored.snapshotIndex,
            lastIndex: storage.restored.lastIndex, entries: storage.restored.recentEntries)
    }

    private func files(of disk: Disk) throws -> [String] {
        try ["/n1", "/n1/log", "/n1/checkpoint"].flatMap { folder in
            try disk.fileSystem.list(folder).map { folder + "/" + $0 }
        }.filter { (disk.fileSystem.contents(of: $0)?.count ?? 0) > 0 }
    }

    @Test("a sound directory is called sound, and nothing in it changes")
    func sound() throws {
        let disk = try filled()
        let before = try files(of: disk).map { disk.fileSystem.contents(of: $0) }
        let check = try self.check(disk)
        #expect(check.findings.isEmpty)
        #expect(check.checkpoints.map(\.index) == [LogIndex(20), LogIndex(10)])
        #expect(check.log?.last == LogIndex(40))
        #expect(check.hardState == HardState(term: Term(3), votedFor: NodeID(2)))
        #expect(try files(of: disk).map { disk.fileSystem.contents(of: $0) } == before)
    }

    @Test("damage in any block is found, or changes no answer", arguments: [UInt64(1), 2, 3])
    func anyBlock(seed: UInt64) throws {
        let disk = try filled()
        let whole = try answer(disk)
        let files = try files(of: disk)
        var random = SplitMix64(seed: seed)
        var found = 0
        for _ in 0..<120 {
            let path = files[Int(random.next(below: UInt64(files.count)))]
            let contents = try #require(disk.fileSystem.contents(of: path))
            let offset = Int(random.next(below: UInt64((contents.count + 511) / 512))) * 512
            let block = contents[offset..<min(offset + 512, contents.count)]
            disk.fileSystem.corrupt(
                path, at: offset,
                with: block.map { _ in
                    UInt8(random.next(below: 255)) + 1
                })
            let check = try self.check(disk)
            found += check.isSound ? 0 : 1
            if check.isSound {
                #expect(try answer(disk) == whole, "\(path) at \(offset): \(check.findings)")
            }
            disk.fileSystem.corrupt(path, at: offset, with: Array(block))
        }
        #expect(found > 20)
        #expect(try self.check(disk).findings.isEmpty)
    }

    @Test(
        "damage to one of two copies is named, and a start mends it",
        arguments: ["identity", "hardstate", "boot", "peers", "checkpoint/manifest", "log"],
        [false, true])
    func copies(name: String, isSecond: Bool) throws {
        let disk = try filled()
        var path = "/n1/" + name
        if name == "log" {
            let segments = try disk.fileSystem.list(path).filter { $0.hasSuffix(".log") }
            // The last one is written anew by each start.
            #expect(segments.count > 1)
            path += "/" + segments[0]
        }
        let size = try #require(disk.fileSystem.contents(of: path)?.count)
        let second = name == "log" ? 4096 : size / 2
        let offset = isSecond ? second : 0
        let before = try #require(disk.fileSystem.contents(of: path))
        disk.fileSystem.corrupt(path, at: offset + 40, with: [before[offset + 40] ^ 1])
        let check = try self.check(disk)
        #expect(check.findings.map(\.path) == [path])
        #expect(check.findings.map(\.weight) == [.mended])
        #expect(check.isSound)
        _ = try disk.open()
        #expect(try self.check(disk).findings.isEmpty)
    }

    @Test("a manifest without a whole slot is named, and a start does without it")
    func wholeManifest() throws {
        let disk = try filled()
        let path = "/n1/checkpoint/manifest"
        let size = try #require(disk.fileSystem.contents(of: path)?.count)
        let before = try answer(disk)
        for slot in 0..<2 { disk.fileSystem.corrupt(path, at: slot * size / 2, with: [0, 0, 0]) }
        let check = try self.check(disk)
        #expect(check.findings.map(\.path) == [path])
        #expect(check.isSound)
        #expect(try answer(disk) == before)
        _ = try disk.open()
        #expect(try self.check(disk).findings.isEmpty)
    }

    @Test("a manifest without a whole slot, where no checkpoint is either, is damage")
    func manifestAlone() throws {
        let disk = try filled()
        let path = "/n1/checkpoint/manifest"
        let size = try #require(disk.fileSystem.contents(of: path)?.count)
        for slot in 0..<2 { disk.fileSystem.corrupt(path, at: slot * size / 2, with: [0, 0, 0]) }
        for name in ["a.sqlite", "b.sqlite"] {
            let file = "/n1/checkpoint/" + name
            if try disk.fileSystem.exists(file) { try disk.fileSystem.remove(file) }
        }
        let check = try self.check(disk)
        #expect(!check.isSound)
        let finding = try #require(check.findings.first { $0.path == path })
        #expect(finding.weight == .damage && finding.what.contains("no checkpoint says"))
    }

    @Test(
        "a header's copy that the disk neither reads nor takes, or only as a block, costs nothing",
        arguments: [1, 2])
    func unreadableCopy(failures: Int) throws {
        let disk = try filled()
        let name = try #require(
            try disk.fileSystem.list("/n1/log").first { $0.hasSuffix(".log") })
        let path = "/n1/log/" + name
        disk.fileSystem.makeUnreadable(path, at: 0)
        for _ in 0..<failures { disk.fileSystem.plan(.writeError, path: name) }
        let storage = try disk.open()
        #expect(storage.log.rotten.isEmpty)
        disk.fileSystem.crash(.keep)
        // What a write left that failed is the disk's secret.
        if failures == 1 { #expect(try self.check(disk).findings.isEmpty) }
    }

    @Test("a directory that is in use, that is none, or is another program's, is refused")
    func refused() throws {
        let disk = try filled()
        let storage = try disk.open()
        #expect(throws: StorageError.locked(path: "/n1")) { try self.check(disk) }
        withExtendedLifetime(storage) {}
        #expect(throws: StorageError.notFound(path: "/none")) {
            try DirectoryCheck.run("/none", fileSystem: OverlayFileSystem(over: disk.fileSystem))
        }
        try disk.fileSystem.makeDirectory("/other")
        try disk.fileSystem.open("/other/notes.txt", .createNew).write([1], at: 0)
        let check = try DirectoryCheck.run(
            "/other", fileSystem: OverlayFileSystem(over: disk.fileSystem))
        #expect(check.findings.map(\.weight) == [.fatal])
        #expect(!check.isSound)
    }
}
