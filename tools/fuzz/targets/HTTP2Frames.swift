/// Frames as a client or a server sends them, without compression of headers.
enum HTTP2Frames {
    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    static func frame(_ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ body: [UInt8]) -> [UInt8] {
        let count = UInt32(body.count)
        let head = [UInt8(truncatingIfNeeded: count >> 16), UInt8(truncatingIfNeeded: count >> 8)]
        let number = (0..<4).map { UInt8(truncatingIfNeeded: stream >> (24 - 8 * $0)) }
        return head + [UInt8(truncatingIfNeeded: count), type, flags] + number + body
    }

    static let settings = frame(4, 0, 0, [])
    static let settingsAcknowledgement = frame(4, 1, 0, [])

    static func headers(
        _ stream: UInt32, _ fields: [(String, String)], endsStream: Bool = false
    ) -> [UInt8] {
        var block: [UInt8] = []
        for (name, value) in fields {
            block.append(0)
            block += string(name) + string(value)
        }
        return frame(1, endsStream ? 5 : 4, stream, block)
    }

    private static func string(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        return [UInt8(bytes.count & 0x7F)] + bytes.prefix(0x7F)
    }

    static func request(_ stream: UInt32, _ path: String) -> [UInt8] {
        headers(
            stream,
            [
                (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "a"),
                ("te", "trailers"), ("content-type", "application/grpc"),
                ("grpc-timeout", "1S"), ("grpc-encoding", "gzip"),
            ])
    }

    static func data(_ stream: UInt32, _ body: [UInt8], endsStream: Bool) -> [UInt8] {
        frame(0, endsStream ? 1 : 0, stream, body)
    }

    static func message(_ bytes: [UInt8], isCompressed: Bool = false) -> [UInt8] {
        let count = UInt32(bytes.count)
        return [isCompressed ? 1 : 0]
            + (0..<4).map { UInt8(truncatingIfNeeded: count >> (24 - 8 * $0)) } + bytes
    }
}
