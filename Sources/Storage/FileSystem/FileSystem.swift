/// How ``FileSystem/open(_:_:)`` treats a file that is or is not there.
package enum OpenMode: Sendable {
    /// For reading; ``StorageError/notFound(path:)`` when it is missing.
    case read
    /// For reading and writing; ``StorageError/notFound(path:)`` when it is missing.
    case readWrite
    /// A new file; ``StorageError/alreadyExists(path:)`` when there is one.
    case createNew
    /// For reading and writing, created empty when it is missing.
    case openOrCreate
}

/// What a path names.
package enum PathKind: Equatable, Sendable {
    case missing
    case file
    /// `groupMayWrite`, `worldMayWrite`: by the permission bits. `isForeign`: it belongs to a user
    /// who is neither root nor the one that this process runs as.
    case directory(groupMayWrite: Bool, worldMayWrite: Bool, isForeign: Bool)
    case symbolicLink
    case other
}

/// The only door to the disk. ``PosixFileSystem`` is the real one, ``MemoryFileSystem`` the faulty
/// one; one contract suite runs on both.
///
/// What a power loss may take: writes to a file since its last sync, in units of 512-byte sectors
/// and in any order; names created, renamed or removed in a directory since that directory's last
/// sync. What it may not take: anything older. All calls block; all may be made from any thread.
package protocol FileSystem: Sendable {
    func open(_ path: String, _ mode: OpenMode) throws(StorageError) -> any StorageFile
    /// Moves `from` to `to` in one step, replacing a file there; a directory goes with all that is
    /// in it, to a name in the same directory that nothing has. Durable after
    /// ``syncDirectory(_:)``.
    func rename(_ from: String, to: String) throws(StorageError)
    /// Removes a file. Durable after ``syncDirectory(_:)``.
    func remove(_ path: String) throws(StorageError)
    /// The names in a directory, sorted, without `.` and `..`.
    func list(_ directory: String) throws(StorageError) -> [String]
    /// A new directory for its owner alone (mode 0700); one that exists already is no error.
    func makeDirectory(_ path: String) throws(StorageError)
    /// Makes the names in a directory durable.
    func syncDirectory(_ path: String) throws(StorageError)
    /// What a path names, not following a symbolic link.
    func kind(of path: String) throws(StorageError) -> PathKind
}

extension FileSystem {
    package func exists(_ path: String) throws(StorageError) -> Bool {
        try kind(of: path) != .missing
    }
}

/// An open file. It closes when the last reference goes.
///
/// After a failed sync it is dead: every call throws ``StorageError/syncFailed(path:errno:)``,
/// because what the page cache then shows may not be on the disk (Rebello et al., "Can Applications
/// Recover from fsync Failures?", USENIX ATC 2020).
package protocol StorageFile: AnyObject, Sendable {
    var path: String { get }
    /// Fills `buffer` from `offset` and returns how much was read: less than its size only at the
    /// end.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(StorageError)
        -> Int
    /// Writes all of `bytes`; a gap behind the end reads as zeros.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(StorageError)
    /// Blocks until the contents, and the size if it changed, survive power loss. One `fdatasync`.
    func sync() throws(StorageError)
    /// Reserves room for `byteCount` bytes from the start, extending the file; the new part reads
    /// as zeros. What is not reserved may fail later with
    /// ``StorageError/outOfSpace(operation:path:bytesNeeded:)``.
    func allocate(_ byteCount: Int) throws(StorageError)
    func truncate(to byteCount: Int) throws(StorageError)
    func size() throws(StorageError) -> Int
    /// Takes the file's exclusive lock, held until it closes; false when somebody else has it.
    func lock() throws(StorageError) -> Bool
    /// A hint: nobody reads soon what is written from now on. Whole sectors of 512 bytes from
    /// memory that is aligned to as many may then go past the page cache. What a crash may take,
    /// and what a read shows, stays as it is.
    func bypassCache()
}

extension StorageFile {
    package func bypassCache() {}

    package func write(_ bytes: [UInt8], at offset: Int) throws(StorageError) {
        // A typed throw does not pass through the closure of withUnsafeBytes in all its overloads.
        var failure: StorageError?
        bytes.withUnsafeBytes { buffer in
            do throws(StorageError) { try write(buffer, at: offset) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    /// Up to `count` bytes from `offset`; fewer only at the end.
    package func read(_ count: Int, at offset: Int) throws(StorageError) -> [UInt8] {
        var failure: StorageError?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            do throws(StorageError) {
                filled = try read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
            } catch { failure = error }
        }
        if let failure { throw failure }
        return bytes
    }

    /// The whole file, as far as it goes up to `limit` bytes.
    package func readAll(limit: Int = 1 << 30) throws(StorageError) -> [UInt8] {
        try read(min(try size(), limit), at: 0)
    }

    /// Writes zeros from `start` to `end`, so that later writes there change no metadata.
    /// - Parameter each: told behind each megabyte.
    package func fillWithZeros(
        from start: Int = 0, to end: Int, each: () throws(StorageError) -> Void = {}
    ) throws(StorageError) {
        guard start < end else { return }
        // As a disk's pages are, for a write past the page cache.
        let zeros = UnsafeMutableRawBufferPointer.allocate(
            byteCount: min(end - start, 1 << 20), alignment: 4096)
        defer { zeros.deallocate() }
        zeros.initializeMemory(as: UInt8.self, repeating: 0)
        var offset = start
        while offset < end {
            let count = min(zeros.count, end - offset)
            try write(UnsafeRawBufferPointer(rebasing: zeros[..<count]), at: offset)
            try each()
            offset += count
        }
    }
}
