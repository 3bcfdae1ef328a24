internal import Monitoring
internal import NIOCore
internal import NIOEmbedded
internal import Primitives
internal import RPC

extension FuzzTarget {
    /// A server's connection with three methods; the preface and SETTINGS came already. The first
    /// byte says into how large pieces the rest is cut.
    static let http2Server = FuzzTarget("http2-server") { bytes in
        let channel = EmbeddedChannel()
        var routes = RPCRoutes()
        routes.unary("/a/Unary") { call, message in call.respond(message) }
        routes.stream("/a/Stream") { Echo($0) }
        routes.stream("/a/Paused") { call in
            call.pauseReading()
            return Echo(call)
        }
        let server = RPCServer(eventLoop: channel.eventLoop, routes: routes)
        guard (try? server.serve(channel)) != nil else { return }
        activate(channel)
        feed(channel, HTTP2Frames.preface + HTTP2Frames.settings, pieceBytes: .max)
        var input = FuzzInput(bytes)
        let pieceBytes = Int(input.byte()) + 1
        feed(channel, input.takeAll(), pieceBytes: pieceBytes)
        _ = try? channel.finish(acceptAlreadyClosed: true)
    } seeds: {
        typealias Frames = HTTP2Frames
        let body = Frames.message([1, 2, 3])
        let zipped = Frames.message(FuzzSeeds.gzip, isCompressed: true)
        return [
            [40] + Frames.request(1, "/a/Unary") + Frames.data(1, body, endsStream: true),
            [7] + Frames.request(1, "/a/Stream") + Frames.data(1, body + zipped, endsStream: false)
                + Frames.data(1, body, endsStream: true),
            [255] + Frames.request(1, "/a/Paused") + Frames.data(1, body, endsStream: false)
                + Frames.frame(3, 0, 1, [0, 0, 0, 8]),
            [90] + Frames.request(1, "/a/None") + Frames.frame(6, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8])
                + Frames.frame(8, 0, 0, [0, 0, 1, 0]) + Frames.frame(4, 0, 0, [0, 4, 0, 0, 0, 9])
                + Frames.frame(7, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0]),
        ]
    }

    /// A client's connection with a unary call and a stream under way, and what the server says.
    static let http2Client = FuzzTarget("http2-client") { bytes in
        let channel = EmbeddedChannel()
        guard let client = try? RPCClient.over(channel) else { return }
        activate(channel)
        client.unary("/a/Unary", [1, 2, 3], timeout: .seconds(1)) { _ in }
        let stream = client.stream("/a/Stream", onMessage: { _ in }, onEnd: { _ in })
        stream?.send([1])
        channel.embeddedEventLoop.run()
        var input = FuzzInput(bytes)
        let pieceBytes = Int(input.byte()) + 1
        feed(channel, HTTP2Frames.settings + input.takeAll(), pieceBytes: pieceBytes)
        client.abort()
        _ = try? channel.finish(acceptAlreadyClosed: true)
    } seeds: {
        typealias Frames = HTTP2Frames
        let head = [(":status", "200"), ("content-type", "application/grpc")]
        let trailers = [("grpc-status", "0"), ("grpc-message", "a%20b")]
        let answer =
            Frames.headers(1, head) + Frames.data(1, Frames.message([4, 5]), endsStream: false)
            + Frames.headers(1, trailers, endsStream: true)
        let events =
            Frames.headers(3, head)
            + Frames.data(3, Frames.message([4]) + Frames.message([]), endsStream: false)
        return [
            [60] + answer, [9] + events + answer,
            [255] + Frames.headers(3, head + [("grpc-status", "14")], endsStream: true),
            [30] + Frames.frame(7, 0, 0, [0, 0, 0, 1, 0, 0, 0, 2]) + answer,
            [30] + Frames.headers(1, [(":status", "502"), ("content-type", "text/html")])
                + Frames.data(1, [60, 61], endsStream: true),
        ]
    }

    static func activate(_ channel: EmbeddedChannel) {
        guard let address = try? SocketAddress(ipAddress: "127.0.0.1", port: 1) else { return }
        channel.connect(to: address, promise: nil)
        channel.embeddedEventLoop.run()
    }

    static func feed(_ channel: EmbeddedChannel, _ bytes: [UInt8], pieceBytes: Int) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(pieceBytes)
            rest = rest.dropFirst(piece.count)
            guard (try? channel.writeInbound(ByteBuffer(bytes: piece))) != nil else { return }
            channel.embeddedEventLoop.run()
            while (try? channel.readOutbound(as: ByteBuffer.self)) ?? nil != nil {}
        }
    }

    /// Cuts at the first byte's distance, takes messages apart, and tries every header's form.
    static let grpcFraming = FuzzTarget("grpc-framing") { bytes in
        var input = FuzzInput(bytes)
        let pieceBytes = Int(input.byte()) + 1
        let body = input.takeAll()
        var assembler = MessageAssembler()
        var rest = body[...]
        scan: while !rest.isEmpty {
            let piece = Array(rest.prefix(pieceBytes))
            rest = rest.dropFirst(piece.count)
            let messages = piece.withUnsafeBytes { raw -> [ReceivedMessage]? in
                var raw = raw
                var found: [ReceivedMessage] = []
                while let message = try? assembler.next(&raw, byteCountMax: 1 << 16) {
                    found.append(message)
                }
                return raw.isEmpty ? found : nil
            }
            guard let messages else { break scan }
            for message in messages where message.isCompressed {
                let plain = try? Gzip.decompress(message.bytes, byteCountMax: 1 << 16)
                invariant(plain?.count ?? 0 <= 1 << 16, "more came out than the limit")
            }
        }
        invariant(assembler.heldByteCount <= body.count, "bytes are held that never came")
        _ = try? Gzip.decompress(body, byteCountMax: 1 << 16)
        if let decoded = Base64.decode(body) {
            invariant(Base64.decode(Base64.encode(decoded)) == decoded, "base64 goes both ways")
        }
        body.withUnsafeBytes {
            _ = StatusMessage.decode($0)
            _ = TimeoutHeader.decode($0)
        }
        if let parent = TraceParent(body[...]) {
            let flags = parent.isSampled ? "01" : "00"
            let text = "00-\(parent.traceID)-\(parent.spanID)-\(flags)"
            invariant(TraceParent(Array(text.utf8)[...]) == parent, "a trace goes both ways")
        }
    } seeds: {
        [
            [3] + HTTP2Frames.message([1, 2, 3]) + HTTP2Frames.message([]),
            [200] + HTTP2Frames.message(FuzzSeeds.gzip, isCompressed: true),
            [0] + FuzzSeeds.gzip, [0] + Array("aGVsbG8=".utf8), [0] + Array("100m".utf8),
            [0] + Array("a%20b%C3%BC".utf8),
            [0] + Array("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".utf8),
        ]
    }
}

/// Answers each message with itself.
private final class Echo: ServerStream {
    private let call: ServerCall

    init(_ call: ServerCall) { self.call = call }

    func received(_ message: [UInt8]) { call.send(message) }
    func halfClosed() { call.finish(.ok) }
    func closed(cancelled: Bool) {}
    func writable() {}
}

enum FuzzSeeds {
    /// "hello hello hello hello\n" as gzip makes it.
    static let gzip: [UInt8] = [
        0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xCB, 0x48, 0xCD, 0xC9,
        0xC9, 0x57, 0xC8, 0x40, 0x27, 0xB9, 0x00, 0x00, 0x88, 0x59, 0x0B, 0x18, 0x00, 0x00,
        0x00,
    ]
}
