import Foundation
import LocalCluster
import Testing

/// Where a suite keeps its certificates.
enum Folder {
    static func make(_ name: String) throws -> URL {
        let folder = ServerProgram.repositoryRoot.appending(path: ".build/clusters/tls-\(name)")
        try? FileManager.default.removeItem(at: folder)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }

    /// Puts other contents in a file's place, in one step.
    static func replace(_ path: String, with other: String) throws {
        let data = try Data(contentsOf: URL(filePath: other))
        try data.write(to: URL(filePath: path), options: .atomic)
    }
}

/// Three servers that speak TLS with clients and with each other, and want certificates of both.
struct SecureCluster: Sendable {
    let cluster: ServerCluster
    let authority: Authority
    /// Of the peers, with an RSA key.
    let peers: Authority
    let client: Credentials

    init(_ name: String, spareCount: Int = 0, arguments: [String] = []) throws {
        let folder = try Folder.make(name)
        authority = try Authority("clients-ca", under: folder)
        peers = try Authority("peers-ca", under: folder, newKey: ["rsa:2048"])
        client = try authority.issue("alice", hosts: "DNS:alice.example", usage: "clientAuth")
        let server = try authority.issue("server", hosts: "IP:127.0.0.1", usage: "serverAuth")
        let peer = try peers.issue("peer")
        try authority.writeRevocationList()
        try peers.writeRevocationList()
        var site = ServerSite()
        site.clientScheme = "https"
        site.peerScheme = "https"
        cluster = try ServerCluster(
            "tls-\(name)-servers", try ServerProgram.underTest(), spareCount: spareCount,
            arguments: [
                "--cert-file", server.certificate, "--key-file", server.key,
                "--client-cert-auth=true", "--trusted-ca-file", authority.certificate,
                "--client-crl-file", authority.revocationList,
                "--peer-cert-file", peer.certificate, "--peer-key-file", peer.key,
                "--peer-client-cert-auth", "--peer-trusted-ca-file", peers.certificate,
                "--peer-crl-file", peers.revocationList,
            ] + arguments,
            sites: Array(repeating: site, count: 3 + spareCount))
        try cluster.start()
    }

    var nodes: [ServerNode] { cluster.nodes }

    /// Debian's etcdctl; what it printed, without a final line break.
    @discardableResult
    func etcdctl(node: Int, _ arguments: String...) throws -> String {
        let flags = [
            "--endpoints", nodes[node].clientURL, "--cacert", authority.certificate,
            "--cert", client.certificate, "--key", client.key, "--command-timeout", "15s",
        ]
        let text = try Command.runSuccessfully(
            "etcdctl", flags + arguments, environment: ["ETCDCTL_API": "3"])
        return text.hasSuffix("\n") ? String(text.dropLast()) : text
    }

    /// `keelson kv get`, as somebody.
    func get(
        node: Int = 0, as credentials: Credentials?, trusting ca: String? = nil,
        _ more: [String] = []
    ) throws -> Command.Output {
        var words = [
            "kv", "get", "greeting", "--timeout", "3s", "--endpoints", nodes[node].clientURL,
            "--cacert", ca ?? authority.certificate,
        ]
        if let credentials {
            words += ["--cert", credentials.certificate, "--key", credentials.key]
        }
        return try Command.run(try ServerProgram.underTest().path, words + more)
    }

    /// Whether whoever should get through still does.
    func isFine(_ comment: Comment) throws {
        for node in nodes.indices {
            #expect(try get(node: node, as: client).status == .exited(0), comment)
        }
    }

    func log(_ node: Int) -> String { nodes[node].logTail(lines: 100_000) }

    /// Whether a server says so soon: a client hears that it is refused before the line is written.
    func isLogged(_ node: Int, _ text: String) -> Bool {
        Patience.wait(.seconds(5), pauseMilliseconds: 50) {
            log(node).contains(text) ? true : nil
        } ?? false
    }

    /// The serial number of the certificate that a port shows to a client that connects now.
    static func serial(port: Int, _ client: Credentials) throws -> String {
        let script = """
            openssl s_client -connect 127.0.0.1:\(port) -cert \(client.certificate) \
            -key \(client.key) </dev/null 2>/dev/null | openssl x509 -noout -serial
            """
        return try Command.runSuccessfully("sh", ["-c", script])
    }

    static func serial(of file: String) throws -> String {
        try Command.runSuccessfully("openssl", ["x509", "-noout", "-serial", "-in", file])
    }
}

extension String {
    func count(of text: String) -> Int { components(separatedBy: text).count - 1 }
}
