import LocalCluster
import Testing

@Suite("A certificate's common name is a login (ETCD §1; RELIABILITY A13)", .serialized)
struct CertificateLoginTests {
    private func keelson(
        _ secure: SecureCluster, as credentials: Credentials, _ words: String...
    ) throws -> Command.Output {
        let flags = [
            "--timeout", "5s", "--endpoints", secure.nodes[0].clientURL,
            "--cacert", secure.authority.certificate, "--cert", credentials.certificate,
            "--key", credentials.key,
        ]
        return try Command.run(try ServerProgram.underTest().path, words + flags)
    }

    @Test("A13 users come with their certificates, and the gateway takes nobody for one")
    func logins() throws {
        let secure = try SecureCluster("login")
        let alice = secure.client
        let root = try secure.authority.issue("root", usage: "clientAuth")
        let stranger = try secure.authority.issue("stranger", usage: "clientAuth")
        let preparations = [
            ["user", "add", "root", "--no-password"], ["user", "grant-role", "root", "root"],
            ["user", "add", "alice", "--no-password"], ["role", "add", "dev"],
            ["role", "grant-permission", "dev", "readwrite", "--prefix", "/dev/"],
            ["user", "grant-role", "alice", "dev"], ["auth", "enable"],
        ]
        for words in preparations {
            let flags = [
                "--endpoints", secure.nodes[0].clientURL, "--cacert",
                secure.authority.certificate, "--cert", alice.certificate, "--key", alice.key,
            ]
            _ = try Command.runSuccessfully(try ServerProgram.underTest().path, words + flags)
        }
        let own = try keelson(secure, as: alice, "kv", "put", "/dev/x", "1")
        #expect(own.status == .exited(0), "\(own.text)")
        let foreign = try keelson(secure, as: alice, "kv", "put", "/other", "1")
        #expect(foreign.status == .exited(1) && foreign.text.contains("permission denied"))
        let byRoot = try keelson(secure, as: root, "kv", "put", "/other", "1")
        #expect(byRoot.status == .exited(0), "\(byRoot.text)")
        let unknown = try keelson(secure, as: stranger, "kv", "get", "/dev/x")
        #expect(unknown.status == .exited(1) && unknown.text.contains("permission denied"))
        let throughGateway = try Command.runSuccessfully(
            "curl",
            [
                "-sS", "--cacert", secure.authority.certificate, "--cert", root.certificate,
                "--key", root.key, "-d", #"{"key":"L2Rldi94"}"#,
                secure.nodes[0].clientURL + "/v3/kv/range",
            ])
        #expect(throughGateway.contains("user name is empty"), "\(throughGateway)")
        try secure.cluster.stopAll()
    }
}
