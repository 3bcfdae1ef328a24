internal import Primitives

/// What `etcdutl snapshot status` says of a file.
package struct SnapshotSummary: Equatable, Sendable {
    /// CRC-32C over each bucket's name and, behind it, its keys and values, all in order.
    package let hash: UInt32
    /// The last row's.
    package let revision: Int64
    /// Rows of all buckets.
    package let totalKeys: Int
    /// Without what stands behind the last page.
    package let totalBytes: Int
    /// Whether there was a digest behind the file; it matched then.
    package let hasDigest: Bool

    /// Reads the whole file twice: for the digest and for the rows.
    package init(_ source: some BoltSource) throws(BoltFileError) {
        let bolt = try BoltReader(source)
        hasDigest = try bolt.checkDigest()
        totalBytes = bolt.usedBytes
        var hash: UInt32 = 0
        var revision: Int64 = 0
        var totalKeys = 0
        let keyBucket = Array(EtcdSchema.Bucket.key.rawValue.utf8)
        for (name, bucket) in try bolt.buckets() {
            let text = String(decoding: name, as: UTF8.self)
            hash = Checksum.crc32c(name, seed: hash)
            var cursor = bolt.cursor(bucket)
            while let row = try cursor.next() {
                guard case .value(let value) = row.content else {
                    throw .badRow(bucket: text, offset: row.offset, .nestedBucket)
                }
                hash = Checksum.crc32c(row.key, seed: hash)
                hash = Checksum.crc32c(value, seed: hash)
                totalKeys += 1
                if name == keyBucket {
                    do throws(BoltRowFault) {
                        revision = try EtcdDecoding.revision(row.key, value).main
                    } catch { throw .badRow(bucket: text, offset: row.offset, error) }
                }
            }
        }
        self.hash = hash
        self.revision = revision
        self.totalKeys = totalKeys
    }
}
