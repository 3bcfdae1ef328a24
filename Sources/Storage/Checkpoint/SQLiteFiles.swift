/// Why a ``SQLiteFile`` did not do what SQLite asked for.
enum SQLiteFileFault: Error {
    /// The disk failed, or the simulation of one.
    case input, output, sync
    /// No room is left.
    case full
    /// A page does not have the checksum that it carries.
    case rottenPage
}

/// An open file as SQLite sees it.
protocol SQLiteFile: AnyObject {
    /// Fills `buffer` as far as the file reaches and says how far.
    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
    ) throws(SQLiteFileFault) -> Int
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(SQLiteFileFault)
    func truncate(to byteCount: Int64) throws(SQLiteFileFault)
    func sync() throws(SQLiteFileFault)
    func byteCount() throws(SQLiteFileFault) -> Int64
}

/// The files of one SQLite database: the database itself and its rollback journal.
protocol SQLiteFiles: AnyObject {
    func open(_ path: String, isDatabase: Bool) throws(SQLiteFileFault) -> any SQLiteFile
    func delete(_ path: String, syncsDirectory: Bool) throws(SQLiteFileFault)
    func exists(_ path: String) throws(SQLiteFileFault) -> Bool
}
