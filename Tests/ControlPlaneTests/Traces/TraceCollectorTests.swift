import ControlPlane
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// Keeps the text of requests; each connection has one, which ends with the body that is sent here.
private final class Requests: Sendable {
    static let body = #"{"resourceSpans":[]}"#
    let all = Mutex<[String]>([])
}

private final class Collector: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let status: Int
    private let requests: Requests
    private var text = ""

    init(_ status: Int, _ requests: Requests) {
        self.status = status
        self.requests = requests
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        text += String(buffer: unwrapInboundIn(data))
        guard text.hasSuffix(Requests.body) else { return }
        requests.all.withLock { $0.append(text) }
        let answer = "HTTP/1.1 \(status) Said\r\nContent-Length: 2\r\n\r\n{}"
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: answer)), promise: nil)
    }
}

@Suite("A collector of traces (OTLP over HTTP)")
struct TraceCollectorTests {
    private let loop = MultiThreadedEventLoopGroup.singleton.next()

    private func deliver(to status: Int) async throws -> (TraceDelivery, [String]) {
        let requests = Requests()
        let server = try await ServerBootstrap(group: loop)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Collector(status, requests))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(server.localAddress?.port)
        let url = ServiceURL(scheme: "http", host: "127.0.0.1", port: port)
        let delivery = try await TraceCollector(url).deliver(Array(Requests.body.utf8), on: loop)
            .get()
        try await server.close()
        return (delivery, requests.all.withLock { $0 })
    }

    @Test("a body is posted as JSON to /v1/traces")
    func posted() async throws {
        let (delivery, requests) = try await deliver(to: 200)
        #expect(delivery == .taken && requests.count == 1)
        let text = try #require(requests.first)
        #expect(text.hasPrefix("POST /v1/traces HTTP/1.1\r\n"))
        #expect(text.contains("\r\nContent-Type: application/json\r\n"))
        #expect(text.contains("\r\nContent-Length: \(Requests.body.utf8.count)\r\n"))
    }

    @Test(
        "statuses that the protocol calls transient mean later, others never",
        arguments: [(429, true), (502, true), (503, true), (504, true), (400, false), (404, false)])
    func statuses(code: Int, isLater: Bool) async throws {
        let (delivery, _) = try await deliver(to: code)
        switch delivery {
        case .failed: #expect(isLater)
        case .refused: #expect(!isLater)
        case .taken: Issue.record("it was refused")
        }
    }

    @Test("nobody who listens means later")
    func nobody() async throws {
        let server = try await ServerBootstrap(group: loop).bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(server.localAddress?.port)
        try await server.close()
        let url = ServiceURL(scheme: "http", host: "127.0.0.1", port: port)
        guard case .failed = try await TraceCollector(url).deliver([], on: loop).get() else {
            Issue.record("it cannot be taken")
            return
        }
    }
}
