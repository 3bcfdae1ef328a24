import NIOCore
import RPC
import Testing

@Suite("Calls over loopback (DESIGN §7)")
struct LoopbackTests {
    @Test("a unary call is answered with its message")
    func unary() async throws {
        let server = try await TestServer.start()
        let client = try await server.client()
        for size in [0, 1, 5, 16_383, 16_384, 65_535, 65_536, 1_000_000, 2_000_000] {
            let message = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
            #expect(try await client.unary("Echo", message) == .success(message))
        }
        try await server.stop()
    }

    @Test("a thousand calls at once on one connection are each answered")
    func concurrent() async throws {
        let server = try await TestServer.start()
        let client = try await server.client()
        try await withThrowingTaskGroup(of: (Int, Result<[UInt8], RPCStatus>).self) { group in
            for number in 0..<1000 {
                let message = Array("message \(number)".utf8)
                group.addTask { (number, try await client.unary("Echo", message)) }
            }
            for try await (number, result) in group {
                #expect(result == .success(Array("message \(number)".utf8)))
            }
        }
        try await server.stop()
    }

    @Test("a header block is whole although another call ends while it comes")
    func interleavedHeaders() async throws {
        let server = try await TestServer.start { _, routes, journal in
            routes.stream("/test.Service/OnSignal") { call in
                journal.add("waiting")
                call.eventLoop.scheduleTask(in: .milliseconds(100)) { call.respond([1]) }
                return ClosureStream()
            }
        }
        let peer = try await RawPeer.connect(server)
        let first = RawPeer.headers(1, RawPeer.block("/test.Service/OnSignal"), endStream: true)
        let second = RawPeer.headers(3, RawPeer.block())
        let half = second.count / 2
        peer.send(RawPeer.opening + first + second[..<half])
        _ = try await peer.waitForFrame(1) { $0.streamID == 1 && $0.flags == 5 }
        let body = RawPeer.data(3, RawPeer.prefixed([2]), endStream: true)
        peer.send(second[half...] + body)
        let answer = try await peer.waitForFrame(0) { $0.streamID == 3 }
        #expect(answer?.payload == RawPeer.prefixed([2]))
        try await server.stop()
    }

    @Test("a status carries its code and a message of any characters")
    func status() async throws {
        let server = try await TestServer.start()
        let client = try await server.client()
        let status = try await client.failure("Fail")
        #expect(status == RPCStatus(.notFound, "100% größer\nas said"))
        try await server.stop()
    }

    @Test("request metadata reaches the handler, binary fields decoded")
    func metadata() async throws {
        let server = try await TestServer.start()
        let client = try await server.client()
        let answer = try await client.unary(
            "Metadata",
            metadata: [("token", "secret"), ("trace-bin", RPCMethod.binaryValue([0, 255, 7, 9]))])
        #expect(answer == .success(Array("secret [0, 255, 7, 9] nil".utf8)))
        try await server.stop()
    }

    @Test("a bidirectional stream carries messages both ways and ends with a status")
    func stream() async throws {
        let server = try await TestServer.start()
        let client = try await server.client()
        let messages = (0..<200).map { [UInt8](repeating: UInt8($0), count: $0 * 37) }
        let result = try await client.stream("EchoStream", sending: messages)
        #expect(result.messages == messages)
        #expect(result.status == .ok)
        try await server.journal.wait(for: "closed cancelled=false")
        try await server.stop()
    }

    @Test("a client stream is answered once, after its last message")
    func clientStream() async throws {
        let server = try await TestServer.start { _, routes, _ in
            routes.stream("/test.Service/Sum") { call in
                let stream = ClosureStream()
                var sum = 0
                stream.onReceived = { sum += $0.count }
                stream.onHalfClosed = { call.respond(Array("\(sum)".utf8)) }
                return stream
            }
        }
        let client = try await server.client()
        let result = try await client.stream(
            "Sum", sending: (0..<100).map { [UInt8](repeating: 1, count: $0) })
        #expect(result.messages == [Array("4950".utf8)])
        #expect(result.status == .ok)
        try await server.stop()
    }

    @Test("a server stream that ends before its client half-closes ends the call with its status")
    func earlyEnd() async throws {
        let server = try await TestServer.start { _, routes, _ in
            routes.stream("/test.Service/Early") { call in
                call.send([1])
                call.finish(RPCStatus(.failedPrecondition, "enough"))
                return ClosureStream()
            }
        }
        let client = try await server.client()
        let loop = TestLoop.loop
        let status = try await loop.flatSubmit {
            let promise = loop.makePromise(of: RPCStatus.self)
            client.client.stream(
                "/test.Service/Early", onMessage: { _ in }, onEnd: { promise.succeed($0) })
            return promise.futureResult
        }.get()
        #expect(status == RPCStatus(.failedPrecondition, "enough"))
        #expect(try await client.unary("Echo", [1]) == .success([1]))
        try await server.stop()
    }

    @Test("a deadline ends the call on both sides")
    func deadline() async throws {
        let server = try await TestServer.start()
        let client = try await server.client()
        async let status = client.failure("Never", timeout: .seconds(1))
        try await server.journal.wait(for: "started")
        #expect(try await status?.code == .deadlineExceeded)
        try await server.journal.wait(for: "cancelled")
        try await server.stop()
    }

    @Test("a cancelled stream is told so once")
    func cancellation() async throws {
        let server = try await TestServer.start()
        let client = try await server.client()
        let loop = TestLoop.loop
        let stream = try await loop.submit {
            let stream = client.client.stream(
                "/test.Service/EchoStream", onMessage: { _ in }, onEnd: { _ in })
            stream?.send([1, 2, 3])
            return stream
        }.get()
        try await server.journal.wait(for: "received 3")
        try await loop.submit { stream?.cancel() }.get()
        try await server.journal.wait(for: "closed cancelled=true")
        #expect(try await client.unary("Echo", [1]) == .success([1]))
        let closed = try await server.journal.all().filter { $0.hasPrefix("closed") }
        #expect(closed == ["closed cancelled=true"])
        try await server.stop()
    }

    @Test("the loss of a connection cancels its calls on the server and fails them on the client")
    func connectionLoss() async throws {
        let server = try await TestServer.start()
        let client = try await server.client()
        let loop = TestLoop.loop
        async let lost = client.failure("Never")
        try await server.journal.wait(for: "started")
        try await loop.submit { client.client.abort() }.get()
        let status = try await lost
        #expect(status?.code == .unavailable)
        #expect(status?.neverSent == false)
        try await server.journal.wait(for: "cancelled")
        let later = try await client.failure("Echo")
        #expect(later?.code == .unavailable)
        #expect(later?.neverSent == true)
        try await server.stop()
    }

    @Test("a refused connection is unavailable, and nothing was sent")
    func refused() async throws {
        let server = try await TestServer.start()
        try await server.stop()
        await #expect(throws: RPCStatus.self) { _ = try await server.client() }
    }

    @Test("unknown methods and services are refused in grpc-go's words")
    func unknownMethod() async throws {
        let server = try await TestServer.start()
        let client = try await server.client()
        let method = try await client.failure("Missing")
        #expect(
            method == RPCStatus(.unimplemented, "unknown method Missing for service test.Service"))
        let loop = TestLoop.loop
        let result = try await loop.flatSubmit {
            let promise = loop.makePromise(of: Result<[UInt8], RPCStatus>.self)
            client.client.unary("/other.Service/Get", []) { promise.succeed($0) }
            return promise.futureResult
        }.get()
        #expect(result == .failure(RPCStatus(.unimplemented, "unknown service other.Service")))
        try await server.stop()
    }

    @Test("a graceful shutdown lets running calls end and takes no new ones")
    func gracefulShutdown() async throws {
        let release = Journal()
        let server = try await TestServer.start { _, routes, journal in
            routes.unary("/test.Service/Later") { call, message in
                release.add("running")
                call.eventLoop.scheduleTask(in: .milliseconds(100)) { call.respond([7]) }
            }
        }
        let client = try await server.client()
        async let answer = client.unary("Later")
        try await release.wait(for: "running")
        let begun = NIODeadline.now()
        let done = server.server.shutdown(gracePeriod: .seconds(10))
        #expect(try await answer == .success([7]))
        try await done.get()
        #expect(NIODeadline.now() - begun < .seconds(5))
        let later = try await client.failure("Echo")
        #expect(later?.neverSent == true)
    }

    @Test("a shutdown's deadline ends calls that do not end")
    func shutdownDeadline() async throws {
        let server = try await TestServer.start()
        let client = try await server.client()
        async let lost = client.failure("Never")
        try await server.journal.wait(for: "started")
        try await server.server.shutdown(gracePeriod: .milliseconds(50)).get()
        #expect(try await lost?.code == .unavailable)
    }
}
