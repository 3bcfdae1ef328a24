import Foundation
import LocalCluster
import Testing

@Suite("TLS between peers", .serialized)
struct PeerPortTests {
    /// With few entries between checkpoints, so that who joins needs a snapshot.
    private static let shared = Result {
        try SecureCluster(
            "peers", spareCount: 1,
            arguments: ["--snapshot-count", "200", "--rejoin-policy", "auto"])
    }
    private let secure: SecureCluster

    init() throws { secure = try Self.shared.get() }

    private func term() throws -> String {
        let text = try secure.etcdctl(node: 0, "endpoint", "status", "-w", "simple")
        let fields = text.split(separator: ",")
        return try #require(fields.count > 6 ? String(fields[6]) : nil, "\(text)")
    }

    /// Another neighbour: one node that has the first one's place in the cluster, with
    /// certificates of somebody's.
    private func neighbour(
        _ name: String, _ credentials: Credentials, trusting ca: String
    ) throws -> ServerCluster {
        var site = ServerSite()
        site.peerScheme = "https"
        let cluster = try ServerCluster(
            "tls-\(name)", try ServerProgram.underTest(), nodeCount: 1,
            arguments: [
                "--peer-cert-file", credentials.certificate, "--peer-key-file", credentials.key,
                "--peer-client-cert-auth", "--peer-trusted-ca-file", ca,
            ], token: "tls-peers-servers", sites: [site])
        return cluster
    }

    private func launch(_ stranger: ServerNode) throws -> ChildProcess {
        let members = [
            "node1=\(stranger.peerURL)", "other2=\(secure.nodes[1].peerURL)",
            "other3=\(secure.nodes[2].peerURL)",
        ]
        return try stranger.launch(more: ["--initial-cluster", members.joined(separator: ",")])
    }

    private func waitForLog(_ node: Int, _ text: String) -> Bool {
        Patience.wait(.seconds(10), pauseMilliseconds: 50) {
            secure.log(node).contains(text) ? true : nil
        } ?? false
    }

    @Test("A13 a peer whose certificate another CA has signed cannot join, and disturbs nobody")
    func anotherCA() throws {
        let before = try term()
        let other = try Authority("peers-ca", under: try Folder.make("other-peers"))
        let cluster = try neighbour(
            "other-ca", try other.issue("peer"), trusting: secure.peers.certificate)
        let child = try launch(cluster.nodes[0])
        #expect(waitForLog(1, "port=peer reason=its certificate cannot be verified"))
        #expect(!child.output.contains("ready to serve client requests"))
        #expect(try secure.etcdctl(node: 0, "put", "home", "sweet home") == "OK")
        #expect(try term() == before)
        child.killHard()
    }

    @Test("A13 a peer that shows no certificate, or speaks no TLS, is refused")
    func withoutCertificate() throws {
        let port = secure.nodes[0].peerPort
        _ = try Command.run(
            "sh", ["-c", "openssl s_client -connect 127.0.0.1:\(port) </dev/null 2>&1"])
        #expect(waitForLog(0, "port=peer reason=it showed no certificate"))
        _ = try Command.run("curl", ["-sS", "--max-time", "15", "http://127.0.0.1:\(port)/"])
        #expect(waitForLog(0, "port=peer reason=it does not speak TLS"))
        try secure.isFine("after a stranger on the peer port")
    }

    @Test("A13 a certificate of the peers' CA passes only for the hosts that it is for")
    func anotherHost() throws {
        let before = try term()
        let elsewhere = try secure.peers.issue("elsewhere", hosts: "DNS:elsewhere.example")
        let cluster = try neighbour(
            "other-host", elsewhere, trusting: secure.peers.certificate)
        let child = try launch(cluster.nodes[0])
        #expect(waitForLog(1, "the certificate is for elsewhere.example"))
        #expect(try term() == before)
        child.killHard()
    }

    @Test("A13 only a certificate for a member's host gets that member's place")
    func place() throws {
        let node = secure.nodes[2]
        let elsewhere = try secure.peers.issue("elsewhere-2", hosts: "DNS:elsewhere.example")
        let cluster = try neighbour("place", elsewhere, trusting: secure.peers.certificate)
        try node.stopGracefully()
        let child = try cluster.nodes[0].launch(more: [
            "--name", node.name, "--initial-advertise-peer-urls", node.peerURL,
            "--initial-cluster", "\(node.name)=\(node.peerURL),other2=\(secure.nodes[1].peerURL)",
            "--initial-cluster-state", "existing", "--rejoin-policy", "auto",
        ])
        let isTold = child.waitForOutput("the certificate is for elsewhere.example", .seconds(20))
        #expect(isTold, "\(child.outputTail())")
        child.killHard()
        // The member is what it was.
        try node.start()
        try secure.isFine("after somebody asked for a member's place")
    }

    @Test("A13 a peer whose certificate is revoked is refused")
    func revoked() throws {
        let gone = try secure.peers.issue("gone")
        try secure.peers.revoke(gone)
        try secure.peers.writeRevocationList()
        let cluster = try neighbour("revoked", gone, trusting: secure.peers.certificate)
        let child = try launch(cluster.nodes[0])
        #expect(waitForLog(1, "is revoked"))
        child.killHard()
        try secure.isFine("after a revoked peer")
    }

    @Test("a member that returns with a certificate of another CA is left out, disturbing nobody")
    func brokenMember() throws {
        let node = secure.nodes[2]
        let before = try term()
        let other = try Authority("peers-ca", under: try Folder.make("wrong-member"))
        let wrong = try other.issue("peer")
        try node.stopGracefully()
        // Stopping may have moved leadership on.
        let stopped = try term()
        let child = try node.launch(more: [
            "--peer-cert-file", wrong.certificate, "--peer-key-file", wrong.key,
        ])
        #expect(waitForLog(0, "TLS to a peer failed"))
        #expect(try secure.etcdctl(node: 0, "put", "home", "two are enough") == "OK")
        #expect(try term() == stopped, "before it stopped: \(before)")
        child.killHard()
        try node.start()
        try secure.isFine("after a member with a wrong certificate")
    }

    @Test("a new member joins over TLS, and gets a snapshot")
    func joining() throws {
        let program = try ServerProgram.underTest().path
        let access = [
            "--endpoints", secure.nodes[0].clientURL, "--cacert", secure.authority.certificate,
            "--cert", secure.client.certificate, "--key", secure.client.key,
        ]
        // More than a segment of the log, and time for two checkpoints behind it.
        let load = [
            "bench", "--duration", "15s", "--rate", "5000", "--connections", "4",
            "--value-bytes", "2048", "--key-count", "1000",
        ]
        _ = try Command.runSuccessfully(program, load + access, limit: .seconds(120))
        let spare = secure.cluster.spares[0]
        _ = try Command.runSuccessfully(
            program, ["member", "add", spare.name, "--peer-urls", spare.peerURL] + access)
        try spare.start()
        let there = access.replacing([secure.nodes[0].clientURL], with: [spare.clientURL])
        // A learner answers no linearizable reads: it votes by itself once it keeps up.
        let isMember = try Patience.wait(.seconds(20), pauseMilliseconds: 100) {
            try Command.run(program, ["kv", "get", "home", "--timeout", "3s"] + there).status
                == .exited(0) ? true : nil
        }
        #expect(isMember == true, "\(spare.logTail())")
        let logs = (0..<3).map { secure.log($0) }.joined()
        #expect(logs.count(of: "sending a snapshot") > 0)
        #expect(logs.count(of: "succeeded=true") > 0)
    }
}
