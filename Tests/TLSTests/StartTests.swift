import Foundation
import LocalCluster
import Testing

@Suite("TLS: with which flags a server starts", .serialized)
struct StartTests {
    /// What is given, and the words that the message must have.
    struct Case: Sendable, CustomTestStringConvertible {
        var flags: [String]
        var said: [String]
        var clientScheme = "https"
        var peerScheme = "http"
        var testDescription: String { flags.joined(separator: " ") + " \(clientScheme)" }
    }

    private static let unusable: [Case] = [
        Case(flags: [], said: ["--listen-client-urls", "--cert-file"]),
        Case(
            flags: ["--cert-file", "SERVER.pem", "--key-file", "SERVER.key"],
            said: ["--listen-peer-urls", "--peer-cert-file"], peerScheme: "https"),
        Case(flags: ["--cert-file", "SERVER.pem"], said: ["--cert-file", "--key-file"]),
        Case(flags: ["--key-file", "SERVER.key"], said: ["--key-file", "--cert-file"]),
        Case(
            flags: ["--cert-file", "SERVER.pem", "--key-file", "OTHER.key"],
            said: ["--key-file", "OTHER.key", "it is not the key of the certificate"]),
        Case(
            flags: ["--cert-file", "/nowhere.pem", "--key-file", "SERVER.key"],
            said: ["--cert-file", "/nowhere.pem", "No such file"]),
        Case(
            flags: ["--cert-file", "SERVER.key", "--key-file", "SERVER.key"],
            said: ["--cert-file", "holds no certificate"]),
        Case(
            flags: ["--cert-file", "SERVER.pem", "--key-file", "SERVER.pem"],
            said: ["--key-file", "holds no private key"]),
        Case(
            flags: ["--cert-file", "SERVER.pem", "--key-file", "SERVER.key", "--client-cert-auth"],
            said: ["--client-cert-auth", "--trusted-ca-file"]),
        Case(
            flags: [
                "--cert-file", "SERVER.pem", "--key-file", "SERVER.key", "--client-crl-file", "x",
            ], said: ["--client-crl-file", "--trusted-ca-file"]),
        Case(
            flags: [
                "--cert-file", "SERVER.pem", "--key-file", "SERVER.key", "--trusted-ca-file",
                "CA.pem", "--client-crl-file", "SERVER.pem",
            ], said: ["--client-crl-file", "CERTIFICATE"]),
        Case(
            flags: ["--auto-tls", "--tls-min-version", "TLS1.1"], said: ["--tls-min-version"]),
        Case(
            flags: ["--auto-tls", "--self-signed-cert-validity", "0"],
            said: ["--self-signed-cert-validity"]),
        Case(
            flags: [
                "--peer-cert-file", "SERVER.pem", "--peer-key-file", "SERVER.key",
                "--peer-trusted-ca-file", "CA.pem", "--peer-cert-allowed-cn", "a",
                "--peer-cert-allowed-hostname", "b",
            ], said: ["--peer-cert-allowed-cn", "--peer-cert-allowed-hostname"],
            clientScheme: "http", peerScheme: "https"),
        Case(
            flags: ["--client-cert-auth=perhaps"], said: ["--client-cert-auth"],
            clientScheme: "http"),
    ]

    private static let files = Result {
        let authority = try Authority("ca", under: try Folder.make("start"))
        return (
            authority: authority, server: try authority.issue("server"),
            other: try authority.issue("other")
        )
    }

    private func resolve(_ flags: [String]) throws -> [String] {
        let files = try Self.files.get()
        let names = [
            "SERVER.pem": files.server.certificate, "SERVER.key": files.server.key,
            "OTHER.key": files.other.key, "CA.pem": files.authority.certificate,
        ]
        return flags.map { names[$0] ?? $0 }
    }

    @Test(
        "what cannot work is wrong usage, and the message says what, where and what to do",
        arguments: unusable)
    func unusableFlags(wanted: Case) throws {
        var site = ServerSite()
        site.clientScheme = wanted.clientScheme
        site.peerScheme = wanted.peerScheme
        let cluster = try ServerCluster(
            "tls-flags", try ServerProgram.underTest(), nodeCount: 1,
            arguments: try resolve(wanted.flags), sites: [site])
        let node = cluster.nodes[0]
        let child = try node.launch()
        let status = child.waitForExit(.seconds(10))
        child.killHard()
        #expect(status == .exited(64), "\(node.logTail())")
        for text in try resolve(wanted.said) { #expect(node.logTail().contains(text)) }
    }

    @Test("a server makes its own certificates, and keeps them over a restart")
    func automatic() throws {
        var site = ServerSite()
        site.clientScheme = "https"
        site.peerScheme = "https"
        let cluster = try ServerCluster(
            "tls-auto", try ServerProgram.underTest(),
            arguments: ["--auto-tls", "--peer-auto-tls"],
            sites: Array(repeating: site, count: 3))
        try cluster.start()
        let node = cluster.nodes[0]
        let own = "\(node.dataDirectory)/fixtures/client/cert.pem"
        let client = try Self.files.get().other
        let first = try SecureCluster.serial(port: node.clientPort, client)
        #expect(try first == SecureCluster.serial(of: own))
        let words = ["kv", "get", "a", "--timeout", "3s", "--endpoints", node.clientURL]
        let program = try ServerProgram.underTest().path
        #expect(try Command.run(program, words).status == .exited(69))
        #expect(
            try Command.run(program, words + ["--insecure-skip-tls-verify"]).status == .exited(0))
        #expect(try Command.run(program, words + ["--cacert", own]).status == .exited(0))
        let mode = try FileManager.default.attributesOfItem(
            atPath: "\(node.dataDirectory)/fixtures/client/key.pem")[.posixPermissions]
        #expect((mode as? NSNumber)?.intValue == 0o600)

        try node.stopGracefully()
        try node.start()
        #expect(try SecureCluster.serial(port: node.clientPort, client) == first)
        try cluster.stopAll()
    }

    @Test("http and https are served side by side, and the CA alone asks for certificates")
    func bothSchemes() throws {
        let files = try Self.files.get()
        let cluster = try ServerCluster(
            "tls-both", try ServerProgram.underTest(), nodeCount: 1,
            arguments: [
                "--cert-file", files.server.certificate, "--key-file", files.server.key,
                "--trusted-ca-file", files.authority.certificate,
                "--client-cert-allowed-hostname", "127.0.0.1",
            ])
        let node = cluster.nodes[0]
        let second = try #require(try Ports.free(1).first)
        let url = "https://127.0.0.1:\(second)"
        let offset = node.logSize
        let child = try node.launch(more: ["--listen-client-urls", "\(node.clientURL),\(url)"])
        try node.waitUntilReady(child, from: offset, .seconds(30))
        let program = try ServerProgram.underTest().path
        let words = ["kv", "get", "a", "--timeout", "3s", "--endpoints"]
        let trust = ["--cacert", files.authority.certificate]
        #expect(try Command.run(program, words + [node.clientURL]).status == .exited(0))
        #expect(try Command.run(program, words + [url] + trust).status == .exited(69))
        let other = ["--cert", files.other.certificate, "--key", files.other.key]
        #expect(try Command.run(program, words + [url] + trust + other).status == .exited(0))
        let named = ["https://localhost:\(second)"] + trust + other
        #expect(try Command.run(program, words + named).status == .exited(0))
        let foreign = try files.authority.issue("foreign", hosts: "DNS:foreign.example")
        let refused = try Command.run(
            program, words + [url] + trust + ["--cert", foreign.certificate, "--key", foreign.key])
        #expect(refused.status == .exited(69))
        #expect(node.logTail(lines: 1000).contains("which is not allowed"))
        #expect(node.logTail(lines: 1000).contains("is served without TLS"))
        try cluster.stopAll()
    }
}
