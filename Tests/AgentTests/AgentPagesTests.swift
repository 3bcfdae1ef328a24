import Agent
import Foundation
import FoundationNetworking
import NIOCore
import RPC
import Testing

@Suite("What an agent serves over HTTP", .serialized)
struct AgentPagesTests {
    let folder = Result { try TemporaryFolder() }

    private func get(_ port: Int, _ path: String) async throws -> (status: Int, body: Data) {
        let url = try #require(URL(string: "http://127.0.0.1:\(port)\(path)"))
        let request = URLRequest(url: url, timeoutInterval: 30)
        let (data, response) = try await URLSession.shared.data(for: request)
        return ((response as? HTTPURLResponse)?.statusCode ?? 0, data)
    }

    @Test("health, state, metrics, and the output of a task while it runs")
    func pages() async throws {
        let cluster = try await SessionCluster.start()
        try await cluster.onLoop { try $0.addFramework() }
        let site = try SessionSite(try folder.get().path, [cluster.url])
        let server = AgentPages(session: site.session).server(eventLoop: site.session.loop)
        let address = try await server.listen(host: "127.0.0.1", port: 0).get()
        let port = try #require(address.port)
        #expect(try await site.eventually { $0.isRegistered })
        try await cluster.onLoop { try $0.launch("talk", "seq 1 50000; sleep 1000") }
        #expect(try await cluster.eventually { $0.state("talk") == "running" })
        #expect(try await get(port, "/health").status == 200)
        let (status, body) = try await get(port, "/state.json")
        #expect(status == 200)
        let state = try #require(try JSONSerialization.jsonObject(with: body) as? [String: Any])
        let frameworks = try #require(state["frameworks"] as? [[String: Any]])
        let tasks = try #require(frameworks.first?["tasks"] as? [[String: Any]])
        #expect(tasks.first?["state"] as? String == "TASK_RUNNING")
        let sandbox = try #require(tasks.first?["directory"] as? String)
        let whole = (1...50_000).map { "\($0)\n" }.joined()
        var output = Data()
        for _ in 0..<500 where output.count < whole.utf8.count {
            output = try await get(port, "/files/download?path=\(sandbox)/stdout").body
        }
        #expect(output == Data(whole.utf8))
        let part = try await get(port, "/files/read?path=\(sandbox)/stdout&offset=0&length=4").body
        let read = try #require(try JSONSerialization.jsonObject(with: part) as? [String: Any])
        #expect(read["data"] as? String == "1\n2\n")
        let browsed = try await get(port, "/files/browse.json?path=\(sandbox)")
        #expect(String(decoding: browsed.body, as: UTF8.self).contains("stdout"))
        #expect(try await get(port, "/files/read?path=/etc/passwd").status == 403)
        #expect(try await get(port, "/files/read?path=\(sandbox)/none").status == 404)
        #expect(try await get(port, "/files/read").status == 400)
        #expect(try await get(port, "/nothing").status == 404)
        let metrics = String(decoding: try await get(port, "/metrics").body, as: UTF8.self)
        #expect(metrics.contains("keelson_agent_tasks{state=\"running\"} 1"))
        #expect(metrics.contains("keelson_agent_registered 1"))
        try await server.shutdown(gracePeriod: .zero).get()
        try await site.stop()
        try await cluster.stop()
    }
}
