internal import Glibc
internal import Synchronization

/// A disk in memory that goes wrong from a seed.
///
/// What it may lose, at ``crash(_:)``:
/// - of a file, any part of what was written, resized or allocated since its last good sync, in
///   sectors of 512 bytes, each sector as it was before or after any of the writes;
/// - of a directory, any of the names that were made, renamed or removed since its last good sync;
/// - what a sync that failed should have kept, although it can be read until then;
/// - writes that a fault (``FaultRates``, ``PlannedFault``) lost or misplaced, and bits that it
///   flipped.
///
/// It loses nothing else: what was synced without a fault is there after every crash, a sector is
/// never half old and half new, a rename is one step, and without a crash every read returns what
/// was written last. After ``failPower(afterOperations:)`` strikes, every call fails and changes
/// nothing until ``crash(_:)``. A process that dies while the power stays on, ``killProcess()``,
/// loses nothing: what it did not sync is still in the page cache, to be lost later.
package final class MemoryFileSystem: FileSystem {
    fileprivate let disk: Mutex<MemoryDisk>

    package init(seed: UInt64, rates: FaultRates = FaultRates()) {
        var disk = MemoryDisk(seed: seed)
        disk.rates = rates
        self.disk = Mutex(disk)
    }

    package func open(_ path: String, _ mode: OpenMode) throws(StorageError) -> any StorageFile {
        let path = Self.plain(path)
        let (id, epoch) = try disk.withLock { (disk) throws(StorageError) in
            (try disk.open(path, mode), disk.epoch)
        }
        return MemoryFile(self, path: path, id: id, epoch: epoch, mayWrite: mode != .read)
    }

    package func rename(_ from: String, to: String) throws(StorageError) {
        try disk.withLock { (disk) throws(StorageError) in
            try disk.rename(Self.plain(from), to: Self.plain(to))
        }
    }

    package func remove(_ path: String) throws(StorageError) {
        try disk.withLock { (disk) throws(StorageError) in try disk.remove(Self.plain(path)) }
    }

    package func list(_ directory: String) throws(StorageError) -> [String] {
        try disk.withLock { (disk) throws(StorageError) in
            try disk.list(Self.plain(directory))
        }
    }

    package func makeDirectory(_ path: String) throws(StorageError) {
        try disk.withLock { (disk) throws(StorageError) in
            try disk.makeDirectory(Self.plain(path))
        }
    }

    package func syncDirectory(_ path: String) throws(StorageError) {
        try disk.withLock { (disk) throws(StorageError) in
            try disk.syncDirectory(Self.plain(path))
        }
    }

    package func kind(of path: String) throws(StorageError) -> PathKind {
        let path = Self.plain(path)
        return disk.withLock { disk in
            if disk.names.files[path] != nil { return .file }
            if disk.names.links.contains(path) { return .symbolicLink }
            guard let mode = disk.names.directories[path] else { return .missing }
            return .directory(
                groupMayWrite: mode.groupMayWrite, worldMayWrite: mode.worldMayWrite,
                isForeign: mode.isForeign)
        }
    }
}

extension MemoryFileSystem {
    /// A path without empty parts: the only form in which the disk knows it.
    fileprivate static func plain(_ path: String) -> String {
        if isPlain(path) { return path }
        return "/" + path.split(separator: "/").joined(separator: "/")
    }

    /// Nearly every path is.
    private static func isPlain(_ path: String) -> Bool {
        let slash = UInt8(ascii: "/")
        var last = UInt8(0)
        for byte in path.utf8 {
            if last == 0, byte != slash { return false }
            if last == slash, byte == slash { return false }
            last = byte
        }
        return last != 0 && (last != slash || path.utf8.count == 1)
    }
}

// The faults, and what a test or a simulator may look at.
extension MemoryFileSystem {
    /// The power goes and comes back. Handles from before are dead; planned faults are forgotten.
    package func crash(_ kind: CrashKind) { disk.withLock { $0.crash(kind) } }

    /// The process dies, the power stays on: handles from before are dead, locks are free, and all
    /// that was written can be read, synced or not.
    package func killProcess() { disk.withLock { $0.killProcess() } }

    /// Everything as it is now, to be put back later.
    package func image() -> MemoryDiskImage { disk.withLock { MemoryDiskImage(disk: $0) } }

    /// Puts an older state of this disk in place, as a restored backup would. All of it is durable.
    package func restore(_ image: MemoryDiskImage) {
        disk.withLock { disk in
            let (random, epoch, operations) = (disk.random, disk.epoch, disk.operations)
            let (rates, capacity) = (disk.rates, disk.capacityBytes)
            disk = image.disk
            disk.random = random
            disk.epoch = epoch
            disk.operations = operations
            disk.rates = rates
            disk.capacityBytes = capacity
            disk.crash(.keep)
        }
    }

    /// Whether ``failPower(afterOperations:)`` has struck.
    package var isPowerOff: Bool { disk.withLock { $0.operations >= $0.powerFailsAt } }

    /// After `count` more changes of the disk's state every call fails, until ``crash(_:)``.
    package func failPower(afterOperations count: Int) {
        disk.withLock { $0.powerFailsAt = $0.operations + count }
    }

    /// How many changes of the disk's state there were: writes, syncs, creations, renames,
    /// removals.
    package var operationCount: Int { disk.withLock { $0.operations } }

    /// How many syncs there were, of files and directories.
    package var syncCount: Int { disk.withLock { $0.syncs } }

    /// How many operations stalled so far.
    package var stallCount: Int { disk.withLock { $0.stalls } }

    /// The fault strikes the next operation of its kind on a file whose path ends in `path`.
    package func plan(_ fault: PlannedFault, path: String) {
        disk.withLock { $0.planned.append((path, fault)) }
    }

    /// What was planned and has not struck will not.
    package func forgetPlans() { disk.withLock { $0.planned = [] } }

    package func setRates(_ rates: FaultRates) { disk.withLock { $0.rates = rates } }

    /// The disk is full when all files together reach `bytes`.
    package func setCapacity(_ bytes: Int) { disk.withLock { $0.capacityBytes = bytes } }
    package var usedBytes: Int { disk.withLock { $0.usedBytes } }

    /// Rot: replaces durable bytes behind everybody's back.
    package func corrupt(_ path: String, at offset: Int, with bytes: [UInt8]) {
        disk.withLock { disk in
            guard let id = disk.names.files[Self.plain(path)] else { return }
            disk.files[id]?.cached.apply(.write(offset: offset, bytes: bytes))
            disk.files[id]?.durable.apply(.write(offset: offset, bytes: bytes))
        }
    }

    /// Rot: flips one bit of what is durable.
    package func flipBit(_ path: String, at offset: Int, bit: Int) {
        guard let byte = contents(of: path)?[offset] else { return }
        corrupt(path, at: offset, with: [byte ^ (1 << UInt8(bit & 7))])
    }

    /// A latent error: reading the sector at `offset` fails until it is written.
    package func makeUnreadable(_ path: String, at offset: Int) {
        disk.withLock { disk in
            guard let id = disk.names.files[Self.plain(path)] else { return }
            disk.files[id]?.unreadable.append(offset / MemoryDisk.sectorBytes)
        }
    }

    /// The latent errors of a file were passing ones: it can be read again.
    package func makeReadable(_ path: String) {
        disk.withLock { disk in
            guard let id = disk.names.files[Self.plain(path)] else { return }
            disk.files[id]?.unreadable = []
        }
    }

    /// What a read of the whole file returns; nil when there is no such file.
    package func contents(of path: String) -> [UInt8]? {
        disk.withLock { disk in
            disk.names.files[Self.plain(path)].flatMap { disk.files[$0]?.cached }
        }
    }

    /// Puts a symbolic link, or the permissions of a directory, in place.
    package func makeSymbolicLink(_ path: String) {
        disk.withLock { disk in
            disk.names.links.append(path)
            disk.durableNames.links.append(path)
        }
    }

    package func setForeign(_ path: String) {
        disk.withLock { disk in
            disk.names.directories[path]?.isForeign = true
            disk.durableNames.directories[path]?.isForeign = true
        }
    }

    package func setWorldWritable(_ path: String) {
        disk.withLock { disk in
            disk.names.directories[path]?.worldMayWrite = true
            disk.durableNames.directories[path]?.worldMayWrite = true
        }
    }
}

/// What a ``MemoryFileSystem`` held at one time.
package struct MemoryDiskImage: Sendable {
    fileprivate let disk: MemoryDisk
}

/// One open handle.
private final class MemoryFile: StorageFile {
    let path: String
    private let fileSystem: MemoryFileSystem
    private let id: MemoryDisk.FileID
    private let epoch: Int
    private let mayWrite: Bool
    /// The errno of a failed sync; zero while the file is good.
    private let syncFailure = Atomic<Int32>(0)

    init(
        _ fileSystem: MemoryFileSystem, path: String, id: MemoryDisk.FileID, epoch: Int,
        mayWrite: Bool
    ) {
        self.fileSystem = fileSystem
        self.path = path
        self.id = id
        self.epoch = epoch
        self.mayWrite = mayWrite
    }

    deinit {
        let (id, epoch, me) = (self.id, self.epoch, ObjectIdentifier(self).hashValue)
        fileSystem.disk.withLock { disk in
            guard disk.epoch == epoch else { return }
            if disk.files[id]?.lockHolder == me { disk.files[id]?.lockHolder = nil }
            disk.files[id]?.handles -= 1
            disk.collect(id)
        }
    }

    private func withDisk<T>(
        _ operation: String, writes: Bool, _ body: (inout MemoryDisk) throws(StorageError) -> T
    ) throws(StorageError) -> T {
        let number = syncFailure.load(ordering: .relaxed)
        if number != 0 { throw .syncFailed(path: path, errno: number) }
        if writes, !mayWrite {
            throw .io(operation: operation, path: path, offset: -1, errno: EBADF)
        }
        let result: Result<T, StorageError> = fileSystem.disk.withLock { disk in
            guard disk.epoch == epoch, disk.files[id] != nil else {
                return .failure(.io(operation: operation, path: path, offset: -1, errno: EBADF))
            }
            do throws(StorageError) { return .success(try body(&disk)) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: Int
    ) throws(StorageError) -> Int {
        try withDisk("read", writes: false) { (disk) throws(StorageError) in
            try disk.read(id, path, into: buffer, at: offset)
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(StorageError) {
        try withDisk("write", writes: true) { (disk) throws(StorageError) in
            try disk.write(id, path, bytes, at: offset)
        }
    }

    func sync() throws(StorageError) {
        do throws(StorageError) {
            try withDisk("sync", writes: false) { (disk) throws(StorageError) in
                try disk.sync(id, path)
            }
        } catch {
            if case .syncFailed(_, let number) = error {
                syncFailure.store(number, ordering: .relaxed)
            }
            throw error
        }
    }

    func allocate(_ byteCount: Int) throws(StorageError) {
        try withDisk("allocate", writes: true) { (disk) throws(StorageError) in
            try disk.allocate(id, path, byteCount)
        }
    }

    func truncate(to byteCount: Int) throws(StorageError) {
        try withDisk("truncate", writes: true) { (disk) throws(StorageError) in
            try disk.resize(id, path, to: byteCount)
        }
    }

    func size() throws(StorageError) -> Int {
        try withDisk("look-up", writes: false) { (disk) throws(StorageError) in
            disk.files[id]?.cached.count ?? 0
        }
    }

    func lock() throws(StorageError) -> Bool {
        let me = ObjectIdentifier(self).hashValue
        return try withDisk("lock", writes: false) { (disk) throws(StorageError) in
            guard let holder = disk.files[id]?.lockHolder else {
                disk.files[id]?.lockHolder = me
                return true
            }
            return holder == me
        }
    }
}
