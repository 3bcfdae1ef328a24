internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// Calls of one HTTP/1.1 connection, several under way at a time: they are answered in their order.
///
/// Confined to its event loop, hence `@unchecked Sendable`.
final class HTTPLane: @unchecked Sendable {
    typealias Done = (_ status: Int, _ text: String) -> Void

    private let place: HTTPPlace
    private let path: String
    private let channel: any Channel
    private var waiting: [(body: [UInt8], done: Done)] = []
    private var first = 0
    private let reader: Reader

    private static let outstandingMax = 64

    private init(_ place: HTTPPlace, path: String, channel: any Channel, reader: Reader) {
        self.place = place
        self.path = path
        self.channel = channel
        self.reader = reader
        reader.finished = { [weak self] in self?.sendNext() }
    }

    static func connect(
        _ place: HTTPPlace, path: String, on loop: any EventLoop
    ) -> EventLoopFuture<HTTPLane> {
        let reader = Reader()
        return ClientBootstrap(group: loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(HTTPRequestEncoder())
                    try channel.pipeline.syncOperations.addHandler(
                        ByteToMessageHandler(HTTPResponseDecoder()))
                    try channel.pipeline.syncOperations.addHandler(reader)
                }
            }
            .connect(host: place.host, port: place.port)
            .map { HTTPLane(place, path: path, channel: $0, reader: reader) }
    }

    func close() { channel.close(promise: nil) }

    /// - Parameter done: told status 0 where the connection ends before the answer.
    func post(_ body: [UInt8], streamID: String, _ done: @escaping Done) {
        waiting.append((body, done))
        self.streamID = streamID
        sendNext()
    }

    private var streamID = ""

    private func sendNext() {
        while first < waiting.count, reader.outstanding.count < Self.outstandingMax {
            let (body, done) = waiting[first]
            first += 1
            guard reader.isOpen else {
                done(0, "the connection is closed")
                continue
            }
            reader.outstanding.append(done)
            write(body)
        }
        if first > 1_000 || first == waiting.count {
            waiting.removeFirst(first)
            first = 0
        }
        channel.flush()
    }

    private func write(_ body: [UInt8]) {
        var head = HTTPRequestHead(version: .http1_1, method: .POST, uri: path)
        head.headers.add(name: "Host", value: "\(place)")
        head.headers.add(name: "Content-Type", value: "application/x-protobuf")
        head.headers.add(name: "Content-Length", value: "\(body.count)")
        head.headers.add(name: "Mesos-Stream-Id", value: streamID)
        if let authorization = place.authorization {
            head.headers.add(name: "Authorization", value: authorization)
        }
        channel.write(HTTPClientRequestPart.head(head), promise: nil)
        channel.write(
            HTTPClientRequestPart.body(.byteBuffer(ByteBuffer(bytes: body))), promise: nil)
        channel.write(HTTPClientRequestPart.end(nil), promise: nil)
    }

    /// Confined to the lane's event loop, hence `@unchecked Sendable`.
    private final class Reader: ChannelInboundHandler, @unchecked Sendable {
        typealias InboundIn = HTTPClientResponsePart

        var outstanding: [Done] = []
        var isOpen = true
        var finished: () -> Void = {}
        private var status = 0
        private var text: [UInt8] = []

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                status = Int(head.status.code)
                text = []
            case .body(let bytes):
                if text.count < 1_000 { text += bytes.readableBytesView }
            case .end:
                guard !outstanding.isEmpty else { return }
                outstanding.removeFirst()(status, String(decoding: text, as: UTF8.self))
                finished()
            }
        }

        func channelInactive(context: ChannelHandlerContext) { end() }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            end()
            context.close(promise: nil)
        }

        private func end() {
            isOpen = false
            let left = outstanding
            outstanding = []
            for done in left { done(0, "the connection ended") }
            finished()
        }
    }
}
