import Primitives

/// One of the two SQLite files in which checkpoints are kept in turn.
///
/// Tables:
///
///     rows    tbl, key -> crc, size, value: CRC-32C over the row as it was given
///     (RowDigest.crc), the
///             size of its value in bytes, and the value; as an LZ4 block when it is shorter
///             than that
///     header  one row: the StoredCheckpointHeader
///
/// A transaction is one checkpoint. The journal is SQLite's rollback journal, kept and truncated:
/// what a checkpoint appends is written once, where a write-ahead log would write everything twice,
/// and nobody reads while it is written. Truncating is a durable commit with `synchronous=FULL`,
/// because SQLite then syncs the journal behind it; deleting it would need `EXTRA` for that
/// (sqlite.org/pragma.html).
struct CheckpointFile {
    let path: String
    let directory: String
    let fileSystem: any FileSystem

    private static let cacheKibibytes = 32_768
    private static let applicationID: Int32 = 0x4B45_454C

    private var journalPath: String { path + "-journal" }

    /// Runs `body` on a connection, and turns what SQLite refused into what the disk said, or into
    /// ``StorageError/rottenCheckpoint(path:reason:)`` when it was the bytes.
    func connected<Result>(
        _ body: (SQLiteDatabase) throws -> Result
    ) throws(StorageError) -> Result {
        let pages = CheckpointPages(fileSystem, directory: directory)
        let vfs = SQLiteVFS(pages)
        do {
            let database = try SQLiteDatabase(
                path: path, vfs: vfs, reservedBytes: Int32(CheckpointPages.reservedByteCount))
            try database.execute(
                """
                PRAGMA page_size=\(CheckpointPages.pageByteCount);
                PRAGMA auto_vacuum=NONE;
                PRAGMA locking_mode=EXCLUSIVE;
                PRAGMA journal_mode=TRUNCATE;
                PRAGMA synchronous=FULL;
                PRAGMA temp_store=MEMORY;
                PRAGMA secure_delete=OFF;
                PRAGMA cell_size_check=ON;
                PRAGMA cache_size=-\(Self.cacheKibibytes);
                """)
            return try body(database)
        } catch let error as StorageError {
            throw error
        } catch let failure as SQLiteFailure {
            throw storageError(failure, pages)
        } catch {
            throw .rottenCheckpoint(path: path, reason: "a row was refused: \(error)")
        }
    }

    private func storageError(_ failure: SQLiteFailure, _ pages: CheckpointPages) -> StorageError {
        if let cause = pages.failure { return unreadable(cause) ?? cause }
        if failure.isRot, let offset = pages.rottenOffset {
            return .rottenCheckpoint(
                path: path, reason: "the page at offset \(offset) does not fit its checksum")
        }
        if failure.isRot {
            return .rottenCheckpoint(
                path: path, reason: "SQLite reports \(failure.extendedCode) \(failure.message)")
        }
        return .database(
            path: path, code: failure.extendedCode, message: "\(failure.message): \(failure.sql)")
    }

    /// A sector that cannot be read is as good as a rotten one.
    private func unreadable(_ error: StorageError) -> StorageError? {
        guard case .io("read", _, let offset, let number) = error else { return nil }
        return .rottenCheckpoint(
            path: path, reason: "read at offset \(offset) failed with errno \(number)")
    }

    /// The header of the checkpoint in the file, after undoing a transaction that a crash cut
    /// short; nil when there is no file, or none was ever committed.
    func readHeader() throws(StorageError) -> StoredCheckpointHeader? {
        guard try fileSystem.exists(path) else { return nil }
        return try connected { database in
            let tables = try database.prepare(
                "SELECT count(*) FROM sqlite_schema WHERE name='header'")
            guard try tables.step(), tables.integer(at: 0) == 1 else { return nil }
            tables.reset()
            return try header(in: database)
        }
    }

    private func header(in database: SQLiteDatabase) throws -> StoredCheckpointHeader {
        let statement = try database.prepare("SELECT content FROM header WHERE id=1")
        guard try statement.step(), let found = StoredCheckpointHeader.decode(statement.blob(at: 0))
        else {
            throw StorageError.rottenCheckpoint(path: path, reason: "the header is damaged")
        }
        guard let header = found.header else {
            throw StorageError.newerFormat(
                path: path, found: found.format, supported: StoredCheckpointHeader.format)
        }
        return header
    }

    /// SQLite's count of the file's transactions (sqlite.org/fileformat2.html §1.3: big-endian at
    /// offset 24 of the first page); zero when there is no file. Valid while no journal waits to be
    /// undone.
    func changeCounter() throws(StorageError) -> UInt32 {
        guard try fileSystem.exists(path) else { return 0 }
        do {
            let bytes = try fileSystem.open(path, .read).read(4, at: 24)
            return bytes.reduce(0) { $0 << 8 | UInt32($1) }
        } catch {
            throw unreadable(error) ?? error
        }
    }

    /// Gives all rows in order, each checked by itself, and checks them together at the end.
    func load(_ expected: StoredCheckpointHeader, _ row: (Row) throws -> Void) throws(StorageError)
    {
        try connected { database in
            try database.execute("BEGIN")
            guard try header(in: database) == expected else {
                throw StorageError.rottenCheckpoint(path: path, reason: "the header has changed")
            }
            let statement = try database.prepare(
                "SELECT tbl, key, crc, size, value FROM rows ORDER BY tbl, key")
            var rowCount: UInt64 = 0
            var digest: UInt64 = 0
            var last: RowID?
            while try statement.step() {
                let (found, share) = try checkedRow(statement, number: rowCount)
                if let last, !(last < found.id) {
                    throw StorageError.rottenCheckpoint(
                        path: path, reason: "row \(rowCount) is out of order")
                }
                last = found.id
                rowCount += 1
                digest &+= share
                try row(found)
            }
            guard rowCount == expected.rowCount, digest == expected.digest else {
                throw StorageError.rottenCheckpoint(
                    path: path,
                    reason: "\(rowCount) rows of digest \(digest) are not the"
                        + " \(expected.rowCount) rows of digest \(expected.digest) written")
            }
        }
    }

    private func checkedRow(
        _ statement: SQLiteStatement, number: UInt64
    ) throws -> (Row, share: UInt64) {
        let size = statement.integer(at: 3)
        guard let table = UInt8(exactly: statement.integer(at: 0)),
            let crc = UInt32(exactly: statement.integer(at: 2)),
            size >= 0, size <= Int64(RowLimits.valueBytesMax)
        else {
            throw StorageError.rottenCheckpoint(path: path, reason: "row \(number) is malformed")
        }
        let key = statement.blob(at: 1)
        let value = statement.withBlob(at: 4) { stored -> [UInt8]? in
            stored.count == Int(size)
                ? Array(stored) : BlockCompression.decompress(stored, byteCount: Int(size))
        }
        guard let value,
            value.withUnsafeBytes({ RowDigest.crc(table: table, key: key, value: $0) }) == crc
        else {
            throw StorageError.rottenCheckpoint(
                path: path, reason: "row \(number) does not have its checksum")
        }
        let share = RowDigest.share(table: table, crc: crc, valueByteCount: value.count)
        return (Row(table: table, key: key, value: value), share)
    }

    /// One transaction that takes the file from `base` (nil: from nothing) to `header`: the
    /// deletes, then the upserts, of which the last one for a row counts.
    ///
    /// Memory: SQLite's page cache and one row. Returns what the file then holds.
    func write(
        _ header: CheckpointHeader, clusterID: ClusterID, memberID: NodeID,
        base: StoredCheckpointHeader?, upserts: some Sequence<Row>, deletes: some Sequence<RowID>,
        rowCount: Int? = nil
    ) throws(StorageError) -> StoredCheckpointHeader {
        try connected { database in
            try database.execute("BEGIN IMMEDIATE")
            if let base {
                guard try self.header(in: database) == base else {
                    throw StorageError.rottenCheckpoint(
                        path: path, reason: "the header has changed")
                }
            } else {
                try createTables(in: database)
            }
            var change = try CheckpointTransaction(
                database, path: path, rowCount: base?.rowCount ?? 0, digest: base?.digest ?? 0)
            for id in deletes { try change.delete(id) }
            for row in upserts { try change.upsert(row) }
            #if KEELSON_MUTANTS
                let isCounted = !planted(.buildsOnForeignRows)
            #else
                let isCounted = true
            #endif
            if isCounted, let rowCount, change.rowCount != UInt64(rowCount) {
                throw StorageError.rottenCheckpoint(
                    path: path,
                    reason: "it would have \(change.rowCount) rows, where there are \(rowCount)")
            }
            let stored = StoredCheckpointHeader(
                header: header, clusterID: clusterID, memberID: memberID,
                rowCount: change.rowCount, digest: change.digest)
            let statement = try database.prepare("INSERT OR REPLACE INTO header VALUES (1, ?)")
            try statement.bind(stored.encode(), at: 1)
            try statement.run()
            try database.execute("COMMIT")
            return stored
        }
    }

    private func createTables(in database: SQLiteDatabase) throws {
        try database.execute(
            """
            PRAGMA application_id=\(Self.applicationID);
            CREATE TABLE rows(
                tbl INTEGER NOT NULL, key BLOB NOT NULL, crc INTEGER NOT NULL,
                size INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY(tbl, key)) WITHOUT ROWID;
            CREATE TABLE header(id INTEGER PRIMARY KEY, content BLOB NOT NULL);
            """)
    }

    /// Removes the file and its journal; syncing the directory is the caller's.
    func remove() throws(StorageError) {
        for name in [journalPath, path] where try fileSystem.exists(name) {
            try fileSystem.remove(name)
        }
    }

    /// Takes the place of `other`, whose journal must not be applied to this file: it goes first,
    /// and for good.
    func replace(_ other: CheckpointFile) throws(StorageError) {
        if try fileSystem.exists(other.journalPath) {
            try fileSystem.remove(other.journalPath)
            try fileSystem.syncDirectory(directory)
        }
        try fileSystem.rename(path, to: other.path)
        try remove()
        try fileSystem.syncDirectory(directory)
    }

    /// Makes what is read here durable, in case a process died before its own sync did.
    func syncWhatIsThere() throws(StorageError) {
        for name in [path, journalPath] where try fileSystem.exists(name) {
            try fileSystem.open(name, .readWrite).sync()
        }
    }
}
