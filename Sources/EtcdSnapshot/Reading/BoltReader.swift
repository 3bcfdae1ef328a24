internal import Crypto
internal import Primitives

/// Reads a bbolt file that anybody may have made: every offset, count and length is checked against
/// the file, and a tree that is none ends in an error. The list of free pages is not looked at.
///
/// Memory: a page (64 KiB of it, or its table) a level of the tree, one row, and a bit for each
/// page of the file while a cursor is used.
package struct BoltReader<Source: BoltSource>: Sendable {
    /// With a page of 1 KiB, 128 MiB of bits.
    package static var fileBytesMax: Int { 1 << 40 }
    /// A key with its value; etcd takes requests of 1.5 MiB unless told otherwise.
    package static var rowBytesMax: Int { 128 << 20 }
    package static var bucketsMax: Int { 1024 }

    let source: Source
    let meta: BoltMeta
    /// Without the SHA-256 behind it.
    package let dataBytes: Int

    /// Believes the metas only. - Throws: why neither of them can be believed.
    package init(_ source: Source) throws(BoltFileError) {
        guard source.byteCount <= Self.fileBytesMax else {
            throw .overLimit(.fileBytes, offset: 0, found: source.byteCount)
        }
        self.source = source
        let hasDigest = source.byteCount % Self.sectorBytes == SHA256.byteCount
        dataBytes = source.byteCount - (hasDigest ? SHA256.byteCount : 0)
        meta = try BoltMeta.find(source, dataBytes: dataBytes)
    }

    /// The pages that the newest meta counts; a file may be longer.
    package var usedBytes: Int { Int(meta.pageCount) * meta.pageBytes }

    /// `snapshot save` puts a SHA-256 behind the file, as etcd tells by the size: a file of bbolt's
    /// is whole sectors.
    package var hasDigest: Bool { dataBytes != source.byteCount }

    private static var sectorBytes: Int { 512 }

    /// Reads the whole file, and compares it with the digest behind it. False if there is none.
    package func checkDigest() throws(BoltFileError) -> Bool {
        guard hasDigest else { return false }
        var digest = SHA256()
        var offset = 0
        while offset < dataBytes {
            let count = min(1 << 20, dataBytes - offset)
            digest.update(data: try source.checkedBytes(at: offset, count: count))
            offset += count
        }
        let found = try source.checkedBytes(at: dataBytes, count: SHA256.byteCount)
        guard Array(digest.finalize()) == found else { throw .digestMismatch(offset: dataBytes) }
        return true
    }

    /// What stands at the top: buckets, in the order of their names.
    package func buckets() throws(BoltFileError) -> [(name: [UInt8], bucket: BoltBucket)] {
        var cursor = BoltCursor(self, .page(meta.root))
        var found: [(name: [UInt8], bucket: BoltBucket)] = []
        while let row = try cursor.next() {
            guard case .bucket(let bucket) = row.content else {
                throw .badRow(bucket: "", offset: row.offset, .badValue)
            }
            guard found.count < Self.bucketsMax else {
                throw .overLimit(.buckets, offset: row.offset, found: found.count + 1)
            }
            found.append((row.key, bucket))
        }
        return found
    }

    package func cursor(_ bucket: BoltBucket) -> BoltCursor<Source> { BoltCursor(self, bucket) }
}

/// A tree of rows.
package enum BoltBucket: Equatable, Sendable {
    /// Its root page.
    case page(UInt64)
    /// So small that its one page stands in place of its value, at `offset` in page `page`.
    case inline([UInt8], page: UInt64, offset: Int)
}

package struct BoltRow: Equatable, Sendable {
    package enum Content: Equatable, Sendable {
        case value([UInt8])
        case bucket(BoltBucket)
    }

    package let key: [UInt8]
    package let content: Content
    /// Where the key begins in the file.
    package let offset: Int
}
