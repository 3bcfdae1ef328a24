package import Storage

/// A file that is written beside its place and moved there once it is whole and on the disk.
/// Whatever goes wrong before that leaves nothing under its own name.
///
/// Used by one thread at a time.
package final class PartFile {
    package let path: String
    private let fileSystem: any FileSystem
    private let file: any StorageFile
    /// What was handed to the file, and what waits to be.
    private var offset = 0
    private var pending: [UInt8] = []

    private static let pieceBytes = 1 << 20

    var partPath: String { path + BackupFormat.partSuffix }

    /// Bytes so far.
    package var byteCount: Int { offset + pending.count }

    /// - Parameter keepsContent: what an earlier process left is not thrown away: call
    ///   ``goOn(at:)`` before anything is added.
    /// - Throws: ``StorageError/alreadyExists(path:)`` where there is a file already,
    ///   ``StorageError/locked(path:)`` while another process writes there.
    package init(
        _ path: String, keepsContent: Bool = false, fileSystem: any FileSystem
    ) throws(BackupError) {
        self.path = path
        self.fileSystem = fileSystem
        let part = path + BackupFormat.partSuffix
        file = try storing { () throws(StorageError) in
            guard try !fileSystem.exists(path) else { throw .alreadyExists(path: path) }
            let file = try fileSystem.open(part, .openOrCreate)
            guard try file.lock() else { throw .locked(path: part) }
            if !keepsContent { try file.truncate(to: 0) }
            return file
        }
    }

    /// Throws everything behind the first `count` bytes away, and goes on there.
    func goOn(at count: Int) throws(BackupError) {
        try storing { () throws(StorageError) in try file.truncate(to: count) }
        offset = count
        pending.removeAll(keepingCapacity: true)
    }

    /// Hands over what waits to be, so that another process may go on behind it.
    func flushForLater() throws(BackupError) { try flush() }

    package func append(_ bytes: [UInt8]) throws(BackupError) {
        pending += bytes
        if pending.count >= Self.pieceBytes { try flush() }
    }

    /// Ends the file and moves it to its place; durable when it returns.
    package func finish() throws(BackupError) {
        try flush()
        try storing { () throws(StorageError) in
            try file.sync()
            try fileSystem.rename(partPath, to: path)
            try fileSystem.syncDirectory(Paths.parent(of: path))
        }
    }

    /// Removes what was written.
    package func discard() { try? fileSystem.remove(partPath) }

    private func flush() throws(BackupError) {
        try storing { () throws(StorageError) in try file.write(pending, at: offset) }
        offset += pending.count
        pending.removeAll(keepingCapacity: true)
    }
}

enum Paths {
    static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Without slashes at its end.
    static func plain(_ path: String) -> String {
        var path = path
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        return path
    }
}
