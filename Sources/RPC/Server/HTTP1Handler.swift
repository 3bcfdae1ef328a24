internal import NIOCore
internal import NIOHTTP1

/// The handlers of an HTTP/1.1 connection.
enum HTTP1Pipeline {
    static func add(
        to pipeline: ChannelPipeline.SynchronousOperations, after handler: ProtocolSniffer,
        core: ServerCore, responder: @escaping HTTP1Responder, peerCommonName: String?
    ) throws {
        let decoder = ByteToMessageHandler(
            HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes))
        let handlers: [any ChannelHandler] = [
            HTTPResponseEncoder(), decoder, HTTPServerPipelineHandler(),
            HTTPServerProtocolErrorHandler(),
            HTTP1Handler(core: core, responder: responder, peerCommonName: peerCommonName),
        ]
        try pipeline.addHandlers(handlers, position: .after(handler))
    }
}

/// Gathers a request, has it answered, writes the answer.
final class HTTP1Handler: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let core: ServerCore
    private let responder: HTTP1Responder
    private var limits: RPCLimits { core.limits }
    private let peerCommonName: String?
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []
    private var isTooLarge = false
    private var timer: Scheduled<Void>?
    private var isActive = true
    private var connection: HTTP1Connection?
    private var stream: HTTP1Stream?

    init(core: ServerCore, responder: @escaping HTTP1Responder, peerCommonName: String?) {
        self.core = core
        self.responder = responder
        self.peerCommonName = peerCommonName
    }

    /// The first head must be there in `handshakeTime`, a request complete in `requestTime`.
    func handlerAdded(context: ChannelHandlerContext) {
        connection = HTTP1Connection(peerAddress: context.channel.remoteAddress)
        restartTimer(context: context, limits.handshakeTime)
    }

    func channelInactive(context: ChannelHandlerContext) {
        isActive = false
        timer?.cancel()
        connection?.onClose?()
        connection = nil
        stream = nil
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        stream?.isWritable = context.channel.isWritable
        if context.channel.isWritable { stream?.onWritable?() }
        context.fireChannelWritabilityChanged()
    }

    private func restartTimer(context: ChannelHandlerContext, _ time: TimeAmount) {
        timer?.cancel()
        let channel = context.channel
        timer = context.eventLoop.scheduleTask(in: time) { channel.close(promise: nil) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body = []
            isTooLarge = false
            core.opened(context.channel)
            restartTimer(context: context, limits.requestTime)
        case .body(let bytes):
            if body.count + bytes.readableBytes > limits.http1BodyBytesMax {
                isTooLarge = true
                body = []
            } else if !isTooLarge {
                body.append(contentsOf: bytes.readableBytesView)
            }
        case .end:
            timer?.cancel()
            answer(context: context)
        }
    }

    private func answer(context: ChannelHandlerContext) {
        guard let head, let connection else { return }
        self.head = nil
        if isTooLarge {
            let text = "the request's body is larger than \(limits.http1BodyBytesMax) bytes\n"
            let response = HTTP1Response(status: 413, body: Array(text.utf8))
            write(response, to: head, isKeptAlive: false, context: context)
            return
        }
        let request = HTTP1Request(
            method: head.method.rawValue, uri: head.uri,
            headers: head.headers.map { (name: $0.name, value: $0.value) }, body: body,
            connection: connection, peerCommonName: peerCommonName)
        body = []
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        responder(request, context.eventLoop).hop(to: context.eventLoop).whenComplete { result in
            guard self.isActive else { return }
            let isKeptAlive = head.isKeepAlive
            let context = bound.value
            switch result {
            case .success(let response):
                self.write(response, to: head, isKeptAlive: isKeptAlive, context: context)
            case .failure(let error):
                let response = HTTP1Response(status: 500, body: Array("\(error)\n".utf8))
                self.write(response, to: head, isKeptAlive: isKeptAlive, context: context)
            }
        }
    }

    private func write(
        _ response: HTTP1Response, to request: HTTPRequestHead, isKeptAlive: Bool,
        context: ChannelHandlerContext
    ) {
        var headers = HTTPHeaders()
        for field in response.headers { headers.add(name: field.name, value: field.value) }
        if response.continuation == nil {
            headers.replaceOrAdd(name: "content-length", value: String(response.body.count))
        }
        if !isKeptAlive { headers.replaceOrAdd(name: "connection", value: "close") }
        let head = HTTPResponseHead(
            version: request.version, status: HTTPResponseStatus(statusCode: response.status),
            headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if request.method != .HEAD, !response.body.isEmpty {
            let bytes = context.channel.allocator.buffer(bytes: response.body)
            context.write(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: nil)
        }
        if let continuation = response.continuation {
            context.flush()
            return follow(continuation, isKeptAlive: isKeptAlive, context: context)
        }
        end(isKeptAlive: isKeptAlive, context: context)
    }

    /// Lets the answer be written piece by piece.
    private func follow(
        _ continuation: (HTTP1Stream) -> Void, isKeptAlive: Bool, context: ChannelHandlerContext
    ) {
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        let stream = HTTP1Stream()
        stream.isWritable = context.channel.isWritable
        stream.writePiece = { [weak self] bytes in
            guard let self, isActive else { return }
            let buffer = bound.value.channel.allocator.buffer(bytes: bytes)
            bound.value.writeAndFlush(
                wrapOutboundOut(.body(.byteBuffer(buffer))), promise: nil)
        }
        stream.finish = { [weak self] in
            guard let self, isActive else { return }
            self.stream = nil
            end(isKeptAlive: isKeptAlive, context: bound.value)
        }
        self.stream = stream
        continuation(stream)
    }

    private func end(isKeptAlive: Bool, context: ChannelHandlerContext) {
        let promise = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: promise)
        if isKeptAlive {
            restartTimer(context: context, limits.idleTime ?? .minutes(5))
        } else {
            let channel = context.channel
            promise.futureResult.whenComplete { _ in channel.close(promise: nil) }
        }
    }
}
