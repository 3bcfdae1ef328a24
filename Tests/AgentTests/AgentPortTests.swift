import API
import Agent
import AgentLogic
import Foundation
import Testing

@Suite("An agent's port: who is served", .serialized)
struct AgentPortTests {
    private func variable(
        _ name: String, of run: ContainerID, _ agent: ServedAgent
    ) throws -> String {
        let path =
            agent.folder.path
            + "/work" + "/slaves/agent-1/frameworks/F/executors/x/runs/\(run)/environment"
        var found: Substring?
        _ = eventually {
            let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
            found = text.split(separator: "\n").first { $0.hasPrefix(name + "=") }
            return found != nil
        }
        return String(try #require(found, "\(name)").dropFirst(name.count + 1))
    }

    private func subscribe(_ agent: ServedAgent, token: String?) throws -> Int? {
        let client = try ExecutorClient(port: agent.port, .json)
        client.token = token
        try client.call { call in
            call.type = .subscribe
            call.subscribe = MesosExecutorCall.Subscribe()
        }
        return try client.status()
    }

    @Test("executors that are asked for their token are served with their own, and no other")
    func executorToken() async throws {
        let agent = try await ServedAgent { $0.authenticatesExecutors = true }
        let run = try await agent.launch("t", script: "env > environment; exec sleep 60")
        let token = try variable("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", of: run, agent)
        #expect(token.utf8.count == 64)
        #expect(try subscribe(agent, token: nil) == 401)
        #expect(try subscribe(agent, token: "") == 401)
        #expect(try subscribe(agent, token: String(token.dropLast()) + "x") == 401)
        #expect(try subscribe(agent, token: token) == 200)
        // Known without the memory of who started it.
        let files = RunFiles(
            agent.folder.path
                + "/work" + "/meta/slaves/agent-1/frameworks/F/executors/x/runs/\(run)")
        let told = try #require(try files.readSpec()).environment
        #expect(told.contains { $0.value == token })
        try await agent.end()
    }

    @Test("executors that are not asked need no token, and one that is wrong does no harm")
    func noToken() async throws {
        let agent = try await ServedAgent()
        _ = try await agent.launch("t", script: "exec sleep 60")
        #expect(try subscribe(agent, token: nil) == 200)
        #expect(try subscribe(agent, token: "nonsense") == 200)
        try await agent.end()
    }

    @Test("an agent that speaks TLS says so to its executors")
    func executorTLS() async throws {
        let agent = try await ServedAgent { $0.description.url = "https://127.0.0.1:5051" }
        let run = try await agent.launch("t", script: "env > environment; exec sleep 60")
        #expect(try variable("LIBPROCESS_SSL_ENABLED", of: run, agent) == "true")
        #expect(try variable("MESOS_AGENT_ENDPOINT", of: run, agent) == "127.0.0.1:5051")
        try await agent.end()
    }

    @Test("while no server says who may look, nobody may, and health is for everybody")
    func noServer() async throws {
        let agent = try await ServedAgent()
        func get(_ path: String) throws -> (status: Int?, text: String) {
            let client = try ExecutorClient(port: agent.port, .json)
            try client.get(path)
            return (try client.status(), client.body)
        }
        #expect(try get("/health").status == 200)
        #expect(try get("/nowhere").status == 404)
        for path in ["/state", "/slave(1)/state.json", "/metrics", "/files/browse?path=slaves"] {
            let answer = try get(path)
            #expect(answer.status == 503, "\(path)")
            #expect(answer.text.contains("No server of the cluster"), "\(answer.text)")
        }
        try await agent.end()
    }
}
