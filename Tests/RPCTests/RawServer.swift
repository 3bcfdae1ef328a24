import NIOCore
import NIOPosix
import RPC

/// A server that says SETTINGS and then only what the test lets it say.
final class RawServer: @unchecked Sendable {
    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let answer: [UInt8]
        private let trigger: UInt8
        private var bytes: [UInt8] = []
        private var isAnswered = false

        init(answer: [UInt8], trigger: UInt8) {
            self.answer = answer
            self.trigger = trigger
        }

        func channelActive(context: ChannelHandlerContext) {
            write(RawPeer.frame(4, 0, 0, []), context)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            bytes.append(contentsOf: unwrapInboundIn(data).readableBytesView)
            var offset = RawPeer.preface.count
            while bytes.count - offset >= 9, !isAnswered {
                let length = bytes[offset..<(offset + 3)].reduce(0) { $0 << 8 | Int($1) }
                if bytes[offset + 3] == trigger {
                    isAnswered = true
                    write(answer, context)
                }
                offset += 9 + length
            }
        }

        private func write(_ bytes: [UInt8], _ context: ChannelHandlerContext) {
            context.writeAndFlush(
                NIOAny(context.channel.allocator.buffer(bytes: bytes)), promise: nil)
        }
    }

    private let channel: any Channel
    let port: Int

    private init(channel: any Channel) {
        self.channel = channel
        port = channel.localAddress?.port ?? 0
    }

    /// Sends `answer` once, when the first frame of type `trigger` comes.
    static func start(answer: [UInt8], to trigger: UInt8) async throws -> RawServer {
        let channel = try await ServerBootstrap(group: TestLoop.group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        Handler(answer: answer, trigger: trigger))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return RawServer(channel: channel)
    }

    func client(_ settings: RPCClientSettings = RPCClientSettings()) async throws -> TestClient {
        TestClient(
            client: try await RPCClient.connect(
                host: "127.0.0.1", port: port, on: TestLoop.loop, settings: settings
            ).get())
    }

    func stop() async throws { try await channel.close().get() }
}
