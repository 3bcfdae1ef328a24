internal import Primitives

/// Reads etcd's state out of a snapshot of releases 3.4 to 3.7, or out of its `db`.
///
/// Each bucket comes as a stream, in order of its keys; what etcd would not have written is refused
/// with the place where it stands. Buckets that a release does not have are empty.
package struct EtcdSnapshotReader<Source: BoltSource>: Sendable {
    package let bolt: BoltReader<Source>
    private let buckets: [(name: [UInt8], bucket: BoltBucket)]

    /// The digest is not checked: ``BoltReader/checkDigest()`` reads the whole file for it.
    package init(_ source: Source) throws(BoltFileError) {
        bolt = try BoltReader(source)
        buckets = try bolt.buckets()
    }

    package func revisions() -> EtcdRows<Source, EtcdRevision> {
        rows(.key) { (key, value) throws(BoltRowFault) in try EtcdDecoding.revision(key, value) }
    }

    package func leases() -> EtcdRows<Source, EtcdLease> {
        rows(.lease) { (key, value) throws(BoltRowFault) in try EtcdDecoding.lease(key, value) }
    }

    package func members() -> EtcdRows<Source, EtcdMember> {
        rows(.members) { (key, value) throws(BoltRowFault) in try EtcdDecoding.member(key, value) }
    }

    package func users() -> EtcdRows<Source, EtcdUser> {
        rows(.authUsers) { (key, value) throws(BoltRowFault) in try EtcdDecoding.user(key, value) }
    }

    package func roles() -> EtcdRows<Source, EtcdRole> {
        rows(.authRoles) { (key, value) throws(BoltRowFault) in try EtcdDecoding.role(key, value) }
    }

    /// Reads `meta` and `auth`.
    package func facts() throws(BoltFileError) -> EtcdFacts {
        var facts = EtcdFacts()
        var meta = rows(.meta) { (key, value) throws(BoltRowFault) in (key, value) }
        while let (row, offset) = try meta.nextWithOffset() {
            do throws(BoltRowFault) { try facts.takeMeta(row.0, row.1) } catch {
                throw .badRow(bucket: EtcdSchema.Bucket.meta.rawValue, offset: offset, error)
            }
        }
        var auth = rows(.auth) { (key, value) throws(BoltRowFault) in (key, value) }
        while let (row, offset) = try auth.nextWithOffset() {
            do throws(BoltRowFault) { try facts.takeAuth(row.0, row.1) } catch {
                throw .badRow(bucket: EtcdSchema.Bucket.auth.rawValue, offset: offset, error)
            }
        }
        return facts
    }

    private func rows<Row>(
        _ bucket: EtcdSchema.Bucket,
        _ decode: @escaping @Sendable ([UInt8], [UInt8]) throws(BoltRowFault) -> Row
    ) -> EtcdRows<Source, Row> {
        let name = Array(bucket.rawValue.utf8)
        let found = buckets.first { $0.name == name }?.bucket
        return EtcdRows(
            cursor: found.map { bolt.cursor($0) }, bucket: bucket.rawValue, decode: decode)
    }
}

/// The rows of one bucket, one at a time.
package struct EtcdRows<Source: BoltSource, Row: Sendable>: Sendable {
    fileprivate var cursor: BoltCursor<Source>?
    fileprivate let bucket: String
    fileprivate let decode: @Sendable ([UInt8], [UInt8]) throws(BoltRowFault) -> Row

    /// The next one, or nil behind the last.
    package mutating func next() throws(BoltFileError) -> Row? { try nextWithOffset()?.row }

    fileprivate mutating func nextWithOffset() throws(BoltFileError) -> (row: Row, offset: Int)? {
        guard let row = try cursor?.next() else { return nil }
        guard case .value(let value) = row.content else {
            throw .badRow(bucket: bucket, offset: row.offset, .nestedBucket)
        }
        do throws(BoltRowFault) { return (try decode(row.key, value), row.offset) } catch {
            throw .badRow(bucket: bucket, offset: row.offset, error)
        }
    }
}
