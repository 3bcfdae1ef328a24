import Foundation
import LocalCluster
import Testing

@Suite("The PyPI client pymesos 0.3.15", .serialized)
struct PythonMesosTests {
    /// It asks nobody but the master that it was sent to last: a killed server comes back, as it
    /// does where servers are looked after.
    @Test("a scheduler launches, is told and reconciles, through the kill of the leader")
    func throughTheLeadersEnd() throws {
        let cluster = try DatacenterCluster("pymesos")
        let place = try cluster.leader()
        let follower = try #require(cluster.servers.nodes.indices.first { $0 != place })
        let leader = cluster.servers.nodes[place]
        let pid = try #require(leader.current?.pid)
        let client = try Command.start(
            try ServerProgram.python(),
            [
                ServerProgram.scriptPath("checks/pymesos_cycle.py"), cluster.http(follower),
                "\(pid)",
            ])
        let hasDied = Patience.wait(.seconds(60)) { leader.isRunning ? nil : true }
        try #require(hasDied == true, "\(client.output)")
        try leader.start()
        #expect(client.waitForExit(.seconds(60)) == .exited(0), "\(client.output)")
        print(client.output)
        for agent in cluster.agents { #expect(agent.isRunning) }
    }

    @Test("an executor's tasks run through the kill of the leader, then of their agent")
    func executor() throws {
        let cluster = try DatacenterCluster("pymesos-executor", agentCount: 1)
        let place = try cluster.leader()
        let follower = try #require(cluster.servers.nodes.indices.first { $0 != place })
        let leader = cluster.servers.nodes[place]
        let pid = try #require(leader.current?.pid)
        let client = try Command.start(
            try ServerProgram.python(),
            [
                ServerProgram.scriptPath("checks/pymesos_executor.py"), cluster.http(follower),
                "\(pid)",
            ])
        let hasDied = Patience.wait(.seconds(60)) { leader.isRunning ? nil : true }
        try #require(hasDied == true, "\(client.output)")
        try leader.start()
        try #require(
            client.waitForOutput("restart the agent", .seconds(60)), "\(client.output)")
        cluster.agents[0].killHard()
        try cluster.agents[0].start()
        #expect(client.waitForExit(.seconds(120)) == .exited(0), "\(client.output)")
        print(client.output)
        let agents = try Command.runSuccessfully(
            try ServerProgram.underTest().path,
            ["agent", "list", "--endpoints", cluster.servers.endpoints.joined(separator: ",")])
        #expect(agents.contains("0/2"), "nothing is held any more: \(agents)")
    }
}
