import Primitives

/// The files of a checkpoint as SQLite reads and writes them, on a ``FileSystem``.
///
/// The last 8 bytes of each page of the database, which SQLite leaves alone, hold
///
///     0  u32  CRC-32C of the page's offset in the file (u64) and of the bytes before these 8
///     4  u32  the bitwise complement of that
///
/// so that a damaged page, and one that was written to another page's place, shows when it is read.
/// A page of nothing but zeros is a hole: SQLite never wrote it and does not rely on what is there.
/// A page that is stale but whole shows only in the digest over all rows.
final class CheckpointPages: SQLiteFiles {
    static let pageByteCount = 32_768
    static let reservedByteCount = 8

    /// The first failure of the file system, which says more than SQLite's result code.
    private(set) var failure: StorageError?
    /// Where in its file the first page stands that did not fit its checksum.
    fileprivate(set) var rottenOffset: Int64?

    private let fileSystem: any FileSystem
    private let directory: String
    /// After a failed sync nothing is read or written: what the page cache shows may not be
    /// durable.
    private var isDead = false

    init(_ fileSystem: any FileSystem, directory: String) {
        self.fileSystem = fileSystem
        self.directory = directory
    }

    func open(_ path: String, isDatabase: Bool) throws(SQLiteFileFault) -> any SQLiteFile {
        try attempt(.input) { () throws(StorageError) in
            let isNew = try !fileSystem.exists(path)
            let file = try fileSystem.open(path, .openOrCreate)
            let opened = CheckpointPagesFile(
                file, of: self, isDatabase: isDatabase, nameNeedsSync: isNew)
            if isDatabase { try opened.checkLayout() }
            return opened
        }
    }

    func delete(_ path: String, syncsDirectory: Bool) throws(SQLiteFileFault) {
        try attempt(.output) { () throws(StorageError) in
            if try fileSystem.exists(path) { try fileSystem.remove(path) }
            if syncsDirectory { try fileSystem.syncDirectory(directory) }
        }
    }

    func exists(_ path: String) throws(SQLiteFileFault) -> Bool {
        try attempt(.input) { () throws(StorageError) in try fileSystem.exists(path) }
    }

    fileprivate func syncDirectory() throws(SQLiteFileFault) {
        try attempt(.sync) { () throws(StorageError) in
            try fileSystem.syncDirectory(directory)
        }
    }

    /// Runs `body` unless the files are dead; remembers its failure, and dies of a failed sync.
    fileprivate func attempt<Result>(
        _ fault: SQLiteFileFault, _ body: () throws(StorageError) -> Result
    ) throws(SQLiteFileFault) -> Result {
        if isDead { throw fault }
        do {
            return try body()
        } catch {
            if failure == nil { failure = error }
            switch error {
            case .outOfSpace: throw .full
            case .syncFailed:
                isDead = true
                throw fault
            default: throw fault
            }
        }
    }
}

/// One open file of a checkpoint: the database, of which the pages are checked, or its journal.
private final class CheckpointPagesFile: SQLiteFile {
    private let file: any StorageFile
    private let pages: CheckpointPages
    private let isDatabase: Bool
    /// The file's name is not known to be durable.
    private var nameNeedsSync: Bool
    /// Page size or reserved bytes are not those of a checkpoint: checksums would overwrite data.
    private var isForeign = false
    /// Pages that stand one behind the other in the file, and wait to be written together: each
    /// write costs the disk, and a virtual machine, much the same.
    private let gathered = UnsafeMutableRawBufferPointer.allocate(
        byteCount: 16 * CheckpointPages.pageByteCount, alignment: 4096)
    private var gatheredByteCount = 0
    private var gatheredOffset: Int64 = 0

    init(
        _ file: any StorageFile, of pages: CheckpointPages, isDatabase: Bool, nameNeedsSync: Bool
    ) {
        self.file = file
        self.pages = pages
        self.isDatabase = isDatabase
        self.nameNeedsSync = nameNeedsSync
        // Read again by the checkpoint after the next, or by a start.
        if isDatabase { file.bypassCache() }
    }

    deinit { gathered.deallocate() }

    /// Looks at the database's own header. Source: sqlite.org/fileformat2.html §1.3: the page size
    /// is big-endian at offset 16, the reserved bytes are counted at offset 20.
    func checkLayout() throws(StorageError) {
        let head = try file.read(32, at: 0)
        guard head.count == 32, head.contains(where: { $0 != 0 }) else { return }
        let pageByteCount = Int(head[16]) << 8 | Int(head[17])
        isForeign =
            pageByteCount != CheckpointPages.pageByteCount
            || Int(head[20]) != CheckpointPages.reservedByteCount
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
    ) throws(SQLiteFileFault) -> Int {
        if isForeign { throw .rottenPage }
        let gatheredEnd = gatheredOffset + Int64(gatheredByteCount)
        if offset < gatheredEnd, gatheredOffset < offset + Int64(buffer.count) {
            try writeGathered()
        }
        let count = try pages.attempt(.input) { () throws(StorageError) in
            try file.read(into: buffer, at: Int(offset))
        }
        if isPage(count, at: offset), !holds(UnsafeRawBufferPointer(buffer), at: offset) {
            if pages.rottenOffset == nil { pages.rottenOffset = offset }
            throw .rottenPage
        }
        return count
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(SQLiteFileFault) {
        if isForeign { throw .rottenPage }
        guard isPage(bytes.count, at: offset) else {
            try writeGathered()
            return try pages.attempt(.output) { () throws(StorageError) in
                try file.write(bytes, at: Int(offset))
            }
        }
        let isNext = offset == gatheredOffset + Int64(gatheredByteCount)
        if !isNext || gatheredByteCount == gathered.count { try writeGathered() }
        if gatheredByteCount == 0 { gatheredOffset = offset }
        // SQLite's own copy of the page is not ours to change.
        let page = UnsafeMutableRawBufferPointer(
            rebasing: gathered[gatheredByteCount..<(gatheredByteCount + bytes.count)])
        page.copyMemory(from: bytes)
        let sum = checksum(of: bytes, at: offset)
        let place = bytes.count - CheckpointPages.reservedByteCount
        page.storeBytes(of: sum.littleEndian, toByteOffset: place, as: UInt32.self)
        page.storeBytes(of: (~sum).littleEndian, toByteOffset: place + 4, as: UInt32.self)
        gatheredByteCount += bytes.count
    }

    /// Pages that cannot be written are given up: SQLite is told so in place of what it asks for
    /// now, and undoes its transaction, which brings back what stood there.
    private func writeGathered() throws(SQLiteFileFault) {
        guard gatheredByteCount > 0 else { return }
        let bytes = UnsafeRawBufferPointer(rebasing: gathered[..<gatheredByteCount])
        gatheredByteCount = 0
        try pages.attempt(.output) { () throws(StorageError) in
            try file.write(bytes, at: Int(gatheredOffset))
        }
    }

    func truncate(to byteCount: Int64) throws(SQLiteFileFault) {
        try writeGathered()
        try pages.attempt(.output) { () throws(StorageError) in
            try file.truncate(to: Int(byteCount))
        }
    }

    func sync() throws(SQLiteFileFault) {
        try writeGathered()
        try pages.attempt(.sync) { () throws(StorageError) in try file.sync() }
        if nameNeedsSync {
            try pages.syncDirectory()
            nameNeedsSync = false
        }
    }

    func byteCount() throws(SQLiteFileFault) -> Int64 {
        try writeGathered()
        return try pages.attempt(.input) { () throws(StorageError) in Int64(try file.size()) }
    }

    private func isPage(_ count: Int, at offset: Int64) -> Bool {
        isDatabase && count == CheckpointPages.pageByteCount
            && offset % Int64(CheckpointPages.pageByteCount) == 0
    }

    private func checksum(of page: UnsafeRawBufferPointer, at offset: Int64) -> UInt32 {
        let seed = withUnsafeBytes(of: offset.littleEndian) { Checksum.crc32c($0) }
        let covered = page.count - CheckpointPages.reservedByteCount
        return Checksum.crc32c(UnsafeRawBufferPointer(rebasing: page[..<covered]), seed: seed)
    }

    private func holds(_ page: UnsafeRawBufferPointer, at offset: Int64) -> Bool {
        let place = page.count - CheckpointPages.reservedByteCount
        let sum = UInt32(littleEndian: page.loadUnaligned(fromByteOffset: place, as: UInt32.self))
        let complement = UInt32(
            littleEndian: page.loadUnaligned(fromByteOffset: place + 4, as: UInt32.self))
        if complement == ~sum { return sum == checksum(of: page, at: offset) }
        return page.allSatisfy { $0 == 0 }
    }
}
