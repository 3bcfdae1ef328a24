import Foundation
import LocalCluster
import Testing

@Suite("TLS on the HTTP port, with real servers", .serialized)
struct SecureHTTPTests {
    private static func get(_ url: String, _ flags: [String]) throws -> Command.Output {
        try Command.run("curl", ["-sS", "-m", "20", "-w", " %{http_code}"] + flags + [url])
    }

    @Test("the port speaks TLS, the command line speaks it with it, and a new certificate is used")
    func plain() throws {
        let certificates = try Certificates("http-tls")
        let folder = certificates.folder
        let cluster = try DatacenterCluster(
            "http-tls", serverCount: 1, agentCount: 1,
            flags: [
                "--http-cert-file", folder + "/server.pem", "--http-key-file",
                folder + "/server.key",
            ], scheme: "https")
        let url = "https://\(cluster.http(0))/state"
        let trusting = try Self.get(url, ["--cacert", certificates.ca])
        #expect(trusting.text.hasSuffix(" 200"), "\(trusting.text)")
        #expect(try Self.get(url, []).status != .exited(0))
        #expect(try Self.get("http://\(cluster.http(0))/state", []).status != .exited(0))
        let program = try ServerProgram.underTest()
        // The client port has no TLS here.
        let endpoints = cluster.servers.endpoints.map { "http://" + $0 }
        let words = ["--endpoints", endpoints.joined(separator: ",")]
        let task = try Command.run(
            program.path,
            ["task", "run", "--cacert", certificates.ca] + words + ["--", "true"])
        #expect(task.status == .exited(0), "\(task.text)")

        let before = try Self.serial(cluster)
        try certificates.issue("server", "serverAuth")
        let isNew = Patience.wait(.seconds(20)) { () -> Bool? in
            (try? Self.serial(cluster)) != before ? true : nil
        }
        #expect(isNew == true)
    }

    private static func serial(_ cluster: DatacenterCluster) throws -> String {
        let script =
            "openssl s_client -connect \(cluster.http(0)) </dev/null 2>/dev/null"
            + " | openssl x509 -noout -serial"
        return try Command.runSuccessfully("sh", ["-c", script])
    }

    @Test("with client-cert-auth nobody gets in without a certificate, and its name is the user")
    func certificates() throws {
        let certificates = try Certificates("http-tls-clients")
        let folder = certificates.folder
        let program = try ServerProgram.underTest()
        let cluster = try DatacenterCluster(
            "http-tls-clients", serverCount: 1, agentCount: 0,
            flags: [
                "--http-cert-file", folder + "/server.pem", "--http-key-file",
                folder + "/server.key", "--http-client-cert-auth", "--http-trusted-ca-file",
                certificates.ca,
            ], scheme: "https"
        ) { servers in
            let endpoints = servers.endpoints.joined(separator: ",")
            let script = """
                set -e
                k() { '\(program.path)' "$@" --endpoints '\(endpoints)'; }
                echo root | k user add root; k user grant-role root root
                k user add ops --no-password; k role add ops
                k role grant-permission ops read --prefix /keelson/
                k user grant-role ops ops; k auth enable
                """
            let made = try Command.run("sh", ["-c", script])
            try #require(made.status == .exited(0), "\(made.text)")
        }
        let url = "https://\(cluster.http(0))"
        let own = [
            "--cacert", certificates.ca, "--cert", folder + "/ops.pem", "--key",
            folder + "/ops.key",
        ]
        let state = try Self.get(url + "/state", own)
        #expect(state.text.hasSuffix(" 200"), "\(state.text)")
        let without = try Self.get(url + "/health", ["--cacert", certificates.ca])
        #expect(without.status != .exited(0), "\(without.text)")
        let write = try Self.get(
            url + "/keelson/v1/kill", own + ["-d", "framework=a&task=b"])
        #expect(write.text.hasSuffix(" 403"), "\(write.text)")
        try certificates.issue("stranger", "clientAuth")
        let stranger = try Self.get(
            url + "/state",
            [
                "--cacert", certificates.ca, "--cert", folder + "/stranger.pem", "--key",
                folder + "/stranger.key",
            ])
        #expect(stranger.text.hasSuffix(" 401"), "\(stranger.text)")
    }

    @Test(
        "a port that says https without a certificate does not start, and says which flags to give")
    func withoutCertificate() throws {
        let program = try ServerProgram.underTest()
        let folder = ServerProgram.repositoryRoot.appending(path: ".build/clusters/http-tls-none")
        let output = try Command.run(
            program.path,
            [
                "server", "--data-dir", folder.path, "--listen-http-urls",
                "https://127.0.0.1:5050",
            ])
        #expect(output.status == .exited(64), "\(output.text)")
        #expect(output.text.contains("--http-cert-file"), "\(output.text)")
    }
}
