import NIOCore
import NIOPosix
import RPC
import Testing

@Suite("The client's end of a connection (DESIGN §7)")
struct ClientTests {
    @Test("calls over the server's limit of streams wait and are all answered")
    func streamLimit() async throws {
        let server = try await TestServer.start { limits, _, _ in limits.concurrentStreamsMax = 2 }
        let client = try await server.client()
        try await withThrowingTaskGroup(of: (UInt8, Result<[UInt8], RPCStatus>).self) { group in
            for number: UInt8 in 0..<200 {
                group.addTask { (number, try await client.unary("Echo", [number])) }
            }
            for try await (number, result) in group { #expect(result == .success([number])) }
        }
        try await server.stop()
    }

    @Test("a call over the client's own bound is refused as never sent")
    func callLimit() async throws {
        let server = try await TestServer.start()
        var settings = RPCClientSettings()
        settings.callsMax = 1
        let client = try await server.client(settings)
        async let first = client.failure("Never", timeout: .seconds(2))
        try await server.journal.wait(for: "started")
        let second = try await client.failure("Echo")
        #expect(second?.code == .resourceExhausted)
        #expect(second?.neverSent == true)
        #expect(try await first?.code == .deadlineExceeded)
        try await server.stop()
    }

    @Test("a waiting call whose connection is lost was never sent; a written one may have been")
    func neverSent() async throws {
        let server = try await TestServer.start { limits, _, _ in limits.concurrentStreamsMax = 1 }
        let client = try await server.client()
        #expect(try await client.unary("Echo", [1]) == .success([1]))
        async let written = client.failure("Never")
        try await server.journal.wait(for: "started")
        async let waiting = client.failure("Never")
        let loop = TestLoop.loop
        while try await loop.submit({ client.client.callCount }).get() < 2 {}
        try await server.stop()
        let results = try await [written, waiting]
        #expect(results.map { $0?.code } == [.unavailable, .unavailable])
        #expect(results.map { $0?.neverSent } == [false, true])
    }

    @Test("a response over the limit fails its call only")
    func responseLimit() async throws {
        let server = try await TestServer.start()
        var settings = RPCClientSettings()
        settings.responseBytesMax = 100
        let client = try await server.client(settings)
        let status = try await client.failure("Echo", [UInt8](repeating: 1, count: 101))
        #expect(
            status
                == RPCStatus(
                    .resourceExhausted, "grpc: received message larger than max (101 vs. 100)"))
        #expect(try await client.unary("Echo", [1]) == .success([1]))
        try await server.stop()
    }

    @Test("a sink gets the result of every call under its tag")
    func sink() async throws {
        final class Sink: RPCResponseSink {
            var results: [Int: [UInt8]] = [:]
            let done: EventLoopPromise<Bool>
            init(_ done: EventLoopPromise<Bool>) { self.done = done }
            func completed(tag: Int, status: RPCStatus, message: [UInt8]) {
                results[tag] = message
                if results.count == 500 {
                    done.succeed(results.allSatisfy { $0.value == [UInt8($0.key & 255)] })
                }
            }
        }
        let server = try await TestServer.start()
        let client = try await server.client()
        let isRight = try await TestLoop.loop.flatSubmit {
            let promise = TestLoop.loop.makePromise(of: Bool.self)
            let sink = Sink(promise)
            let method = client.client.method("/test.Service/Echo")
            for tag in 0..<500 {
                client.client.unary(method, [UInt8(tag & 255)], tag: tag, to: sink)
            }
            return promise.futureResult
        }.get()
        #expect(isRight)
        try await server.stop()
    }

    @Test("a client whose server is silent finds out by its PING")
    func keepalive() async throws {
        let server = try await RawServer.start(answer: [], to: 0)
        var settings = RPCClientSettings()
        settings.keepaliveInterval = .milliseconds(500)
        settings.keepaliveTimeout = .milliseconds(500)
        let loop = TestLoop.loop
        // In the turn in which the connection stands: a busy machine may give this task its next
        // turn when the connection has been given up already.
        let ended = RPCClient.connect(
            host: "127.0.0.1", port: server.port, on: loop, settings: settings
        ).flatMap { client in
            let promise = loop.makePromise(of: Result<[UInt8], RPCStatus>.self)
            client.unary("/test.Service/Echo", [1], timeout: .seconds(60)) { promise.succeed($0) }
            return promise.futureResult.map { (client, $0) }
        }
        guard case .failure(let status) = try await ended.get().1 else {
            Issue.record("a silent server has answered")
            return
        }
        #expect(status.code == .unavailable)
        #expect(!status.neverSent)
        try await server.stop()
    }

    @Test(
        "what the server's refusal says about a call",
        arguments: [
            // GOAWAY that names no stream as processed, and one that names this one; then silence.
            (RawPeer.frame(7, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0]), RPCCode.unavailable, true),
            (RawPeer.frame(7, 0, 0, [0, 0, 0, 1, 0, 0, 0, 0]), RPCCode.deadlineExceeded, false),
            (RawPeer.frame(3, 0, 1, [0, 0, 0, 7]), RPCCode.unavailable, true),
            (RawPeer.frame(3, 0, 1, [0, 0, 0, 8]), RPCCode.cancelled, false),
            (RawPeer.frame(3, 0, 1, [0, 0, 0, 11]), RPCCode.resourceExhausted, false),
            (RawPeer.frame(3, 0, 1, [0, 0, 0, 2]), RPCCode.internalError, false),
            ([UInt8](repeating: 0xFF, count: 64), RPCCode.unavailable, false),
        ])
    func refusals(answer: [UInt8], code: RPCCode, neverSent: Bool) async throws {
        let server = try await RawServer.start(answer: answer, to: 0)
        let client = try await server.client()
        let status = try await client.failure("Echo", [1], timeout: .seconds(2))
        #expect(status?.code == code, "\(String(describing: status))")
        #expect(status?.neverSent == neverSent)
        try await server.stop()
    }

    @Test(
        "answers that are not gRPC's have gRPC's status for them",
        arguments: [
            ("404", RPCCode.unimplemented), ("401", .unauthenticated), ("403", .permissionDenied),
            ("400", .internalError), ("503", .unavailable), ("500", .unknown),
            ("200", .internalError), ("99999999999999999999", .internalError),
        ])
    func httpStatus(status: String, code: RPCCode) async throws {
        let server = try await RawServer.start(
            answer: RawPeer.headers(1, RawPeer.literal(":status", status), endStream: true), to: 0)
        let client = try await server.client()
        let failure = try await client.failure("Echo", [1], timeout: .seconds(5))
        #expect(failure?.code == code)
        try await server.stop()
    }

    @Test("a port that does not answer with SETTINGS is unavailable")
    func notHTTP2() async throws {
        let listener = try await ServerBootstrap(group: TestLoop.group)
            .bind(host: "127.0.0.1", port: 0).get()
        var settings = RPCClientSettings()
        settings.connectTimeout = .milliseconds(200)
        let port = try #require(listener.localAddress?.port)
        await #expect(throws: RPCStatus.self) {
            _ = try await RPCClient.connect(
                host: "127.0.0.1", port: port, on: TestLoop.loop, settings: settings
            ).get()
        }
        try await listener.close().get()
    }

    @Test("a completion may give up its own connection, with calls still running")
    func abortFromCompletion() async throws {
        let server = try await TestServer.start()
        for _ in 0..<20 {
            let client = try await server.client()
            let loop = TestLoop.loop
            let codes = try await loop.flatSubmit {
                let promise = loop.makePromise(of: [RPCCode].self)
                var codes: [RPCCode] = []
                for number in 0..<50 {
                    let method = number % 2 == 0 ? "Fail" : "Never"
                    client.client.unary("/test.Service/\(method)", [1]) { result in
                        if case .failure(let status) = result { codes.append(status.code) }
                        client.client.abort()
                        if codes.count == 50 { promise.succeed(codes) }
                    }
                }
                return promise.futureResult
            }.get()
            #expect(codes.contains(.notFound) && codes.contains(.unavailable))
        }
        try await server.waitForConnectionCount(0)
        try await server.stop()
    }

    @Test("closing lets running calls end")
    func close() async throws {
        let server = try await TestServer.start { _, routes, journal in
            routes.unary("/test.Service/Later") { call, _ in
                journal.add("running")
                call.eventLoop.scheduleTask(in: .milliseconds(50)) { call.respond([7]) }
            }
        }
        let client = try await server.client()
        async let answer = client.unary("Later")
        try await server.journal.wait(for: "running")
        try await TestLoop.loop.submit { client.client.close() }.get()
        #expect(try await client.failure("Echo")?.neverSent == true)
        #expect(try await answer == .success([7]))
        try await server.waitForConnectionCount(0)
        try await server.stop()
    }
}
