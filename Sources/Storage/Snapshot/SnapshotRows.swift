import Primitives

/// Puts the rows of a stream together again from pieces that end anywhere.
struct SnapshotRows {
    private(set) var rowCount: UInt64 = 0
    private var last: RowID?
    /// The beginning of a row whose end has not come.
    private var partial: [UInt8] = []

    var endsInsideRow: Bool { !partial.isEmpty }

    /// The rows that `content` completes. Memory: `content` and one unfinished row, which grows
    /// only as its bytes come, whatever lengths it states.
    mutating func accept(_ content: [UInt8]) throws(SnapshotFault) -> [Row] {
        var bytes = partial
        partial = []
        if bytes.isEmpty { bytes = content } else { bytes.append(contentsOf: content) }
        var rows: [Row] = []
        var start = 0
        while let row = try row(in: bytes, at: start) {
            let id = row.id
            if let last, !(last < id) { throw .rowsOutOfOrder(row: rowCount) }
            last = id
            rowCount += 1
            start += SnapshotChunk.rowHeadByteCount + row.key.count + row.value.count
            rows.append(row)
        }
        if start == 0 {
            partial = bytes
        } else if start < bytes.count {
            partial = Array(bytes[start...])
        }
        return rows
    }

    /// The row that starts at `start`, or nil when its end has not come.
    private func row(in bytes: [UInt8], at start: Int) throws(SnapshotFault) -> Row? {
        var reader = ByteReader(bytes, from: start, to: bytes.count)
        guard reader.remaining >= SnapshotChunk.rowHeadByteCount else { return nil }
        do {
            let table = try reader.read(UInt8.self)
            let keyByteCount = Int(try reader.read(UInt32.self))
            let valueByteCount = Int(try reader.read(UInt32.self))
            try Self.check(keyByteCount: keyByteCount, valueByteCount: valueByteCount)
            guard reader.remaining >= keyByteCount + valueByteCount else { return nil }
            return Row(
                table: table, key: try reader.readBytes(keyByteCount),
                value: try reader.readBytes(valueByteCount))
        } catch let fault as SnapshotFault {
            throw fault
        } catch {
            return nil
        }
    }

    static func check(keyByteCount: Int, valueByteCount: Int) throws(SnapshotFault) {
        guard keyByteCount <= RowLimits.keyBytesMax else {
            throw .tooLarge(
                "key", size: UInt64(keyByteCount), limit: UInt64(RowLimits.keyBytesMax))
        }
        guard valueByteCount <= RowLimits.valueBytesMax else {
            throw .tooLarge(
                "value", size: UInt64(valueByteCount), limit: UInt64(RowLimits.valueBytesMax))
        }
    }
}
