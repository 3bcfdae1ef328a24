import Foundation
import LocalCluster
import Testing

@Suite("keelson task and keelson agent, with real servers and agents", .serialized)
struct TaskCommandTests {
    @Test("a task goes on through the kill of the leader and of its agent, and its output is whole")
    func throughEverything() throws {
        let cluster = try DatacenterCluster("task-run", agentCount: 1)
        let program = try ServerProgram.underTest()
        let endpoints = cluster.servers.endpoints.joined(separator: ",")
        let go = cluster.servers.folder.appending(path: "go").path
        let script =
            "echo one; while [ ! -e '\(go)' ]; do sleep 0.05; done; echo two; echo three >&2"
        let task = try Command.start(
            program.path,
            [
                "task", "run", "--name", "t1", "--endpoints", endpoints, "--", "sh", "-c", script,
            ])
        #expect(task.waitForOutput("one", .seconds(30)), "\(task.output)")

        let agent = cluster.agents[0]
        agent.killHard()
        cluster.servers.nodes[try cluster.leader()].killHard()
        try agent.start()
        #expect(FileManager.default.createFile(atPath: go, contents: nil))
        #expect(task.waitForExit(.seconds(40)) == .exited(0), "\(task.output)")
        let lines = task.output.split(separator: "\n").filter { !$0.hasPrefix("keelson: ") }
        #expect(Set(lines) == ["one", "two", "three"], "\(task.output)")

        let left = cluster.servers.nodes.filter(\.isRunning).map(\.endpoint)
        let asking = ["--endpoints", left.joined(separator: ",")]
        let list = try Command.runSuccessfully(
            program.path, ["task", "list", "--all", "-o", "json"] + asking)
        #expect(list.contains(#""id":"t1""#) && list.contains(#""state":"TASK_FINISHED""#))
        let logs = try Command.runSuccessfully(program.path, ["task", "logs", "t1"] + asking)
        #expect(logs == "one\ntwo\n")
        let agents = try Command.runSuccessfully(program.path, ["agent", "list"] + asking)
        #expect(agents.contains("0/2"), "\(agents)")
    }

    @Test("a command that fails, or that no agent has room for, is told so by the exit status")
    func failures() throws {
        let cluster = try DatacenterCluster("task-fails", serverCount: 1, agentCount: 1)
        let program = try ServerProgram.underTest()
        let endpoints = cluster.servers.endpoints.joined(separator: ",")
        func run(_ words: String...) throws -> Command.Output {
            try Command.run(program.path, ["task", "run", "--endpoints", endpoints] + words)
        }
        let failed = try run("--", "sh", "-c", "exit 3")
        #expect(failed.status == .exited(1) && failed.text.contains("exited with status 3"))
        let large = try run("--cpus", "100", "--wait", "2s", "--", "true")
        #expect(large.status == .exited(1) && large.text.contains("no agent has so much room"))
        #expect(try run("--", "true").status == .exited(0))
    }
    @Test("a task is killed, and why there are no offers is said, of a framework and of an agent")
    func killAndExplain() throws {
        let cluster = try DatacenterCluster("task-kill", serverCount: 1, agentCount: 1)
        let program = try ServerProgram.underTest()
        let asking = ["--endpoints", cluster.servers.endpoints.joined(separator: ",")]
        func run(_ words: String...) throws -> Command.Output {
            try Command.run(program.path, words + asking)
        }
        let task = try Command.start(
            program.path, ["task", "run", "--name", "t1"] + asking + ["--", "sleep", "600"])
        let isRunning = Patience.wait(.seconds(30)) {
            (try? run("task", "list", "-o", "json").text.contains("TASK_RUNNING")) == true
                ? true : nil
        }
        try #require(isRunning == true, "\(task.output)")
        let frameworks = try run("framework", "list").text.split(separator: "\n")
        let id = String(try #require(frameworks.last?.split(separator: " ").first))
        let framework = try run("framework", "explain", id)
        #expect(framework.status == .exited(0), "\(framework.text)")
        #expect(framework.text.contains("it may be offered"), "\(framework.text)")
        let agents = try run("agent", "list").text.split(separator: "\n")
        let agent = String(try #require(agents.last?.split(separator: " ").first))
        let explanation = try run("agent", "explain", agent, "-o", "json")
        #expect(explanation.text.contains(id), "\(explanation.text)")
        #expect(explanation.text.contains(#""free":"cpus:"#), "\(explanation.text)")
        #expect(try run("agent", "explain", "nobody").status == .exited(1))
        #expect(try run("task", "kill", "t2").status == .exited(1))
        #expect(try run("task", "kill", "--grace", "1s", "t1").status == .exited(0))
        #expect(task.waitForExit(.seconds(30)) == .exited(1), "\(task.output)")
        let tasks = try run("task", "list", "--all", "-o", "json").text
        #expect(tasks.contains("TASK_KILLED"), "\(tasks)")
        #expect(try run("task", "kill", "t1").status == .exited(1))
    }
}
