package import Monitoring
package import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// A port that speaks gRPC over HTTP/2, and HTTP/1.1 when it is given a responder.
///
/// Everything runs on the one event loop: handlers are called there and answer there. May be
/// created anywhere; `@unchecked Sendable` because its state is touched on the loop only.
package final class RPCServer: @unchecked Sendable {
    let core: ServerCore
    private var listeners: [any Channel] = []
    private var ticker: RepeatedTask?

    package init(
        eventLoop: any EventLoop, routes: RPCRoutes, http1: HTTP1Responder? = nil,
        limits: RPCLimits = RPCLimits()
    ) {
        core = ServerCore(eventLoop: eventLoop, routes: routes, limits: limits, http1: http1)
    }

    /// How many connections are open, of either protocol. To be read on the event loop.
    package var connectionCount: Int { core.channels.count }

    /// What was counted of each method. To be read on the event loop, as what follows.
    package var meters: [MethodMeter] { core.routes.meters }

    /// Bytes that clients sent and were sent, over HTTP/2, before TLS.
    package var receivedBytes: UInt64 { core.flushQueue.receivedBytes }
    package var sentBytes: UInt64 { core.flushQueue.sentBytes }

    /// Is told of unary calls that took at least so long.
    package func watchSlowCalls(
        threshold: TimeAmount, _ tell: @escaping (EndedCall) -> Void
    ) {
        core.slowCallTime = threshold
        core.onSlowCall = tell
    }

    /// Is told of unary calls that are traced, once they are over.
    package func traceCalls(
        _ sampler: TraceSampler, _ tell: @escaping (EndedCall, TraceContext) -> Void
    ) {
        core.tracing = CallTracing(sampler, tell)
    }

    /// Calls that were to be traced, and were too many.
    package var suppressedTraces: UInt64 { core.tracing?.sampler.suppressed ?? 0 }

    /// Whether any call is open, as far as a quick look tells: many connections count as calls. To
    /// be read on the event loop.
    package var hasOpenCalls: Bool {
        core.connections.count > 16 || core.connections.contains { $0.streamCount > 0 }
    }

    /// The event loop has other work than calls: large answers leave it room for a while.
    package func noteOtherWork() { core.flushQueue.pacer.isShared(now: .now()) }

    /// Listens on one more address. Port 0 takes any free one.
    ///
    /// - Parameter security: nil for plaintext.
    package func listen(
        host: String, port: Int, security: RPCSecurity? = nil
    ) -> EventLoopFuture<SocketAddress> {
        let core = self.core
        let bootstrap = ServerBootstrap(group: core.eventLoop)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(
                .writeBufferWaterMark, value: .init(low: 64 * 1024, high: 256 * 1024)
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard core.accepted(channel) else {
                        channel.close(promise: nil)
                        return
                    }
                    try security?.addHandlers(channel)
                    try channel.pipeline.syncOperations.addHandler(
                        ProtocolSniffer(core: core, channel: channel, security: security))
                }
            }
        return bootstrap.bind(host: host, port: port).hop(to: core.eventLoop).flatMapThrowing {
            channel in
            self.listeners.append(channel)
            self.startTicking()
            guard let address = channel.localAddress else { throw ChannelError.ioOnClosedChannel }
            return address
        }
    }

    private func startTicking() {
        guard ticker == nil else { return }
        let core = self.core
        ticker = core.eventLoop.scheduleRepeatedTask(
            initialDelay: .seconds(1), delay: .seconds(1)
        ) { _ in core.tick() }
    }

    /// Stops accepting, tells clients to go (GOAWAY) and lets running calls end until `deadline`,
    /// when what is left is closed.
    package func shutdown(gracePeriod: TimeAmount) -> EventLoopFuture<Void> {
        core.eventLoop.flatSubmit {
            for listener in self.listeners { listener.close(promise: nil) }
            self.listeners.removeAll()
            self.ticker?.cancel()
            self.ticker = nil
            return self.core.drain(deadline: .now() + gracePeriod)
        }
    }
}
