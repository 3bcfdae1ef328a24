import NIOCore
import NIOPosix
import RPC

/// One frame as a raw peer sees it.
struct RawFrame: Sendable, Equatable {
    var type: UInt8
    var flags: UInt8
    var streamID: Int
    var payload: [UInt8]

    /// For GOAWAY and RST_STREAM: HTTP/2's error code.
    var errorCode: UInt32 {
        let bytes = type == 7 ? payload.dropFirst(4).prefix(4) : payload.prefix(4)
        return bytes.reduce(0) { $0 << 8 | UInt32($1) }
    }
}

/// A client that says whatever bytes it likes. Its state is touched on the tests' event loop only.
final class RawPeer: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = ByteBuffer

    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    /// The preface and an empty SETTINGS.
    static let opening = preface + frame(4, 0, 0, [])

    private(set) var bytes: [UInt8] = []
    private(set) var isClosed = false
    private var channel: (any Channel)?
    private var waiters: [((RawPeer) -> Bool, EventLoopPromise<Void>)] = []

    /// - Parameter source: an address of this machine; nil for the system's choice.
    static func connect(_ server: TestServer, from source: String? = nil) async throws -> RawPeer {
        let peer = RawPeer()
        var bootstrap = ClientBootstrap(group: TestLoop.group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(peer)
                }
            }
        if let source {
            bootstrap = bootstrap.bind(to: try SocketAddress(ipAddress: source, port: 0))
        }
        let channel =
            try await bootstrap
            .connect(host: "127.0.0.1", port: server.port).get()
        try await TestLoop.loop.submit { peer.channel = channel }.get()
        return peer
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        bytes.append(contentsOf: unwrapInboundIn(data).readableBytesView)
        check()
    }

    func channelInactive(context: ChannelHandlerContext) {
        isClosed = true
        check()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func check() {
        let ready = waiters.filter { $0.0(self) }
        waiters.removeAll { $0.0(self) }
        for waiter in ready { waiter.1.succeed(()) }
    }

    func send(_ bytes: [UInt8]) {
        TestLoop.loop.execute {
            guard let channel = self.channel else { return }
            channel.writeAndFlush(channel.allocator.buffer(bytes: bytes), promise: nil)
        }
    }

    /// Stops taking bytes from the socket.
    func stopReading() async throws {
        guard let channel else { return }
        try await channel.setOption(.autoRead, value: false).get()
    }

    func close() { TestLoop.loop.execute { self.channel?.close(promise: nil) } }

    func wait(
        _ what: String, within time: TimeAmount = .seconds(60),
        _ condition: @escaping @Sendable (RawPeer) -> Bool
    ) async throws {
        try await TestLoop.loop.flatSubmit {
            let promise = TestLoop.loop.makePromise(of: Void.self)
            if condition(self) {
                promise.succeed(())
            } else {
                self.waiters.append((condition, promise))
                TestLoop.loop.scheduleTask(in: time) {
                    promise.fail(TestFailure.notSeen(what, in: self.frames.map { "\($0)" }))
                }
            }
            return promise.futureResult
        }.get()
    }

    func waitForClose(within time: TimeAmount = .seconds(60)) async throws {
        try await wait("closed connection", within: time) { $0.isClosed }
    }

    /// Waits for a frame of that type that `isWanted`.
    func waitForFrame(
        _ type: UInt8, _ isWanted: @escaping @Sendable (RawFrame) -> Bool = { _ in true }
    ) async throws -> RawFrame? {
        try await wait("frame of type \(type)") { peer in
            peer.frames.contains { $0.type == type && isWanted($0) }
        }
        return try await TestLoop.loop.submit {
            self.frames.first { $0.type == type && isWanted($0) }
        }.get()
    }

    /// The whole frames that came so far.
    var frames: [RawFrame] {
        var frames: [RawFrame] = []
        var offset = 0
        while bytes.count - offset >= 9 {
            let length = bytes[offset..<(offset + 3)].reduce(0) { $0 << 8 | Int($1) }
            guard bytes.count - offset >= 9 + length else { break }
            let streamID = bytes[(offset + 5)..<(offset + 9)].reduce(0) { $0 << 8 | Int($1) }
            frames.append(
                RawFrame(
                    type: bytes[offset + 3], flags: bytes[offset + 4], streamID: streamID,
                    payload: Array(bytes[(offset + 9)..<(offset + 9 + length)])))
            offset += 9 + length
        }
        return frames
    }

    var text: String { String(decoding: bytes, as: UTF8.self) }

    // MARK: Making bytes

    static func frame(_ type: UInt8, _ flags: UInt8, _ streamID: Int, _ payload: [UInt8]) -> [UInt8]
    {
        let count = payload.count
        let head = [
            UInt8(count >> 16), UInt8(count >> 8 & 255), UInt8(count & 255), type, flags,
            UInt8(streamID >> 24), UInt8(streamID >> 16 & 255), UInt8(streamID >> 8 & 255),
            UInt8(streamID & 255),
        ]
        return head + payload
    }

    /// HPACK: a literal that is not put into the table (RFC 7541 §6.2.2).
    static func literal(_ name: String, _ value: String) -> [UInt8] {
        [0] + string(name) + string(value)
    }

    private static func string(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        if bytes.count < 127 { return [UInt8(bytes.count)] + bytes }
        var length: [UInt8] = [127]
        var rest = bytes.count - 127
        while rest >= 128 {
            length.append(UInt8(rest & 127) | 128)
            rest >>= 7
        }
        return length + [UInt8(rest)] + bytes
    }

    /// The header block of a call, with fields replaced (nil: left out) or added.
    static func block(
        _ path: String? = "/test.Service/Echo", contentType: String? = "application/grpc",
        method: String = "POST", authority: String? = "localhost",
        extra: [(String, String)] = []
    ) -> [UInt8] {
        var block = literal(":method", method) + literal(":scheme", "http")
        if let path { block += literal(":path", path) }
        if let authority { block += literal(":authority", authority) }
        block += literal("te", "trailers")
        if let contentType { block += literal("content-type", contentType) }
        for field in extra { block += literal(field.0, field.1) }
        return block
    }

    static func headers(_ streamID: Int, _ block: [UInt8], endStream: Bool = false) -> [UInt8] {
        frame(1, endStream ? 5 : 4, streamID, block)
    }

    static func data(_ streamID: Int, _ payload: [UInt8], endStream: Bool) -> [UInt8] {
        frame(0, endStream ? 1 : 0, streamID, payload)
    }

    static func prefixed(_ message: [UInt8], length: Int? = nil, flags: UInt8 = 0) -> [UInt8] {
        let count = length ?? message.count
        return [
            flags, UInt8(count >> 24 & 255), UInt8(count >> 16 & 255), UInt8(count >> 8 & 255),
            UInt8(count & 255),
        ] + message
    }
}
