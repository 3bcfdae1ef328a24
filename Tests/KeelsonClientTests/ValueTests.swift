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
            "", "http://", "https://node:2379", "node:0", "node:65536", "node:port", "a/b:1",
            "ftp://x", "[::1]x",
        ])
    func notAnEndpoint(text: String) {
        let error = #expect(throws: ClusterError.self) { try Endpoint(text) }
        #expect(error?.code == .invalidEndpoint)
        #expect(error?.message.contains("'\(text)'") == true)
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
