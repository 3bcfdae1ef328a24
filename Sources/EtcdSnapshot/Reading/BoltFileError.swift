/// Why a bbolt file, or what etcd keeps in it, cannot be believed. Offsets count bytes from the
/// file's beginning.
package enum BoltFileError: Error, Equatable, Sendable {
    /// The system could not read the file there.
    case unreadable(offset: Int, errno: Int32)
    /// `needed` bytes were to be at `offset`; the file has `available` in all.
    case truncated(offset: Int, needed: Int, available: Int)
    /// Neither of the two metas is one that a whole transaction wrote.
    case noValidMeta(first: BoltMetaFault, second: BoltMetaFault)
    case badPage(number: UInt64, offset: Int, BoltPageFault)
    /// What ``BoltReader`` may take is less than what the file has of it.
    case overLimit(BoltLimit, offset: Int, found: Int)
    /// The SHA-256 behind the file is that of other bytes.
    case digestMismatch(offset: Int)
    /// A row that etcd does not write; `offset` is where its key begins.
    case badRow(bucket: String, offset: Int, BoltRowFault)
}

package enum BoltMetaFault: Error, Equatable, Sendable {
    case absent
    case noMagic
    case unknownVersion(UInt32)
    case wrongChecksum
    case badPageSize(UInt32)
    /// A page that the meta names is not one of the file's.
    case badRoot(UInt64)
    /// The file ends before the pages that the meta counts.
    case shortFile(pages: UInt64)
}

package enum BoltPageFault: Equatable, Sendable {
    case outsideFile
    case otherNumber(UInt64)
    case otherKind(UInt16)
    /// It goes on over pages that the file does not have.
    case overflowOutsideFile(pages: UInt32)
    /// A tree reaches it twice.
    case repeated
    case tooDeep
    case emptyBranch
    /// An element names bytes that are not the page's.
    case elementOutside(index: Int)
    case unknownFlags(index: Int, UInt32)
    case badKeySize(index: Int, bytes: Int)
    case outOfOrder(index: Int)
    /// A bucket's value is shorter than a bucket's head.
    case shortBucket(index: Int)
}

package enum BoltRowFault: Error, Equatable, Sendable {
    case nestedBucket
    case badKey
    case badValue
    /// A revision's number and what its value says of it do not agree.
    case badRevision
}

package enum BoltLimit: Equatable, Sendable {
    case fileBytes
    case rowBytes
    case buckets
    case members
}

extension BoltFileError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreadable(let offset, let errno): "cannot be read at byte \(offset): errno \(errno)"
        case .truncated(let offset, let needed, let available):
            "\(needed) bytes were to be at byte \(offset), and it has \(available) in all"
        case .noValidMeta(let first, let second):
            "no valid meta page (bytes 0 and on: \(first); the second: \(second))"
        case .badPage(let number, let offset, let fault):
            "page \(number), at byte \(offset): \(fault)"
        case .overLimit(let limit, let offset, let found):
            "more \(limit) than are taken, at byte \(offset): \(found)"
        case .digestMismatch(let offset):
            "the SHA-256 at byte \(offset) is that of other bytes"
        case .badRow(let bucket, let offset, let fault):
            "bucket \(bucket), the row at byte \(offset): \(fault)"
        }
    }
}
