import NIOCore
import RPC
import Testing

@Suite("Hostile HTTP/2 clients (RELIABILITY §5, A16 to A25)")
struct AttackTests {
    /// The attack must not touch anybody else.
    private func expectServing(_ client: TestClient) async throws {
        #expect(try await client.unary("Echo", [1, 2]) == .success([1, 2]))
    }

    @Test("garbage after the preface ends the connection")
    func garbage() async throws {
        let server = try await TestServer.start()
        let client = try await server.client()
        let peer = try await RawPeer.connect(server)
        peer.send(RawPeer.preface + [UInt8](repeating: 0xEE, count: 1000))
        _ = try await peer.waitForFrame(7)
        try await peer.waitForClose()
        try await expectServing(client)
        try await server.stop()
    }

    @Test("a broken preface ends the connection")
    func brokenPreface() async throws {
        let server = try await TestServer.start()
        let client = try await server.client()
        let peer = try await RawPeer.connect(server)
        peer.send(Array("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".utf8))
        try await peer.waitForClose()
        try await expectServing(client)
        try await server.stop()
    }

    @Test("a preface that comes byte by byte is understood")
    func slowPreface() async throws {
        let server = try await TestServer.start()
        let peer = try await RawPeer.connect(server)
        for byte in RawPeer.opening { peer.send([byte]) }
        let call =
            RawPeer.headers(1, RawPeer.block())
            + RawPeer.data(1, RawPeer.prefixed([7]), endStream: true)
        for byte in call { peer.send([byte]) }
        let answer = try await peer.waitForFrame(0)
        #expect(answer?.payload == RawPeer.prefixed([7]))
        try await server.stop()
    }

    @Test(
        "A16 who says nothing, half a preface or half a header block is closed in time",
        arguments: [
            [], Array(RawPeer.preface.prefix(3)), RawPeer.preface, Array("GET / HT".utf8),
            RawPeer.opening + RawPeer.frame(1, 0, 1, RawPeer.block()),
        ])
    func handshakeDeadline(bytes: [UInt8]) async throws {
        let server = try await TestServer.start { limits, _, _ in
            limits.handshakeTime = .milliseconds(500)
        }
        let peer = try await RawPeer.connect(server)
        peer.send(bytes)
        try await peer.waitForClose()
        try await server.stop()
    }

    @Test("A17 a unary request that never ends is ended")
    func slowBody() async throws {
        let server = try await TestServer.start { limits, _, _ in
            limits.requestTime = .milliseconds(200)
        }
        let peer = try await RawPeer.connect(server)
        peer.send(RawPeer.opening + RawPeer.headers(1, RawPeer.block()))
        peer.send(RawPeer.data(1, RawPeer.prefixed([1], length: 100), endStream: false))
        let head = try await peer.waitForFrame(1)
        #expect(head?.streamID == 1)
        _ = try await peer.waitForFrame(3) { $0.errorCode == HTTP2ErrorCode.noError }
        try await server.stop()
    }

    @Test("A23 a prefix that announces more than the limit is refused before its bytes come")
    func tooLarge() async throws {
        let server = try await TestServer.start { limits, _, _ in limits.messageBytesMax = 1000 }
        let client = try await server.client()
        #expect(
            try await client.failure("Echo", [UInt8](repeating: 0, count: 1001))
                == RPCStatus(
                    .resourceExhausted, "grpc: received message larger than max (1001 vs. 1000)"))
        let peer = try await RawPeer.connect(server)
        peer.send(RawPeer.opening + RawPeer.headers(1, RawPeer.block()))
        peer.send(RawPeer.data(1, RawPeer.prefixed([], length: 0xFFFF_FFFF), endStream: false))
        let head = try await peer.waitForFrame(1)
        #expect(head?.flags == 5, "trailers only")
        try await expectServing(client)
        try await server.stop()
    }

    @Test(
        "A23 truncated, doubled, missing and mislabelled messages are internal errors",
        arguments: [
            Array(RawPeer.prefixed([1, 2, 3]).dropLast()), [0, 0, 0], [],
            RawPeer.prefixed([1]) + RawPeer.prefixed([2]), RawPeer.prefixed([1], flags: 1),
            RawPeer.prefixed([1], flags: 77),
        ])
    func lyingMessages(body: [UInt8]) async throws {
        let server = try await TestServer.start()
        let client = try await server.client()
        let peer = try await RawPeer.connect(server)
        peer.send(
            RawPeer.opening + RawPeer.headers(1, RawPeer.block())
                + RawPeer.data(1, body, endStream: true))
        let head = try await peer.waitForFrame(1)
        #expect(head?.flags == 5)
        #expect(head?.payload.contains(sequence: [2] + Array("13".utf8)) == true)
        try await expectServing(client)
        try await server.stop()
    }

    @Test(
        "requests that are not gRPC's get an HTTP status",
        arguments: [
            (RawPeer.block(contentType: "text/html"), "415"),
            (RawPeer.block(contentType: nil), "415"),
            (RawPeer.block(contentType: "application/grpcx"), "415"),
            (RawPeer.block(method: "GET"), "405"),
        ])
    func wrongKind(block: [UInt8], status: String) async throws {
        let server = try await TestServer.start()
        let peer = try await RawPeer.connect(server)
        peer.send(RawPeer.opening + RawPeer.headers(1, block, endStream: true))
        let head = try await peer.waitForFrame(1)
        #expect(head?.payload.contains(sequence: [3] + Array(status.utf8)) == true)
        try await server.stop()
    }

    @Test(
        "A25 a header block that HTTP forbids resets its stream before dispatch",
        arguments: [
            RawPeer.block("no/slash"), RawPeer.block(nil), RawPeer.block(authority: nil),
            RawPeer.block(extra: [("Upper", "x")]), RawPeer.block(extra: [("connection", "close")]),
            RawPeer.block(extra: [(":path", "/twice")]),
        ])
    func forbiddenHeaders(block: [UInt8]) async throws {
        let server = try await TestServer.start()
        let client = try await server.client()
        let peer = try await RawPeer.connect(server)
        peer.send(RawPeer.opening + RawPeer.headers(1, block, endStream: true))
        let reset = try await peer.waitForFrame(3)
        #expect(reset?.errorCode == HTTP2ErrorCode.protocolError)
        try await expectServing(client)
        try await server.stop()
    }

    @Test(
        "A25 odd paths are unimplemented",
        arguments: ["/", "//", "/test.Service", "/test.Service//Echo", "/test.Service/%45cho"])
    func oddPaths(path: String) async throws {
        let server = try await TestServer.start()
        let loop = TestLoop.loop
        let client = try await server.client()
        let result = try await loop.flatSubmit {
            let promise = loop.makePromise(of: Result<[UInt8], RPCStatus>.self)
            client.client.unary(path, [1]) { promise.succeed($0) }
            return promise.futureResult
        }.get()
        guard case .failure(let status) = result else {
            Issue.record("\(path) was answered")
            return
        }
        #expect(status.code == .unimplemented)
        try await server.stop()
    }

    @Test("A22 a header list over the limit is refused, and the connection goes on")
    func hugeHeaders() async throws {
        let server = try await TestServer.start { limits, _, _ in limits.headerListBytesMax = 4096 }
        let peer = try await RawPeer.connect(server)
        let large = RawPeer.block(extra: [("x", String(repeating: "v", count: 10_000))])
        peer.send(RawPeer.opening + RawPeer.headers(1, large, endStream: true))
        let head = try await peer.waitForFrame(1)
        #expect(head?.payload.contains(sequence: [3] + Array("431".utf8)) == true)
        peer.send(
            RawPeer.headers(3, RawPeer.block())
                + RawPeer.data(3, RawPeer.prefixed([7]), endStream: true))
        _ = try await peer.waitForFrame(0) { $0.streamID == 3 }
        try await server.stop()
    }

    @Test("A22 a block that repeats an indexed field without end costs no memory and ends the call")
    func headerBomb() async throws {
        let server = try await TestServer.start()
        let client = try await server.client()
        let peer = try await RawPeer.connect(server)
        // One field of 3 KB into the table, then 12,000 references to it: 36 MB of headers.
        let bomb =
            [0x40] + RawPeer.literal("bomb", String(repeating: "b", count: 3000)).dropFirst()
            + [UInt8](repeating: 0xBE, count: 12_000)
        peer.send(RawPeer.opening + RawPeer.headers(1, RawPeer.block() + bomb, endStream: true))
        let head = try await peer.waitForFrame(1)
        #expect(head?.flags == 5)
        try await expectServing(client)
        try await server.stop()
    }

    @Test("A21 a header list that never ends is cut")
    func continuationFlood() async throws {
        let server = try await TestServer.start()
        let client = try await server.client()
        let peer = try await RawPeer.connect(server)
        peer.send(RawPeer.opening + RawPeer.frame(1, 0, 1, RawPeer.block()))
        for _ in 0..<1000 { peer.send(RawPeer.frame(9, 0, 1, RawPeer.literal("a", "b"))) }
        try await peer.waitForClose()
        try await expectServing(client)
        try await server.stop()
    }

    @Test("A19 a client that resets its streams without end is cut off (Rapid Reset)")
    func rapidReset() async throws {
        let server = try await TestServer.start { limits, _, _ in
            limits.resetBurstMax = 1000
            limits.resetsPerSecondMax = 10
        }
        let client = try await server.client()
        let peer = try await RawPeer.connect(server)
        var bytes = RawPeer.opening
        for number in 0..<5000 {
            bytes += RawPeer.headers(2 * number + 1, RawPeer.block("/test.Service/Never"))
            bytes += RawPeer.frame(3, 0, 2 * number + 1, [0, 0, 0, 8])
        }
        peer.send(bytes)
        _ = try await peer.waitForFrame(7)
        try await peer.waitForClose()
        try await expectServing(client)
        try await server.stop()
    }

    @Test(
        "A20 who makes the server reset streams without end is cut off (MadeYouReset)",
        arguments: [true, false])
    func madeYouReset(byHeaders: Bool) async throws {
        let server = try await TestServer.start()
        let client = try await server.client()
        let peer = try await RawPeer.connect(server)
        var bytes = RawPeer.opening
        for number in 0..<2000 {
            let streamID = 2 * number + 1
            if byHeaders {
                bytes += RawPeer.headers(streamID, RawPeer.block(authority: nil))
            } else {
                bytes += RawPeer.headers(streamID, RawPeer.block("/test.Service/Never"))
                bytes += RawPeer.frame(8, 0, streamID, [0x7F, 0xFF, 0xFF, 0xFF])
            }
        }
        peer.send(bytes)
        let goAway = try await peer.waitForFrame(7)
        #expect(goAway?.errorCode == HTTP2ErrorCode.enhanceYourCalm)
        try await peer.waitForClose()
        try await expectServing(client)
        try await server.stop()
    }

    @Test(
        "A21 a flood of frames that move nothing ends its connection",
        arguments: [
            RawPeer.frame(6, 0, 0, [UInt8](repeating: 1, count: 8)), RawPeer.frame(4, 0, 0, []),
            RawPeer.data(1, [], endStream: false), RawPeer.frame(2, 0, 1, [0, 0, 0, 0, 1]),
        ])
    func idleFrames(frame: [UInt8]) async throws {
        let server = try await TestServer.start()
        let client = try await server.client()
        let peer = try await RawPeer.connect(server)
        var bytes = RawPeer.opening + RawPeer.headers(1, RawPeer.block("/test.Service/EchoStream"))
        for _ in 0..<5000 { bytes += frame }
        peer.send(bytes)
        try await peer.waitForClose()
        try await expectServing(client)
        try await server.stop()
    }

    @Test("A21 pinging too often is answered with too_many_pings")
    func tooManyPings() async throws {
        let server = try await TestServer.start()
        let peer = try await RawPeer.connect(server)
        peer.send(RawPeer.opening)
        for _ in 0..<10 { peer.send(RawPeer.frame(6, 0, 0, [UInt8](repeating: 1, count: 8))) }
        let goAway = try await peer.waitForFrame(7)
        #expect(goAway?.errorCode == HTTP2ErrorCode.enhanceYourCalm)
        #expect(goAway?.payload.dropFirst(8).elementsEqual("too_many_pings".utf8) == true)
        try await peer.waitForClose()
        try await server.stop()
    }

    @Test("PINGs beside an open call count too, and an answer in between forgives them")
    func pingsBesideCall() async throws {
        let server = try await TestServer.start()
        let peer = try await RawPeer.connect(server)
        let ping = RawPeer.frame(6, 0, 0, [UInt8](repeating: 1, count: 8))
        peer.send(RawPeer.opening)
        for number in 0..<10 {
            let streamID = 2 * number + 1
            peer.send(RawPeer.headers(streamID, RawPeer.block()))
            peer.send(RawPeer.data(streamID, RawPeer.prefixed([1]), endStream: true))
            _ = try await peer.waitForFrame(0) { $0.streamID == streamID }
            peer.send(ping)
        }
        try await peer.wait("all PINGs answered") { peer in
            peer.frames.filter { $0.type == 6 }.count == 10
        }
        peer.send(RawPeer.headers(101, RawPeer.block("/test.Service/Never")))
        for number in 0..<3 {
            peer.send(ping)
            try await peer.wait("answer or end") { peer in
                peer.frames.filter { $0.type == 6 }.count > 10 + number || peer.isClosed
            }
        }
        peer.send(ping)
        let goAway = try await peer.waitForFrame(7)
        #expect(goAway?.payload.dropFirst(8).elementsEqual("too_many_pings".utf8) == true)
        try await server.stop()
    }

    @Test("A18 a reader that opens no window holds a bounded buffer and is given up")
    func zeroWindow() async throws {
        let server = try await TestServer.start { limits, routes, journal in
            limits.stalledOutputTime = .milliseconds(500)
            routes.stream("/test.Service/Pump") { call in
                let stream = ClosureStream()
                while call.isWritable { call.send([UInt8](repeating: 1, count: 50_000)) }
                journal.add(call.bufferedBytes < 2_000_000 ? "bounded" : "unbounded")
                stream.onClosed = { journal.add("closed \($0)") }
                return stream
            }
        }
        let client = try await server.client()
        let peer = try await RawPeer.connect(server)
        // SETTINGS_INITIAL_WINDOW_SIZE = 0
        peer.send(RawPeer.preface + RawPeer.frame(4, 0, 0, [0, 4, 0, 0, 0, 0]))
        peer.send(RawPeer.headers(1, RawPeer.block("/test.Service/Pump")))
        try await server.journal.wait(for: "bounded")
        let reset = try await peer.waitForFrame(3)
        #expect(reset?.errorCode == HTTP2ErrorCode.cancel)
        try await server.journal.wait(for: "closed true")
        try await expectServing(client)
        try await server.stop()
    }

    @Test("a client that does not take bytes from its socket is cut off")
    func deafSocket() async throws {
        let server = try await TestServer.start { limits, routes, journal in
            limits.stalledOutputTime = .milliseconds(500)
            routes.unary("/test.Service/Huge") { call, _ in
                call.send(byteCount: 1 << 30) { [UInt8](repeating: 1, count: 65_536) }
                call.finish(.ok)
            }
        }
        let client = try await server.client()
        let peer = try await RawPeer.connect(server)
        try await peer.stopReading()
        let window: [UInt8] = [0x7F, 0, 0, 0]
        peer.send(
            RawPeer.preface + RawPeer.frame(4, 0, 0, [0, 4] + window)
                + RawPeer.frame(8, 0, 0, window)
                + RawPeer.headers(1, RawPeer.block("/test.Service/Huge"))
                + RawPeer.data(1, RawPeer.prefixed([]), endStream: true))
        try await expectServing(client)
        try await server.waitForConnectionCount(1)
        try await expectServing(client)
        try await server.stop()
    }

    @Test("A16 one connection more than the limit is closed")
    func connectionLimit() async throws {
        let server = try await TestServer.start { limits, _, _ in limits.connectionsMax = 3 }
        let client = try await server.client()
        try await expectServing(client)
        let second = try await RawPeer.connect(server)
        let third = try await RawPeer.connect(server)
        second.send(RawPeer.opening)
        third.send(RawPeer.opening)
        _ = try await second.waitForFrame(4)
        _ = try await third.waitForFrame(4)
        let fourth = try await RawPeer.connect(server)
        try await fourth.waitForClose()
        second.close()
        try await server.waitForConnectionCount(2)
        let fifth = try await RawPeer.connect(server)
        fifth.send(RawPeer.opening)
        _ = try await fifth.waitForFrame(4)
        try await server.stop()
    }

    @Test("unfinished requests of all connections together are bounded")
    func heldBytes() async throws {
        let server = try await TestServer.start { limits, _, _ in limits.heldBytesMax = 100_000 }
        let client = try await server.client()
        let peer = try await RawPeer.connect(server)
        peer.send(RawPeer.opening)
        let part = RawPeer.prefixed([UInt8](repeating: 1, count: 12_000), length: 1_000_000)
        for number in 0..<5 {
            peer.send(
                RawPeer.headers(4 * number + 1, RawPeer.block())
                    + RawPeer.data(4 * number + 1, part, endStream: false)
                    + RawPeer.headers(4 * number + 3, RawPeer.block())
                    + RawPeer.data(4 * number + 3, part, endStream: false))
        }
        let refused = try await peer.waitForFrame(1)
        #expect(refused?.flags == 5)
        try await expectServing(client)
        peer.close()
        try await server.waitForConnectionCount(1)
        try await expectServing(client)
        try await server.stop()
    }
}

extension [UInt8] {
    func contains(sequence: [UInt8]) -> Bool {
        guard !sequence.isEmpty, count >= sequence.count else { return false }
        return (0...(count - sequence.count)).contains {
            self[$0..<($0 + sequence.count)].elementsEqual(sequence)
        }
    }
}
