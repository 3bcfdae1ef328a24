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
    /// short is cut off.
    /// - Throws: ``StorageError/locked(path:)`` while another process follows.
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
        guard let archive = try? Archive(directory, fileSystem: fileSystem) else { return }
        if let base = archive.bases.last {
            clusterID = try archive.position(of: base).cluster
            newestBase = base.index
            lastIndex = base.index
        }
        if let log = archive.logs.last { try resume(log) }
    }

    /// Goes on behind what is valid of the last file.
    private func resume(_ log: Archive.LogFile) throws(BackupError) {
        var reader: ArchiveLogReader
        do throws(BackupError) {
            reader = try ArchiveLogReader(log.path, fileSystem: fileSystem)
        } catch .truncated {
            // Its head was not whole when the power failed.
            try storing { () throws(StorageError) in
                try fileSystem.remove(log.path)
                try fileSystem.syncDirectory(directory)
            }
            return
        }
        if let clusterID, reader.clusterID != clusterID {
            throw .otherCluster(
                path: log.path, expected: clusterID, found: reader.clusterID)
        }
        do throws(BackupError) {
            while try reader.nextBatch() != nil {}
        } catch .truncated, .damaged {}
        let (offset, chain) = (reader.offset, reader.chain)
        let file = try storing { () throws(StorageError) in
            let file = try fileSystem.open(log.path, .readWrite)
            try file.truncate(to: offset)
            try file.sync()
            return file
        }
        // A base may be ahead of the log, which is to have no gap if the cluster still has it.
        lastIndex = reader.next.previous
        open = Open(file: file, offset: offset, chain: chain)
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
        // Files that end where bases begin go when those go.
        open = nil
        if lastIndex == .zero { skipToBase() }
    }

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
            let file = try fileSystem.open(path, .openOrCreate)
            try file.truncate(to: 0)
            try file.write(head, at: 0)
            try file.sync()
            try fileSystem.syncDirectory(directory)
            return file
        }
        let sum = head.suffix(4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        return Open(file: file, offset: head.count, chain: sum)
    }
}
