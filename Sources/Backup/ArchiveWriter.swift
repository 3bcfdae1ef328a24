package import Primitives
package import Storage

/// Appends to an archive. One process at a time has it.
package final class ArchiveWriter {
    package let directory: String
    private let fileSystem: any FileSystem
    /// Held as long as this lives.
    private let lock: any StorageFile
    /// Of the cluster that is archived; nil before the first base.
    package private(set) var clusterID: ClusterID?
    private var newestBase = LogIndex.zero
    /// When the newest base was taken, in milliseconds since 1970; nil before the first.
    package private(set) var newestBaseTakenAt: UInt64?
    /// The entry behind which the log goes on.
    package private(set) var lastIndex = LogIndex.zero
    package private(set) var entryCount: UInt64 = 0
    package private(set) var byteCount: UInt64 = 0

    private struct Open {
        var file: any StorageFile
        var offset: Int
        var chain: UInt32
    }

    private var open: Open?

    /// Opens the archive in `directory`, making it where it is missing. A batch that a crash cut
    /// short is cut off; what is damaged otherwise is left as it is, and gone around.
    /// - Throws: ``StorageError/locked(path:)`` while another process follows,
    ///   ``BackupError/noBase(path:)`` where there is log without a backup.
    package init(_ directory: String, fileSystem: any FileSystem) throws(BackupError) {
        let directory = Paths.plain(directory)
        self.directory = directory
        self.fileSystem = fileSystem
        lock = try storing { () throws(StorageError) in
            if try !fileSystem.exists(directory) {
                try fileSystem.makeDirectory(directory)
                try fileSystem.syncDirectory(Paths.parent(of: directory))
            }
            let lock = try fileSystem.open(
                directory + "/" + ArchiveFormat.lockName, .openOrCreate)
            guard try lock.lock() else { throw .locked(path: directory) }
            let incoming = directory + "/" + ArchiveFormat.incomingName
            for path in [incoming, incoming + BackupFormat.partSuffix]
            where try fileSystem.exists(path) {
                try fileSystem.remove(path)
            }
            return lock
        }
        let archive: Archive
        do throws(BackupError) {
            archive = try Archive(directory, fileSystem: fileSystem)
        } catch {
            if case .noArchive = error { return }
            throw error
        }
        try resume(archive)
    }

    private func resume(_ archive: Archive) throws(BackupError) {
        if let base = archive.bases.last {
            clusterID = try archive.position(of: base).cluster
            newestBase = base.index
            newestBaseTakenAt =
                try BackupReader(base.path, fileSystem: fileSystem).description.takenAt
            lastIndex = base.index
        }
        for log in archive.logs.reversed() {
            if try resume(log) { return }
        }
    }

    /// Goes on behind what is valid of the file. False where there is nothing in it: its head was
    /// not whole when the power failed.
    private func resume(_ log: Archive.LogFile) throws(BackupError) -> Bool {
        var reader: ArchiveLogReader
        do throws(BackupError) {
            reader = try ArchiveLogReader(log.path, fileSystem: fileSystem)
        } catch {
            guard case .truncated = error else { throw error }
            try storing { () throws(StorageError) in
                try fileSystem.remove(log.path)
                try fileSystem.syncDirectory(directory)
            }
            return false
        }
        if let clusterID, reader.clusterID != clusterID {
            throw .otherCluster(
                path: log.path, expected: clusterID, found: reader.clusterID)
        }
        var isWhole = true
        do throws(BackupError) {
            while try reader.nextBatch() != nil {}
        } catch {
            switch error {
            case .truncated: break
            case .damaged: isWhole = false
            default: throw error
            }
        }
        // A base may be ahead of the log, which is to have no gap if the cluster still has it.
        lastIndex = reader.next.previous
        // What rotted is not cut off: a better copy of the file may turn up.
        guard isWhole else { return true }
        let (offset, chain) = (reader.offset, reader.chain)
        let file = try storing { () throws(StorageError) in
            let file = try fileSystem.open(log.path, .readWrite)
            try file.truncate(to: offset)
            try file.sync()
            return file
        }
        open = Open(file: file, offset: offset, chain: chain)
        return true
    }

    /// Where the next base is to be written before ``adopt(_:)``.
    package var incomingPath: String { directory + "/" + ArchiveFormat.incomingName }

    /// Takes the backup at ``incomingPath`` in as a base; durable when it returns.
    /// - Throws: ``BackupError/otherCluster(path:expected:found:)``; the backup is removed then.
    package func adopt(_ summary: BackupSummary) throws(BackupError) {
        let (incoming, directory) = (incomingPath, self.directory)
        if let clusterID, clusterID != summary.clusterID {
            try? fileSystem.remove(incoming)
            throw .otherCluster(
                path: directory, expected: clusterID, found: summary.clusterID)
        }
        let path = directory + "/" + ArchiveFormat.baseName(summary.index)
        try storing { () throws(StorageError) in
            try fileSystem.rename(incoming, to: path)
            try fileSystem.syncDirectory(directory)
        }
        clusterID = summary.clusterID
        newestBase = max(newestBase, summary.index)
        newestBaseTakenAt = summary.description.takenAt
        if lastIndex == .zero { skipToBase() }
    }

    /// What comes next goes into a file of its own: call it before a base is taken, so that the log
    /// behind that base does not depend on files that go with older ones.
    package func beginFile() { open = nil }

    /// The cluster has not got any more what follows ``lastIndex``: the log goes on behind the
    /// newest base. Moments between cannot be restored.
    package func skipToBase() {
        guard newestBase > lastIndex else { return }
        lastIndex = newestBase
        open = nil
    }

    /// Adds entries that follow ``lastIndex``; durable when it returns.
    /// - Parameters:
    ///   - clock: of the newest command among them; zero for none.
    ///   - archivedAt: now. Both in milliseconds since 1970.
    package func append(
        _ entries: [LogEntry], clock: UInt64, archivedAt: UInt64
    ) throws(BackupError) {
        var rest = entries[...]
        while !rest.isEmpty {
            var bytes = 0
            let fitting = rest.prefix { entry in
                bytes += ArchiveFormat.entryHeadByteCount + entry.payload.count
                return bytes <= ArchiveFormat.contentBytesMax
            }
            guard !fitting.isEmpty else {
                throw .entryTooLarge(
                    path: directory, byteCount: rest[rest.startIndex].payload.count)
            }
            try appendBatch(Array(fitting), clock: clock, archivedAt: archivedAt)
            rest = rest.dropFirst(fitting.count)
        }
    }

    private func appendBatch(
        _ entries: [LogEntry], clock: UInt64, archivedAt: UInt64
    ) throws(BackupError) {
        guard let first = entries.first, let clusterID else { return }
        invariant(first.index == lastIndex.next, "\(first.index) archived behind \(lastIndex)")
        if let open, open.offset > ArchiveFormat.fileBytesMax { self.open = nil }
        var current: Open
        if let open { current = open } else { current = try begin(clusterID, first.index) }
        let (bytes, chain) = ArchiveBatchHead.batch(
            entries, archivedAt: archivedAt, clock: clock, chain: current.chain)
        // What is half written, or not known to be on the disk, is not built upon.
        open = nil
        let file = current.file
        let offset = current.offset
        try storing { () throws(StorageError) in
            try file.write(bytes, at: offset)
            try file.sync()
        }
        current.offset += bytes.count
        current.chain = chain
        open = current
        lastIndex = lastIndex + entries.count
        entryCount += UInt64(entries.count)
        byteCount += UInt64(bytes.count)
    }

    private func begin(
        _ cluster: ClusterID, _ first: LogIndex
    ) throws(BackupError) -> Open {
        let path = directory + "/" + ArchiveFormat.logName(first)
        let head = ArchiveLogReader.head(cluster, first: first)
        let file = try storing { () throws(StorageError) in
            // Nothing that can be read is in it, or the log would go on behind that.
            if try fileSystem.exists(path) {
                try fileSystem.rename(path, to: path + ArchiveFormat.asideSuffix)
            }
            let file = try fileSystem.open(path, .createNew)
            try file.write(head, at: 0)
            try file.sync()
            try fileSystem.syncDirectory(directory)
            return file
        }
        return Open(file: file, offset: head.count, chain: integer32(head.suffix(4)))
    }
}
