import CSQLite
import Primitives

/// What SQLite refused, and at which statement.
struct SQLiteFailure: Error, Equatable {
    /// The primary result code, such as 11 for `SQLITE_CORRUPT`.
    var code: Int32
    var extendedCode: Int32
    var message: String
    var sql: String

    /// The file holds what SQLite, or a page's checksum, refuses: the bytes are bad, not the disk.
    var isRot: Bool {
        code == SQLITE_CORRUPT || code == SQLITE_NOTADB
            || extendedCode == SQLiteVFS.rottenPageCode
    }
    var isFull: Bool { code == SQLITE_FULL }
}

/// A connection to one database file through a ``SQLiteVFS``; used by one thread at a time.
final class SQLiteDatabase {
    fileprivate let handle: OpaquePointer
    private let vfs: SQLiteVFS?

    /// A plain database for anybody to read: through the system's own VFS, with no page checksums.
    init(plainAt path: String) throws(SQLiteFailure) {
        var handle: OpaquePointer?
        let flags =
            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
            | SQLITE_OPEN_EXRESCODE
        let code = sqlite3_open_v2(path, &handle, flags, nil)
        guard code == SQLITE_OK, let handle else {
            let failure = Self.failure(code, handle, sql: "open \(path)")
            sqlite3_close_v2(handle)
            throw failure
        }
        self.handle = handle
        vfs = nil
    }

    /// - Parameter reservedBytes: kept free at the end of each page of a file that is made now.
    init(path: String, vfs: SQLiteVFS, reservedBytes: Int32) throws(SQLiteFailure) {
        var handle: OpaquePointer?
        let flags =
            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
            | SQLITE_OPEN_EXRESCODE
        let code = sqlite3_open_v2(path, &handle, flags, vfs.name)
        guard code == SQLITE_OK, let handle else {
            let failure = Self.failure(code, handle, sql: "open \(path)")
            sqlite3_close_v2(handle)
            throw failure
        }
        self.handle = handle
        self.vfs = vfs
        var reserved = reservedBytes
        let control = sqlite3_file_control(
            handle, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved)
        guard control == SQLITE_OK else {
            throw Self.failure(control, handle, sql: "reserve bytes in \(path)")
        }
    }

    deinit { sqlite3_close_v2(handle) }

    /// Runs statements that give no rows, or rows that nobody wants.
    func execute(_ sql: String) throws(SQLiteFailure) {
        let code = sqlite3_exec(handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw Self.failure(code, handle, sql: sql) }
    }

    func prepare(_ sql: String) throws(SQLiteFailure) -> SQLiteStatement {
        var statement: OpaquePointer?
        let code = sqlite3_prepare_v2(handle, sql, -1, &statement, nil)
        guard code == SQLITE_OK, let statement else {
            throw Self.failure(code, handle, sql: sql)
        }
        return SQLiteStatement(statement, of: self, sql: sql)
    }

    fileprivate static func failure(
        _ code: Int32, _ handle: OpaquePointer?, sql: String
    ) -> SQLiteFailure {
        let message = handle.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
        return SQLiteFailure(
            code: code & 0xFF, extendedCode: code, message: message, sql: sql)
    }
}

/// A prepared statement. Parameters count from 1 and columns from 0, as in SQLite.
final class SQLiteStatement {
    private let handle: OpaquePointer
    private let database: SQLiteDatabase
    private let sql: String

    fileprivate init(_ handle: OpaquePointer, of database: SQLiteDatabase, sql: String) {
        self.handle = handle
        self.database = database
        self.sql = sql
    }

    deinit { sqlite3_finalize(handle) }

    func bind(_ value: Int64, at parameter: Int32) throws(SQLiteFailure) {
        try check(sqlite3_bind_int64(handle, parameter, value))
    }

    /// SQLite keeps a copy of its own.
    func bind(_ value: [UInt8], at parameter: Int32) throws(SQLiteFailure) {
        let copies = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        let code = value.withUnsafeBytes { bytes in
            bytes.isEmpty
                ? sqlite3_bind_zeroblob(handle, parameter, 0)
                : sqlite3_bind_blob64(
                    handle, parameter, bytes.baseAddress, UInt64(bytes.count), copies)
        }
        try check(code)
    }

    func bind(text: String, at parameter: Int32) throws(SQLiteFailure) {
        let copies = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        // An address even where there is no text: none would be NULL.
        let code = (Array(text.utf8) + [0]).withUnsafeBytes { raw in
            sqlite3_bind_text(
                handle, parameter, raw.baseAddress?.assumingMemoryBound(to: CChar.self),
                Int32(clamping: raw.count - 1), copies)
        }
        try check(code)
    }

    func bindNull(at parameter: Int32) throws(SQLiteFailure) {
        try check(sqlite3_bind_null(handle, parameter))
    }

    /// True when a row is there to be read; false at the end, where the statement is reset.
    func step() throws(SQLiteFailure) -> Bool {
        switch sqlite3_step(handle) {
        case SQLITE_ROW:
            return true
        case SQLITE_DONE:
            sqlite3_reset(handle)
            return false
        case let code:
            let failure = SQLiteDatabase.failure(code, database.handle, sql: sql)
            sqlite3_reset(handle)
            throw failure
        }
    }

    /// Runs a statement that gives no rows.
    func run() throws(SQLiteFailure) {
        while try step() {}
    }

    /// Ends the statement before its last row.
    func reset() { sqlite3_reset(handle) }

    func integer(at column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }

    func blob(at column: Int32) -> [UInt8] { withBlob(at: column) { Array($0) } }

    /// The bytes are valid inside `body` only.
    func withBlob<Result>(
        at column: Int32, _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result {
        let start = sqlite3_column_blob(handle, column)
        let count = Int(sqlite3_column_bytes(handle, column))
        return body(UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count))
    }

    private func check(_ code: Int32) throws(SQLiteFailure) {
        guard code == SQLITE_OK else {
            throw SQLiteDatabase.failure(code, database.handle, sql: sql)
        }
    }
}

/// Routes the file access of SQLite to a ``SQLiteFiles``, under a name of its own.
///
/// It offers version 1 of SQLite's file methods, so that neither shared memory nor memory maps
/// exist, and promises nothing about the disk (no atomic or overwrite-safe sectors). Locks are
/// granted unseen: the data directory's lock keeps other processes out, and one thread works at a
/// time. Source: sqlite.org/vfs.html and the comments of `sqlite3_io_methods` in sqlite3.h.
final class SQLiteVFS {
    let name: String
    private let vfs: UnsafeMutablePointer<sqlite3_vfs>
    private let cName: UnsafeMutablePointer<CChar>
    private let files: any SQLiteFiles

    /// What a read of a page with a wrong checksum gives: `SQLITE_IOERR_DATA`.
    static let rottenPageCode: Int32 = SQLITE_IOERR | (32 << 8)
    private static let pathBytesMax: Int32 = 4096

    init(_ files: any SQLiteFiles) {
        self.files = files
        vfs = .allocate(capacity: 1)
        name = "keelson-\(UInt(bitPattern: vfs))"
        let text = Array(name.utf8CString)
        cName = .allocate(capacity: text.count)
        cName.initialize(from: text, count: text.count)
        vfs.initialize(to: sqlite3_vfs())
        vfs.pointee.iVersion = 1
        vfs.pointee.szOsFile = Int32(MemoryLayout<SQLiteOpenFile>.size)
        vfs.pointee.mxPathname = Self.pathBytesMax
        vfs.pointee.zName = UnsafePointer(cName)
        vfs.pointee.pAppData = Unmanaged.passUnretained(files as AnyObject).toOpaque()
        Self.setMethods(of: vfs)
        let code = sqlite3_vfs_register(vfs, 0)
        invariant(code == SQLITE_OK, "SQLite refused a file system: \(code)")
    }

    deinit {
        sqlite3_vfs_unregister(vfs)
        vfs.deallocate()
        cName.deallocate()
    }

    fileprivate static func files(
        _ vfs: UnsafeMutablePointer<sqlite3_vfs>?
    ) -> any SQLiteFiles {
        guard let data = vfs?.pointee.pAppData,
            let files = Unmanaged<AnyObject>.fromOpaque(data).takeUnretainedValue()
                as? any SQLiteFiles
        else { impossible("SQLite called without the file system that it was given") }
        return files
    }

    private static func setMethods(of vfs: UnsafeMutablePointer<sqlite3_vfs>) {
        vfs.pointee.xOpen = { vfs, path, file, flags, outFlags in
            guard let file else { return SQLITE_CANTOPEN }
            file.pointee.pMethods = nil
            let kinds = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_MAIN_JOURNAL
            guard let path, flags & kinds != 0 else { return SQLITE_CANTOPEN }
            return SQLiteOpenFile.result(SQLITE_CANTOPEN) { () throws(SQLiteFileFault) in
                let opened = try SQLiteVFS.files(vfs).open(
                    String(cString: path), isDatabase: flags & SQLITE_OPEN_MAIN_DB != 0)
                SQLiteOpenFile.fill(file, with: opened)
                outFlags?.pointee = flags
            }
        }
        vfs.pointee.xDelete = { vfs, path, syncsDirectory in
            guard let path else { return SQLITE_IOERR }
            return SQLiteOpenFile.result(SQLITE_IOERR | (10 << 8)) {
                () throws(SQLiteFileFault) in
                try SQLiteVFS.files(vfs).delete(
                    String(cString: path), syncsDirectory: syncsDirectory != 0)
            }
        }
        vfs.pointee.xAccess = { vfs, path, _, out in
            guard let path, let out else { return SQLITE_IOERR }
            return SQLiteOpenFile.result(SQLITE_IOERR | (13 << 8)) {
                () throws(SQLiteFileFault) in
                out.pointee = try SQLiteVFS.files(vfs).exists(String(cString: path)) ? 1 : 0
            }
        }
        vfs.pointee.xFullPathname = { _, path, count, out in
            guard let path, let out else { return SQLITE_CANTOPEN }
            let text = UnsafeBufferPointer(start: path, count: Int(count))
            for (position, byte) in text.enumerated() {
                out[position] = byte
                if byte == 0 { return SQLITE_OK }
            }
            return SQLITE_CANTOPEN
        }
        vfs.pointee.xRandomness = { _, count, out in
            out?.initialize(repeating: 0, count: Int(count))
            return count
        }
        vfs.pointee.xSleep = { _, _ in 0 }
        vfs.pointee.xCurrentTime = { _, out in
            out?.pointee = 0
            return SQLITE_OK
        }
        vfs.pointee.xGetLastError = { _, _, _ in 0 }
    }
}

/// SQLite's `sqlite3_file` and, behind it, the file that it stands for.
private struct SQLiteOpenFile {
    var base: sqlite3_file
    var file: UnsafeMutableRawPointer?

    static func fill(_ pointer: UnsafeMutablePointer<sqlite3_file>, with file: any SQLiteFile) {
        let whole = UnsafeMutableRawPointer(pointer).assumingMemoryBound(
            to: SQLiteOpenFile.self)
        whole.pointee.file = Unmanaged.passRetained(file as AnyObject).toOpaque()
        pointer.pointee.pMethods = methods
    }

    static func file(_ pointer: UnsafeMutablePointer<sqlite3_file>?) -> any SQLiteFile {
        guard let pointer,
            let held = UnsafeMutableRawPointer(pointer)
                .assumingMemoryBound(to: Self.self).pointee.file,
            let file = Unmanaged<AnyObject>.fromOpaque(held).takeUnretainedValue()
                as? any SQLiteFile
        else { impossible("SQLite called a file that is not open") }
        return file
    }

    static func result(
        _ code: Int32, _ body: () throws(SQLiteFileFault) -> Void
    ) -> Int32 {
        do {
            try body()
            return SQLITE_OK
        } catch {
            switch error {
            case .full: return SQLITE_FULL
            case .rottenPage: return SQLiteVFS.rottenPageCode
            case .input, .output, .sync: return code
            }
        }
    }

    /// Made once and never changed, because SQLite holds pointers to it as long as files are open.
    nonisolated(unsafe) static let methods: UnsafePointer<sqlite3_io_methods> = {
        let methods = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
        methods.initialize(to: sqlite3_io_methods())
        methods.pointee.iVersion = 1
        methods.pointee.xClose = { pointer in
            if let pointer {
                let whole = UnsafeMutableRawPointer(pointer).assumingMemoryBound(
                    to: SQLiteOpenFile.self)
                if let held = whole.pointee.file {
                    Unmanaged<AnyObject>.fromOpaque(held).release()
                }
                whole.pointee.file = nil
            }
            return SQLITE_OK
        }
        setTransfers(of: methods)
        methods.pointee.xLock = { _, _ in SQLITE_OK }
        methods.pointee.xUnlock = { _, _ in SQLITE_OK }
        methods.pointee.xCheckReservedLock = { _, out in
            out?.pointee = 0
            return SQLITE_OK
        }
        methods.pointee.xFileControl = { _, _, _ in SQLITE_NOTFOUND }
        methods.pointee.xSectorSize = { _ in 4096 }
        methods.pointee.xDeviceCharacteristics = { _ in 0 }
        return UnsafePointer(methods)
    }()

    private static func setTransfers(of methods: UnsafeMutablePointer<sqlite3_io_methods>) {
        methods.pointee.xRead = { pointer, out, count, offset in
            let buffer = UnsafeMutableRawBufferPointer(start: out, count: Int(count))
            var filled = 0
            let code = SQLiteOpenFile.result(SQLITE_IOERR | (1 << 8)) {
                () throws(SQLiteFileFault) in
                filled = try SQLiteOpenFile.file(pointer).read(into: buffer, at: offset)
            }
            guard code == SQLITE_OK, filled < buffer.count else { return code }
            // SQLite wants the missing part as zeros, and to know of it (SQLITE_IOERR_SHORT_READ).
            UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]).initializeMemory(
                as: UInt8.self, repeating: 0)
            return SQLITE_IOERR | (2 << 8)
        }
        methods.pointee.xWrite = { pointer, bytes, count, offset in
            SQLiteOpenFile.result(SQLITE_IOERR | (3 << 8)) { () throws(SQLiteFileFault) in
                try SQLiteOpenFile.file(pointer).write(
                    UnsafeRawBufferPointer(start: bytes, count: Int(count)), at: offset)
            }
        }
        methods.pointee.xTruncate = { pointer, byteCount in
            SQLiteOpenFile.result(SQLITE_IOERR | (6 << 8)) { () throws(SQLiteFileFault) in
                try SQLiteOpenFile.file(pointer).truncate(to: byteCount)
            }
        }
        methods.pointee.xSync = { pointer, _ in
            SQLiteOpenFile.result(SQLITE_IOERR | (4 << 8)) { () throws(SQLiteFileFault) in
                try SQLiteOpenFile.file(pointer).sync()
            }
        }
        methods.pointee.xFileSize = { pointer, out in
            SQLiteOpenFile.result(SQLITE_IOERR | (7 << 8)) { () throws(SQLiteFileFault) in
                out?.pointee = try SQLiteOpenFile.file(pointer).byteCount()
            }
        }
    }
}
