import Scheduling
import StateMachine
import Testing

@Suite("The scheduler of services, under drawn faults")
struct ServiceWorldTests {
    @Test(
        "capacity and constraints hold, no deployment is lost or run twice, and all converges",
        arguments: 0..<24)
    func properties(seed: UInt64) throws {
        let world = ServiceWorld(seed: seed)
        for turn in 0..<3_000 {
            world.step()
            if turn % 50 == 0 { world.cluster.table.checkInvariants() }
        }
        let ranDeployments = world.began.count
        // Nothing fails any more, and users are content.
        world.isCalm = true
        for _ in 0..<6_000 { world.step() }
        world.cluster.runsAtOnce = true
        for machine in world.cluster.machines { machine.isCutOff = false }
        world.cluster.run(40_000)
        for machine in world.cluster.machines {
            for key in world.cluster.live(machine) {
                world.cluster.report(machine, key, .running)
            }
        }
        world.cluster.run(40_000)
        try check(world)
        #expect(ranDeployments > 5 && world.failovers > 0)
    }

    private func check(_ world: ServiceWorld) throws {
        let cluster = world.cluster
        cluster.table.checkInvariants()
        #expect(world.violations.isEmpty, "\(world.violations.prefix(3))")
        #expect(cluster.services.deployments.isEmpty)
        for (id, count) in world.began { #expect(count == 1 && world.ended[id] == 1, "\(id)") }
        #expect(world.ended.count == world.began.count)
        var live = 0
        for id in cluster.services.serviceIDs {
            let service = try #require(cluster.services.services[id])
            let plan = InstancePlan(service, in: cluster.table, clusterTime: cluster.desk.now)
            #expect(service.record.active == service.record.latest, "\(id)")
            // What has no room, or no machine, waits.
            let waits = plan.waiting.count
            let placed = cluster.placed(id.description)
            let wanted = Int(service.latest?.definition.instances ?? 0)
            #expect(placed.count + waits == wanted, "\(id): \(placed.count), \(waits) wait")
            #expect(
                waits == 0 || cluster.scheduler.explain(id, in: cluster.table)?.waiting == waits)
            #expect(plan.adjustment.isEmpty, "\(id): \(plan.adjustment)")
            live += placed.count
        }
        let tasks = cluster.table.tasks.values.count {
            $0.key.framework == ServiceFramework.id && $0.holdsResources
        }
        #expect(tasks == live, "tasks of no instance are left")
        for machine in cluster.machines {
            for (sequence, count) in machine.started {
                #expect(count == 1, "\(sequence) was started \(count) times")
            }
        }
    }
}
