internal import Foundation
internal import KeelsonClient
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import RPC

/// Where something serves HTTP.
struct HTTPPlace: Sendable, CustomStringConvertible {
    var host: String
    var port: Int
    var isSecure: Bool
    /// `Authorization`; nil: nobody says who he is.
    var authorization: String?
    /// How TLS is spoken there. Nil, where it is: the certificate must be one that the system
    /// trusts.
    var tls: TLSSettings?

    init(host: String, port: Int, isSecure: Bool, tls: TLSSettings?) {
        self.host = host
        self.port = port
        self.isSecure = isSecure
        self.tls = tls
    }

    /// Nil for what is no `http://host:port`, nor one with https.
    init?(url bytes: [UInt8]) {
        guard let url = URL(string: String(decoding: bytes, as: UTF8.self)),
            url.scheme == "http" || url.scheme == "https",
            let host = url.host(percentEncoded: false), let port = url.port
        else { return nil }
        self.host = host
        self.port = port
        isSecure = url.scheme == "https"
    }

    /// With the user, and the certificates, that are for the servers. Never for anybody else.
    func asking(as credentials: Credentials?, over tls: TLSSettings?) -> HTTPPlace {
        var place = self
        place.tls = tls
        if let credentials {
            let text = Data("\(credentials.user):\(credentials.password)".utf8)
            place.authorization = "Basic \(text.base64EncodedString())"
        }
        return place
    }

    fileprivate func security() throws -> RPCSecurity? {
        guard isSecure else { return nil }
        return try (tls ?? TLSSettings()).load(protocols: ["http/1.1"]).security(for: host)
    }

    var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// One request over a connection of its own.
struct HTTPCall {
    struct Answer: Sendable {
        var status: Int
        var headers: [String: String]
        var body: [UInt8] = []

        var text: String {
            let text = String(decoding: body, as: UTF8.self)
            return "\(status): " + text.trimmingCharacters(in: .whitespacesAndNewlines)
        }

        /// Nil where the answer is not about who calls.
        func refusal(by place: HTTPPlace) -> Failure? {
            guard status == 401 || status == 403 else { return nil }
            return Failure(.failed, "\(place) answers \(text)", advice: HTTPCall.userAdvice)
        }
    }

    static let userAdvice =
        "log in with --user NAME, or KEELSON_USER and KEELSON_PASSWORD;"
        + " `keelson user get NAME --detail` shows what a user may do"

    typealias Pieces = AsyncThrowingStream<[UInt8], any Error>

    private static let bodyBytesMax = 16 << 20

    var method: String
    var path: String
    var headers: [(String, String)] = []
    var body: [UInt8] = []

    init(_ method: String, _ path: String) {
        self.method = method
        self.path = path
    }

    func send(to place: HTTPPlace, timeout: Duration) async throws -> Answer {
        let late = Failure(.unavailable, "\(place) does not answer in time")
        return try await withThrowingTaskGroup(of: Answer.self) { group in
            group.addTask { [self] in
                var (answer, pieces) = try await open(
                    place, timeout: timeout, answerWithin: timeout)
                for try await piece in pieces {
                    guard answer.body.count + piece.count <= Self.bodyBytesMax else {
                        throw Failure(.failed, "the answer of \(place) is too large")
                    }
                    answer.body += piece
                }
                return answer
            }
            group.addTask {
                try await Task.sleep(for: timeout)
                throw late
            }
            defer { group.cancelAll() }
            guard let answer = try await group.next() else { throw late }
            return answer
        }
    }

    /// What a stream that was refused says of that, as far as it is short.
    static func gathered(_ answer: Answer, _ pieces: Pieces) async -> Answer {
        var answer = answer
        do {
            for try await piece in pieces {
                answer.body += piece
                if answer.body.count > 64 << 10 { break }
            }
        } catch {
            // Its status says enough.
        }
        return answer
    }

    /// The answer's head, and its body as it comes: it is read no faster than it is taken. The
    /// connection lives as long as the pieces do.
    /// - Parameters:
    ///   - timeout: until the connection stands.
    ///   - patience: from then until the head is there; nil: for ever.
    func open(
        _ place: HTTPPlace, timeout: Duration, answerWithin patience: Duration? = nil
    ) async throws -> (Answer, Pieces) {
        let (pieces, source) = Pieces.makeStream()
        let security = try place.security()
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let head = loop.makePromise(of: Answer.self)
        let connected = ClientBootstrap(group: loop)
            .connectTimeout(.milliseconds(Int64(timeout / .milliseconds(1))))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try security?.addHandlers(channel)
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    try channel.pipeline.syncOperations.addHandler(
                        HTTPAnswerReader(place, head, source))
                }
            }
        let channel: any Channel
        do {
            channel = try await connected.connect(host: place.host, port: place.port).get()
        } catch {
            let failure = Failure(.unavailable, "cannot connect to \(place)")
            head.fail(failure)
            throw failure
        }
        source.onTermination = { _ in channel.close(promise: nil) }
        if let patience {
            let late = loop.scheduleTask(in: TimeAmount(patience)) { channel.close(promise: nil) }
            head.futureResult.whenComplete { _ in late.cancel() }
        }
        write(to: channel, place)
        return (try await head.futureResult.get(), pieces)
    }

    private func write(to channel: any Channel, _ place: HTTPPlace) {
        var head = HTTPRequestHead(version: .http1_1, method: .init(rawValue: method), uri: path)
        head.headers.add(name: "Host", value: "\(place)")
        head.headers.add(name: "Content-Length", value: "\(body.count)")
        if let authorization = place.authorization {
            head.headers.add(name: "Authorization", value: authorization)
        }
        for (name, value) in headers { head.headers.add(name: name, value: value) }
        channel.write(HTTPClientRequestPart.head(head), promise: nil)
        let bytes = ByteBuffer(bytes: body)
        channel.write(HTTPClientRequestPart.body(.byteBuffer(bytes)), promise: nil)
        channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
    }
}

/// Confined to its channel's event loop.
private final class HTTPAnswerReader: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart

    private let place: HTTPPlace
    private let head: EventLoopPromise<HTTPCall.Answer>
    private let source: HTTPCall.Pieces.Continuation
    private var hasHead = false

    init(
        _ place: HTTPPlace, _ head: EventLoopPromise<HTTPCall.Answer>,
        _ source: HTTPCall.Pieces.Continuation
    ) {
        self.place = place
        self.head = head
        self.source = source
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let response):
            var headers: [String: String] = [:]
            for (name, value) in response.headers { headers[name.lowercased()] = value }
            hasHead = true
            head.succeed(HTTPCall.Answer(status: Int(response.status.code), headers: headers))
        case .body(let buffer): source.yield(Array(buffer.readableBytesView))
        case .end: source.finish()
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail(Failure(.unavailable, "\(place) closed the connection"))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let text = (error as? RPCStatus)?.message ?? "\(error)"
        // Another attempt would find the same certificates.
        if text.contains("TLS failed"), text.contains("certificate") {
            fail(
                Failure(
                    .failed, "\(place): \(text)",
                    advice:
                        "--cacert names the CA of servers and agents; --cert and --key, who calls"))
        } else {
            fail(Failure(.unavailable, "\(place): \(text)"))
        }
        context.close(promise: nil)
    }

    private func fail(_ failure: Failure) {
        if !hasHead {
            hasHead = true
            head.fail(failure)
        }
        source.finish(throwing: failure)
    }
}
