import Backup
import Primitives
import StateMachine
import Storage
import Testing

@Suite("An archive of a cluster's log")
struct ArchiveTests {
    private let trial = ArchiveTrial()

    @Test("every moment behind the first base is restored as it was, to the revision")
    func everyMoment() throws {
        trial.write(20)
        let writer = try trial.open()
        try trial.takeBase(writer)
        trial.write(60)
        try trial.archive(writer)
        try trial.takeBase(writer)
        trial.write(40)
        try trial.archive(writer)
        for (position, moment) in trial.history.states.enumerated() where position >= 19 {
            let next =
                position + 1 < trial.history.states.count ? trial.history.states[position + 1] : nil
            // The last entry at a revision is what a revision names.
            if next?.revision != moment.revision {
                let state = try trial.load(.revision(moment.revision))
                #expect(state.store.revision == moment.revision)
                #expect(BackupFixture.lines(state.store) == moment.lines)
            }
            let state = try trial.load(.time(moment.clock))
            #expect(state.store.appliedIndex == moment.index)
            #expect(BackupFixture.lines(state.store) == moment.lines)
        }
        let last = try #require(trial.history.states.last)
        #expect(BackupFixture.lines(try trial.load(.end).store) == last.lines)
    }

    @Test("moments before the first base, and behind the end, are refused")
    func outside() throws {
        trial.write(20)
        let writer = try trial.open()
        try trial.takeBase(writer)
        trial.write(5)
        try trial.archive(writer)
        for cut in [
            ArchiveCut.revision(Revision(2)), .time(5), .revision(Revision(10_000)), .time(.max),
        ] {
            let error = BackupFixture.error { _ = try trial.load(cut) }
            guard case .outsideArchive(_, let reason)? = error else {
                #expect(Bool(false), "\(cut): \(String(describing: error))")
                continue
            }
            #expect(reason.contains("revision") && error?.exitStatus == 64)
        }
    }

    @Test("it goes on where it stopped, also where its last batch was cut short")
    func resumes() throws {
        trial.write(10)
        do {
            let writer = try trial.open()
            try trial.takeBase(writer)
            trial.write(23)
            try trial.archive(writer)
        }
        let log = try #require(try Archive("/archive", fileSystem: trial.disk).logs.first)
        let file = try trial.disk.open(log.path, .readWrite)
        try file.truncate(to: try file.size() - 3)
        trial.disk.killProcess()
        let writer = try trial.open()
        #expect(writer.lastIndex == LogIndex(30))
        trial.write(9)
        try trial.archive(writer)
        let last = try #require(trial.history.states.last)
        #expect(BackupFixture.lines(try trial.load(.end).store) == last.lines)
        #expect(try Archive("/archive", fileSystem: trial.disk).logs.count == 1)
    }

    @Test("power that fails loses nothing that was archived", arguments: CrashKind.allCases)
    func powerLoss(kind: CrashKind) throws {
        trial.write(10)
        var archived = LogIndex.zero
        do {
            let writer = try trial.open()
            try trial.takeBase(writer)
            trial.write(60)
            trial.disk.failPower(afterOperations: 17)
            _ = BackupFixture.error { try trial.archive(writer) }
            archived = writer.lastIndex
            #expect(archived > LogIndex(12) && archived < LogIndex(70))
        }
        trial.disk.crash(kind)
        let writer = try trial.open()
        #expect(writer.lastIndex >= archived)
        try trial.archive(writer)
        let last = try #require(trial.history.states.last)
        #expect(BackupFixture.lines(try trial.load(.end).store) == last.lines)
    }

    @Test("a bit that flips in the log is found, and nothing behind it is used")
    func damage() throws {
        trial.write(10)
        let writer = try trial.open()
        try trial.takeBase(writer)
        trial.write(40)
        try trial.archive(writer)
        let log = try #require(try Archive("/archive", fileSystem: trial.disk).logs.first)
        let bytes = try #require(trial.disk.contents(of: log.path))
        for offset in stride(from: 0, to: bytes.count, by: 17) {
            trial.disk.flipBit(log.path, at: offset, bit: offset % 8)
            let error = BackupFixture.error {
                let state = try trial.load(.revision(trial.source.store.revision))
                #expect(state.store.revision == trial.source.store.revision)
            }
            #expect(error != nil, "byte \(offset)")
            trial.disk.corrupt(log.path, at: offset, with: [bytes[offset]])
        }
        #expect(try trial.load(.end).notices.isEmpty)
    }

    @Test("a damaged base is made up for by the one before it and more of the log")
    func damagedBase() throws {
        trial.write(10)
        let writer = try trial.open()
        try trial.takeBase(writer)
        trial.write(30)
        try trial.archive(writer)
        try trial.takeBase(writer)
        trial.write(10)
        try trial.archive(writer)
        let base = try #require(try Archive("/archive", fileSystem: trial.disk).bases.last)
        trial.disk.flipBit(base.path, at: base.byteCount / 2, bit: 1)
        let state = try trial.load(.end)
        #expect(state.notices.count == 1)
        #expect(BackupFixture.lines(state.store) == (try #require(trial.history.states.last)).lines)
    }

    @Test("pruning keeps what the bases that stay need")
    func prune() throws {
        trial.write(10)
        let writer = try trial.open()
        for _ in 0..<4 {
            try trial.takeBase(writer)
            trial.write(30)
            try trial.archive(writer)
        }
        let gone = try Archive("/archive", fileSystem: trial.disk).prune(keeping: 2)
        let left = try Archive("/archive", fileSystem: trial.disk)
        #expect(left.bases.count == 2 && gone.count >= 3 && left.logs.count == 2)
        let moment = trial.history.states[trial.history.states.count - 45]
        #expect(try trial.load(.time(moment.clock)).store.appliedIndex == moment.index)
        #expect(
            BackupFixture.error { _ = try trial.load(.time(trial.history.states[12].clock)) } != nil
        )
    }

    @Test("another cluster's log is refused, and two do not write one archive")
    func strangers() throws {
        trial.write(10)
        let writer = try trial.open()
        try trial.takeBase(writer)
        #expect(
            BackupFixture.error { _ = try trial.open() } == .storage(.locked(path: "/archive")))
        trial.write(3)
        try trial.archive(writer)
        let log = try #require(try Archive("/archive", fileSystem: trial.disk).logs.first)
        var head = ByteWriter()
        head.write(Array(try #require(trial.disk.contents(of: log.path))[..<12]))
        head.write(UInt64(0xBAD))
        head.write(UInt64(11))
        head.write(Checksum.crc32c(head.bytes))
        trial.disk.corrupt(log.path, at: 0, with: head.bytes)
        guard case .otherCluster? = BackupFixture.error({ _ = try trial.load(.end) }) else {
            return #expect(Bool(false), "it was taken")
        }
    }

    @Test("a directory without a base is no archive")
    func empty() throws {
        try trial.disk.makeDirectory("/archive")
        #expect(
            BackupFixture.error { _ = try trial.load(.end) } == .noArchive(path: "/archive"))
    }
}
