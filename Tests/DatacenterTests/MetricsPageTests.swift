import Foundation
import LocalCluster
import Monitoring
import Testing

@Suite("The datacenter's metrics, with real servers and agents", .serialized)
struct MetricsPageTests {
    private func read(_ authority: String, _ path: String) -> MetricsReading? {
        let page = try? Command.runSuccessfully(
            "curl", ["-sS", "--max-time", "5", "http://\(authority)\(path)"])
        return page.flatMap { try? MetricsReading(Array($0.utf8)) }
    }

    @Test("both ports serve one page; agents, tasks, services and the master are on it, and in top")
    func datacenter() throws {
        let cluster = try DatacenterCluster("metrics-datacenter")
        let program = try ServerProgram.underTest().path
        let endpoints = cluster.servers.endpoints.joined(separator: ",")
        let began = try Command.run(
            program,
            [
                "service", "run", "web", "--instances", "3", "--endpoints", endpoints, "--",
                "sleep", "1000",
            ], limit: .seconds(60))
        #expect(began.status == .exited(0), "\(began.text)")
        func value(_ page: MetricsReading, _ name: String, _ label: String, _ value: String)
            -> Double
        { page.sum(name, [MetricLabel(label, value)]) }
        // Every member comes to know it.
        for node in cluster.servers.nodes.indices {
            let found = Patience.wait(.seconds(20), pauseMilliseconds: 50) {
                () -> MetricsReading? in
                guard let page = read(cluster.http(node), "/metrics/prometheus"),
                    value(page, "keelson_tasks", "state", "running") == 3
                else { return nil }
                return page
            }
            let page = try #require(found)
            #expect(value(page, "keelson_agents", "phase", "reachable") == 2)
            #expect(page.sum("keelson_services") == 1)
            #expect(value(page, "keelson_service_instances", "phase", "launched") == 3)
            #expect(page.sum("keelson_service_deployments") == 0)
            let other = try #require(read(cluster.servers.endpoints[node], "/metrics"))
            #expect(page.types.map(\.name) == other.types.map(\.name))
        }
        let masters = cluster.servers.nodes.indices.map { node in
            read(cluster.http(node), "/metrics/prometheus")?.sum("keelson_master_is_leading") ?? 0
        }
        #expect(masters.reduce(0, +) == 1)
        let top = try Command.runSuccessfully(
            program, ["top", "--once", "--interval", "200ms", "--endpoints", endpoints])
        #expect(top.contains("agents 2 reachable, 0 unreachable"), "\(top)")
        #expect(top.contains("tasks 3 running"), "\(top)")
        #expect(top.contains("services 1"), "\(top)")
    }
}
