import NIOCore
import RPC
import Testing

@Suite("RPC: what a security layer says of the client")
struct SecurityTests {
    private func answer(_ name: String?) -> [UInt8] { Array((name ?? "nobody").utf8) }

    @Test("a call and an HTTP/1.1 request carry the common name of their connection's certificate")
    func commonName() async throws {
        let server: RPCServer = try await TestLoop.loop.submit {
            var routes = RPCRoutes()
            routes.unary("/test.Service/Who") { call, _ in
                call.respond(answer(call.peerCommonName))
            }
            return RPCServer(
                eventLoop: TestLoop.loop, routes: routes,
                http1: { request, loop in
                    let body = answer(request.peerCommonName)
                    return loop.makeSucceededFuture(HTTP1Response(status: 200, body: body))
                })
        }.get()
        let named = RPCSecurity(peerCommonName: { _ in "alice" }) { _ in }
        let places = [
            ("alice", try await server.listen(host: "127.0.0.1", port: 0, security: named).get()),
            ("nobody", try await server.listen(host: "127.0.0.1", port: 0).get()),
        ]
        for (name, address) in places {
            let place = TestServer(server: server, port: address.port ?? 0, journal: Journal())
            let client = try await place.client()
            #expect(try await client.unary("Who") == .success(Array(name.utf8)))
            let peer = try await RawPeer.connect(place)
            peer.send(Array("GET /who HTTP/1.1\r\nhost: x\r\n\r\n".utf8))
            try await peer.wait("the answer") { $0.text.hasSuffix(name) }
        }
        try await server.shutdown(gracePeriod: .milliseconds(0)).get()
    }

    @Test("a layer that cannot be set up closes the connection and nothing else")
    func brokenLayer() async throws {
        let server = try await TestServer.start()
        let broken = RPCSecurity { _ in throw ChannelError.operationUnsupported }
        let address = try await server.server.listen(
            host: "127.0.0.1", port: 0, security: broken
        ).get()
        let place = TestServer(
            server: server.server, port: address.port ?? 0, journal: Journal())
        let peer = try await RawPeer.connect(place)
        try await peer.waitForClose()
        let client = try await server.client()
        #expect(try await client.unary("Echo", [1]) == .success([1]))
        try await server.stop()
    }
}

@Suite("RPC: for which hosts a certificate is (RFC 6125)")
struct CertificateHostTests {
    private let hosts = CertificateHosts(
        names: ["N1.example.com", "*.db.example.com"],
        addresses: [[10, 0, 0, 1], [UInt8](repeating: 0, count: 15) + [1]])

    @Test(
        "its names and addresses, and one label for a star",
        arguments: [
            "n1.example.com", "N1.EXAMPLE.com", "n1.example.com.", "a.db.example.com", "10.0.0.1",
            "::1", "0:0:0:0:0:0:0:1",
        ])
    func covered(host: String) { #expect(hosts.covers(host: host)) }

    @Test(
        "nothing else",
        arguments: [
            "n2.example.com", "db.example.com", ".db.example.com", "a.b.db.example.com", "10.0.0.2",
            "::2", "", "*.db.example.org", "n1.example.com.evil.org", "10.0.0.1.example.com",
        ])
    func foreign(host: String) { #expect(!hosts.covers(host: host)) }
}
