import Backup
import Primitives
import StateMachine
import Storage
import Testing

@Suite("An archive that was damaged, cut short or left with a hole")
struct ArchiveDamageTests {
    private let trial = ArchiveTrial()

    private func logs() throws -> [Archive.LogFile] {
        try Archive("/archive", fileSystem: trial.disk).logs
    }

    private func survey() throws -> ArchiveSurvey {
        try Archive("/archive", fileSystem: trial.disk).survey()
    }

    /// A base, three files of the log, the second base before the last of them.
    private func threeFiles() throws -> ArchiveWriter {
        trial.write(10)
        let writer = try trial.open()
        try trial.takeBase(writer)
        trial.write(20)
        try trial.archive(writer)
        writer.beginFile()
        trial.write(20)
        try trial.archive(writer)
        try trial.takeBase(writer)
        trial.write(20)
        try trial.archive(writer)
        return writer
    }

    /// Runs until the power fails after so many operations. False where it was over before that.
    private func run(_ trial: ArchiveTrial, _ operations: Int) throws -> (LogIndex, Bool) {
        trial.write(10)
        trial.disk.failPower(afterOperations: operations)
        var writer: ArchiveWriter?
        do {
            let made = try trial.open()
            writer = made
            try trial.takeBase(made)
            for round in 0..<3 {
                trial.write(9)
                try trial.archive(made, batch: 4)
                if round == 1 { try trial.takeBase(made) }
            }
        } catch {
            #expect(error is BackupError)
        }
        return (writer?.lastIndex ?? .zero, trial.disk.isPowerOff)
    }

    @Test(
        "power that fails at any operation leaves an archive that lost nothing and goes on",
        arguments: CrashKind.allCases)
    func powerAtEachOperation(kind: CrashKind) throws {
        for operations in 1..<200 {
            let trial = ArchiveTrial(seed: UInt64(operations))
            let (durable, hasFailed) = try run(trial, operations)
            guard hasFailed else {
                return #expect(operations > 25)
            }
            trial.disk.crash(kind)
            let writer = try trial.open()
            #expect(writer.lastIndex >= durable, "after \(operations) operations")
            if writer.clusterID == nil { try trial.takeBase(writer) }
            trial.write(5)
            try trial.archive(writer)
            let last = try #require(trial.history.states.last)
            let restored = BackupFixture.lines(try trial.load(.end).store)
            #expect(restored == last.lines, "after \(operations) operations")
            let survey = try Archive("/archive", fileSystem: trial.disk).survey()
            #expect(survey.faults.isEmpty && survey.gaps.isEmpty)
        }
        #expect(Bool(false), "it never ended")
    }

    @Test("a file that was made and not written takes no other with it", arguments: [0, 7, 32])
    func headlessFile(byteCount: Int) throws {
        let last: LogIndex
        do {
            let writer = try threeFiles()
            last = writer.lastIndex
        }
        let before = try logs()
        let path = "/archive/log-\(String(repeating: "0", count: 18))\(last.next).klog"
        let file = try trial.disk.open(path, .createNew)
        let head: [UInt8] =
            byteCount == 7 ? Array("KEELALO".utf8) : .init(repeating: 0, count: byteCount)
        try file.write(head, at: 0)
        #expect(try logs().count == 4)
        #expect(try trial.load(.end).store.appliedIndex == last)
        trial.disk.killProcess()
        let writer = try trial.open()
        #expect(writer.lastIndex == last)
        #expect(try logs() == before)
        trial.write(4)
        try trial.archive(writer)
        #expect(try trial.load(.end).store.appliedIndex == trial.source.store.appliedIndex)
    }

    @Test("rot in the newest file stops a restoration of all, which says how far it can go")
    func rot() throws {
        do { _ = try threeFiles() }
        let log = try #require(try logs().last)
        let bytes = try #require(trial.disk.contents(of: log.path))
        trial.disk.flipBit(log.path, at: bytes.count / 2, bit: 3)
        let error = BackupFixture.error { _ = try trial.load(.end) }
        guard case .brokenArchive(_, _, let revision)? = error else {
            return #expect(Bool(false), "\(String(describing: error))")
        }
        #expect(error?.exitStatus == 65 && "\(error!)".contains("--to-revision \(revision)"))
        #expect(try survey().faults.count == 1)
        let state = try trial.load(.revision(revision))
        let moment = try #require(
            trial.history.states.last { $0.index == state.store.appliedIndex })
        #expect(
            state.store.revision == revision && BackupFixture.lines(state.store) == moment.lines)

        // Following again fetches what is behind the rot, and takes away nothing.
        trial.disk.killProcess()
        let writer = try trial.open()
        #expect(writer.lastIndex == state.store.appliedIndex)
        try trial.archive(writer)
        #expect(trial.disk.contents(of: log.path)?.count == bytes.count)
        #expect(try trial.load(.end).store.appliedIndex == trial.source.store.appliedIndex)
        #expect(try survey().faults.isEmpty)
    }

    @Test("rot in the first batch of a file is gone around, and the file is set aside")
    func rotAtTheBeginning() throws {
        do { _ = try threeFiles() }
        let log = try #require(try logs().last)
        trial.disk.flipBit(log.path, at: 90, bit: 3)
        trial.disk.killProcess()
        let writer = try trial.open()
        try trial.archive(writer)
        #expect(try trial.load(.end).store.appliedIndex == trial.source.store.appliedIndex)
        #expect(trial.disk.contents(of: log.path + ".damaged")?.count == log.byteCount)
    }

    @Test("moments in a hole are refused, those around it are restored")
    func gap() throws {
        trial.write(10)
        let writer = try trial.open()
        try trial.takeBase(writer)
        trial.write(20)
        try trial.archive(writer)
        trial.write(20)
        try trial.takeBase(writer)
        writer.skipToBase()
        trial.write(20)
        try trial.archive(writer)
        for moment in trial.history.states where moment.index >= LogIndex(10) {
            let isInHole = moment.index > LogIndex(30) && moment.index < LogIndex(50)
            let error = BackupFixture.error {
                let state = try trial.load(.time(moment.clock))
                #expect(state.store.appliedIndex == moment.index)
            }
            guard isInHole else {
                #expect(error == nil, "\(moment.index)")
                continue
            }
            guard case .outsideArchive(_, let reason)? = error else {
                return #expect(Bool(false), "\(moment.index): \(String(describing: error))")
            }
            #expect(reason.contains("entries 31 to 50 are missing"))
        }
        let gaps = try survey().gaps
        #expect(gaps.map(\.first) == [LogIndex(31)] && gaps.map(\.last) == [LogIndex(50)])
    }

    @Test("a backup that came in while the log went on is as good as another")
    func baseMeanwhile() throws {
        trial.write(10)
        let writer = try trial.open()
        try trial.takeBase(writer)
        trial.write(20)
        try trial.archive(writer)
        writer.beginFile()
        trial.write(3)
        let summary = try BackupFixture.write(
            trial.source.store, to: writer.incomingPath, trial.disk)
        trial.write(20)
        try trial.archive(writer)
        try writer.adopt(summary)
        trial.write(20)
        try trial.archive(writer)
        for moment in trial.history.states where moment.index >= LogIndex(10) {
            let state = try trial.load(.time(moment.clock))
            #expect(state.store.appliedIndex == moment.index)
            #expect(BackupFixture.lines(state.store) == moment.lines)
        }
        _ = try Archive("/archive", fileSystem: trial.disk).prune(keeping: 1)
        #expect(try logs().count == 1)
        #expect(try trial.load(.end).store.appliedIndex == trial.source.store.appliedIndex)
        #expect(try trial.load(.revision(summary.revision)).store.revision == summary.revision)
    }

    @Test("nothing is pruned where the oldest backup that would stay is damaged")
    func pruneRefuses() throws {
        do { _ = try threeFiles() }
        let archive = try Archive("/archive", fileSystem: trial.disk)
        let newest = try #require(archive.bases.last)
        trial.disk.flipBit(newest.path, at: newest.byteCount / 2, bit: 0)
        let error = BackupFixture.error { _ = try archive.prune(keeping: 1) }
        guard case .damaged? = error else {
            return #expect(Bool(false), "\(String(describing: error))")
        }
        let left = try Archive("/archive", fileSystem: trial.disk)
        #expect(left.bases == archive.bases && left.logs == archive.logs)
    }

    @Test("log without a backup is not begun anew over")
    func noBase() throws {
        do { _ = try threeFiles() }
        for base in try Archive("/archive", fileSystem: trial.disk).bases {
            try trial.disk.remove(base.path)
        }
        trial.disk.killProcess()
        let before = try trial.disk.list("/archive")
        #expect(BackupFixture.error { _ = try trial.open() } == .noBase(path: "/archive"))
        #expect(BackupFixture.error { _ = try trial.load(.end) } == .noBase(path: "/archive"))
        #expect(try trial.disk.list("/archive") == before)
    }

    @Test("a revision inside an entry that raised several is the last state before it")
    func leases() throws {
        trial.write(10)
        let writer = try trial.open()
        try trial.takeBase(writer)
        for id in 1...3 as ClosedRange<Int64> {
            trial.source.grant(1000 + id, seconds: 60)
            trial.source.put("leased/\(id)", "x", lease: 1000 + id)
        }
        let before = trial.source.store.revision
        let lines = BackupFixture.lines(trial.source.store)
        let items = trial.source.store.leases.all.filter { $0.id > 1000 }.map {
            LeaseBatch.Item(id: $0.id, grantIndex: $0.grantIndex, remainingSeconds: 0)
        }
        trial.source.apply(.leaseExpire, LeaseBatch(items).encode())
        #expect(trial.source.store.revision.rawValue == before.rawValue + 3)
        trial.source.put("after", "x")
        try trial.archive(writer)
        for revision in before.rawValue..<(before.rawValue + 3) {
            let state = try trial.load(.revision(Revision(revision)))
            #expect(state.store.revision == before)
            #expect(BackupFixture.lines(state.store) == lines)
        }
        let whole = try trial.load(.revision(Revision(before.rawValue + 3))).store
        #expect(
            whole.revision.rawValue == before.rawValue + 3
                && whole.leases.count == lines.filter { $0.hasPrefix("lease ") }.count - 3)
    }
}
