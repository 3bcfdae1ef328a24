package import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL

/// Spans on their way to a collector: OTLP over HTTP, as JSON, each body on a connection of its
/// own.
///
/// Source of which statuses mean "later": OTLP 1.x, "OTLP/HTTP Response".
package struct TraceCollector: TraceSink {
    private let url: ServiceURL
    private let security: NIOSSLContext?

    static let target = "/v1/traces"
    static let connectTime: TimeAmount = .seconds(3)
    static let answerTime: TimeAmount = .seconds(10)

    /// - Parameter url: with https, the system's CAs judge the collector's certificate.
    package init(_ url: ServiceURL) throws {
        self.url = url
        security =
            url.isSecure
            ? try NIOSSLContext(configuration: .makeClientConfiguration()) : nil
    }

    package func deliver(_ body: [UInt8], on loop: any EventLoop) -> EventLoopFuture<TraceDelivery>
    {
        let answer = loop.makePromise(of: TraceDelivery.self)
        let deadline = loop.scheduleTask(in: Self.answerTime) {
            answer.succeed(.failed("no answer in time from \(url)"))
        }
        let connected = ClientBootstrap(group: loop)
            .connectTimeout(Self.connectTime)
            .channelInitializer { [security, url] channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let security {
                        try pipeline.addHandler(
                            NIOSSLClientHandler(context: security, serverHostname: url.hostName))
                    }
                    try pipeline.addHTTPClientHandlers()
                    try pipeline.addHandler(CollectorAnswerReader(answer))
                }
            }
            .connect(host: url.host, port: url.port)
        connected.whenFailure { [url] in answer.succeed(.failed("\(url): \($0)")) }
        connected.whenSuccess { [url] channel in
            answer.futureResult.whenComplete { _ in
                deadline.cancel()
                channel.close(promise: nil)
            }
            var head = HTTPRequestHead(version: .http1_1, method: .POST, uri: Self.target)
            head.headers.add(name: "Host", value: url.authority)
            head.headers.add(name: "Connection", value: "close")
            head.headers.add(name: "Content-Type", value: "application/json")
            head.headers.add(name: "Content-Length", value: "\(body.count)")
            channel.write(HTTPClientRequestPart.head(head), promise: nil)
            let bytes = channel.allocator.buffer(bytes: body)
            channel.write(HTTPClientRequestPart.body(.byteBuffer(bytes)), promise: nil)
            channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
        }
        return answer.futureResult
    }
}

extension ServiceURL {
    var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Nil for an address, which no handshake can name.
    fileprivate var hostName: String? {
        (try? SocketAddress(ipAddress: host, port: port)) == nil ? host : nil
    }
}

/// Confined to its channel's event loop.
private final class CollectorAnswerReader: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart

    private let promise: EventLoopPromise<TraceDelivery>

    init(_ promise: EventLoopPromise<TraceDelivery>) { self.promise = promise }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(let head) = unwrapInboundIn(data) else { return }
        let said = "the collector answers \(head.status)"
        switch head.status.code {
        // What is said in between is not the answer.
        case 100..<200: break
        case 200..<300: promise.succeed(.taken)
        case 429, 502, 503, 504: promise.succeed(.failed(said))
        default: promise.succeed(.refused(said))
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        promise.succeed(.failed("the connection was closed"))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        promise.succeed(.failed("\(error)"))
        context.close(promise: nil)
    }
}
