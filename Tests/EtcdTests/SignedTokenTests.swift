import Foundation
import LocalCluster
import Testing

@Suite(
    "Signed tokens: real servers, etcdctl, and keys of openssl's (RELIABILITY A01)", .serialized,
    .enabled(if: BadStartTests.isKeelson, "etcd 3.5 reads keys once"))
struct SignedTokenTests {
    private static let badToken = "etcdserver: invalid auth token"

    /// root and alice, who may use the keys from `a` to `c`; authentication is on.
    private func addUsers(_ endpoint: String) throws {
        let root = Etcdctl([endpoint])
        try root.run("put", "a", "b")
        try root.run("user", "add", "root:rootpw")
        try root.run("user", "grant-role", "root", "root")
        try root.run("user", "add", "alice:alicepw")
        try root.run("role", "add", "dev")
        try root.run("role", "grant-permission", "dev", "readwrite", "a", "c")
        try root.run("user", "grant-role", "alice", "dev")
        try root.run("auth", "enable")
    }

    private func authRevision(_ endpoint: String, _ token: String) throws -> Int {
        let text = try Gateway(endpoint: endpoint).post("auth/status", "{}", token: token)
        return try #require(JSON(text)["authRevision"].string.flatMap { Int($0) }, "\(text)")
    }

    @Test("a token of one member works at all, after a restart too, until the keys change")
    func cluster() throws {
        let keys = try TokenKeys("RS256", in: "cluster")
        let cluster = try ServerCluster(
            "signed-tokens", try ServerProgram.underTest(),
            arguments: ["--auth-token", keys.flag])
        try cluster.start()
        try addUsers(cluster.endpoints[0])
        let gateways = cluster.endpoints.map { Gateway(endpoint: $0) }
        let token = try gateways[0].logIn("alice", "alicepw")
        #expect(try keys.hasSigned(token), "openssl verifies \(token)")
        for gateway in gateways {
            #expect(try gateway.read(token).contains(#""value":"Yg==""#))
            #expect(try gateway.read("Bearer " + token).contains(#""value":"Yg==""#))
        }
        for endpoint in cluster.endpoints {
            let alice = Etcdctl([endpoint])
            #expect(try alice.run("--user", "alice:alicepw", "put", "a", "b") == "OK")
            let denied = try alice.fail("--user", "alice:alicepw", "put", "x", "1")
            #expect(denied.contains("permission denied"))
            #expect(try alice.fail("get", "a").contains("user name is empty"))
        }

        let revision = try authRevision(cluster.endpoints[0], token)
        let own = try keys.sign("root", revision: revision)
        let refused = [
            ("expired", try keys.sign("root", revision: revision, expires: 1_600_000_000)),
            ("another algorithm", try keys.sign("root", revision: revision, algorithm: "RS512")),
            ("HMAC", try keys.sign("root", revision: revision, algorithm: "HS256")),
            ("none", try keys.sign("root", revision: revision, algorithm: "none")),
            ("before root was made", try keys.sign("root", revision: 1)),
            ("of a revision that never was", try keys.sign("root", revision: revision + 9)),
            ("spoilt", own.replacingOccurrences(of: ".", with: ".A")),
            ("nobody's", try keys.sign("nobody", revision: revision)),
        ]
        for gateway in gateways {
            #expect(try gateway.write(own).contains("revision"), "openssl's own token works")
            for (name, bad) in refused {
                let answer = try gateway.read(bad)
                #expect(
                    answer.contains(Self.badToken) && answer.contains("16"), "\(name): \(answer)")
            }
        }

        cluster.nodes[1].killHard()
        try cluster.nodes[1].start()
        #expect(try gateways[1].read(token).contains(#""value":"Yg==""#))
        try changeKeys(keys, cluster, gateways, token)
        try cluster.stopAll()
    }

    /// A file that cannot be used changes nothing; another pair ends what the first has signed.
    private func changeKeys(
        _ keys: TokenKeys, _ cluster: ServerCluster, _ gateways: [Gateway], _ token: String
    ) throws {
        let whole = try Data(contentsOf: URL(filePath: keys.secret))
        try Data("nothing".utf8).write(to: URL(filePath: keys.secret), options: .atomic)
        for (node, gateway) in zip(cluster.nodes, gateways) {
            let complaint = Patience.wait(.seconds(15), pauseMilliseconds: 200) { () -> Bool? in
                let answer = try? gateway.read(token)
                #expect(answer?.contains(#""value":"Yg==""#) == true)
                let text = node.logTail(lines: 1000)
                return text.contains("keys for tokens have changed and cannot be used") ? true : nil
            }
            #expect(complaint == true, "\(node.logTail())")
        }
        try whole.write(to: URL(filePath: keys.secret), options: .atomic)
        try keys.renew()
        for gateway in gateways {
            let isOver = Patience.wait(.seconds(15), pauseMilliseconds: 200) { () -> Bool? in
                (try? gateway.read(token))?.contains(Self.badToken) == true ? true : nil
            }
            #expect(isOver == true)
        }
        let fresh = try gateways[2].logIn("alice", "alicepw")
        #expect(try keys.hasSigned(fresh))
        for gateway in gateways { #expect(try gateway.read(fresh).contains(#""value":"Yg==""#)) }
    }

    @Test(
        "a token ends with its user's password and with authentication; one to verify signs none")
    func identity() throws {
        let keys = try TokenKeys("ES256", in: "identity")
        var verifying = ServerSite()
        let known = "jwt,sign-method=ES256,pub-key=\(keys.known)"
        verifying.arguments = ["--auth-token", known]
        var signing = ServerSite()
        signing.arguments = ["--auth-token", keys.flag]
        let cluster = try ServerCluster(
            "signed-identity", try ServerProgram.underTest(),
            sites: [signing, signing, verifying])
        try cluster.start()
        try addUsers(cluster.endpoints[0])
        let gateways = cluster.endpoints.map { Gateway(endpoint: $0) }
        let words = "auth: token signing attempted with verify-only key"
        #expect(try gateways[2].logIn("alice", "alicepw").contains(words))
        var token = try gateways[1].logIn("alice", "alicepw")
        #expect(try gateways[2].read(token).contains(#""value":"Yg==""#))

        let root = Etcdctl([cluster.endpoints[0]])
        try root.run(
            "--user", "root:rootpw", "user", "passwd", "alice", "--interactive=false",
            input: "other")
        for gateway in gateways { #expect(try gateway.read(token).contains(Self.badToken)) }
        token = try gateways[1].logIn("alice", "other")
        for gateway in gateways { #expect(try gateway.read(token).contains(#""value":"Yg==""#)) }
        try root.run("--user", "root:rootpw", "auth", "disable")
        try root.run("auth", "enable")
        for gateway in gateways { #expect(try gateway.read(token).contains(Self.badToken)) }
        try cluster.stopAll()
    }

    @Test(
        "etcd takes Keelson's tokens and Keelson etcd's, with the same keys and users",
        arguments: ["RS256", "RS512", "PS256", "PS512", "ES256", "ES384", "ES512", "HS256"])
    func beside(method: String) throws {
        let keys = try TokenKeys(method, in: "beside")
        let arguments = ["--auth-token", keys.flag]
        let etcd = try ServerCluster(
            "signed-etcd", try ServerProgram.etcd(), nodeCount: 1, arguments: arguments)
        let ours = try ServerCluster(
            "signed-beside", try ServerProgram.underTest(), nodeCount: 1, arguments: arguments)
        try etcd.start()
        try ours.start()
        let gateways = [etcd, ours].map { Gateway(endpoint: $0.endpoints[0]) }
        for cluster in [etcd, ours] { try addUsers(cluster.endpoints[0]) }
        for (maker, taker) in [(0, 1), (1, 0), (1, 1)] {
            let token = try gateways[maker].logIn("alice", "alicepw")
            let header = token.split(separator: ".").first.flatMap { TokenKeys.bytes($0) } ?? Data()
            #expect(String(decoding: header, as: UTF8.self).contains(method))
            #expect(try gateways[taker].read(token).contains(#""value":"Yg==""#), "\(maker)")
            #expect(try gateways[taker].write(token).contains("header"), "\(maker)")
            let spoilt = String(token.dropLast(8)) + "AAAAAAAA"
            #expect(try gateways[taker].read(spoilt).contains(Self.badToken), "\(maker)")
        }
        try etcd.stopAll()
        try ours.stopAll()
    }
}
