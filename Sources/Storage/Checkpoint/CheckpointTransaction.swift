import Primitives

/// The changes of one checkpoint inside its transaction, which keep count of rows and digest.
struct CheckpointTransaction {
    private(set) var rowCount: UInt64
    private(set) var digest: UInt64

    private let path: String
    private let select: SQLiteStatement
    private let insert: SQLiteStatement
    private let remove: SQLiteStatement
    /// Set while the table was empty and rows came in order: then no row can be there already.
    private var appendsBehind: RowID?
    private var isAppending: Bool
    private var gate = CompressionGate(bytesMin: BlockCompression.byteCountMin)

    init(
        _ database: SQLiteDatabase, path: String, rowCount: UInt64, digest: UInt64
    ) throws(SQLiteFailure) {
        self.path = path
        self.rowCount = rowCount
        self.digest = digest
        isAppending = rowCount == 0
        select = try database.prepare("SELECT crc, size FROM rows WHERE tbl=? AND key=?")
        insert = try database.prepare("INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?, ?)")
        remove = try database.prepare("DELETE FROM rows WHERE tbl=? AND key=?")
    }

    mutating func delete(_ id: RowID) throws {
        guard try forget(id) else { return }
        try remove.bind(Int64(id.table), at: 1)
        try remove.bind(id.key, at: 2)
        try remove.run()
    }

    mutating func upsert(_ row: Row) throws {
        for (count, limit) in [
            (row.key.count, RowLimits.keyBytesMax), (row.value.count, RowLimits.valueBytesMax),
        ] where count > limit {
            throw StorageError.tooLarge(path: path, byteCount: count, limit: limit)
        }
        let id = row.id
        if isAppending, let last = appendsBehind { isAppending = last < id }
        if isAppending { appendsBehind = id } else { _ = try forget(id) }
        let crc = row.value.withUnsafeBytes {
            RowDigest.crc(table: row.table, key: row.key, value: $0)
        }
        try insert.bind(Int64(row.table), at: 1)
        try insert.bind(row.key, at: 2)
        try insert.bind(Int64(crc), at: 3)
        try insert.bind(Int64(row.value.count), at: 4)
        try insert.bind(packed(row.value), at: 5)
        try insert.run()
        rowCount += 1
        digest &+= RowDigest.share(
            table: row.table, crc: crc, valueByteCount: row.value.count)
    }

    private mutating func packed(_ value: [UInt8]) -> [UInt8] {
        guard value.withUnsafeBytes({ gate.wants($0) }) else { return value }
        let block = BlockCompression.compress(value)
        gate.note(succeeded: block != nil)
        return block ?? value
    }

    /// Takes the row out of count and digest, if it is there.
    private mutating func forget(_ id: RowID) throws -> Bool {
        try select.bind(Int64(id.table), at: 1)
        try select.bind(id.key, at: 2)
        guard try select.step() else { return false }
        let crc = UInt32(truncatingIfNeeded: select.integer(at: 0))
        let byteCount = Int(select.integer(at: 1))
        select.reset()
        // Both were written from a row that was there; if they rot, the digest shows it at the
        // load.
        rowCount &-= 1
        digest &-= RowDigest.share(table: id.table, crc: crc, valueByteCount: byteCount)
        return true
    }
}
