import Foundation
import LocalCluster
import Testing

/// Real servers with their HTTP API, and real agents.
final class DatacenterCluster: Sendable {
    let servers: ServerCluster
    let agents: [AgentNode]
    private let httpPorts: [Int]

    /// Starts them, and waits until the agents are registered.
    init(
        _ name: String, serverCount: Int = 3, agentCount: Int = 2, flags: [String] = []
    ) throws {
        let program = try ServerProgram.underTest()
        let ports = try Ports.free(serverCount)
        let sites = ports.map { port in
            var site = ServerSite()
            site.arguments = ["--listen-http-urls", "http://127.0.0.1:\(port)"] + flags
            return site
        }
        let servers = try ServerCluster(name, program, nodeCount: serverCount, sites: sites)
        httpPorts = ports
        self.servers = servers
        agents = try (1...agentCount).map { number in
            // They stand on one machine, and may not offer the same ports.
            let ports = 30_900 + 100 * number
            return try servers.agent(
                "agent\(number)", program,
                flags: [
                    "--resources", "cpus:2;mem:512;disk:1024;ports:[\(ports)-\(ports + 99)]",
                    "--attributes", "name:agent\(number)",
                ])
        }
        try servers.start()
        for agent in agents { try agent.start() }
    }

    /// `host:port` of a server's HTTP API.
    func http(_ node: Int) -> String { "127.0.0.1:\(httpPorts[node])" }

    /// The server that acts as the master, as the servers themselves say.
    func leader() throws -> Int {
        let found = Patience.wait(.seconds(20)) { () -> Int? in
            servers.nodes.indices.first { place in
                servers.nodes[place].isRunning && isLeader(place)
            }
        }
        return try #require(found)
    }

    /// Only the leader redirects to itself.
    private func isLeader(_ node: Int) -> Bool {
        let curl = try? Command.run(
            "curl",
            [
                "-s", "-m", "2", "-o", "/dev/null", "-w", "%{redirect_url}",
                "http://\(http(node))/redirect",
            ])
        return curl?.text.contains(http(node)) ?? false
    }
}
