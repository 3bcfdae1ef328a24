import Foundation
import LocalCluster
import Testing

@Suite("Services, with real servers and agents", .serialized)
struct ServiceTests {
    /// A cluster, and the command line that talks to it.
    private struct Site {
        let cluster: DatacenterCluster
        let program: ServerProgram

        init(_ name: String, agentCount: Int = 2) throws {
            cluster = try DatacenterCluster(name, agentCount: agentCount)
            program = try ServerProgram.underTest()
        }

        private var endpoints: String {
            let running = cluster.servers.nodes.filter(\.isRunning)
            return running.map(\.endpoint).joined(separator: ",")
        }

        func run(_ words: String..., limit: Duration = .seconds(60)) throws -> Command.Output {
            try Command.run(
                program.path, ["service"] + Self.split(words, endpoints), limit: limit)
        }

        func start(_ words: String...) throws -> ChildProcess {
            try Command.start(program.path, ["service"] + Self.split(words, endpoints))
        }

        /// Options stand before the program's own words.
        private static func split(_ words: [String], _ endpoints: String) -> [String] {
            let end = words.firstIndex(of: "--") ?? words.endIndex
            return Array(words[..<end]) + ["--endpoints", endpoints] + Array(words[end...])
        }

        /// An app of Marathon's, from any server that answers.
        func app(_ id: String) -> [String: Any]? {
            for node in cluster.servers.nodes.indices
            where cluster.servers.nodes[node].isRunning {
                let url = "http://\(cluster.http(node))/v2/apps/\(id)"
                let answer = try? Command.run("curl", ["-s", "-L", "-m", "5", url])
                guard let text = answer?.text, let data = text.data(using: .utf8),
                    let body = try? JSONSerialization.jsonObject(with: data) as? [String: Any],
                    let app = body["app"] as? [String: Any]
                else { continue }
                return app
            }
            return nil
        }

        func tasks(_ id: String) -> [[String: Any]] {
            app(id)?["tasks"] as? [[String: Any]] ?? []
        }

        /// Where they run that run.
        func agents(_ id: String) -> [String] {
            tasks(id).filter { $0["state"] as? String == "TASK_RUNNING" }
                .compactMap { $0["slaveId"] as? String }
        }
    }

    @Test("a service of three runs, and its instances are replaced when their agent dies")
    func agentDies() throws {
        let site = try Site("service-agent")
        // So that its processes are told from all others of this machine.
        let seconds = "\(100_000 + Int.random(in: 0..<100_000))"
        let began = try site.run("run", "web", "--instances", "3", "--", "sleep", seconds)
        #expect(began.status == .exited(0) && began.text.contains("3 of 3 run"), "\(began.text)")
        let list = try site.run("list")
        #expect(list.text.contains("/web") && list.text.contains("3/3"), "\(list.text)")
        let first = site.agents("web")
        #expect(first.count == 3 && Set(first).count == 2, "they are spread: \(first)")

        let died = site.cluster.agents[0]
        died.killHard()
        let killed = ContinuousClock.now
        let replaced = Patience.wait(.seconds(40), pauseMilliseconds: 100) { () -> [String]? in
            let now = site.agents("web")
            return now.count == 3 && Set(now).count == 1 ? now : nil
        }
        #expect(replaced != nil, "\(site.tasks("web"))")
        let passed = (ContinuousClock.now - killed).milliseconds / 1e3
        print("note: replaced \(passed) s after the kill")

        try died.start()
        let settled = Patience.wait(.seconds(40), pauseMilliseconds: 200) { () -> Bool? in
            let processes = try? Command.run("pgrep", ["-fc", "^sleep \(seconds)$"])
            let count = processes.flatMap {
                Int($0.text.trimmingCharacters(in: .whitespacesAndNewlines))
            }
            return site.agents("web").count == 3 && count == 3 ? true : nil
        }
        #expect(settled == true, "what came back with the agent ends: \(site.tasks("web"))")
        let removed = try site.run("rm", "web")
        #expect(removed.status == .exited(0) && site.app("web") == nil, "\(removed.text)")
    }

    @Test("a rolling update goes on through the kill of the leader, and no request fails")
    func leaderDies() throws {
        let site = try Site("service-leader")
        let began = try site.run(
            "run", "web", "--instances", "3", "--port", "http", "--health-http", "/",
            "--health-interval", "1s", "--max-over", "0.34", "--cmd",
            "exec python3 -m http.server $PORT0 --bind 127.0.0.1", limit: .seconds(120))
        #expect(began.status == .exited(0), "\(began.text)")
        let servers = site.cluster.servers.nodes.indices.map { site.cluster.http($0) }
        let client = try Command.start(
            try ServerProgram.python(),
            [ServerProgram.scriptPath("checks/service_requests.py"), "web"] + servers)
        defer { client.killHard() }
        try #require(client.waitForOutput("served", .seconds(30)), "\(client.output)")

        let old = site.app("web")?["version"] as? String
        let update = try site.start("update", "web", "--env", "GREETING=hello")
        let isHalfWay = Patience.wait(.seconds(60), pauseMilliseconds: 50) { () -> Bool? in
            let versions = site.tasks("web").compactMap { $0["version"] as? String }
            return versions.contains { $0 != old } && versions.contains { $0 == old } ? true : nil
        }
        try #require(isHalfWay == true, "\(update.output)")
        site.cluster.servers.nodes[try site.cluster.leader()].killHard()
        let killed = ContinuousClock.now
        #expect(update.waitForExit(.seconds(120)) == .exited(0), "\(update.output)")
        let passed = (ContinuousClock.now - killed).milliseconds / 1e3
        print("note: done \(passed) s after the kill")
        let versions = site.tasks("web").compactMap { $0["version"] as? String }
        #expect(versions.count == 3 && !versions.contains { $0 == old }, "\(versions)")

        client.send(signal: SIGTERM)
        #expect(client.waitForExit(.seconds(20)) == .exited(0), "\(client.output)")
        print(client.output)
    }

    @Test("what cannot start says why; a bad definition says where; a rollback ends the waiting")
    func refusals() throws {
        let site = try Site("service-refusals", agentCount: 1)
        let large = try site.run(
            "run", "big", "--cpus", "100", "--wait", "4s", "--", "sleep", "1000")
        #expect(large.status == .exited(1), "\(large.text)")
        #expect(large.text.contains("InsufficientCpus"), "\(large.text)")
        let shown = try site.run("show", "big")
        #expect(shown.text.contains("InsufficientCpus"), "\(shown.text)")
        let again = try site.run("run", "big", "--", "true")
        #expect(again.status == .exited(1) && again.text.contains("already exists"))
        let bad = try site.run("run", "bad", "--constraint", "rack:ODD", "--", "true")
        #expect(bad.status == .exited(1) && bad.text.contains("/constraints(0)"), "\(bad.text)")
        let negative = try site.run("run", "bad", "--instances=-1", "--", "true")
        #expect(negative.status == .exited(1) && negative.text.contains("/instances"))
        let back = try site.run("rollback", "big")
        #expect(back.status == .exited(0) && site.app("big") == nil, "\(back.text)")

        let folder = site.cluster.servers.folder
        let file = folder.appending(path: "web.json")
        let json = #"{"id": "web", "cmd": "echo started; sleep 1000", "cpus": 0.1, "mem": 16}"#
        try Data(json.utf8).write(to: file)
        let ran = try site.run("run", "--file", file.path)
        #expect(ran.status == .exited(0), "\(ran.text)")
        try writtenInYAML(site, folder)
        let logs = Patience.wait(.seconds(10), pauseMilliseconds: 200) { () -> Bool? in
            let logs = try? site.run("logs", "web")
            return logs?.text.contains("started") ?? false ? true : nil
        }
        #expect(logs == true)
        let scaled = try site.run("scale", "web", "2")
        #expect(scaled.status == .exited(0) && scaled.text.contains("2 of 2 run"), "\(scaled.text)")
        let events = try site.start("events", "--after", "0", "--type", "deployment_success")
        #expect(events.waitForOutput("deployment_success", .seconds(20)), "\(events.output)")
        events.killHard()
    }

    private func writtenInYAML(_ site: Site, _ folder: URL) throws {
        let file = folder.appending(path: "worker.yaml")
        let good = """
            # A comment, which JSON has not.
            id: worker
            cmd: sleep 1000
            cpus: 0.1
            mem: 16
            env: {LEVEL: "7"}
            labels:
              tier: back
            """
        try Data(good.utf8).write(to: file)
        let ran = try site.run("run", "--file", file.path)
        #expect(ran.status == .exited(0), "\(ran.text)")
        let env = site.app("worker")?["env"] as? [String: String]
        #expect(env == ["LEVEL": "7"], "\(site.app("worker") ?? [:])")
        try Data("id: worker\n  cmd: [".utf8).write(to: file)
        let bad = try site.run("run", "--file", file.path)
        #expect(bad.status == .exited(64) && bad.text.contains("line 2"), "\(bad.text)")
        #expect(try site.run("rm", "worker").status == .exited(0))
    }

    @Test("Debian's Prometheus discovers the instances as those of a Marathon app")
    func prometheus() throws {
        let site = try Site("service-prometheus")
        let began = try site.run(
            "run", "prod/web", "--instances", "3", "--port", "http", "--label", "tier=front",
            "--", "sleep", "1000")
        #expect(began.status == .exited(0), "\(began.text)")
        let program = ServerProgram.repositoryRoot.appending(
            path: ".build/prometheus/usr/bin/prometheus")
        let indices = site.cluster.servers.nodes.indices
        let output = try Command.run(
            try ServerProgram.python(),
            [
                ServerProgram.scriptPath("checks/prometheus_discovery.py"), program.path,
                site.cluster.servers.folder.appending(path: "prometheus").path, "/prod/web", "3",
            ] + indices.map { site.cluster.http($0) }, limit: .seconds(100))
        #expect(output.status == .exited(0), "\(output.text)")
        print(output.text)
    }

    @Test("the PyPI client marathon 0.13.0 drives it")
    func marathonClient() throws {
        let site = try Site("service-marathon")
        let leader = try site.cluster.leader()
        let indices = site.cluster.servers.nodes.indices
        let order = indices.filter { $0 != leader } + [leader]
        let output = try Command.run(
            try ServerProgram.python(),
            [ServerProgram.scriptPath("checks/marathon_cycle.py")]
                + order.map { site.cluster.http($0) }, limit: .seconds(180))
        #expect(output.status == .exited(0), "\(output.text)")
        print(output.text)
    }
}
