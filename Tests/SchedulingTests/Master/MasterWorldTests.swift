import Scheduling
import StateMachine
import Testing

@Suite("The datacenter's master, under drawn faults")
struct MasterWorldTests {
    @Test(
        "no resource is promised twice, no launch is doubled or lost, and no status is",
        arguments: 0..<60)
    func properties(seed: UInt64) throws {
        let world = MasterWorld(seed: seed)
        for turn in 0..<2500 {
            world.step()
            if turn % 25 == 0 { world.desk.table.checkInvariants() }
        }
        let launchedBefore = world.desk.table.tasks.count
        // The safe part is over: nothing fails any more, and nothing new is launched.
        world.isCalm = true
        for _ in 0..<4000 { world.step() }
        let table = world.desk.table
        table.checkInvariants()
        #expect(world.violations.isEmpty)
        #expect(launchedBefore > 3)
        for (key, task) in table.tasks.sorted(by: { $0.key < $1.key }) {
            let agent = try #require(world.agents.first { $0.id == task.agent.description })
            let starts = agent.started[task.sequence] ?? 0
            #expect(starts <= 1, "\(key) was started \(starts) times")
            #expect(task.state.isTerminal, "\(key) is \(task.state), the agent has no end of it")
            let isAccounted = starts == 1 || task.state == .lost || task.killIndex > 0
            #expect(isAccounted, "\(key) is \(task.state) and was never started")
            #expect(task.waiting.isEmpty, "\(key): \(task.waiting) wait")
            let scheduler = world.schedulers.first { $0.id == key.framework.description }
            #expect(scheduler?.ended.contains(key.task) == true, "\(key): nobody heard its end")
        }
        for id in table.agentIDs {
            #expect(table.agents[id]?.used.isEmpty == true, "\(id) holds something still")
        }
    }
}
