internal import Primitives

/// A SQLite database that is made once, for people and their tools to read. Nothing of a node
/// depends on it.
///
/// It is written beside its place, in one transaction, and moved there whole. Used by one thread.
package final class ReadableDatabase {
    package enum Value: Equatable, Sendable {
        case integer(Int64)
        case text(String)
        case blob([UInt8])
        case null
    }

    private let path: String
    private let fileSystem: any FileSystem
    /// Nil once it is closed.
    private var database: SQLiteDatabase?
    private var inserts: [String: SQLiteStatement] = [:]
    private var partPath: String { path + ".part" }

    /// - Parameter schema: statements that make tables, views and indexes.
    /// - Throws: ``StorageError/alreadyExists(path:)``, and
    ///   ``StorageError/database(path:code:message:)``.
    package init(
        _ path: String, schema: String, fileSystem: any FileSystem
    ) throws(StorageError) {
        self.path = path
        self.fileSystem = fileSystem
        let part = path + ".part"
        guard try !fileSystem.exists(path) else { throw .alreadyExists(path: path) }
        if try fileSystem.exists(part) { try fileSystem.remove(part) }
        // SQLite would let everybody read it.
        _ = try fileSystem.open(part, .createNew)
        do throws(SQLiteFailure) {
            let database = try SQLiteDatabase(plainAt: part)
            // What is half made is thrown away, so nothing has to be undone.
            try database.execute(
                "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA encoding='UTF-8';")
            try database.execute("BEGIN")
            try database.execute(schema)
            self.database = database
        } catch {
            throw Self.error(error, part)
        }
    }

    /// Adds a row to `table`, with a value for each column.
    package func insert(_ table: String, _ values: [Value]) throws(StorageError) {
        do throws(SQLiteFailure) {
            let statement = try insertion(table, values.count)
            for (position, value) in values.enumerated() {
                let parameter = Int32(position + 1)
                switch value {
                case .integer(let number): try statement.bind(number, at: parameter)
                case .text(let text): try statement.bind(text: text, at: parameter)
                case .blob(let bytes): try statement.bind(bytes, at: parameter)
                case .null: try statement.bindNull(at: parameter)
                }
            }
            try statement.run()
        } catch {
            throw Self.error(error, partPath)
        }
    }

    private func insertion(
        _ table: String, _ count: Int
    ) throws(SQLiteFailure) -> SQLiteStatement {
        if let known = inserts[table] { return known }
        guard let database else { impossible("a row for a closed database") }
        let places = [String](repeating: "?", count: count).joined(separator: ",")
        let made = try database.prepare("INSERT INTO \(table) VALUES (\(places))")
        inserts[table] = made
        return made
    }

    /// Ends it and moves it to its place; durable when it returns.
    package func finish() throws(StorageError) {
        do throws(SQLiteFailure) { try database?.execute("COMMIT") } catch {
            throw Self.error(error, partPath)
        }
        close()
        try fileSystem.open(partPath, .readWrite).sync()
        try fileSystem.rename(partPath, to: path)
        let parent = DataDirectory.parent(of: path)
        try fileSystem.syncDirectory(parent)
    }

    /// Removes what was written.
    package func discard() {
        close()
        try? fileSystem.remove(partPath)
    }

    private func close() {
        inserts = [:]
        database = nil
    }

    private static func error(_ failure: SQLiteFailure, _ path: String) -> StorageError {
        if failure.isFull {
            return .outOfSpace(operation: "write", path: path, bytesNeeded: 0)
        }
        return .database(
            path: path, code: failure.extendedCode, message: "\(failure.message): \(failure.sql)")
    }
}
