import NIOCore
import Primitives
import Replication

/// One peer connection's bytes: frames in, frames out, one socket write a turn.
///
/// Confined to its event loop. The owner says what a frame means.
final class PeerChannelHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// What may wait in this connection's buffers; above it messages are dropped (consensus sends
    /// again).
    static let pendingBytesMax = 128 << 20

    private var decoder = PeerFrameDecoder()
    private var out: ByteBuffer?
    private var context: ChannelHandlerContext?
    private(set) var sentBytes: UInt64 = 0
    private(set) var receivedBytes: UInt64 = 0
    private var unflushedBytes = 0

    /// Called with each frame's payload. Throwing closes the connection.
    var onFrame: ((PeerChannelHandler, [UInt8]) throws -> Void)?
    var onActive: ((PeerChannelHandler) -> Void)?
    var onClose: ((PeerChannelHandler, (any Error)?) -> Void)?
    var onWritable: ((PeerChannelHandler) -> Void)?
    private var failure: (any Error)?

    var channel: (any Channel)? { context?.channel }

    /// The handshake is done: large frames may come.
    func acceptLargeFrames() { decoder.limit = PeerProtocol.frameBytesMax }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { onActive?(self) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) { onActive?(self) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        receivedBytes &+= UInt64(bytes.readableBytes)
        decoder.append(&bytes)
        do {
            while let frame = try decoder.next() { try onFrame?(self, frame) }
        } catch {
            failure = error
            context.close(promise: nil)
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { onWritable?(self) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        failure = error
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        let onClose = onClose
        self.onClose = nil
        onClose?(self, failure)
    }

    /// Queues a frame; ``flush()`` sends it. False when too much is waiting already.
    func send(_ payload: [UInt8]) -> Bool {
        send(frame: PeerFrameDecoder.frame(payload))
    }

    /// The same for a whole frame, whose bytes others may share.
    func send(frame: ByteBuffer) -> Bool {
        guard let context, context.channel.isActive else { return false }
        guard unflushedBytes < Self.pendingBytesMax else { return false }
        if out == nil { out = frame } else { out?.writeImmutableBuffer(frame) }
        return true
    }

    func flush() {
        guard let context, let buffer = out else { return }
        out = nil
        let bytes = buffer.readableBytes
        sentBytes &+= UInt64(bytes)
        unflushedBytes += bytes
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { [weak self] _ in
            self?.unflushedBytes -= bytes
        }
        context.writeAndFlush(wrapOutboundOut(buffer), promise: promise)
    }

    /// Whether more is read from the socket; what is not read stays with the sender.
    func mayRead(_ isAllowed: Bool) {
        context?.channel.setOption(.autoRead, value: isAllowed).whenFailure { _ in }
    }

    func close() { context?.close(promise: nil) }

    /// Closes behind what was flushed: the other side reads it first.
    func closeWhenSent() {
        onFrame = nil
        context?.writeAndFlush(wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete {
            [weak self] _ in self?.close()
        }
    }
}
