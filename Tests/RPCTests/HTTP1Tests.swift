import NIOCore
import RPC
import Testing

@Suite("HTTP/1.1 on the same port (DESIGN §7)")
struct HTTP1Tests {
    @Test("requests on one connection are answered in order")
    func keepAlive() async throws {
        let server = try await TestServer.start()
        let peer = try await RawPeer.connect(server)
        peer.send(
            Array(
                ("GET /health HTTP/1.1\r\nhost: x\r\n\r\n"
                    + "POST /v3/kv/put?a=b HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello")
                    .utf8))
        try await peer.wait("both answers") { $0.text.contains("POST /v3/kv/put?a=b 5") }
        #expect(peer.text.contains("HTTP/1.1 200 OK"))
        #expect(peer.text.contains("GET /health 0"))
        peer.send(Array("GET /last HTTP/1.1\r\nconnection: close\r\n\r\n".utf8))
        try await peer.waitForClose()
        #expect(peer.text.contains("GET /last 0"))
        try await server.stop()
    }

    @Test("a method that starts like the preface is HTTP/1.1")
    func lookAlike() async throws {
        let server = try await TestServer.start()
        let peer = try await RawPeer.connect(server)
        peer.send(Array("P".utf8))
        peer.send(Array("UT /x HTTP/1.1\r\nhost: x\r\n\r\n".utf8))
        try await peer.wait("answer") { $0.text.contains("PUT /x 0") }
        try await server.stop()
    }

    @Test("a body over the limit is refused with 413")
    func bodyTooLarge() async throws {
        let server = try await TestServer.start { limits, _, _ in limits.http1BodyBytesMax = 10 }
        let peer = try await RawPeer.connect(server)
        peer.send(
            Array("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 11\r\n\r\nhello world".utf8))
        try await peer.wait("413") { $0.text.hasPrefix("HTTP/1.1 413") }
        try await peer.waitForClose()
        try await server.stop()
    }

    @Test("garbage is refused with 400")
    func garbage() async throws {
        let server = try await TestServer.start()
        let client = try await server.client()
        let peer = try await RawPeer.connect(server)
        peer.send(Array("\u{1}\u{2}\u{3} garbage\r\n\r\n".utf8))
        try await peer.waitForClose()
        #expect(peer.text.hasPrefix("HTTP/1.1 400"))
        #expect(try await client.unary("Echo", [1]) == .success([1]))
        try await server.stop()
    }

    @Test("A17 a body that does not end is given up")
    func slowBody() async throws {
        let server = try await TestServer.start { limits, _, _ in
            limits.requestTime = .milliseconds(200)
        }
        let peer = try await RawPeer.connect(server)
        peer.send(Array("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhello".utf8))
        try await peer.waitForClose()
        try await server.stop()
    }
}
