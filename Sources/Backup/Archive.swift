package import Primitives
package import Storage

/// What a directory of `keelson backup follow` holds: bases, which are backups, and the log from
/// each base on, in files that follow one another.
package struct Archive: Sendable {
    package struct Base: Equatable, Sendable {
        package var path: String
        /// The state is that behind this entry.
        package var index: LogIndex
        package var byteCount: Int
    }

    package struct LogFile: Equatable, Sendable {
        package var path: String
        package var first: LogIndex
        package var byteCount: Int
    }

    package let directory: String
    /// Both from the oldest to the newest.
    package private(set) var bases: [Base] = []
    package private(set) var logs: [LogFile] = []
    let fileSystem: any FileSystem

    /// Looks at names and sizes only.
    /// - Throws: ``BackupError/noArchive(path:)`` where there is nothing of an archive's in it, and
    ///   ``BackupError/noBase(path:)`` where there is log without a backup before it.
    package init(_ directory: String, fileSystem: any FileSystem) throws(BackupError) {
        let directory = Paths.plain(directory)
        self.directory = directory
        self.fileSystem = fileSystem
        let names = try storing { () throws(StorageError) -> [String] in
            guard case .directory = try fileSystem.kind(of: directory) else {
                throw .notFound(path: directory)
            }
            return try fileSystem.list(directory)
        }
        for name in names {
            let path = directory + "/" + name
            let base = ArchiveFormat.index(
                of: name, ArchiveFormat.basePrefix, ArchiveFormat.baseSuffix)
            let log = ArchiveFormat.index(
                of: name, ArchiveFormat.logPrefix, ArchiveFormat.logSuffix)
            guard base != nil || log != nil else { continue }
            let size = try storing { () throws(StorageError) in
                try fileSystem.open(path, .read).size()
            }
            if let base { bases.append(Base(path: path, index: base, byteCount: size)) }
            if let log { logs.append(LogFile(path: path, first: log, byteCount: size)) }
        }
        if bases.isEmpty, logs.isEmpty { throw .noArchive(path: directory) }
        if bases.isEmpty { throw .noBase(path: directory) }
    }

    /// Where a base stands, from its first blocks. What is behind them is not looked at.
    package func position(
        of base: Base
    ) throws(BackupError) -> (revision: Revision, clock: UInt64, cluster: ClusterID) {
        var reader = try BackupReader(base.path, fileSystem: fileSystem)
        while let _ = try reader.next() {
            if let position = reader.position { return position }
        }
        throw .damaged(path: base.path, block: -1, offset: 0, reason: "it holds no state")
    }

    /// Removes all bases but the `count` newest, and the log that only those need that go. What is
    /// removed first is needed by the rest last, so that whatever is left can be restored.
    ///
    /// Cost: reads the oldest base that stays, whole: nothing goes before it is seen to be sound.
    /// - Returns: the paths of what went.
    package func prune(keeping count: Int) throws(BackupError) -> [String] {
        let kept = bases.suffix(max(1, count))
        guard let oldest = kept.first, oldest != bases.first else { return [] }
        var reader = try BackupReader(oldest.path, fileSystem: fileSystem)
        while try reader.next() != nil {}
        var doomed = bases.dropLast(kept.count).map(\.path)
        for (log, next) in zip(logs, logs.dropFirst()) where next.first <= oldest.index.next {
            doomed.append(log.path)
        }
        let paths = doomed
        try storing { () throws(StorageError) in
            for path in paths { try fileSystem.remove(path) }
            try fileSystem.syncDirectory(directory)
        }
        return paths
    }
}
