import Primitives

/// One record of a checkpoint or a snapshot. What the bytes mean is the state machine's business.
///
/// Rows are ordered by table, then by key as `memcmp` orders bytes, a prefix first.
package struct Row: Equatable, Sendable {
    package var table: UInt8
    package var key: [UInt8]
    package var value: [UInt8]

    package init(table: UInt8, key: [UInt8], value: [UInt8]) {
        self.table = table
        self.key = key
        self.value = value
    }

    package var id: RowID { RowID(table: table, key: key) }
}

/// Names a row: no two rows of one checkpoint share it.
package struct RowID: Equatable, Comparable, Sendable {
    package var table: UInt8
    package var key: [UInt8]

    package init(table: UInt8, key: [UInt8]) {
        self.table = table
        self.key = key
    }

    package static func < (a: RowID, b: RowID) -> Bool {
        a.table != b.table ? a.table < b.table : Bytes.compare(a.key, b.key) < 0
    }
}

/// Bounds of what a row may be, on both sides of a file and of a stream.
package enum RowLimits {
    /// The longest key, in bytes: more than a whole client request may be.
    package static let keyBytesMax = 4 << 20
    /// The longest value, in bytes.
    package static let valueBytesMax = 64 << 20
}
