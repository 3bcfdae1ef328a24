import KeelsonClient
import Testing

@Suite("Endpoints and ranges")
struct ValueTests {
    @Test(
        "an endpoint is read in every form that people write",
        arguments: [
            ("http://10.0.0.1:2379", "10.0.0.1", 2379), ("10.0.0.1:2380", "10.0.0.1", 2380),
            ("localhost", "localhost", 2379), ("http://node-1/", "node-1", 2379),
            ("HTTP://node-1:1", "node-1", 1), ("[::1]:2379", "::1", 2379),
            ("http://[fe80::1]", "fe80::1", 2379),
        ])
    func endpoint(text: String, host: String, port: Int) throws {
        let endpoint = try Endpoint(text)
        #expect(endpoint.host == host)
        #expect(endpoint.port == port)
        #expect(try Endpoint(endpoint.description) == endpoint)
    }

    @Test(
        "what is no endpoint is refused by name",
        arguments: [
            "", "http://", "https://", "node:0", "node:65536", "node:port", "a/b:1",
            "ftp://x", "[::1]x",
        ])
    func notAnEndpoint(text: String) {
        let error = #expect(throws: ClusterError.self) { try Endpoint(text) }
        #expect(error?.code == .invalidEndpoint)
        #expect(error?.message.contains("'\(text)'") == true)
    }

    @Test("the scheme says whether there is TLS; without one, the client's settings do")
    func schemes() throws {
        #expect(try Endpoint("https://node:1").usesTLS)
        #expect(try !Endpoint("http://node:1", usingTLS: true).usesTLS)
        #expect(try Endpoint("node:1", usingTLS: true).usesTLS)
        #expect(try !Endpoint("node:1").usesTLS)
        #expect(try Endpoint("HTTPS://[::1]:2379").description == "https://[::1]:2379")
    }

    @Test("a file that TLS needs and that is not there is named")
    func missingFile() {
        var options = Cluster.Options()
        options.tls = TLSSettings(caFile: "/nowhere/ca.pem")
        let error = #expect(throws: ClusterError.self) {
            try Cluster(endpoints: ["https://127.0.0.1:1"], options: options)
        }
        #expect(error?.code == .invalidTLSSettings)
        #expect(error?.message.contains("/nowhere/ca.pem") == true)
        options.tls = TLSSettings(certificateFile: "/nowhere/me.pem")
        let half = #expect(throws: ClusterError.self) {
            try Cluster(endpoints: ["https://127.0.0.1:1"], options: options)
        }
        #expect(half?.message.contains("comes without its key") == true)
    }

    @Test("a cluster without endpoints is refused")
    func noEndpoints() {
        let error = #expect(throws: ClusterError.self) { try Cluster(endpoints: []) }
        #expect(error?.code == .invalidEndpoint)
    }

    @Test("the end of a prefix is the first key behind all that begin with it")
    func prefixes() {
        #expect(KeyRange.prefix("ab").start == Array("ab".utf8))
        #expect(KeyRange.prefix("ab").end == Array("ac".utf8))
        #expect(KeyRange.prefix([0x61, 0xFF]).end == [0x62])
        #expect(KeyRange.prefix([0xFF, 0xFF]).start == [0xFF, 0xFF])
        #expect(KeyRange.prefix([0xFF, 0xFF]).end == [0])
        #expect(KeyRange.prefix("") == .all)
        #expect(KeyRange.all.start == [0])
        #expect(KeyRange.all.end == [0])
        #expect(KeyRange.key("a").end == [])
        #expect(KeyRange.keys(from: []).start == [0])
    }
}
