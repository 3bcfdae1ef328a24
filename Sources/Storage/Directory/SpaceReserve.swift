/// The file `reserve`: room on the disk that is kept for one checkpoint, so that a log that fills
/// the disk can still be released.
///
/// It is removed when a checkpoint, or a start, finds no room, and made again when there is some.
/// What it holds means nothing, and nothing about it needs to survive a crash.
///
/// One thread at a time uses it.
package struct SpaceReserve: Sendable {
    package static let name = "reserve"
    /// The least that is reserved, in bytes: what a checkpoint of a small store takes with its
    /// journal.
    package static let bytesMin = 8 << 20

    private let fileSystem: any FileSystem
    private let directory: String
    /// What this one reserves at least, in bytes.
    let bytesMin: Int
    private var path: String { directory + "/" + Self.name }

    package init(
        fileSystem: any FileSystem, directory: String, bytesMin: Int = SpaceReserve.bytesMin
    ) {
        self.bytesMin = bytesMin
        self.fileSystem = fileSystem
        self.directory = directory
    }

    /// Reserves `byteCount` bytes, or lets what is reserved grow to that.
    /// - Throws: ``StorageError/outOfSpace(operation:path:bytesNeeded:)``; what was reserved before
    ///   still is.
    package func ensure(_ byteCount: Int) throws(StorageError) {
        let file = try fileSystem.open(path, .openOrCreate)
        let before = try file.size()
        guard before < byteCount else { return }
        do throws(StorageError) { try file.allocate(byteCount) } catch {
            // A part that was reserved on the way would be nobody's.
            try file.truncate(to: before)
            throw error
        }
    }

    /// Gives the room back to whoever needs it now. False when none was reserved.
    package func giveUp() throws(StorageError) -> Bool {
        guard try fileSystem.exists(path) else { return false }
        let bytes = try fileSystem.open(path, .read).size()
        try fileSystem.remove(path)
        try fileSystem.syncDirectory(directory)
        return bytes > 0
    }
}
