import Foundation
import LocalCluster
import Testing

@Suite("What is told to whom (RELIABILITY §5, A37, A39, A41)", .serialized)
struct SecretTests {
    private static let password = "pa55-of-root-xyzzy"
    private static let wrong = "wr0ng-guess-plugh"

    /// What a page of the server says, or its answer to a JSON body.
    private func ask(
        _ cluster: ServerCluster, _ path: String, _ body: String? = nil, token: String? = nil
    ) throws -> String {
        var words = ["-sS", "--max-time", "10", "http://\(cluster.endpoints[0])\(path)"]
        if let body { words += ["-d", body] }
        if let token { words += ["-H", "Authorization: \(token)"] }
        return try Command.runSuccessfully("curl", words)
    }

    private func guarded(_ name: String) throws -> (ServerCluster, token: String) {
        let cluster = try ServerCluster(
            name, try ServerProgram.underTest(), nodeCount: 1,
            arguments: ["--log-level", "debug"])
        try cluster.start()
        let client = Etcdctl(cluster.endpoints)
        try client.run("user", "add", "root:\(Self.password)")
        try client.run("role", "add", "root")
        try client.run("user", "grant-role", "root", "root")
        try client.run("auth", "enable")
        let login = try ask(
            cluster, "/v3/auth/authenticate",
            "{\"name\":\"root\",\"password\":\"\(Self.password)\"}")
        let token = try #require(try JSON(login)["token"].string, "\(login)")
        return (cluster, token)
    }

    @Test(
        "A37 no password and no token is in logs, metrics, the data directory, snapshots or errors",
        .enabled(if: BadStartTests.isKeelson))
    func secrets() throws {
        let (cluster, token) = try guarded("secrets")
        let node = cluster.nodes[0]
        let client = Etcdctl(cluster.endpoints)
        var said = try client.fail("get", "x", "--user", "root:\(Self.wrong)")
        said += try ask(
            cluster, "/v3/auth/authenticate", "{\"name\":\"root\",\"password\":\"\(Self.wrong)\"}")
        said += try ask(cluster, "/v3/kv/range", "{\"key\":\"eA==\"}", token: token + "x")
        said += try ask(cluster, "/v3/kv/range", "{\"key\":\"eA==\"", token: token)
        said += try ask(cluster, "/v3/kv/put", "{\"key\":\"eA==\"}", token: token)
        said += try ask(cluster, "/metrics")
        let program = try ServerProgram.underTest().path
        for user in ["root:\(Self.wrong)", "root:\(Self.password)"] {
            let words = ["kv", "get", "x", "--endpoints", cluster.endpoints[0], "--user", user]
            said += try Command.run(program, words).text
        }
        let file = cluster.folder.appending(path: "snapshot.db").path
        try client.run("--user", "root:\(Self.password)", "snapshot", "save", file)
        try cluster.stopAll()

        let places = DataFiles.all(under: node.dataDirectory) + [node.logPath, file]
        #expect(places.count > 8, "\(places)")
        for secret in [Self.password, Self.wrong, token] {
            let bytes = Data(secret.utf8)
            #expect(!said.contains(secret), "an answer has \(secret)")
            for place in places {
                let data = try Data(contentsOf: URL(filePath: place))
                #expect(data.range(of: bytes) == nil, "\(place) has \(secret)")
            }
        }
    }

    @Test(
        "A39 pages for everybody name no key and no user, and there is no debugging page",
        .enabled(if: BadStartTests.isKeelson))
    func pages() throws {
        let (cluster, token) = try guarded("pages")
        let put = try ask(
            cluster, "/v3/kv/put", "{\"key\":\"c2VjcmV0LWtleQ==\",\"value\":\"eA==\"}",
            token: token)
        #expect(put.contains("revision"), "\(put)")
        for path in ["/metrics", "/health", "/version", "/livez?verbose", "/readyz?verbose"] {
            let text = try ask(cluster, path)
            #expect(!text.isEmpty, "\(path)")
            for word in [
                "secret-key", "root", cluster.nodes[0].dataDirectory,
                ":\(cluster.nodes[0].peerPort)",
            ] {
                #expect(!text.contains(word), "\(path) has \(word): \(text)")
            }
        }
        for path in ["/debug/vars", "/debug/pprof/", "/debug/requests", "/config/local/log"] {
            let status = try Command.runSuccessfully(
                "curl",
                [
                    "-sS", "-o", "/dev/null", "-w", "%{http_code}",
                    "http://\(cluster.endpoints[0])\(path)",
                ])
            #expect(status == "404", "\(path)")
        }
    }

    @Test(
        "A41 line breaks and escapes in names and keys forge no line of the log",
        .enabled(if: BadStartTests.isKeelson))
    func logInjection() throws {
        let (cluster, token) = try guarded("injection")
        let evil = "eve\\nFORGED 2026 error\\r\\u001b[31mFORGED\\u0000"
        let key = Data("k\nFORGED\u{1B}[31m".utf8).base64EncodedString()
        for (path, body) in [
            ("/v3/auth/authenticate", "{\"name\":\"\(evil)\",\"password\":\"x\"}"),
            ("/v3/auth/user/add", "{\"name\":\"\(evil)\",\"password\":\"x\"}"),
            ("/v3/auth/role/add", "{\"name\":\"\(evil)\"}"),
            ("/v3/kv/put", "{\"key\":\"\(key)\",\"value\":\"\(key)\"}"),
            ("/v3/lock/lock", "{\"name\":\"\(key)\",\"lease\":\"12345\"}"),
            ("/v3/cluster/member/add", "{\"peerURLs\":[\"http://\(evil):1\"]}"),
        ] {
            _ = try ask(cluster, path, body, token: token)
        }
        _ = try ask(cluster, "/v3/kv/range", "{\"key\":\"eA==\"}", token: "x\tFORGED")
        try cluster.stopAll()
        let log = try String(contentsOfFile: cluster.nodes[0].logPath, encoding: .utf8)
        #expect(!log.unicodeScalars.contains { $0.value == 0x1B || $0.value == 0 })
        for line in log.split(separator: "\n") { #expect(!line.hasPrefix("FORGED"), "\(line)") }
    }
}
