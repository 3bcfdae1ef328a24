import Foundation
import LocalCluster
import Testing

@Suite("Operators' commands, with real servers and agents", .serialized)
struct OperatorCommandTests {
    private static func agent(_ site: UserCluster) throws -> String {
        let list = try site.run(as: "reader", "agent", "list", "-o", "json").text
        let match = try #require(list.firstMatch(of: /"id":"([^"]+)"/), "\(list)")
        return String(match.1)
    }

    @Test("quota and weights are set, shown and taken away, by who may")
    func roles() throws {
        let site = try UserCluster("operator-roles", agentCount: 0)
        let denied = try site.run(as: "reader", "quota", "set", "web", "--limit", "cpus:1")
        #expect(denied.status == .exited(1) && denied.text.contains("/keelson/local/roles/"))
        let set = try site.run(
            as: "ops", "quota", "set", "web", "--guarantee", "cpus:1;mem:64", "--limit", "cpus:2")
        #expect(set.status == .exited(0), "\(set.text)")
        let list = try site.run(as: "reader", "quota", "list")
        #expect(list.text.contains("web") && list.text.contains("cpus:1;mem:64"), "\(list.text)")
        let json = try site.run(as: "reader", "quota", "list", "-o", "json")
        #expect(json.text.contains(#""limit":"cpus:2""#), "\(json.text)")
        let shown = try site.run(as: "reader", "quota", "show", "web")
        #expect(shown.text.contains("limit:     cpus:2"), "\(shown.text)")
        #expect(try site.run(as: "ops", "quota", "remove", "web").status == .exited(0))
        #expect(try site.run(as: "reader", "quota", "show", "web").status == .exited(1))
        let bad = try site.run(as: "ops", "quota", "set", "web", "--limit", "ports:[1-2]")
        #expect(bad.status == .exited(64) && bad.text.contains("--limit"), "\(bad.text)")

        let weight = try site.run(as: "ops", "weight", "set", "web", "2.5")
        #expect(weight.status == .exited(0), "\(weight.text)")
        let weights = try site.run(as: "reader", "weight", "list")
        #expect(weights.text.contains("2.5"), "\(weights.text)")
    }

    @Test("resources are reserved and given back; offers show what is left")
    func reservations() throws {
        let site = try UserCluster("operator-reserve")
        let agent = try Self.agent(site)
        let reserve = try site.run(
            as: "ops", "agent", "reserve", agent, "--role", "web", "cpus:1;mem:64")
        #expect(reserve.status == .exited(0), "\(reserve.text)")
        let shown = try site.run(as: "reader", "agent", "show", agent)
        #expect(shown.text.contains("web") && shown.text.contains("ops"), "\(shown.text)")
        let many = try site.run(
            as: "ops", "agent", "reserve", agent, "--role", "web", "cpus:100")
        #expect(many.status == .exited(1) && many.text.contains("free"), "\(many.text)")

        let waiting = try Command.start(
            site.program.path,
            [
                "task", "run", "--cpus", "64", "--wait", "120s", "--endpoints", site.endpoints,
                "--user", "ops:ops", "--", "true",
            ])
        defer { waiting.killHard() }
        let offers = Patience.wait(.seconds(30)) { () -> String? in
            let found = try? site.run(as: "reader", "offer", "list")
            return found?.status == .exited(0) ? found?.text : nil
        }
        #expect(offers?.contains("RESOURCES") == true, "\(offers ?? "")")

        let back = try site.run(
            as: "ops", "agent", "unreserve", agent, "--role", "web", "cpus:1")
        #expect(back.status == .exited(0), "\(back.text)")
        let rest = try site.run(as: "ops", "agent", "unreserve", agent, "--role", "web")
        #expect(rest.status == .exited(0) && rest.text.contains("mem"), "\(rest.text)")
        let none = try site.run(as: "ops", "agent", "unreserve", agent, "--role", "web")
        #expect(none.status == .exited(1) && none.text.contains("agent show"), "\(none.text)")
    }

    @Test("an agent is deactivated, drained, offered again, and said to be gone")
    func agents() throws {
        let site = try UserCluster("operator-agents")
        let agent = try Self.agent(site)
        func state() throws -> String { try site.run(as: "reader", "agent", "list").text }
        // To be an agent is not to be an operator.
        let denied = try site.run(as: "agent", "agent", "deactivate", agent)
        #expect(denied.status != .exited(0), "\(denied.text)")
        for (word, after) in [
            ("deactivate", "deactivated"), ("drain", "draining"), ("activate", "active"),
        ] {
            let done = try site.run(as: "ops", "agent", word, agent)
            #expect(done.status == .exited(0), "\(done.text)")
            let now = try state()
            #expect(now.contains(after), "\(word): \(now)")
        }
        let short = try site.run(as: "ops", "agent", "remove", String(agent.prefix(8)))
        #expect(short.status == .exited(1) && short.text.contains("agent list"), "\(short.text)")
        #expect(try site.run(as: "ops", "agent", "remove", agent).status == .exited(0))
        #expect(try !state().contains(agent))
    }

    @Test("a framework is shown, and torn down with its tasks")
    func frameworks() throws {
        let site = try UserCluster("operator-frameworks")
        let task = try Command.start(
            site.program.path,
            [
                "task", "run", "--name", "t1", "--endpoints", site.endpoints, "--user", "ops:ops",
                "--", "sleep", "600",
            ])
        defer { task.killHard() }
        let found = Patience.wait(.seconds(30)) { () -> String? in
            guard let tasks = try? site.run(as: "reader", "task", "list", "-o", "json").text,
                tasks.contains("TASK_RUNNING"),
                let match = tasks.firstMatch(of: /"framework":"([^"]+)"/)
            else { return nil }
            return String(match.1)
        }
        let id = try #require(found, "\(task.output)")
        let shown = try site.run(as: "reader", "framework", "show", id)
        #expect(shown.text.contains("ops") && shown.text.contains("t1"), "\(shown.text)")
        let denied = try site.run(as: "reader", "framework", "teardown", id)
        #expect(denied.status == .exited(1), "\(denied.text)")
        let done = try site.run(as: "ops", "framework", "teardown", id)
        #expect(done.status == .exited(0), "\(done.text)")
        let ended = Patience.wait(.seconds(30)) { () -> Bool? in
            let tasks = try? site.run(as: "reader", "task", "list").text
            return tasks?.contains("t1") == false ? true : nil
        }
        #expect(ended == true)
        let again = try site.run(as: "ops", "framework", "teardown", id)
        #expect(again.status == .exited(1) && again.text.contains("ended already"))
    }
}
