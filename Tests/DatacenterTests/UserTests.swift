import Foundation
import LocalCluster
import Testing

@Suite("Users on the HTTP port, with real servers and agents", .serialized)
struct UserTests {
    @Test("nobody is served who says nothing; who may read reads, and who may write writes")
    func readAndWrite() throws {
        let site = try UserCluster("users")
        for path in ["/state", "/v2/apps", "/roles", "/metrics/snapshot", "/ui/api/overview"] {
            #expect(try site.status(as: nil, path) == "401", "\(path)")
            #expect(try site.status(as: "reader", path) == "200", "\(path)")
        }
        for path in ["/health", "/ping", "/ui/"] {
            #expect(try site.status(as: nil, path) == "200", "\(path)")
        }
        #expect(try site.status(as: "agent", "/state") == "403")
        let agents = try site.run(as: "reader", "agent", "list")
        #expect(agents.status == .exited(0) && agents.text.contains("active"), "\(agents.text)")

        let refused = try site.run(
            as: "reader", "service", "run", "web", "--", "sleep", "1000")
        #expect(refused.status == .exited(1), "\(refused.text)")
        #expect(refused.text.contains("/keelson/local/services/web"), "\(refused.text)")
        let ran = try site.run(as: "ops", "service", "run", "web", "--", "sleep", "1000")
        #expect(ran.status == .exited(0), "\(ran.text)")
        #expect(try site.run(as: "ops", "service", "rm", "web").status == .exited(0))
        let task = try site.run(as: "ops", "task", "run", "--", "true")
        #expect(task.status == .exited(0), "\(task.text)")
        let anonymous = try site.run(as: nil, "agent", "list")
        #expect(anonymous.status == .exited(1) && anonymous.text.contains("--user"))
    }

    @Test("pymesos logs in, and its framework is its user's")
    func frameworks() throws {
        let site = try UserCluster("users-framework")
        let script = """
            import sys, threading
            from pymesos import MesosSchedulerDriver, Scheduler
            class Own(Scheduler):
                def registered(self, driver, framework, master):
                    print('registered', framework['value'], flush=True)
                    threading.Event().wait(1)
                    driver.stop(True)
            info = dict(user='root', name='own', failover_timeout=100, principal='framework')
            driver = MesosSchedulerDriver(
                Own(), info, sys.argv[1], principal='framework', secret='framework')
            driver.run()
            """
        let client = try Command.start(
            try ServerProgram.python(), ["-c", script, site.cluster.http(0)])
        defer { client.killHard() }
        try #require(client.waitForOutput("registered", .seconds(30)), "\(client.output)")
        let shown = Patience.wait(.seconds(20)) { () -> String? in
            let list = try? site.run(as: "reader", "framework", "list", "-o", "json").text
            guard let match = list?.firstMatch(of: /"id":"([^"]+)","name":"own"/) else {
                return nil
            }
            return try? site.run(as: "reader", "framework", "show", String(match.1)).text
        }
        #expect(shown?.contains("principal:    framework") == true, "\(shown ?? "")")
    }

    @Test("a stream ends when its user may not have it any more")
    func streamEnds() throws {
        let site = try UserCluster("users-stream", agentCount: 0)
        let stream = try Command.start(
            "curl",
            [
                "-s", "-N", "-u", "reader:reader", "-w", "ended",
                "http://\(site.cluster.http(0))/v2/events",
            ])
        defer { stream.killHard() }
        try #require(stream.waitForOutput("event_stream_attached", .seconds(20)))
        let revoked = try site.run(as: "root", "user", "revoke-role", "reader", "reader")
        #expect(revoked.status == .exited(0), "\(revoked.text)")
        #expect(stream.waitForOutput("ended", .seconds(10)), "\(stream.output)")
        #expect(try site.status(as: "reader", "/v2/apps") == "403")
    }
}
