internal import NIOCore
internal import NIOHTTP1

/// Tells HTTP/2 with prior knowledge from HTTP/1.1 by a connection's first bytes, and puts the
/// protocol's handlers in its place. Works the same behind TLS, whatever ALPN said.
final class ProtocolSniffer: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    /// Enough to know that it is not HTTP/1.1: no method starts so.
    private static let decisiveByteCount = 4

    private let core: ServerCore
    private let security: RPCSecurity?
    private let acceptedAt = NIODeadline.now()
    private var received = ByteBuffer()
    private var timer: Scheduled<Void>?

    init(core: ServerCore, channel: any Channel, security: RPCSecurity?) {
        self.core = core
        self.security = security
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        timer = context.eventLoop.scheduleTask(in: core.limits.handshakeTime) {
            channel.close(promise: nil)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        received.writeBuffer(&bytes)
        let view = received.readableBytesView
        let common = min(view.count, Self.preface.count)
        if !view.prefix(common).elementsEqual(Self.preface.prefix(common)) {
            // What starts as the preface and breaks it is for the HTTP/2 session to refuse.
            let isHTTP2 = view.prefix(Self.decisiveByteCount).elementsEqual(
                Self.preface.prefix(Self.decisiveByteCount))
            replace(context: context, withHTTP2: isHTTP2)
        } else if common >= Self.decisiveByteCount {
            replace(context: context, withHTTP2: true)
        }
    }

    private func replace(context: ChannelHandlerContext, withHTTP2 isHTTP2: Bool) {
        timer?.cancel()
        let pipeline = context.pipeline.syncOperations
        let bytes = received
        received = ByteBuffer()
        // Its first bytes came: behind TLS, the handshake is over.
        let commonName = security?.peerCommonName(context.channel)
        do {
            if isHTTP2 {
                let connection = ServerConnection(
                    core: core, peerAddress: context.channel.remoteAddress,
                    peerCommonName: commonName, acceptedAt: acceptedAt)
                try pipeline.addHandler(connection, position: .after(self))
            } else if let responder = core.http1 {
                try HTTP1Pipeline.add(
                    to: pipeline, after: self, core: core, responder: responder,
                    peerCommonName: commonName)
            } else {
                context.close(promise: nil)
                return
            }
        } catch {
            context.close(promise: nil)
            return
        }
        context.fireChannelRead(wrapInboundOut(bytes))
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }
}
