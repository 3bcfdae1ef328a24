internal import API
internal import Crypto
internal import EtcdSnapshot
internal import Foundation
internal import Primitives
package import StateMachine
internal import SwiftProtobuf

/// The state at one moment as the file that `etcdctl snapshot save` writes: a bbolt file, and its
/// SHA-256 behind it. It is made piece by piece, front to back, from what never changes any more.
///
/// Users and roles are in it without their passwords, and authentication is off: what Keelson keeps
/// of a password etcd cannot check, and nobody could log in. The datacenter's own records are left
/// out: etcd has no place for them.
package struct SnapshotFile: Sendable {
    private let frozen: FrozenStore
    private let layout: BoltLayout
    private var builder = BoltBuilder(isMeasuring: false)
    private var part = Part.beginning
    private var digest = SHA256()

    private enum Part: Sendable {
        case beginning
        /// The next chunk of the revision history.
        case keys(Int)
        case end
    }

    package static let digestBytes = SHA256.byteCount

    /// Measures the file. Cost: about a tenth of a second for a million records, so not on an event
    /// loop.
    package init(_ frozen: FrozenStore) throws {
        self.frozen = frozen
        var measure = BoltBuilder(isMeasuring: true)
        try SnapshotFile.addBeforeKeys(frozen, to: &measure)
        for chunk in 0..<frozen.clientChunkCount {
            try SnapshotFile.addKeys(frozen, chunk, to: &measure)
        }
        try SnapshotFile.addAfterKeys(frozen, to: &measure)
        layout = measure.finish()
    }

    /// Without the digest.
    var fileBytes: Int { layout.fileBytes }

    /// The next piece, of at least `bytesMin` where so much is left; then the digest; then nothing.
    package mutating func next(bytesMin: Int) throws -> [UInt8] {
        var piece: [UInt8] = []
        switch part {
        case .beginning:
            piece = layout.metas
            try SnapshotFile.addBeforeKeys(frozen, to: &builder)
            part = .keys(0)
        case .keys, .end: break
        }
        while case .keys(let chunk) = part, piece.count + builder.pendingBytes < bytesMin {
            if chunk < frozen.clientChunkCount {
                try SnapshotFile.addKeys(frozen, chunk, to: &builder)
                part = .keys(chunk + 1)
            } else {
                try SnapshotFile.addAfterKeys(frozen, to: &builder)
                let finished = builder.finish()
                invariant(finished == layout, "measured \(layout), written \(finished)")
                part = .end
            }
        }
        piece += builder.takeOutput()
        if piece.isEmpty { return Array(digest.finalize()) }
        digest.update(data: piece)
        return piece
    }

    // MARK: The buckets

    private static func addBeforeKeys(
        _ frozen: FrozenStore, to builder: inout BoltBuilder
    ) throws(BoltError) {
        addEmpty(.alarm, to: &builder)
        builder.beginBucket(EtcdSchema.Bucket.auth.rawValue)
        try builder.add(Array("authEnabled".utf8), [0])
        try builder.add(
            Array("authRevision".utf8), EtcdSchema.bigEndian(frozen.auth.revision))
        builder.endBucket()
        try add(.authRoles, to: &builder, frozen.auth.roles.map { ($0.name, role($0)) })
        try add(.authUsers, to: &builder, frozen.auth.users.map { ($0.name, user($0)) })
        // A release of etcd before the one that is noted here would refuse to start.
        addEmpty(.cluster, to: &builder)
        builder.beginBucket(EtcdSchema.Bucket.key.rawValue)
    }

    private static func addKeys(
        _ frozen: FrozenStore, _ chunk: Int, to builder: inout BoltBuilder
    ) throws(BoltError) {
        for record in frozen.clientRecords(inChunk: chunk) {
            let key = EtcdSchema.revisionKey(
                main: record.modRevision, sub: Int64(record.sub), isDeletion: record.isTombstone)
            let form: RecordForm = .full
            if record.isTombstone {
                var writer = ProtobufWriter()
                record.withKey { writer.field(1, $0) }
                try builder.add(key, writer.bytes)
            } else {
                try builder.add(key, valueBytes: record.keyValueByteCount(form)) { data in
                    var writer = ProtobufWriter(capacity: 0)
                    swap(&writer.bytes, &data)
                    record.encodeKeyValue(into: &writer, form)
                    swap(&writer.bytes, &data)
                }
            }
        }
    }

    private static func addAfterKeys(
        _ frozen: FrozenStore, to builder: inout BoltBuilder
    ) throws(BoltError) {
        builder.endBucket()
        try add(
            .lease, to: &builder,
            frozen.allLeases.map { lease in
                let value = EtcdSchema.lease(
                    id: lease.id, seconds: lease.grantedSeconds,
                    remainingSeconds: lease.remainingSeconds)
                return (EtcdSchema.bigEndian(UInt64(bitPattern: lease.id)), value)
            })
        try add(
            .members, to: &builder,
            frozen.members.records.map { member in
                EtcdSchema.member(
                    id: member.id.rawValue, name: member.name, peerURLs: member.peerURLs,
                    clientURLs: member.clientURLs, isLearner: member.role == .learner)
            })
        addEmpty(.membersRemoved, to: &builder)
        builder.beginBucket(EtcdSchema.Bucket.meta.rawValue)
        try builder.add(
            Array("consistent_index".utf8), EtcdSchema.bigEndian(frozen.appliedIndex.rawValue))
        if frozen.compactedRevision > 0 {
            let floor = EtcdSchema.revisionKey(main: frozen.compactedRevision, sub: 0)
            try builder.add(Array("finishedCompactRev".utf8), floor)
            try builder.add(Array("scheduledCompactRev".utf8), floor)
        }
        try builder.add(
            Array("term".utf8), EtcdSchema.bigEndian(frozen.appliedTerm.rawValue))
        builder.endBucket()
    }

    private static func addEmpty(_ bucket: EtcdSchema.Bucket, to builder: inout BoltBuilder) {
        builder.beginBucket(bucket.rawValue)
        builder.endBucket()
    }

    private static func add(
        _ bucket: EtcdSchema.Bucket, to builder: inout BoltBuilder,
        _ pairs: [(key: [UInt8], value: [UInt8])]
    ) throws(BoltError) {
        builder.beginBucket(bucket.rawValue)
        for pair in pairs.sorted(by: { Bytes.compare($0.key, $1.key) < 0 }) {
            try builder.add(pair.key, pair.value)
        }
        builder.endBucket()
    }

    // MARK: Users and roles

    private static func user(_ user: AuthUser) -> [UInt8] {
        var message = EtcdAuthUser()
        message.name = Data(user.name)
        message.roles = user.roles.map { String(decoding: $0, as: UTF8.self) }
        message.options.noPassword = !user.hasPassword
        return message.bytes
    }

    private static func role(_ role: AuthRole) -> [UInt8] {
        var message = EtcdAuthRole()
        message.name = Data(role.name)
        message.keyPermission = role.permissions.map { EtcdAuthPermission($0) }
        return message.bytes
    }
}
