internal import NIOCore
internal import NIOHTTPTypes

/// Notices that a client has closed its end of a connection, or that the connection is gone, while
/// an answer that does not end is written: nobody reads requests then.
///
/// Confined to its channel's event loop.
final class InboundEnd: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart

    private var hasEnded = false
    private var onEnd: (() -> Void)?

    /// Calls `body` once, at the end of what comes in on the channel; at once where it has ended.
    static func watch(_ channel: any Channel, _ body: @escaping @Sendable () -> Void) async throws {
        try await channel.eventLoop.submit {
            try channel.pipeline.syncOperations.handler(type: InboundEnd.self).watch(body)
        }.get()
    }

    private func watch(_ body: @escaping () -> Void) {
        if hasEnded { body() } else { onEnd = body }
    }

    private func end() {
        hasEnded = true
        onEnd.take()?()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { end() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }
}
