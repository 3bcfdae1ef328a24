import Foundation
import LocalCluster
import Testing

/// Real servers with their HTTP API, and real agents.
final class DatacenterCluster: Sendable {
    let servers: ServerCluster
    let agents: [AgentNode]
    private let httpPorts: [Int]

    private let scheme: String

    /// Starts them, and waits until the agents are registered.
    /// - Parameter prepare: is given the servers before the agents are started.
    init(
        _ name: String, serverCount: Int = 3, agentCount: Int = 2, flags: [String] = [],
        agentFlags: [String] = [], scheme: String = "http", agentScheme: String = "http",
        prepare: (ServerCluster) throws -> Void = { _ in }
    ) throws {
        self.scheme = scheme
        let program = try ServerProgram.underTest()
        let ports = try Ports.free(serverCount)
        let sites = ports.map { port in
            var site = ServerSite()
            site.arguments = ["--listen-http-urls", "\(scheme)://127.0.0.1:\(port)"] + flags
            return site
        }
        let servers = try ServerCluster(name, program, nodeCount: serverCount, sites: sites)
        httpPorts = ports
        self.servers = servers
        agents = try (0..<agentCount).map { place in
            let number = place + 1
            // They stand on one machine, and may not offer the same ports.
            let ports = 30_900 + 100 * number
            return try servers.agent(
                "agent\(number)", program,
                flags: [
                    "--resources", "cpus:2;mem:512;disk:1024;ports:[\(ports)-\(ports + 99)]",
                    "--attributes", "name:agent\(number)",
                ] + agentFlags, scheme: agentScheme)
        }
        try servers.start()
        try prepare(servers)
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
                "-s", "-k", "-m", "2", "-o", "/dev/null", "-w", "%{redirect_url}",
                "\(scheme)://\(http(node))/redirect",
            ])
        return curl?.text.contains(http(node)) ?? false
    }
}
