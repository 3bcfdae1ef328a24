import NIOCore
import NIOPosix
import RPC
import Testing

@Suite("Connections that say nothing, and requests of odd clients (RELIABILITY §5, A16, A25)")
struct OpeningTests {
    @Test("A16 one source holds a bounded number of silent connections, others are served")
    func silentConnections() async throws {
        let server = try await TestServer.start { limits, _, _ in limits.openingsPerSourceMax = 5 }
        var silent: [RawPeer] = []
        for _ in 0..<20 { silent.append(try await RawPeer.connect(server)) }
        for peer in silent[5...] { try await peer.waitForClose() }
        try await server.waitForConnectionCount(5)

        let other = try await RawPeer.connect(server, from: "127.0.0.2")
        other.send(RawPeer.opening)
        _ = try await other.waitForFrame(4)

        // Whoever says what it wants leaves its place to the next one.
        silent[0].send(RawPeer.opening)
        _ = try await silent[0].waitForFrame(4)
        silent[1].send(Array("GET /health HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
        try await silent[1].wait("an answer") { !$0.bytes.isEmpty }
        for _ in 0..<2 {
            let next = try await RawPeer.connect(server)
            next.send(RawPeer.opening)
            _ = try await next.waitForFrame(4)
        }
        try await server.stop()
    }

    @Test("A25 an authority that is a whole URL is taken, as etcdctl 3.4 sends it")
    func urlAsAuthority() async throws {
        let server = try await TestServer.start()
        let peer = try await RawPeer.connect(server)
        let block = RawPeer.block(authority: "http://127.0.0.1:2379")
        peer.send(
            RawPeer.opening + RawPeer.headers(1, block)
                + RawPeer.data(1, RawPeer.prefixed([7]), endStream: true))
        let answer = try await peer.waitForFrame(0)
        #expect(answer?.payload == RawPeer.prefixed([7]))
        try await server.stop()
    }

    @Test(
        "A25 control characters, odd names and misplaced fields reset their stream",
        arguments: [
            RawPeer.block("/test.Service/Ec ho"), RawPeer.block("/a\r\nb"),
            RawPeer.block(authority: "a b"), RawPeer.block(method: ""),
            RawPeer.block(extra: [("x", "a\nb")]), RawPeer.block(extra: [("x y", "1")]),
            RawPeer.block(extra: [("", "1")]), RawPeer.block(extra: [(":status", "200")]),
            RawPeer.block(extra: [("te", "gzip")]), RawPeer.block(extra: [("upgrade", "h2c")]),
            RawPeer.block(extra: [("transfer-encoding", "chunked")]),
            RawPeer.block(extra: [("keep-alive", "1")]),
            RawPeer.block(extra: [(":scheme", "http")]),
        ])
    func oddFields(block: [UInt8]) async throws {
        let server = try await TestServer.start()
        let peer = try await RawPeer.connect(server)
        peer.send(RawPeer.opening + RawPeer.headers(1, block, endStream: true))
        let reset = try await peer.waitForFrame(3)
        #expect(reset?.errorCode == HTTP2ErrorCode.protocolError)
        peer.send(
            RawPeer.headers(3, RawPeer.block())
                + RawPeer.data(3, RawPeer.prefixed([7]), endStream: true))
        _ = try await peer.waitForFrame(0) { $0.streamID == 3 }
        try await server.stop()
    }
}
