internal import Storage

/// Files that take everything and keep nothing but their sizes: what a piece costs without the
/// system.
struct DiscardingFileSystem: FileSystem {
    func open(_ path: String, _ mode: OpenMode) throws(StorageError) -> any StorageFile {
        DiscardingFile(path)
    }

    func rename(_ from: String, to: String) throws(StorageError) {}
    func remove(_ path: String) throws(StorageError) {}
    func list(_ directory: String) throws(StorageError) -> [String] { [] }
    func makeDirectory(_ path: String) throws(StorageError) {}
    func syncDirectory(_ path: String) throws(StorageError) {}
    func kind(of path: String) throws(StorageError) -> PathKind { .missing }
}

/// `@unchecked Sendable`: one thread at a time uses it, as it does the log.
private final class DiscardingFile: StorageFile, @unchecked Sendable {
    let path: String
    private var byteCount = 0

    init(_ path: String) { self.path = path }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: Int
    ) throws(StorageError) -> Int {
        let count = max(0, min(buffer.count, byteCount - offset))
        if count > 0 { buffer.initializeMemory(as: UInt8.self, repeating: 0) }
        return count
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(StorageError) {
        byteCount = max(byteCount, offset + bytes.count)
    }

    func sync() throws(StorageError) {}
    func allocate(_ byteCount: Int) throws(StorageError) {
        self.byteCount = max(self.byteCount, byteCount)
    }
    func truncate(to byteCount: Int) throws(StorageError) { self.byteCount = byteCount }
    func size() throws(StorageError) -> Int { byteCount }
    func lock() throws(StorageError) -> Bool { true }
}
