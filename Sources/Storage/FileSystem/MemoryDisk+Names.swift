internal import Glibc
internal import Primitives

// Names, and what a power loss leaves of names and contents.
extension MemoryDisk {
    static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
        return String(path[..<slash])
    }

    mutating func open(_ path: String, _ mode: OpenMode) throws(StorageError) -> FileID {
        let id = try find(path, mode)
        files[id]?.handles += 1
        return id
    }

    private mutating func find(_ path: String, _ mode: OpenMode) throws(StorageError) -> FileID {
        guard operations < powerFailsAt else { throw Self.failure("open", path) }
        let found = names.files[path]
        switch mode {
        case .read, .readWrite:
            guard let found else { throw .notFound(path: path) }
            return found
        case .createNew:
            if found != nil || names.directories[path] != nil { throw .alreadyExists(path: path) }
        case .openOrCreate:
            if let found { return found }
        }
        guard names.directories[Self.parent(of: path)] != nil else { throw .notFound(path: path) }
        try begin("create", path)
        nextID += 1
        files[nextID] = File()
        change(.link(path, nextID), in: Self.parent(of: path))
        return nextID
    }

    mutating func rename(_ from: String, to: String) throws(StorageError) {
        if names.directories[from] != nil { return try moveDirectory(from, to: to) }
        guard let id = names.files[from] else { throw .notFound(path: from) }
        guard names.directories[Self.parent(of: to)] != nil else { throw .notFound(path: to) }
        try begin("rename", from)
        change(.rename(from, to, id), in: Self.parent(of: to))
        collect()
    }

    private mutating func moveDirectory(_ from: String, to: String) throws(StorageError) {
        if names.directories[to] != nil || names.files[to] != nil {
            throw .io(operation: "rename", path: from, offset: -1, errno: ENOTEMPTY)
        }
        try begin("rename", from)
        // What waits to become durable in it goes along: the name may soon be another directory's.
        unsyncedNames = unsyncedNames.map { entry in
            (
                Names.moved(entry.directory, from, to) ?? entry.directory,
                entry.change.moved(from, to)
            )
        }
        change(.moveDirectory(from, to), in: Self.parent(of: to))
    }

    mutating func remove(_ path: String) throws(StorageError) {
        guard names.files[path] != nil else { throw .notFound(path: path) }
        try begin("remove", path)
        change(.unlink(path), in: Self.parent(of: path))
        collect()
    }

    mutating func makeDirectory(_ path: String) throws(StorageError) {
        if names.directories[path] != nil { return }
        guard names.directories[Self.parent(of: path)] != nil else {
            throw .io(operation: "create", path: path, offset: -1, errno: ENOENT)
        }
        if names.files[path] != nil {
            throw .io(operation: "create", path: path, offset: -1, errno: EEXIST)
        }
        try begin("create", path)
        change(.makeDirectory(path), in: Self.parent(of: path))
    }

    func list(_ directory: String) throws(StorageError) -> [String] {
        guard operations < powerFailsAt else { throw Self.failure("list", directory) }
        guard names.directories[directory] != nil else { throw .notFound(path: directory) }
        let paths = Array(names.files.keys) + Array(names.directories.keys) + names.links
        let children = paths.filter { $0 != "/" && Self.parent(of: $0) == directory }
        return children.map { String($0[$0.index(after: $0.lastIndex(of: "/")!)...]) }.sorted()
    }

    mutating func syncDirectory(_ path: String) throws(StorageError) {
        guard names.directories[path] != nil else { throw .notFound(path: path) }
        try begin("sync", path)
        syncs += 1
        if strikes(.directorySyncError, path, rate: rates.syncError) {
            // Unlike data, names wait in the file system's journal: the next sync that succeeds
            // brings them too, or the file system is dead (ext4, XFS).
            throw .syncFailed(path: path, errno: EIO)
        }
        let own = unsyncedNames.filter { $0.directory == path }
        unsyncedNames.removeAll { $0.directory == path }
        for entry in own { durableNames.apply(entry.change) }
        collect()
    }

    private mutating func change(_ change: NameChange, in directory: String) {
        names.apply(change)
        unsyncedNames.append((directory, change))
    }

    /// The power goes and comes back: the page cache is empty, every handle is dead.
    mutating func crash(_ kind: CrashKind) {
        settleNames(kind)
        names = durableNames
        unsyncedNames = []
        // In a fixed order: what is drawn must not depend on a dictionary's.
        for id in files.keys.sorted() { files[id]?.settle(kind, &random) }
        collect()
        planned = []
        powerFailsAt = .max
        epoch += 1
    }

    mutating func killProcess() {
        for id in files.keys.sorted() {
            files[id]?.lockHolder = nil
            files[id]?.handles = 0
        }
        collect()
        planned = []
        powerFailsAt = .max
        epoch += 1
    }

    private mutating func settleNames(_ kind: CrashKind) {
        let changes = unsyncedNames.map(\.change)
        switch kind {
        case .drop: break
        case .keep: for change in changes { durableNames.apply(change) }
        case .torn:
            let kept = Int(random.next(below: UInt64(changes.count) + 1))
            for change in changes.prefix(kept) { durableNames.apply(change) }
        case .reorder:
            for change in changes where random.next(below: 2) == 0 { durableNames.apply(change) }
        }
    }

    /// Drops files that no handle is open on and no name leads to, durable or not.
    mutating func collect() {
        var doomed: [FileID] = []
        // Names are few: to look through them costs less than a set of them.
        for index in files.indices where files.values[index].handles == 0 {
            let id = files.keys[index]
            if !isNamed(id) { doomed.append(id) }
        }
        for id in doomed { files[id] = nil }
    }

    /// As ``collect()``, where only one file can be meant.
    mutating func collect(_ id: FileID) {
        if let file = files[id], file.handles == 0, !isNamed(id) { files[id] = nil }
    }

    private func isNamed(_ file: FileID) -> Bool {
        if names.files.values.contains(file) || durableNames.files.values.contains(file) {
            return true
        }
        return unsyncedNames.contains { entry in
            switch entry.change {
            case .link(_, let id), .rename(_, _, let id): id == file
            case .unlink, .makeDirectory, .moveDirectory: false
            }
        }
    }
}

extension MemoryDisk.Names {
    /// Applies a change; one whose object is not there, since what made it was lost, is lost too.
    mutating func apply(_ change: MemoryDisk.NameChange) {
        switch change {
        case .link(let path, let id):
            if directories[MemoryDisk.parent(of: path)] != nil { files[path] = id }
        case .unlink(let path): files[path] = nil
        case .rename(let from, let to, let id):
            // Also where the old name is not durable: an earlier sync of the directory failed.
            files[from] = nil
            files[to] = id
        case .makeDirectory(let path):
            if directories[MemoryDisk.parent(of: path)] != nil {
                directories[path] = MemoryDisk.Mode()
            }
        case .moveDirectory(let from, let to):
            for path in files.keys.sorted() {
                if let place = Self.moved(path, from, to) {
                    files[place] = files.removeValue(forKey: path)
                }
            }
            for path in directories.keys.sorted() {
                if let place = Self.moved(path, from, to) {
                    directories[place] = directories.removeValue(forKey: path)
                }
            }
        }
    }

    /// Where a path is once a directory has moved; nil where that does not concern it.
    static func moved(_ path: String, _ from: String, _ to: String) -> String? {
        path == from || path.hasPrefix(from + "/") ? to + path.dropFirst(from.count) : nil
    }
}

extension MemoryDisk.NameChange {
    fileprivate func moved(_ from: String, _ to: String) -> MemoryDisk.NameChange {
        func place(_ path: String) -> String { MemoryDisk.Names.moved(path, from, to) ?? path }
        return switch self {
        case .link(let path, let id): .link(place(path), id)
        case .unlink(let path): .unlink(place(path))
        case .rename(let old, let new, let id): .rename(place(old), place(new), id)
        case .makeDirectory(let path): .makeDirectory(place(path))
        case .moveDirectory(let old, let new): .moveDirectory(place(old), place(new))
        }
    }
}

extension MemoryDisk.File {
    /// What the crash leaves: the durable contents and some of the unsynced changes.
    mutating func settle(_ kind: CrashKind, _ random: inout SplitMix64) {
        switch kind {
        case .drop: break
        case .keep: for change in unsynced { durable.apply(change) }
        case .torn:
            let kept = Int(random.next(below: UInt64(unsynced.count) + 1))
            for change in unsynced.prefix(kept) { durable.apply(change) }
            if kept < unsynced.count, case .write(let offset, let bytes) = unsynced[kept] {
                let parts = Self.sectors(offset: offset, count: bytes.count)
                for part in parts.prefix(Int(random.next(below: UInt64(parts.count) + 1))) {
                    apply(part, of: bytes, at: offset)
                }
            }
        case .reorder:
            for change in unsynced {
                switch change {
                case .resize: if random.next(below: 2) == 0 { durable.apply(change) }
                case .write(let offset, let bytes):
                    for part in Self.sectors(offset: offset, count: bytes.count)
                    where random.next(below: 2) == 0 { apply(part, of: bytes, at: offset) }
                }
            }
        }
        unsynced = []
        cached = durable
        lockHolder = nil
        handles = 0
    }

    /// A write cut at the boundaries of the disk's sectors, as ranges of its own bytes.
    private static func sectors(offset: Int, count: Int) -> [Range<Int>] {
        var parts: [Range<Int>] = []
        var start = 0
        while start < count {
            let boundary = ((offset + start) / MemoryDisk.sectorBytes + 1) * MemoryDisk.sectorBytes
            let stop = min(count, boundary - offset)
            parts.append(start..<stop)
            start = stop
        }
        return parts
    }

    private mutating func apply(_ part: Range<Int>, of bytes: [UInt8], at offset: Int) {
        durable.apply(.write(offset: offset + part.lowerBound, bytes: Array(bytes[part])))
    }
}
