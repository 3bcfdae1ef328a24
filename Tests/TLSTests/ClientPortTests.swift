import Foundation
import LocalCluster
import Testing

@Suite("TLS on the client port", .serialized)
struct ClientPortTests {
    private static let shared = Result { try SecureCluster("clients") }
    private let secure: SecureCluster
    private var authority: Authority { secure.authority }

    init() throws { secure = try Self.shared.get() }

    @Test("etcdctl and keelson write through one server and read through another")
    func putAndGet() throws {
        #expect(try secure.etcdctl(node: 0, "put", "greeting", "hello") == "OK")
        for node in secure.nodes.indices {
            #expect(try secure.etcdctl(node: node, "get", "greeting") == "greeting\nhello")
            let output = try secure.get(node: node, as: secure.client)
            #expect(output.status == .exited(0), "\(output.text)")
            #expect(output.text.contains("hello"))
        }
    }

    @Test("etcdctl sees a healthy cluster, and members with https")
    func health() throws {
        #expect(try secure.etcdctl(node: 1, "endpoint", "health").contains("is healthy"))
        #expect(try secure.etcdctl(node: 1, "member", "list").count(of: "https://") == 6)
    }

    @Test("curl reads a page", arguments: ["/version", "/health", "/metrics"])
    func pages(path: String) throws {
        let text = try Command.runSuccessfully(
            "curl",
            [
                "-sS", "--fail", "--cacert", authority.certificate,
                "--cert", secure.client.certificate, "--key", secure.client.key,
                secure.nodes[2].clientURL + path,
            ])
        #expect(!text.isEmpty)
    }

    @Test("the flags have variables, and an endpoint without a scheme is dialled with TLS")
    func environment() throws {
        let output = try Command.run(
            try ServerProgram.underTest().path, ["kv", "get", "greeting", "--timeout", "3s"],
            environment: [
                "KEELSON_ENDPOINTS": secure.nodes[0].endpoint,
                "KEELSON_CACERT": authority.certificate,
                "KEELSON_CERT": secure.client.certificate, "KEELSON_KEY": secure.client.key,
            ])
        #expect(output.status == .exited(0), "\(output.text)")
    }

    /// Who is refused, and why the server says that it did.
    enum Stranger: String, CaseIterable, Sendable {
        case withoutCertificate = "it showed no certificate"
        case ofAnotherCA = "no trusted CA signed it"
        case expired = "it expired"
        case notYetValid = "it becomes valid"
        case onlyServer = "not for this use"
    }

    private func credentials(of stranger: Stranger) throws -> Credentials? {
        let folder = try Folder.make("strangers")
        switch stranger {
        case .withoutCertificate: return nil
        case .ofAnotherCA: return try Authority("other", under: folder).issue("mallory")
        case .expired: return try authority.issue("late", days: -9 ... -2)
        case .notYetValid: return try authority.issue("early", days: 2...9)
        case .onlyServer: return try authority.issue("server-only", usage: "serverAuth")
        }
    }

    @Test("A13 a client whose certificate does not count is refused", arguments: Stranger.allCases)
    func strangers(stranger: Stranger) throws {
        let output = try secure.get(as: try credentials(of: stranger))
        #expect(output.status == .exited(69), "\(output.text)")
        #expect(output.text.contains("TLS failed"), "\(output.text)")
        #expect(secure.isLogged(0, stranger.rawValue), "\(secure.nodes[0].logTail())")
        try secure.isFine("after a client \(stranger)")
    }

    @Test("a client that does not trust the server says for which endpoint, and why")
    func untrusted() throws {
        let other = try Authority("unrelated", under: try Folder.make("unrelated"))
        let output = try secure.get(as: secure.client, trusting: other.certificate)
        #expect(output.status == .exited(69))
        #expect(output.text.contains(secure.nodes[0].clientURL))
        #expect(output.text.contains("its certificate cannot be verified"))
        let careless = try secure.get(
            as: secure.client, trusting: other.certificate, ["--insecure-skip-tls-verify"])
        #expect(careless.status == .exited(0), "\(careless.text)")
    }

    @Test("a client that dials another name than the certificate has does not go on")
    func wrongName() throws {
        let port = secure.nodes[0].clientPort
        let words = [
            "kv", "get", "greeting", "--timeout", "3s", "--cacert", authority.certificate,
            "--cert", secure.client.certificate, "--key", secure.client.key, "--endpoints",
        ]
        let program = try ServerProgram.underTest().path
        let wrong = try Command.run(program, words + ["https://localhost:\(port)"])
        #expect(wrong.status == .exited(69))
        #expect(
            wrong.text.contains("its certificate is for 127.0.0.1, not for localhost"),
            "\(wrong.text)")
        let right = try Command.run(program, words + ["https://127.0.0.1:\(port)"])
        #expect(right.status == .exited(0), "\(right.text)")
    }

    @Test("A15 TLS 1.0 and 1.1 are refused, 1.2 and 1.3 are spoken")
    func versions() throws {
        for (version, isSpoken) in [("1", false), ("1_1", false), ("1_2", true), ("1_3", true)] {
            let output = try Command.run(
                "sh",
                [
                    "-c",
                    """
                    openssl s_client -connect 127.0.0.1:\(secure.nodes[0].clientPort) \
                    -tls\(version) -cipher DEFAULT:@SECLEVEL=0 -cert \(secure.client.certificate) \
                    -key \(secure.client.key) </dev/null 2>&1
                    """,
                ])
            let isCut = output.text.contains("alert protocol version")
            #expect(isCut == !isSpoken, "TLS \(version): \(output.text)")
            #expect(output.text.contains("Cipher is (NONE)") == !isSpoken, "TLS \(version)")
        }
        try secure.isFine("after old versions")
    }

    @Test("A15 plaintext to the port is refused")
    func plaintext() throws {
        let url = "http://\(secure.nodes[0].endpoint)/version"
        let output = try Command.run("curl", ["-sS", "--max-time", "15", url])
        #expect(output.status != .exited(0), "\(output.text)")
        #expect(!output.text.contains("etcdserver"))
        // Refusals are logged in a burst of twenty, and then one a second: others came before.
        let isLogged = try Patience.wait(.seconds(30), pauseMilliseconds: 1000) {
            _ = try Command.run("curl", ["-sS", "--max-time", "15", url])
            return secure.log(0).contains("it does not speak TLS") ? true : nil
        }
        #expect(isLogged == true, "\(secure.nodes[0].logTail())")
        try secure.isFine("after plaintext")
    }

    @Test("A16 a handshake that does not go on is cut after some ten seconds")
    func stalled() throws {
        let script = """
            import socket, time
            from concurrent.futures import ThreadPoolExecutor
            def stall(start):
                with socket.create_connection(("127.0.0.1", \(secure.nodes[0].clientPort))) as s:
                    s.sendall(start)
                    s.settimeout(30)
                    begin = time.monotonic()
                    try:
                        while s.recv(4096): pass
                    except ConnectionResetError: pass
                    return time.monotonic() - begin
            # Nothing at all, a record's first bytes, and a whole header with half a ClientHello.
            half = bytes([22, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3]) + bytes(99)
            starts = [b"", bytes([22, 3, 1]), half]
            with ThreadPoolExecutor(3) as pool: print(*pool.map(stall, starts))
            """
        let text = try Command.runSuccessfully("python3", ["-c", script], limit: .seconds(60))
        let seconds = text.split(whereSeparator: \.isWhitespace).compactMap { Double($0) }
        #expect(seconds.count == 3)
        for span in seconds { #expect((9.0...13.0).contains(span), "\(text)") }
        try secure.isFine("after stalled handshakes")
    }

    @Test("A16 ten thousand silent connections are a thousand, are cut in time, and disturb nobody")
    func silentCrowd() throws {
        let script = ServerProgram.scriptPath("checks/silent_crowd.py")
        let text = try Command.runSuccessfully(
            "python3",
            [
                script, "\(secure.nodes[2].clientPort)", authority.certificate,
                secure.client.certificate, secure.client.key,
            ], limit: .seconds(60))
        print(text)
        #expect(text.contains("10000 tried, "), "\(text)")
        try secure.isFine("after a silent crowd")
    }

    @Test("what is not TLS at all is cut, and the server goes on")
    func noise() throws {
        let script = """
            import random, socket
            random.seed(7)
            for size in [1, 5, 64, 517, 20000] * 8:
                with socket.create_connection(("127.0.0.1", \(secure.nodes[1].clientPort))) as s:
                    s.sendall((bytes([22, 3, 1]) if size % 2 else b"") + random.randbytes(size))
            """
        _ = try Command.runSuccessfully("python3", ["-c", script])
        try secure.isFine("after noise")
    }
}
