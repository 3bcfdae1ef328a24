internal import NIOCore
internal import NIOPosix

/// A process that makes durable what it is sent, and says so.
enum FloorFollower {
    static func serve(folder: String) throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let acknowledger = Acknowledger(loop)
        let journal = try Journal(folder: folder, loop: loop) { acknowledger.acknowledge($0) }
        let server = try ServerBootstrap(group: group)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    acknowledger.channel = channel
                    try channel.pipeline.syncOperations.addHandler(FrameReceiver(journal))
                }
            }
            .bind(host: "127.0.0.1", port: 0).wait()
        FloorProcess.serve(port: server.localAddress?.port ?? 0)
    }
}

/// Tells the leader what is durable. Confined to the event loop, hence `@unchecked Sendable`.
private final class Acknowledger: @unchecked Sendable {
    private let loop: any EventLoop
    /// To the leader, once it has connected.
    var channel: (any Channel)?

    init(_ loop: any EventLoop) { self.loop = loop }

    func acknowledge(_ last: UInt64) {
        loop.preconditionInEventLoop()
        guard let channel else { return }
        var buffer = channel.allocator.buffer(capacity: MemoryLayout<UInt64>.size)
        buffer.writeInteger(last, endianness: .little)
        channel.writeAndFlush(buffer, promise: nil)
    }
}

private final class FrameReceiver: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let journal: Journal
    private var received = ByteBuffer()

    init(_ journal: Journal) { self.journal = journal }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        received.writeBuffer(&bytes)
        while let (puts, last) = PeerFrame.next(in: &received) {
            journal.append(puts, through: last)
        }
        received.discardReadBytes()
    }
}
