import NIOCore
import RPC
import Testing

@Suite("Flow control both ways (DESIGN §7)")
struct FlowControlTests {
    @Test("a pulled message arrives whole, and small answers overtake it")
    func pulledMessage() async throws {
        let pieceCount = 4096
        let piece = (0..<16_384).map { UInt8(truncatingIfNeeded: $0 / 64) }
        let server = try await TestServer.start { _, routes, _ in
            routes.unary("/test.Service/Huge") { call, _ in
                var left = pieceCount
                call.send(byteCount: pieceCount * piece.count) {
                    left -= 1
                    return left >= 0 ? piece : nil
                }
                call.finish(.ok)
            }
        }
        let client = try await server.client()
        let other = try await server.client()
        async let huge = client.unary("Huge", timeout: .seconds(60))
        var small = 0
        for _ in 0..<20 {
            #expect(try await other.unary("Echo", [9]) == .success([9]))
            small += 1
        }
        let answer = try await huge
        guard case .success(let bytes) = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(bytes.count == pieceCount * piece.count)
        #expect(bytes.prefix(piece.count).elementsEqual(piece))
        #expect(bytes.suffix(piece.count).elementsEqual(piece))
        try await server.stop()
    }

    @Test("a pulled message whose pieces do not sum up resets its call and nothing else")
    func brokenPull() async throws {
        let server = try await TestServer.start { _, routes, _ in
            routes.unary("/test.Service/Short") { call, _ in
                var isFirst = true
                call.send(byteCount: 100) {
                    defer { isFirst = false }
                    return isFirst ? [1, 2, 3] : nil
                }
                call.finish(.ok)
            }
        }
        let client = try await server.client()
        #expect(try await client.failure("Short")?.code == .internalError)
        #expect(try await client.unary("Echo", [9]) == .success([9]))
        try await server.stop()
    }

    @Test("a piece's supplier may use its own call")
    func reentrantPull() async throws {
        let server = try await TestServer.start { _, routes, _ in
            routes.stream("/test.Service/Self") { call in
                let stream = ClosureStream()
                stream.onHalfClosed = {
                    call.send(byteCount: 30_000) {
                        if call.bufferedBytes == 0 { call.send([4, 4]) }
                        return [UInt8](repeating: 3, count: 10_000)
                    }
                    call.finish(.ok)
                }
                return stream
            }
        }
        let client = try await server.client()
        let result = try await client.stream("Self", sending: [])
        #expect(result.messages.map(\.count) == [30_000])
        #expect(result.status == .ok)
        try await server.stop()
    }

    @Test("a slow reader stops its own stream's sender and nobody else's")
    func slowReader() async throws {
        let server = try await TestServer.start { limits, routes, journal in
            routes.stream("/test.Service/Flood") { call in
                let stream = ClosureStream()
                var sent = 0
                let shared = SharedMessage([UInt8](repeating: 5, count: 10_000))
                func pump() {
                    while call.isWritable, sent < 5000 {
                        call.send(shared)
                        sent += 1
                    }
                    if sent == 5000 { call.finish(.ok) }
                    journal.add(sent == 5000 ? "all sent" : "blocked")
                }
                stream.onWritable = { pump() }
                stream.onReceived = { _ in pump() }
                return stream
            }
        }
        let client = try await server.client()
        let loop = TestLoop.loop
        let (stream, ended) = try await loop.submit {
            let promise = loop.makePromise(of: Int.self)
            var count = 0
            let stream = client.client.stream(
                "/test.Service/Flood",
                onMessage: { count += $0.count == 10_000 ? 1 : 0 },
                onEnd: { status in promise.succeed(status.isOK ? count : -1) })
            stream?.pauseReading()
            stream?.send([])
            return (stream, promise.futureResult)
        }.get()
        try await server.journal.wait(for: "blocked")
        #expect(try await client.unary("Echo", [9]) == .success([9]))
        #expect(try await server.journal.all().contains("all sent") == false)
        try await loop.submit { stream?.resumeReading() }.get()
        #expect(try await ended.get() == 5000)
        try await server.stop()
    }

    @Test("a connection carries more than its window in either direction")
    func connectionWindow() async throws {
        let server = try await TestServer.start { limits, _, _ in
            limits.connectionWindowBytes = 200_000
        }
        var settings = RPCClientSettings()
        settings.connectionWindowBytes = 200_000
        let client = try await server.client(settings)
        let message = [UInt8](repeating: 3, count: 90_000)
        for _ in 0..<10 { #expect(try await client.unary("Echo", message) == .success(message)) }
        // Refused requests count too: their bytes are thrown away, not kept from the window.
        for _ in 0..<10 { _ = try await client.unary("Missing", message) }
        #expect(try await client.unary("Echo", message) == .success(message))
        try await server.stop()
    }

    @Test("a handler that does not read stops its client, and gets every message when it reads")
    func pausedHandler() async throws {
        let server = try await TestServer.start { _, routes, journal in
            routes.stream("/test.Service/Slow") { call in
                let stream = ClosureStream()
                let received = Counter()
                stream.onReceived = { _ in
                    received.value += 1
                    if received.value == 1 {
                        call.pauseReading()
                        journal.add("paused")
                        call.eventLoop.scheduleTask(in: .milliseconds(100)) {
                            journal.add("received \(received.value) while paused")
                            call.resumeReading()
                        }
                    }
                }
                stream.onHalfClosed = { call.respond(Array("\(received.value)".utf8)) }
                return stream
            }
        }
        let client = try await server.client()
        let messages = (0..<500).map { _ in [UInt8](repeating: 1, count: 10_000) }
        let result = try await client.stream("Slow", sending: messages)
        #expect(result.messages == [Array("500".utf8)])
        #expect(try await server.journal.all().contains("received 1 while paused"))
        try await server.stop()
    }
}
