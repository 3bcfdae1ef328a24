internal import Backup
internal import Primitives
internal import RaftCore
internal import Replication
internal import StateMachine
internal import Storage

extension FuzzTarget {
    /// A backup: read whole, and made the state that it holds; and gone on with, as what an
    /// interrupted process left.
    static let backupFile = FuzzTarget("backup-file") { bytes in
        let fileSystem = MemoryFileSystem(seed: 1)
        guard (try? fileSystem.open("/b", .createNew).write(bytes, at: 0)) != nil else { return }
        _ = try? BackupState.load("/b", fileSystem: fileSystem)
        guard (try? fileSystem.rename("/b", to: "/c.part")) != nil else { return }
        _ = try? BackupWriter.resume("/c", fileSystem: fileSystem)?.resumePoint
    } seeds: {
        let fileSystem = MemoryFileSystem(seed: 1)
        try writeBackup("/b", fileSystem)
        return [fileSystem.contents(of: "/b") ?? []]
    }

    /// A file of an archive's log behind a backup that is whole: applied to it as far as it goes.
    static let archiveLog = FuzzTarget("archive-log") { bytes in
        let fileSystem = MemoryFileSystem(seed: 1)
        guard (try? makeArchive(fileSystem)) != nil,
            let log = try? Archive("/a", fileSystem: fileSystem).logs.first,
            let file = try? fileSystem.open(log.path, .readWrite),
            (try? file.truncate(to: 0)) != nil, (try? file.write(bytes, at: 0)) != nil
        else { return }
        _ = try? BackupState.load("/a", fileSystem: fileSystem)
        _ = try? BackupState.load("/a", cut: .revision(Revision(1)), fileSystem: fileSystem)
        _ = try? ArchiveWriter("/a", fileSystem: fileSystem)
    } seeds: {
        let fileSystem = MemoryFileSystem(seed: 1)
        try makeArchive(fileSystem)
        let log = try Archive("/a", fileSystem: fileSystem).logs.first
        return [log.flatMap { fileSystem.contents(of: $0.path) } ?? []]
    }

    private static func entry(_ index: UInt64) -> LogEntry {
        var request = ProtobufWriter()
        request.field(1, Array("k\(index)".utf8))
        request.field(2, [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: 40))
        let header = CommandHeader(
            kind: .put,
            request: RequestID(origin: NodeID(1), boot: BootNumber(1), sequence: index))
        return LogEntry(
            index: LogIndex(index), term: Term(1), kind: .command,
            payload: Command.encode(header, body: request.bytes))
    }

    @discardableResult
    private static func writeBackup(
        _ path: String, _ fileSystem: MemoryFileSystem
    ) throws -> BackupSummary {
        let store = Store()
        for index in 1...5 as ClosedRange<UInt64> { _ = store.apply(entry(index)) }
        let header = SnapshotHeader(
            index: store.appliedIndex, term: store.appliedTerm,
            configuration: ClusterConfiguration(voters: [NodeID(1)]).encode(),
            clusterID: ClusterID(1), sender: NodeID(1), boot: .zero, snapshotID: 0)
        var chunks = SnapshotWriter(
            header: header, rows: store.freeze().rows().lazy.map(Row.init).makeIterator())
        var writer = try BackupWriter(
            path, BackupDescription(takenAt: 1, program: "fuzz"), fileSystem: fileSystem)
        while let chunk = try chunks.nextChunk() { try writer.append(chunk) }
        return try writer.finish()
    }

    private static func makeArchive(_ fileSystem: MemoryFileSystem) throws {
        let archive = try ArchiveWriter("/a", fileSystem: fileSystem)
        try archive.adopt(try writeBackup(archive.incomingPath, fileSystem))
        try archive.append((6...9).map { entry($0) }, clock: 1, archivedAt: 2)
        try archive.append((10...12).map { entry($0) }, clock: 2, archivedAt: 3)
    }
}
