internal import NIOCore
internal import NIOPosix
internal import RPC

/// Calls that are answered with what they brought: a server and a client on one event loop, so that
/// the figure is the processor time of both ends and of the system between them.
enum RPCPieces {
    private static let messageBytes = 256

    static var all: [Piece] {
        [
            Piece(
                "rpc-echo",
                "a unary call of 256 B over the loopback, both ends, 100 at a time"
            ) { _ in try work(streams: 100) },
            Piece("rpc-echo-1", "the same, one at a time") { _ in try work(streams: 1) },
        ]
    }

    private static func work(streams: Int) throws -> Work {
        var samples = Samples()
        let pair = try EchoPair(streams: streams, message: samples.bytes(messageBytes))
        return Work(run: pair.run, loop: pair.loop)
    }
}

/// Confined to its event loop, hence `@unchecked Sendable`; the thread that runs it waits.
private final class EchoPair: RPCResponseSink, @unchecked Sendable {
    let loop: any EventLoop
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let server: RPCServer
    private let client: RPCClient
    private let method: RPCMethod
    private let streams: Int
    private let message: [UInt8]
    private var toStart = 0
    private var toFinish = 0
    private var done: EventLoopPromise<Void>?

    private static let path = "/keelson.Micro/Echo"

    init(streams: Int, message: [UInt8]) throws {
        let loop = group.next()
        self.loop = loop
        self.streams = streams
        self.message = message
        let server = try loop.submit {
            var routes = RPCRoutes()
            routes.unary(Self.path) { call, body in call.respond(body) }
            return RPCServer(eventLoop: loop, routes: routes)
        }.wait()
        self.server = server
        let address = try server.listen(host: "127.0.0.1", port: 0).wait()
        let client = try RPCClient.connect(
            host: "127.0.0.1", port: address.port ?? 0, on: loop
        ).wait()
        self.client = client
        method = client.method(Self.path)
    }

    func run(_ operations: Int) throws {
        try loop.flatSubmit { self.begin(operations) }.wait()
    }

    private func begin(_ operations: Int) -> EventLoopFuture<Void> {
        let done = loop.makePromise(of: Void.self)
        self.done = done
        toStart = operations
        toFinish = operations
        for _ in 0..<min(streams, operations) { start() }
        return done.futureResult
    }

    private func start() {
        toStart -= 1
        client.unary(method, message, tag: 0, to: self)
    }

    func completed(tag: Int, status: RPCStatus, message: [UInt8]) {
        guard status.isOK, message.count == self.message.count else {
            end(.failure(status.isOK ? RPCStatus(.internalError, "another answer") : status))
            return
        }
        toFinish -= 1
        if toFinish == 0 { end(.success(())) }
        if toStart > 0 { start() }
    }

    private func end(_ result: Result<Void, RPCStatus>) {
        toStart = 0
        let done = self.done
        self.done = nil
        switch result {
        case .success: done?.succeed(())
        case .failure(let status): done?.fail(status)
        }
    }
}
