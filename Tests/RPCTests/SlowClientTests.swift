import NIOCore
import RPC
import Testing

@Suite("Clients that send a byte now and then (RELIABILITY §5, A17)", .timeLimit(.minutes(2)))
struct SlowClientTests {
    /// Sends a byte each 20 ms until the connection is closed.
    private func drip(_ byte: UInt8, framed: Bool, on peer: RawPeer) -> RepeatedTask {
        TestLoop.loop.scheduleRepeatedTask(
            initialDelay: .milliseconds(20), delay: .milliseconds(20)
        ) { _ in
            peer.send(framed ? RawPeer.data(1, [byte], endStream: false) : [byte])
        }
    }

    @Test(
        "A17 a header block of HTTP/2, a head and a body of HTTP/1.1 that drip are cut in time",
        arguments: [
            RawPeer.opening + [0, 0x20, 0, 1, 4, 0, 0, 0, 1],
            Array("POST / HTTP/1.1\r\nhost: x\r\na: ".utf8),
            Array("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 90000\r\n\r\n".utf8),
        ])
    func connections(start: [UInt8]) async throws {
        let server = try await TestServer.start { limits, _, _ in
            limits.handshakeTime = .milliseconds(500)
            limits.requestTime = .milliseconds(500)
        }
        let client = try await server.client()
        let peer = try await RawPeer.connect(server)
        peer.send(start)
        let dripping = drip(0x61, framed: false, on: peer)
        try await peer.waitForClose(within: .seconds(30))
        dripping.cancel()
        #expect(try await client.unary("Echo", [1]) == .success([1]))
        try await server.stop()
    }

    @Test(
        "A17 a message that drips ends its call in time, unary or a stream's, its first or a later",
        arguments: ["/test.Service/Echo", "/test.Service/EchoStream"], [false, true])
    func messages(path: String, isLater: Bool) async throws {
        let server = try await TestServer.start { limits, _, _ in
            limits.requestTime = .milliseconds(500)
        }
        let peer = try await RawPeer.connect(server)
        peer.send(RawPeer.opening + RawPeer.headers(1, RawPeer.block(path)))
        if isLater, path.hasSuffix("Stream") {
            peer.send(RawPeer.data(1, RawPeer.prefixed([7]), endStream: false))
            try await server.journal.wait(for: "received 1")
        }
        peer.send(RawPeer.data(1, RawPeer.prefixed([1], length: 100_000), endStream: false))
        let dripping = drip(1, framed: true, on: peer)
        let reset = try await peer.waitForFrame(3)
        dripping.cancel()
        #expect(reset?.streamID == 1)
        try await server.stop()
    }

    @Test("a stream that says nothing between its messages stays open")
    func quietStream() async throws {
        let server = try await TestServer.start { limits, _, _ in
            limits.requestTime = .milliseconds(100)
        }
        let slow = try await RawPeer.connect(server)
        slow.send(
            RawPeer.opening + RawPeer.headers(1, RawPeer.block("/test.Service/EchoStream"))
                + RawPeer.data(1, RawPeer.prefixed([7]), endStream: false))
        try await server.journal.wait(for: "received 1")
        // Another one that owes the rest of its message ends meanwhile, so the limit has passed.
        let other = try await RawPeer.connect(server)
        other.send(
            RawPeer.opening + RawPeer.headers(1, RawPeer.block("/test.Service/EchoStream"))
                + RawPeer.data(1, RawPeer.prefixed([1], length: 9), endStream: false))
        _ = try await other.waitForFrame(3)
        slow.send(RawPeer.data(1, RawPeer.prefixed([7, 7]), endStream: false))
        try await server.journal.wait(for: "received 2")
        try await server.stop()
    }
}
