internal import Primitives

/// How etcd arranges its data in a bbolt file: release 3.5, which every later one reads.
///
/// Source: github.com/etcd-io/etcd, server/storage/schema and server/storage/mvcc.
package enum EtcdSchema {
    /// All buckets, in the order of their names. etcd expects each of them, empty or not.
    package enum Bucket: String, CaseIterable, Sendable {
        case alarm
        case auth
        case authRoles
        case authUsers
        case cluster
        case key
        case lease
        case members
        case membersRemoved = "members_removed"
        case meta
    }

    /// `u64 main | '_' | u64 sub`, big-endian, and `t` behind a deletion's.
    package static func revisionKey(main: Int64, sub: Int64, isDeletion: Bool = false) -> [UInt8] {
        var key: [UInt8] = []
        key.reserveCapacity(18)
        key += bigEndian(UInt64(bitPattern: main))
        key.append(UInt8(ascii: "_"))
        key += bigEndian(UInt64(bitPattern: sub))
        if isDeletion { key.append(UInt8(ascii: "t")) }
        return key
    }

    package static func bigEndian(_ value: UInt64) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }

    /// leasepb.Lease: ID = 1, TTL = 2, RemainingTTL = 3. Times in seconds.
    package static func lease(id: Int64, seconds: Int64, remainingSeconds: Int64) -> [UInt8] {
        var writer = ProtobufWriter(capacity: 32)
        writer.field(1, id)
        writer.field(2, seconds)
        writer.field(3, remainingSeconds)
        return writer.bytes
    }

    /// A member under its id in hexadecimal, as JSON.
    package static func member(
        id: UInt64, name: String, peerURLs: [String], clientURLs: [String], isLearner: Bool
    ) -> (key: [UInt8], value: [UInt8]) {
        var json = "{\"id\":\(id),\"peerURLs\":\(array(peerURLs))"
        if isLearner { json += ",\"isLearner\":true" }
        if !name.isEmpty { json += ",\"name\":\(quoted(name))" }
        if !clientURLs.isEmpty { json += ",\"clientURLs\":\(array(clientURLs))" }
        return (Array(String(id, radix: 16).utf8), Array((json + "}").utf8))
    }

    private static func array(_ texts: [String]) -> String {
        "[" + texts.map(quoted).joined(separator: ",") + "]"
    }

    private static func quoted(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": out += "\\\(scalar)"
            case "\u{0}"..<" ":
                let digits = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }
}
