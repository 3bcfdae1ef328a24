internal import Primitives

/// What etcd writes into the rows of its buckets.
///
/// Source: github.com/etcd-io/etcd, server/storage/schema, server/storage/mvcc, and its messages
/// mvccpb.KeyValue, leasepb.Lease, authpb.User and authpb.Role.
enum EtcdDecoding {
    /// A revision's bytes without the mark of a deletion.
    static let revisionBytes = 17

    static func revision(
        _ key: [UInt8], _ value: [UInt8]
    ) throws(BoltRowFault) -> EtcdRevision {
        let isTombstone = key.count == revisionBytes + 1
        guard !isTombstone || key[revisionBytes] == UInt8(ascii: "t"),
            let (main, sub) = revisionKey(isTombstone ? Array(key.dropLast()) : key)
        else { throw .badKey }
        var row = EtcdRevision(main: main, sub: sub, isTombstone: isTombstone, key: [])
        try fields(of: value) { (reader, number, type) throws(ProtobufError) in
            switch (number, type) {
            case (1, .lengthDelimited): row.key = Array(try reader.lengthDelimited())
            case (2, .varint): row.createRevision = Int64(bitPattern: try reader.varint())
            case (3, .varint): row.modRevision = Int64(bitPattern: try reader.varint())
            case (4, .varint): row.version = Int64(bitPattern: try reader.varint())
            case (5, .lengthDelimited): row.value = Array(try reader.lengthDelimited())
            case (6, .varint): row.lease = Int64(bitPattern: try reader.varint())
            case (1...6, _): throw .unexpectedWireType(field: number, offset: reader.offset)
            default: try reader.skip(type)
            }
        }
        guard !row.key.isEmpty else { throw .badValue }
        guard !isTombstone else {
            return EtcdRevision(main: main, sub: sub, isTombstone: true, key: row.key)
        }
        guard row.modRevision == main, row.createRevision > 0, row.createRevision <= main,
            (1...(main - row.createRevision + 1)).contains(row.version)
        else { throw .badRevision }
        return row
    }

    /// Both numbers of a revision: `u64 main | '_' | u64 sub`.
    static func revisionKey(_ key: [UInt8]) -> (main: Int64, sub: Int64)? {
        guard key.count == revisionBytes, key[8] == UInt8(ascii: "_"),
            let main = bigEndian(Array(key[..<8])).flatMap({ Int64(exactly: $0) }),
            let sub = bigEndian(Array(key[9...])).flatMap({ Int64(exactly: $0) })
        else { return nil }
        return (main, sub)
    }

    static func bigEndian(_ bytes: [UInt8]) -> UInt64? {
        bytes.count == 8 ? bytes.reduce(0) { $0 << 8 | UInt64($1) } : nil
    }

    static func lease(_ key: [UInt8], _ value: [UInt8]) throws(BoltRowFault) -> EtcdLease {
        guard let id = bigEndian(key).map({ Int64(bitPattern: $0) }) else { throw .badKey }
        var lease = EtcdLease(id: 0, seconds: 0, remainingSeconds: 0)
        try fields(of: value) { (reader, number, type) throws(ProtobufError) in
            switch (number, type) {
            case (1, .varint): lease.id = Int64(bitPattern: try reader.varint())
            case (2, .varint): lease.seconds = Int64(bitPattern: try reader.varint())
            case (3, .varint): lease.remainingSeconds = Int64(bitPattern: try reader.varint())
            case (1...3, _): throw .unexpectedWireType(field: number, offset: reader.offset)
            default: try reader.skip(type)
            }
        }
        guard lease.id == id, id != 0, lease.seconds >= 0, lease.remainingSeconds >= 0 else {
            throw .badValue
        }
        return lease
    }

    static func member(_ key: [UInt8], _ value: [UInt8]) throws(BoltRowFault) -> EtcdMember {
        guard let id = UInt64(String(decoding: key, as: UTF8.self), radix: 16) else {
            throw .badKey
        }
        let json: JSONFields
        do throws(JSONFields.Malformed) { json = try JSONFields(value) } catch { throw .badValue }
        guard case .number(id)? = json["id"] else { throw .badValue }
        var member = EtcdMember(id: id)
        switch json["name"] {
        case .text(let name)?: member.name = name
        case nil: break
        case .number, .flag, .texts, .null: throw .badValue
        }
        switch json["isLearner"] {
        case .flag(let flag)?: member.isLearner = flag
        case nil: break
        case .number, .text, .texts, .null: throw .badValue
        }
        member.peerURLs = try texts(json["peerURLs"])
        member.clientURLs = try texts(json["clientURLs"])
        return member
    }

    private static func texts(_ value: JSONFields.Value?) throws(BoltRowFault) -> [String] {
        switch value {
        case .texts(let texts)?: return texts
        case .null?, nil: return []
        case .number, .flag, .text: throw .badValue
        }
    }

    static func user(_ key: [UInt8], _ value: [UInt8]) throws(BoltRowFault) -> EtcdUser {
        var user = EtcdUser(name: [])
        try fields(of: value) { (reader, number, type) throws(ProtobufError) in
            switch (number, type) {
            case (1, .lengthDelimited): user.name = Array(try reader.lengthDelimited())
            case (2, .lengthDelimited): user.password = Array(try reader.lengthDelimited())
            case (3, .lengthDelimited): user.roles.append(Array(try reader.lengthDelimited()))
            case (4, .lengthDelimited):
                user.hasNoPassword = try flag(1, in: try reader.lengthDelimited())
            case (1...4, _): throw .unexpectedWireType(field: number, offset: reader.offset)
            default: try reader.skip(type)
            }
        }
        guard user.name == key else { throw .badValue }
        return user
    }

    static func role(_ key: [UInt8], _ value: [UInt8]) throws(BoltRowFault) -> EtcdRole {
        var role = EtcdRole(name: [])
        try fields(of: value) { (reader, number, type) throws(ProtobufError) in
            switch (number, type) {
            case (1, .lengthDelimited): role.name = Array(try reader.lengthDelimited())
            case (2, .lengthDelimited):
                role.permissions.append(try permission(try reader.lengthDelimited()))
            case (1...2, _): throw .unexpectedWireType(field: number, offset: reader.offset)
            default: try reader.skip(type)
            }
        }
        guard role.name == key else { throw .badValue }
        return role
    }

    private static func permission(
        _ message: UnsafeRawBufferPointer
    ) throws(ProtobufError) -> EtcdRole.Permission {
        var permission = EtcdRole.Permission()
        var reader = ProtobufReader(message)
        while let (number, type) = try reader.nextField() {
            switch (number, type) {
            case (1, .varint):
                let start = reader.offset
                guard let kind = EtcdRole.Permission.Kind(rawValue: try reader.varint()) else {
                    throw .invalidTag(offset: start)
                }
                permission.kind = kind
            case (2, .lengthDelimited): permission.key = Array(try reader.lengthDelimited())
            case (3, .lengthDelimited): permission.rangeEnd = Array(try reader.lengthDelimited())
            default: try reader.skip(type)
            }
        }
        return permission
    }

    private static func flag(
        _ wanted: UInt32, in message: UnsafeRawBufferPointer
    ) throws(ProtobufError) -> Bool {
        var found = false
        var reader = ProtobufReader(message)
        while let (number, type) = try reader.nextField() {
            if number == wanted, type == .varint {
                found = try reader.varint() != 0
            } else {
                try reader.skip(type)
            }
        }
        return found
    }

    private static func fields(
        of message: [UInt8],
        _ take: (inout ProtobufReader, UInt32, WireType) throws(ProtobufError) -> Void
    ) throws(BoltRowFault) {
        var isMessage = true
        message.withUnsafeBytes { bytes in
            do throws(ProtobufError) {
                var reader = ProtobufReader(bytes)
                while let (number, type) = try reader.nextField() {
                    try take(&reader, number, type)
                }
            } catch { isMessage = false }
        }
        guard isMessage else { throw .badValue }
    }
}

extension EtcdFacts {
    mutating func takeMeta(_ key: [UInt8], _ value: [UInt8]) throws(BoltRowFault) {
        switch String(decoding: key, as: UTF8.self) {
        case "consistent_index": consistentIndex = try Self.number(value)
        case "term": term = try Self.number(value)
        case "scheduledCompactRev": scheduledCompaction = try Self.revision(value)
        case "finishedCompactRev": finishedCompaction = try Self.revision(value)
        default: break
        }
    }

    mutating func takeAuth(_ key: [UInt8], _ value: [UInt8]) throws(BoltRowFault) {
        switch String(decoding: key, as: UTF8.self) {
        case "authEnabled":
            guard value == [0] || value == [1] else { throw .badValue }
            isAuthEnabled = value == [1]
        case "authRevision": authRevision = try Self.number(value)
        default: break
        }
    }

    private static func number(_ value: [UInt8]) throws(BoltRowFault) -> UInt64 {
        guard let number = EtcdDecoding.bigEndian(value) else { throw .badValue }
        return number
    }

    private static func revision(_ value: [UInt8]) throws(BoltRowFault) -> Int64 {
        guard let revision = EtcdDecoding.revisionKey(value) else { throw .badValue }
        return revision.main
    }
}
