/// A method of one server, with the request headers that every call of it sends.
///
/// Immutable, hence safe to share between the calls of one client.
package final class RPCMethod: Sendable {
    package let path: String
    let block: HTTP2HeaderBlock

    init(path: String, scheme: String, authority: String, metadata: [(name: String, value: String)])
    {
        self.path = path
        var fields: [(name: [UInt8], value: [UInt8])] = [
            (Array(":method".utf8), Array("POST".utf8)),
            (Array(":scheme".utf8), Array(scheme.utf8)),
            (Array(":path".utf8), Array(path.utf8)),
            (Array(":authority".utf8), Array(authority.utf8)),
            (Array("content-type".utf8), Array("application/grpc".utf8)),
            (Array("te".utf8), Array("trailers".utf8)),
        ]
        for field in metadata {
            fields.append((Array(field.name.lowercased().utf8), Array(field.value.utf8)))
        }
        block = HTTP2HeaderBlock(fields, isKept: true)
    }

    /// The value of a `-bin` field.
    package static func binaryValue(_ bytes: [UInt8]) -> String {
        String(decoding: Base64.encode(bytes), as: UTF8.self)
    }
}
