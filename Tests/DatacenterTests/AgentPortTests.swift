import Foundation
import LocalCluster
import Testing

@Suite("Agents' own port, with real servers and agents", .serialized)
struct AgentPortTests {
    private static func get(_ url: String, _ flags: [String] = []) throws -> Command.Output {
        try Command.run("curl", ["-sS", "-m", "20", "-w", " %{http_code}"] + flags + [url])
    }

    /// The agent's id and the folder of a task that has written `hello`.
    private static func sandbox(
        _ cluster: DatacenterCluster, _ flags: [String]
    ) throws -> (agent: String, task: String, folder: String) {
        let program = try ServerProgram.underTest()
        let endpoints = cluster.servers.endpoints.map { "http://" + $0 }.joined(separator: ",")
        let ran = try Command.run(
            program.path,
            ["task", "run", "--endpoints", endpoints] + flags + ["--", "echo", "hello"])
        try #require(ran.status == .exited(0), "\(ran.text)")
        #expect(ran.text.contains("hello"), "\(ran.text)")
        let list = try Command.runSuccessfully(
            program.path,
            ["task", "list", "--all", "-o", "json", "--endpoints", endpoints] + flags)
        let match = try #require(
            list.firstMatch(of: /"id":"([^"]+)","framework":"([^"]+)","agent":"([^"]+)"/), "\(list)"
        )
        let (task, framework, agent) = (String(match.1), String(match.2), String(match.3))
        return (
            agent, task,
            "slaves/\(agent)/frameworks/\(framework)/executors/\(task)/runs/latest"
        )
    }

    private static func logs(
        _ task: String, _ cluster: DatacenterCluster, _ flags: [String]
    ) throws -> Command.Output {
        let program = try ServerProgram.underTest()
        let endpoints = cluster.servers.endpoints.map { "http://" + $0 }.joined(separator: ",")
        return try Command.run(
            program.path, ["task", "logs", "--endpoints", endpoints, task] + flags)
    }

    @Test("files come over https to whoever trusts the CA, the dashboard and the command line too")
    func tls() throws {
        let certificates = try Certificates("agent-tls")
        let folder = certificates.folder
        let cluster = try DatacenterCluster(
            "agent-tls", serverCount: 1, agentCount: 1,
            flags: ["--agent-trusted-ca-file", certificates.ca],
            agentFlags: [
                "--cert-file", folder + "/server.pem", "--key-file", folder + "/server.key",
            ], agentScheme: "https")
        let url = cluster.agents[0].url
        let trusting = ["--cacert", certificates.ca]
        let (agent, task, place) = try Self.sandbox(cluster, trusting)
        let read = try Self.get("\(url)/files/read?path=\(place)/stdout&offset=0", trusting)
        #expect(read.text.contains("hello") && read.text.hasSuffix(" 200"), "\(read.text)")
        #expect(try Self.get(url + "/state").status != .exited(0))
        let plain = url.replacing("https:", with: "http:")
        #expect(try Self.get(plain + "/state").status != .exited(0))
        let isLogged = Patience.wait(.seconds(5)) { () -> Bool? in
            cluster.agents[0].logText.contains("does not speak TLS") ? true : nil
        }
        #expect(isLogged == true, "\(cluster.agents[0].logText)")

        let page = "http://\(cluster.http(0))/ui/api/agents/\(agent)/files/read"
        let shown = try Self.get("\(page)?path=\(place)/stdout&offset=0&length=100")
        #expect(shown.text.contains("hello") && shown.text.hasSuffix(" 200"), "\(shown.text)")
        let logs = try Self.logs(task, cluster, trusting)
        #expect(logs.status == .exited(0) && logs.text.contains("hello"), "\(logs.text)")
        let untrusting = try Self.logs(task, cluster, [])
        #expect(untrusting.status != .exited(0), "\(untrusting.text)")
        #expect(untrusting.text.contains("--cacert"), "\(untrusting.text)")
        let redirect = try Self.get(
            "http://\(cluster.http(0))/slave/\(agent)/state.json", trusting + ["-L"])
        #expect(redirect.text.hasSuffix(" 200"), "\(redirect.text)")
    }

    @Test("a server that cannot verify an agent says so, and with which flag it could")
    func unverified() throws {
        let certificates = try Certificates("agent-tls-strange")
        let folder = certificates.folder
        let cluster = try DatacenterCluster(
            "agent-tls-strange", serverCount: 1, agentCount: 1,
            agentFlags: [
                "--cert-file", folder + "/server.pem", "--key-file", folder + "/server.key",
            ], agentScheme: "https")
        let (agent, _, place) = try Self.sandbox(cluster, ["--cacert", certificates.ca])
        let page = "http://\(cluster.http(0))/ui/api/agents/\(agent)/files/browse"
        let shown = try Self.get("\(page)?path=\(place)")
        #expect(shown.text.hasSuffix(" 502"), "\(shown.text)")
        #expect(shown.text.contains("TLS"), "\(shown.text)")
    }

    @Test("an agent with https and without a certificate does not start, and says what it needs")
    func withoutCertificate() throws {
        let program = try ServerProgram.underTest()
        let folder = ServerProgram.repositoryRoot.appending(path: ".build/clusters/agent-tls-none")
        let output = try Command.run(
            program.path,
            ["agent", "--work-dir", folder.path, "--listen-url", "https://127.0.0.1:5051"])
        #expect(output.status == .exited(64), "\(output.text)")
        #expect(output.text.contains("--cert-file"), "\(output.text)")
    }

    @Test("with users on, an agent serves those who may read what it shows")
    func users() throws {
        let site = try UserCluster("agent-users")
        let cluster = site.cluster
        let url = cluster.agents[0].url
        let (agent, task, place) = try Self.sandbox(cluster, ["--user", "ops:ops"])
        for path in ["/state", "/metrics", "/files/browse?path=\(place)"] {
            let cases = [
                ([], "401"), (["-u", "reader:wrong"], "401"), (["-u", "agent:agent"], "403"),
                (["-u", "reader:reader"], "200"),
            ]
            for (flags, status) in cases {
                let answer = try Self.get(url + path, flags)
                #expect(answer.text.hasSuffix(" \(status)"), "\(path) \(flags): \(answer.text)")
            }
        }
        #expect(try Self.get(url + "/health").text.hasSuffix(" 200"))

        let logs = try Self.logs(task, cluster, ["--user", "reader:reader"])
        #expect(logs.status == .exited(0) && logs.text.contains("hello"), "\(logs.text)")
        let page = "http://\(cluster.http(0))/ui/api/agents/\(agent)/files/read"
        let shown = try Self.get(
            "\(page)?path=\(place)/stdout&offset=0&length=100", ["-u", "reader:reader"])
        #expect(shown.text.contains("hello") && shown.text.hasSuffix(" 200"), "\(shown.text)")

        try cluster.servers.stopAll()
        let closed = try Self.get(url + "/state", ["-u", "ops:ops"])
        #expect(closed.text.hasSuffix(" 503"), "\(closed.text)")
        #expect(closed.text.contains("No server of the cluster"), "\(closed.text)")
        #expect(try Self.get(url + "/health").text.hasSuffix(" 200"))
    }
}
