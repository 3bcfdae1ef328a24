import NIOCore
import NIOPosix
import RPC
import Testing

/// The event loop that the tests share: servers and clients of a test run on it.
enum TestLoop {
    static let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    static var loop: any EventLoop { group.next() }
}

/// What stream handlers of the tests saw, readable from anywhere.
final class Journal: @unchecked Sendable {
    private var lines: [String] = []
    private var waiters: [(String, EventLoopPromise<Void>)] = []

    func add(_ line: String) {
        lines.append(line)
        let ready = waiters.filter { $0.0 == line }
        waiters.removeAll { $0.0 == line }
        for waiter in ready { waiter.1.succeed(()) }
    }

    /// Returns when `line` was added, at once if it was before.
    func wait(for line: String) async throws {
        try await TestLoop.loop.flatSubmit {
            let promise = TestLoop.loop.makePromise(of: Void.self)
            if self.lines.contains(line) {
                promise.succeed(())
            } else {
                self.waiters.append((line, promise))
                TestLoop.loop.scheduleTask(in: .seconds(60)) {
                    promise.fail(TestFailure.notSeen(line, in: self.lines))
                }
            }
            return promise.futureResult
        }.get()
    }

    func all() async throws -> [String] {
        try await TestLoop.loop.submit { self.lines }.get()
    }
}

/// A number that closures share. Used on the tests' event loop only.
final class Counter: @unchecked Sendable {
    var value = 0
}

enum TestFailure: Error {
    case notSeen(String, in: [String])
    case connectionStillOpen
}

/// Answers every message with itself; its first message can ask for something else.
final class EchoStream: ServerStream {
    let call: ServerCall
    let journal: Journal

    init(_ call: ServerCall, _ journal: Journal) {
        self.call = call
        self.journal = journal
    }

    func received(_ message: [UInt8]) {
        journal.add("received \(message.count)")
        call.send(message)
    }

    func halfClosed() {
        journal.add("halfClosed")
        call.finish(.ok)
    }

    func closed(cancelled: Bool) { journal.add("closed cancelled=\(cancelled)") }
    func writable() { journal.add("writable") }
}

/// A stream handler made of closures.
final class ClosureStream: ServerStream {
    var onReceived: ([UInt8]) -> Void = { _ in }
    var onHalfClosed: () -> Void = {}
    var onClosed: (Bool) -> Void = { _ in }
    var onWritable: () -> Void = {}
    func received(_ message: [UInt8]) { onReceived(message) }
    func halfClosed() { onHalfClosed() }
    func closed(cancelled: Bool) { onClosed(cancelled) }
    func writable() { onWritable() }
}

/// A server on a free port of loopback, with the methods that the tests call.
struct TestServer: Sendable {
    let server: RPCServer
    let port: Int
    let journal: Journal

    /// `change` may alter the limits and add routes.
    static func start(
        _ change: @escaping @Sendable (inout RPCLimits, inout RPCRoutes, Journal) -> Void = {
            _, _, _ in
        }
    ) async throws -> TestServer {
        let journal = Journal()
        let server: RPCServer = try await TestLoop.loop.submit {
            var limits = RPCLimits()
            var routes = RPCRoutes()
            addRoutes(to: &routes, journal)
            change(&limits, &routes, journal)
            return RPCServer(
                eventLoop: TestLoop.loop, routes: routes,
                http1: { request, loop in
                    let text = "\(request.method) \(request.uri) \(request.body.count)"
                    return loop.makeSucceededFuture(
                        HTTP1Response(status: 200, body: Array(text.utf8)))
                }, limits: limits)
        }.get()
        let address = try await server.listen(host: "127.0.0.1", port: 0).get()
        return TestServer(server: server, port: address.port ?? 0, journal: journal)
    }

    init(server: RPCServer, port: Int, journal: Journal) {
        self.server = server
        self.port = port
        self.journal = journal
    }

    private static func addRoutes(to routes: inout RPCRoutes, _ journal: Journal) {
        routes.unary("/test.Service/Echo") { call, message in call.respond(message) }
        routes.unary("/test.Service/Fail") { call, message in
            call.finish(RPCStatus(.notFound, "100% größer\nas said"))
        }
        routes.unary("/test.Service/Never") { call, message in
            journal.add("started")
            call.onCancel = { journal.add("cancelled") }
        }
        routes.unary("/test.Service/Metadata") { call, message in
            let bytes = call.metadataBytes("trace-bin") ?? []
            let token = call.metadata("token") ?? "none"
            call.respond(Array("\(token) \(bytes) \(call.metadata("absent") ?? "nil")".utf8))
        }
        routes.stream("/test.Service/EchoStream") { EchoStream($0, journal) }
    }

    func client(_ settings: RPCClientSettings = RPCClientSettings()) async throws -> TestClient {
        let client = try await RPCClient.connect(
            host: "127.0.0.1", port: port, on: TestLoop.loop, settings: settings
        ).get()
        return TestClient(client: client)
    }

    /// Returns when so many connections are open; asks the event loop until then.
    func waitForConnectionCount(_ count: Int) async throws {
        for _ in 0..<100_000 {
            let now = try await TestLoop.loop.scheduleTask(in: .milliseconds(1)) {
                server.connectionCount
            }.futureResult.get()
            if now == count { return }
        }
        throw TestFailure.connectionStillOpen
    }

    func stop() async throws { try await server.shutdown(gracePeriod: .milliseconds(0)).get() }
}

/// An `async` face for a client.
struct TestClient: Sendable {
    let client: RPCClient

    func unary(
        _ method: String, _ message: [UInt8] = [], metadata: [(name: String, value: String)] = [],
        timeout: TimeAmount? = .seconds(60)
    ) async throws -> Result<[UInt8], RPCStatus> {
        let loop = client.eventLoop
        return try await loop.flatSubmit {
            let promise = loop.makePromise(of: Result<[UInt8], RPCStatus>.self)
            client.unary(
                "/test.Service/\(method)", message, metadata: metadata, timeout: timeout
            ) { promise.succeed($0) }
            return promise.futureResult
        }.get()
    }

    func failure(_ method: String, _ message: [UInt8] = [], timeout: TimeAmount? = .seconds(60))
        async throws -> RPCStatus?
    {
        switch try await unary(method, message, timeout: timeout) {
        case .success: return nil
        case .failure(let status): return status
        }
    }

    /// Sends `messages`, half-closes, and returns what came.
    func stream(_ method: String, sending messages: [[UInt8]]) async throws -> (
        messages: [[UInt8]], status: RPCStatus
    ) {
        let loop = client.eventLoop
        return try await loop.flatSubmit {
            let promise = loop.makePromise(of: (messages: [[UInt8]], status: RPCStatus).self)
            var received: [[UInt8]] = []
            let stream = client.stream(
                "/test.Service/\(method)", onMessage: { received.append($0) },
                onEnd: { promise.succeed((received, $0)) })
            for message in messages { stream?.send(message) }
            stream?.halfClose()
            return promise.futureResult
        }.get()
    }
}
