package import Primitives

/// A node's directory, locked for as long as this object lives:
///
///     LOCK        held with flock by the process that uses the directory
///     identity    cluster, member, name; written last, so its presence says "complete"
///     hardstate   term and vote
///     boot        number of the last start
///     peers       what is remembered of the other members
///     reserve     room for one checkpoint, given up when it is needed
///     log/        the replicated log
///     checkpoint/ SQLite files and their manifest
///     snapshot/   snapshots on their way in
///     fixtures/   certificates that the server has made for itself; nothing depends on them
package final class DataDirectory: Sendable {
    package static let lockName = "LOCK"
    private static let subdirectories = ["log", "checkpoint", "snapshot"]
    /// What a file system, its user, or a server before it knew who it is, may have put there.
    private static let harmlessNames = ["lost+found", ".keep", ".gitkeep", "fixtures"]

    package let path: String
    package let fileSystem: any FileSystem
    /// Whose directory it is; nil while nobody has initialised it.
    package let identity: NodeIdentity?
    private let lock: any StorageFile

    package var logPath: String { path + "/log" }
    package var checkpointPath: String { path + "/checkpoint" }
    package var snapshotPath: String { path + "/snapshot" }

    private init(
        path: String, fileSystem: any FileSystem, identity: NodeIdentity?, lock: any StorageFile
    ) {
        self.path = path
        self.fileSystem = fileSystem
        self.identity = identity
        self.lock = lock
    }

    /// Locks the directory, making it when it is missing, and reads whose it is.
    /// - Throws: ``StorageError/unsafeDirectory(path:reason:)``, ``StorageError/locked(path:)``,
    ///   ``StorageError/newerFormat(path:found:supported:)``,
    ///   ``StorageError/corrupt(path:offset:reason:)``.
    package static func open(
        _ path: String, fileSystem: any FileSystem
    ) throws(StorageError) -> DataDirectory {
        let path = plain(path)
        try make(path, fileSystem)
        try checkSafe(path, fileSystem)
        let lock = try fileSystem.open(path + "/" + lockName, .openOrCreate)
        guard try lock.lock() else { throw .locked(path: path) }
        let identity: NodeIdentity?
        if try fileSystem.exists(path + "/" + IdentityFile.name) {
            identity = try IdentityFile.open(fileSystem: fileSystem, directory: path)
            try checkComplete(path, fileSystem)
        } else {
            identity = nil
            try checkUnused(path, fileSystem)
            try makeDurable(path, fileSystem)
        }
        return DataDirectory(path: path, fileSystem: fileSystem, identity: identity, lock: lock)
    }

    /// Whose directory it is, without locking it; nil where there is none, or nobody has
    /// initialised it.
    package static func identity(
        at path: String, fileSystem: any FileSystem
    ) throws(StorageError) -> NodeIdentity? {
        guard try fileSystem.exists(path + "/" + IdentityFile.name) else { return nil }
        return try IdentityFile.read(fileSystem: fileSystem, directory: path)
    }

    /// The slots of the files at the top of `path` that do not hold what was written last, by the
    /// file's path; a start mends one of two. Files that are not there are left out.
    package static func damagedSlots(
        at path: String, fileSystem: any FileSystem
    ) throws(StorageError) -> [(path: String, slots: [Int])] {
        let files: [(name: String, kind: TwoSlotFile.Kind)] = [
            (IdentityFile.name, IdentityFile.kind),
            (HardStateFile.name, HardStateFile.kind),
            (BootFile.name, BootFile.kind),
            (PeerMemoryFile.name, PeerMemoryFile.kind),
            ("checkpoint/" + CheckpointManifestFile.name, CheckpointManifestFile.kind),
        ]
        var found: [(path: String, slots: [Int])] = []
        for (name, kind) in files {
            let file = path + "/" + name
            guard try fileSystem.exists(file) else { continue }
            let slots = try TwoSlotFile.damagedSlots(kind, fileSystem: fileSystem, path: file)
            if !slots.isEmpty { found.append((file, slots)) }
        }
        return found
    }

    /// Makes an empty directory `identity`'s: all files and subdirectories, durable when it
    /// returns.
    ///
    /// - Parameters:
    ///   - disk: drawn at random, so that a directory that was emptied is known as another.
    ///   - fill: puts in the directory what it begins with; until it has returned, the directory
    ///     is nobody's.
    package func initialize(
        as identity: NodeIdentity, disk: UInt32 = 0,
        filling fill: () throws(StorageError) -> Void = { () throws(StorageError) in }
    ) throws(StorageError) -> DataDirectory {
        invariant(self.identity == nil, "\(path) is initialised already")
        for name in Self.subdirectories {
            try fileSystem.makeDirectory(path + "/" + name)
            try fileSystem.syncDirectory(path + "/" + name)
        }
        _ = try HardStateFile.create(fileSystem: fileSystem, directory: path)
        try BootFile.create(fileSystem: fileSystem, directory: path, disk: disk)
        _ = try PeerMemoryFile.create(fileSystem: fileSystem, directory: path)
        try fill()
        try IdentityFile.create(identity, fileSystem: fileSystem, directory: path)
        return DataDirectory(path: path, fileSystem: fileSystem, identity: identity, lock: lock)
    }

    /// Refuses the directory of another cluster or member.
    /// - Throws: ``StorageError/foreign(path:field:expected:found:)``, exit status 65.
    package func check(
        clusterID: ClusterID, memberID: NodeID
    ) throws(StorageError) {
        guard let identity else { return }
        if identity.clusterID != clusterID {
            throw .foreign(
                path: path, field: "cluster", expected: clusterID.description,
                found: identity.clusterID.description)
        }
        if identity.memberID != memberID {
            throw .foreign(
                path: path, field: "member", expected: memberID.description,
                found: "\(identity.memberID) (\(identity.name))")
        }
    }

    private static func make(_ path: String, _ fileSystem: any FileSystem) throws(StorageError) {
        if try fileSystem.exists(path) { return }
        let parent = parent(of: path)
        if parent != path { try make(parent, fileSystem) }
        try fileSystem.makeDirectory(path)
        try fileSystem.syncDirectory(parent)
    }

    /// An earlier start may have made the directory, or the one that it is in, and have ended
    /// before that was durable.
    private static func makeDurable(
        _ path: String, _ fileSystem: any FileSystem
    ) throws(StorageError) {
        var place = path
        while true {
            let above = parent(of: place)
            do throws(StorageError) {
                try fileSystem.syncDirectory(above)
            } catch {
                guard isOfOthers(error) else { throw error }
                return
            }
            if above == "/" || above == "." || above == place { return }
            place = above
        }
    }

    /// A directory that may not be read (EPERM, EACCES), or whose file system knows no sync or is
    /// read-only (EINVAL, EROFS), is none that an earlier start has made.
    private static func isOfOthers(_ error: StorageError) -> Bool {
        switch error {
        case .io(_, _, _, let number): number == 1 || number == 13
        case .syncFailed(_, let number): number == 22 || number == 30
        case .outOfSpace, .notFound, .alreadyExists, .locked, .unsafeDirectory, .foreign,
            .newerFormat, .corrupt, .rot, .notInLog, .entryTooLarge, .tooLarge, .database,
            .rottenCheckpoint, .invalidSnapshot:
            false
        }
    }

    /// Without a slash at its end.
    static func plain(_ path: String) -> String {
        path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    }

    static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func checkSafe(_ path: String, _ fileSystem: any FileSystem) throws(StorageError)
    {
        switch try fileSystem.kind(of: path) {
        case .directory(_, let worldMayWrite, let isForeign):
            if worldMayWrite {
                throw .unsafeDirectory(path: path, reason: "everybody may write into it")
            }
            if isForeign {
                throw .unsafeDirectory(path: path, reason: "it belongs to another user")
            }
        case .symbolicLink:
            throw .unsafeDirectory(path: path, reason: "it is a symbolic link")
        case .file, .other:
            throw .unsafeDirectory(path: path, reason: "it is not a directory")
        case .missing: throw .notFound(path: path)
        }
    }

    /// Everything that was made before the identity must still be there.
    private static func checkComplete(
        _ path: String, _ fileSystem: any FileSystem
    ) throws(StorageError) {
        let names = subdirectories + [HardStateFile.name, BootFile.name, PeerMemoryFile.name]
        for name in names where try !fileSystem.exists(path + "/" + name) {
            throw .corrupt(path: path + "/" + name, offset: 0, reason: "it is missing")
        }
    }

    /// Without an identity there may be nothing but what an interrupted ``initialize(as:)`` left.
    private static func checkUnused(
        _ path: String, _ fileSystem: any FileSystem
    ) throws(StorageError) {
        let files = [HardStateFile.name, BootFile.name, PeerMemoryFile.name]
        let temporaries = (files + [IdentityFile.name]).map { $0 + ".tmp" }
        let known =
            files + temporaries + subdirectories + harmlessNames + [lockName, SpaceReserve.name]
        for name in try fileSystem.list(path) where !known.contains(name) {
            throw .unsafeDirectory(
                path: path, reason: "it is no data directory of keelson, and it holds \(name)")
        }
        for name in subdirectories where try fileSystem.exists(path + "/" + name) {
            if let file = try fileSystem.list(path + "/" + name).first {
                throw .corrupt(
                    path: path + "/" + IdentityFile.name, offset: 0,
                    reason: "it is missing, although \(name)/\(file) is there")
            }
        }
    }
}
