internal import Primitives

/// The few etcd v3 messages that this tool speaks, written and read by hand. Field numbers are
/// those of `Proto/etcdserverpb`.
enum EtcdMessages {
    static let put = "/etcdserverpb.KV/Put"
    static let range = "/etcdserverpb.KV/Range"
    static let deleteRange = "/etcdserverpb.KV/DeleteRange"
    static let watch = "/etcdserverpb.Watch/Watch"
    static let status = "/etcdserverpb.Maintenance/Status"
    static let hashKV = "/etcdserverpb.Maintenance/HashKV"
    static let memberAdd = "/etcdserverpb.Cluster/MemberAdd"
    static let memberRemove = "/etcdserverpb.Cluster/MemberRemove"
    static let memberList = "/etcdserverpb.Cluster/MemberList"

    static func memberAddRequest(peerURL: String, asLearner: Bool = false) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, peerURL)
        writer.field(2, Int64(asLearner ? 1 : 0))
        return writer.bytes
    }

    static func memberRemoveRequest(_ member: UInt64) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, member)
        return writer.bytes
    }

    static func putRequest(key: String, value: [UInt8]) -> [UInt8] {
        var writer = ProtobufWriter(capacity: key.utf8.count + value.count + 16)
        writer.field(1, key)
        writer.field(2, value)
        return writer.bytes
    }

    static func deleteRequest(key: String) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, key)
        return writer.bytes
    }

    /// One key as it is now, or, where it may be old, as the asked node knows it.
    static func keyRequest(_ key: String, mayBeOld: Bool) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, key)
        writer.field(7, Int64(mayBeOld ? 1 : 0))
        return writer.bytes
    }

    /// Everything from `start` on at `revision`, at most `limit` keys.
    static func rangeRequest(from start: [UInt8], revision: Int64, limit: Int64) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, start)
        writer.field(2, [UInt8(0)])
        writer.field(3, limit)
        writer.field(4, revision)
        return writer.bytes
    }

    /// A watch of every key from a revision on.
    static func watchRequest(from revision: Int64) -> [UInt8] {
        var create = ProtobufWriter()
        create.field(1, [UInt8(0)])
        create.field(2, [UInt8(0)])
        create.field(3, revision)
        var writer = ProtobufWriter()
        writer.field(1, create.bytes)
        return writer.bytes
    }

    static func hashRequest(revision: Int64) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.field(1, revision)
        return writer.bytes
    }
}

/// One key's newest version, as a range or an event shows it.
struct KeyValue: Equatable {
    var key: [UInt8] = []
    var value: [UInt8] = []
    var createRevision: Int64 = 0
    var modRevision: Int64 = 0
    var version: Int64 = 0

    init(_ message: ProtobufFields) {
        key = message.bytes(1)
        createRevision = message.int(2)
        modRevision = message.int(3)
        version = message.int(4)
        value = message.bytes(5)
    }
}

/// A decoded message, field by field: for a tool, where clearness counts and speed does not.
struct ProtobufFields {
    private var numbers: [UInt32: UInt64] = [:]
    private var blobs: [UInt32: [[UInt8]]] = [:]

    init(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { raw in
            var reader = ProtobufReader(raw)
            while let field = try reader.nextField() {
                switch field.type {
                case .varint: numbers[field.number] = try reader.varint()
                case .lengthDelimited:
                    blobs[field.number, default: []].append(Array(try reader.lengthDelimited()))
                case .fixed64, .fixed32: try reader.skip(field.type)
                }
            }
        }
    }

    func unsigned(_ number: UInt32) -> UInt64 { numbers[number] ?? 0 }
    func int(_ number: UInt32) -> Int64 { Int64(bitPattern: unsigned(number)) }
    func texts(_ number: UInt32) -> [String] {
        (blobs[number] ?? []).map { String(decoding: $0, as: UTF8.self) }
    }
    func bytes(_ number: UInt32) -> [UInt8] { blobs[number]?.last ?? [] }
    func messages(_ number: UInt32) throws -> [ProtobufFields] {
        try (blobs[number] ?? []).map { try ProtobufFields($0) }
    }
    func message(_ number: UInt32) throws -> ProtobufFields { try ProtobufFields(bytes(number)) }
}
