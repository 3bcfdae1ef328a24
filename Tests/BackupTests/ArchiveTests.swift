import Backup
import Primitives
import StateMachine
import Storage
import Testing

@Suite("An archive of a cluster's log")
struct ArchiveTests {
    private let disk = MemoryFileSystem(seed: 5)
    private let source = BackupFixture.Source()

    /// What the store was after each entry: revision, clock, and what a client saw.
    private final class History {
        var states: [(index: LogIndex, revision: Revision, clock: UInt64, lines: [String])] = []
        func note(_ store: Store) {
            states.append(
                (store.appliedIndex, store.revision, store.clock, BackupFixture.lines(store)))
        }
    }

    private let history = History()

    private func open() throws -> ArchiveWriter {
        try ArchiveWriter("/archive", fileSystem: disk)
    }

    private func takeBase(_ writer: ArchiveWriter) throws {
        let summary = try BackupFixture.write(source.store, to: writer.incomingPath, disk)
        try writer.adopt(summary)
    }

    private func write(_ count: Int) {
        for _ in 0..<count {
            let number = source.store.appliedIndex.rawValue
            switch number % 7 {
            case 3: source.delete("k\(number % 20)")
            case 5: source.grant(Int64(number), seconds: 60)
            default: source.put("k\(number % 20)", "v\(number)")
            }
            history.note(source.store)
        }
    }

    private func archive(_ writer: ArchiveWriter, batch: Int = 5) throws {
        var rest = source.entries.filter { $0.index > writer.lastIndex }[...]
        while !rest.isEmpty {
            let entries = Array(rest.prefix(batch))
            rest = rest.dropFirst(batch)
            let clock = entries.compactMap { ArchiveClock.clock(of: $0) }.max() ?? 0
            try writer.append(entries, clock: clock, archivedAt: clock + 3)
        }
    }

    private func load(_ cut: ArchiveCut) throws -> BackupState {
        try BackupState.load("/archive", cut: cut, fileSystem: disk)
    }

    @Test("every moment behind the first base is restored as it was, to the revision")
    func everyMoment() throws {
        write(20)
        let writer = try open()
        try takeBase(writer)
        write(60)
        try archive(writer)
        try takeBase(writer)
        write(40)
        try archive(writer)
        for (position, moment) in history.states.enumerated() where position >= 19 {
            let next = position + 1 < history.states.count ? history.states[position + 1] : nil
            // The last entry at a revision is what a revision names.
            if next?.revision != moment.revision {
                let state = try load(.revision(moment.revision))
                #expect(state.store.revision == moment.revision)
                #expect(BackupFixture.lines(state.store) == moment.lines)
            }
            let state = try load(.time(moment.clock))
            #expect(state.store.appliedIndex == moment.index)
            #expect(BackupFixture.lines(state.store) == moment.lines)
        }
        let last = try #require(history.states.last)
        #expect(BackupFixture.lines(try load(.end).store) == last.lines)
    }

    @Test("moments before the first base, and behind the end, are refused")
    func outside() throws {
        write(20)
        let writer = try open()
        try takeBase(writer)
        write(5)
        try archive(writer)
        for cut in [
            ArchiveCut.revision(Revision(2)), .time(5), .revision(Revision(10_000)), .time(.max),
        ] {
            let error = BackupFixture.error { _ = try load(cut) }
            guard case .outsideArchive(_, let reason)? = error else {
                #expect(Bool(false), "\(cut): \(String(describing: error))")
                continue
            }
            #expect(reason.contains("revision") && error?.exitStatus == 64)
        }
    }

    @Test("it goes on where it stopped, also where its last batch was cut short")
    func resumes() throws {
        write(10)
        do {
            let writer = try open()
            try takeBase(writer)
            write(23)
            try archive(writer)
        }
        let log = try #require(try Archive("/archive", fileSystem: disk).logs.first)
        let file = try disk.open(log.path, .readWrite)
        try file.truncate(to: try file.size() - 3)
        disk.killProcess()
        let writer = try open()
        #expect(writer.lastIndex == LogIndex(30))
        write(9)
        try archive(writer)
        let last = try #require(history.states.last)
        #expect(BackupFixture.lines(try load(.end).store) == last.lines)
        #expect(try Archive("/archive", fileSystem: disk).logs.count == 1)
    }

    @Test("power that fails loses nothing that was archived", arguments: CrashKind.allCases)
    func powerLoss(kind: CrashKind) throws {
        write(10)
        var archived = LogIndex.zero
        do {
            let writer = try open()
            try takeBase(writer)
            write(60)
            disk.failPower(afterOperations: 17)
            _ = BackupFixture.error { try archive(writer) }
            archived = writer.lastIndex
            #expect(archived > LogIndex(12) && archived < LogIndex(70))
        }
        disk.crash(kind)
        let writer = try open()
        #expect(writer.lastIndex >= archived)
        try archive(writer)
        let last = try #require(history.states.last)
        #expect(BackupFixture.lines(try load(.end).store) == last.lines)
    }

    @Test("a bit that flips in the log is found, and nothing behind it is used")
    func damage() throws {
        write(10)
        let writer = try open()
        try takeBase(writer)
        write(40)
        try archive(writer)
        let log = try #require(try Archive("/archive", fileSystem: disk).logs.first)
        let bytes = try #require(disk.contents(of: log.path))
        for offset in stride(from: 0, to: bytes.count, by: 17) {
            disk.flipBit(log.path, at: offset, bit: offset % 8)
            let error = BackupFixture.error {
                let state = try load(.revision(source.store.revision))
                #expect(state.store.revision == source.store.revision)
            }
            #expect(error != nil, "byte \(offset)")
            disk.corrupt(log.path, at: offset, with: [bytes[offset]])
        }
        #expect(try load(.end).notices.isEmpty)
    }

    @Test("a damaged base is made up for by the one before it and more of the log")
    func damagedBase() throws {
        write(10)
        let writer = try open()
        try takeBase(writer)
        write(30)
        try archive(writer)
        try takeBase(writer)
        write(10)
        try archive(writer)
        let base = try #require(try Archive("/archive", fileSystem: disk).bases.last)
        disk.flipBit(base.path, at: base.byteCount / 2, bit: 1)
        let state = try load(.end)
        #expect(state.notices.count == 1)
        #expect(BackupFixture.lines(state.store) == (try #require(history.states.last)).lines)
    }

    @Test("pruning keeps what the bases that stay need")
    func prune() throws {
        write(10)
        let writer = try open()
        for _ in 0..<4 {
            try takeBase(writer)
            write(30)
            try archive(writer)
        }
        let gone = try Archive("/archive", fileSystem: disk).prune(keeping: 2)
        let left = try Archive("/archive", fileSystem: disk)
        #expect(left.bases.count == 2 && gone.count >= 3 && left.logs.count == 2)
        let moment = history.states[history.states.count - 45]
        #expect(try load(.time(moment.clock)).store.appliedIndex == moment.index)
        #expect(BackupFixture.error { _ = try load(.time(history.states[12].clock)) } != nil)
    }

    @Test("another cluster's log is refused, and two do not write one archive")
    func strangers() throws {
        write(10)
        let writer = try open()
        try takeBase(writer)
        #expect(
            BackupFixture.error { _ = try open() } == .storage(.locked(path: "/archive")))
        write(3)
        try archive(writer)
        let log = try #require(try Archive("/archive", fileSystem: disk).logs.first)
        var head = ByteWriter()
        head.write(Array(try #require(disk.contents(of: log.path))[..<12]))
        head.write(UInt64(0xBAD))
        head.write(UInt64(11))
        head.write(Checksum.crc32c(head.bytes))
        disk.corrupt(log.path, at: 0, with: head.bytes)
        guard case .otherCluster? = BackupFixture.error({ _ = try load(.end) }) else {
            return #expect(Bool(false), "it was taken")
        }
    }

    @Test("a directory without a base is no archive")
    func empty() throws {
        try disk.makeDirectory("/archive")
        #expect(
            BackupFixture.error { _ = try load(.end) } == .noArchive(path: "/archive"))
    }
}
