import Scheduling
import StateMachine
import Testing

@Suite("The scheduler of services, where nobody can say what came of a decision")
struct UncertainDecisionTests {
    let cluster = ServiceCluster()

    private func checked(_ instances: UInt32) -> ServiceDefinition {
        ServiceCluster.service("/web", instances) {
            $0.healthChecks = [ServiceDefinition.HealthCheck(.command)]
            $0.healthChecks[0].command = "true"
        }
    }

    private var stops: [InstanceID] {
        cluster.decided.flatMap { command -> [InstanceID] in
            guard case .adjust(let adjustment) = command else { return [] }
            return adjustment.stops
        }
    }

    /// Three run, two are to stay, and which one goes is on its way.
    private func scaledDown() throws -> [InstanceID] {
        cluster.add("h1")
        cluster.run(500)
        cluster.put(checked(3))
        cluster.run()
        let all = cluster.placed("/web").map(\.instance)
        try #require(all.count == 3)
        cluster.decided = []
        cluster.put(checked(2))
        cluster.tick()
        try #require(stops == [all[2]])
        return all
    }

    @Test("what may be committed still is not decided anew in view of what was before it")
    func onceOnly() throws {
        let all = try scaledDown()
        // Another one falls ill, which is on record before the decision is.
        let key = TaskKey(ServiceFramework.id, all[1])
        cluster.report(cluster.machines[0], key, .running, status: [0x40, 0x00])
        while !cluster.desk.heldBack.isEmpty { cluster.desk.commitOne() }
        cluster.losesSight()
        for _ in 0..<20 { cluster.tick() }
        #expect(stops == [all[2]])
        cluster.settle()
        cluster.report(cluster.machines[0], key, .running)
        cluster.run(8_000)
        #expect(cluster.placed("/web").map(\.instance) == Array(all.prefix(2)))
        #expect(stops == [all[2]] && cluster.services.deployments.isEmpty)
    }

    @Test("a launch that may be committed still keeps its place, however long it takes")
    func launches() throws {
        cluster.add("h1")
        cluster.add("h2")
        cluster.run(500)
        cluster.put(ServiceCluster.service("/web", 1))
        cluster.tick()
        while cluster.launches.isEmpty, cluster.hasServiceDecisions {
            cluster.commitOne()
            cluster.tick()
        }
        for _ in 0..<5 where cluster.launches.isEmpty { cluster.tick() }
        try #require(cluster.launches.count == 1)
        for _ in 0..<400 {
            for machine in cluster.machines { cluster.say(machine, .heartbeat) }
            cluster.tick()
        }
        #expect(cluster.launches.count == 1)
        cluster.run()
        #expect(cluster.placed("/web").count == 1 && cluster.launches.count == 1)
    }

    @Test("what is not committed after all is decided anew once a later entry says so")
    func lost() throws {
        let all = try scaledDown()
        cluster.losesSight()
        cluster.loseOldest()
        cluster.run(8_000)
        #expect(cluster.placed("/web").map(\.instance) == Array(all.prefix(2)))
        #expect(stops == [all[2], all[2]] && cluster.services.deployments.isEmpty)
    }
}
