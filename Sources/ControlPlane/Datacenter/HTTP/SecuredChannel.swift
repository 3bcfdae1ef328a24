internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import RPC

/// A connection of the HTTP port, with TLS beneath what is spoken on it where there is TLS.
struct SecuredChannel: ServerChildChannel {
    let base: HTTP1Channel
    /// Nil: plaintext.
    let security: RPCSecurity?

    func setup(
        channel: any Channel, logger: Logger
    ) -> EventLoopFuture<HTTP1Channel.Value> {
        let (base, security) = (base, security)
        return channel.eventLoop.makeCompletedFuture {
            try security?.addHandlers(channel)
        }.flatMap { base.setup(channel: channel, logger: logger) }
    }

    func handle(value: HTTP1Channel.Value, logger: Logger) async {
        await base.handle(value: value, logger: logger)
    }
}
