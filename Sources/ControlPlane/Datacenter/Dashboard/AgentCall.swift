internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import RPC

/// One GET to an agent's HTTP port, over a connection of its own, as a whole.
enum AgentCall {
    struct Answer: Sendable {
        var status = 0
        var body: [UInt8] = []
    }

    enum Failure: Error {
        case late
        case tooLarge
        case closed
    }

    static let bodyBytesMax = 4 << 20
    private static let connectSeconds: Int64 = 3
    private static let answerSeconds: Int64 = 10

    /// - Parameters:
    ///   - security: TLS; nil: plaintext.
    ///   - authorization: what is shown of who asks.
    static func get(
        _ target: String, from place: ServicePlace, security: RPCSecurity?, authorization: String?
    ) async throws -> Answer {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let answer = loop.makePromise(of: Answer.self)
        let deadline = loop.scheduleTask(in: .seconds(answerSeconds)) {
            answer.fail(Failure.late)
        }
        let connected = ClientBootstrap(group: loop)
            .connectTimeout(.seconds(connectSeconds))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try security?.addHandlers(channel)
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    try channel.pipeline.syncOperations.addHandler(AgentAnswerReader(answer))
                }
            }
            .connect(host: place.host, port: place.port)
        connected.whenFailure { answer.fail($0) }
        connected.whenSuccess { channel in
            answer.futureResult.whenComplete { _ in channel.close(promise: nil) }
            var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: target)
            head.headers.add(name: "Host", value: place.authority)
            head.headers.add(name: "Connection", value: "close")
            if let authorization {
                head.headers.add(name: "Authorization", value: authorization)
            }
            channel.write(HTTPClientRequestPart.head(head), promise: nil)
            channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
        }
        defer { deadline.cancel() }
        return try await answer.futureResult.get()
    }
}

/// Confined to its channel's event loop.
private final class AgentAnswerReader: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart

    private let promise: EventLoopPromise<AgentCall.Answer>
    private var answer = AgentCall.Answer()

    init(_ promise: EventLoopPromise<AgentCall.Answer>) { self.promise = promise }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): answer.status = Int(head.status.code)
        case .body(let buffer):
            guard answer.body.count + buffer.readableBytes <= AgentCall.bodyBytesMax else {
                return promise.fail(AgentCall.Failure.tooLarge)
            }
            answer.body += buffer.readableBytesView
        case .end: promise.succeed(answer)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        promise.fail(AgentCall.Failure.closed)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        promise.fail(error)
        context.close(promise: nil)
    }
}
