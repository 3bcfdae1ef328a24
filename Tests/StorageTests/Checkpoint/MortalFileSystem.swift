import Storage
import Synchronization

/// Lets a number of changes through to another file system and then dies: it does nothing any more
/// and every call fails, as for a process that was killed between two system calls.
final class MortalFileSystem: FileSystem {
    private let base: any FileSystem
    private let changesLeft: Atomic<Int>

    init(_ base: any FileSystem, changes: Int) {
        self.base = base
        changesLeft = Atomic(changes)
    }

    var isDead: Bool { changesLeft.load(ordering: .relaxed) < 0 }
    var changesUnused: Int { max(0, changesLeft.load(ordering: .relaxed)) }

    fileprivate func checkAlive(_ path: String) throws(StorageError) {
        if isDead { throw .io(operation: "any call", path: path, offset: -1, errno: 5) }
    }

    fileprivate func spend(_ path: String) throws(StorageError) {
        try checkAlive(path)
        if changesLeft.subtract(1, ordering: .relaxed).newValue < 0 { try checkAlive(path) }
    }

    func open(_ path: String, _ mode: OpenMode) throws(StorageError) -> any StorageFile {
        if mode == .createNew || mode == .openOrCreate { try spend(path) }
        try checkAlive(path)
        return MortalFile(try base.open(path, mode), in: self)
    }

    func rename(_ from: String, to: String) throws(StorageError) {
        try spend(from)
        try base.rename(from, to: to)
    }

    func remove(_ path: String) throws(StorageError) {
        try spend(path)
        try base.remove(path)
    }

    func list(_ directory: String) throws(StorageError) -> [String] {
        try checkAlive(directory)
        return try base.list(directory)
    }

    func makeDirectory(_ path: String) throws(StorageError) {
        try spend(path)
        try base.makeDirectory(path)
    }

    func syncDirectory(_ path: String) throws(StorageError) {
        try spend(path)
        try base.syncDirectory(path)
    }

    func kind(of path: String) throws(StorageError) -> PathKind {
        try checkAlive(path)
        return try base.kind(of: path)
    }
}

private final class MortalFile: StorageFile {
    private let base: any StorageFile
    private let owner: MortalFileSystem
    var path: String { base.path }

    init(_ base: any StorageFile, in owner: MortalFileSystem) {
        self.base = base
        self.owner = owner
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: Int
    ) throws(StorageError) -> Int {
        try owner.checkAlive(path)
        return try base.read(into: buffer, at: offset)
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(StorageError) {
        try owner.spend(path)
        try base.write(bytes, at: offset)
    }

    func sync() throws(StorageError) {
        try owner.spend(path)
        try base.sync()
    }

    func allocate(_ byteCount: Int) throws(StorageError) {
        try owner.spend(path)
        try base.allocate(byteCount)
    }

    func truncate(to byteCount: Int) throws(StorageError) {
        try owner.spend(path)
        try base.truncate(to: byteCount)
    }

    func size() throws(StorageError) -> Int {
        try owner.checkAlive(path)
        return try base.size()
    }

    func lock() throws(StorageError) -> Bool {
        try owner.checkAlive(path)
        return try base.lock()
    }
}
