import Scheduling
import StateMachine
import Testing

@Suite("The datacenter's master: executors on record")
final class MasterExecutorTests {
    private let desk = MasterDesk()
    private let executor = ExecutorKey(AgentID("a1"), FrameworkID("f1"), ExecutorID("x"))

    private func accept(
        _ offer: MasterOffer, _ task: String, cpus: Int = 1, executorCPUs: Int = 1
    ) throws {
        var launch = TaskLaunch(
            task: TaskID(task), role: "*", resources: try ResourcesParser.parse("cpus:\(cpus)"),
            info: [])
        launch.executor = TaskLaunch.Executor(
            id: executor.executor, resources: try ResourcesParser.parse("cpus:\(executorCPUs)"),
            info: [1])
        desk.call(
            1, .accept(offers: [offer.id], [.launch(launch)], refuseMilliseconds: 0))
    }

    private func nextOffer() throws -> MasterOffer {
        desk.tick(6000)
        desk.step(.agent(AgentConnectionID(1), .heartbeat))
        return try #require(desk.master.offers.last)
    }

    /// Task t of the executor runs.
    private func running(executorCPUs: Int = 1) throws {
        try desk.registers(1)
        desk.subscribes(1)
        try accept(try nextOffer(), "t", executorCPUs: executorCPUs)
        #expect(desk.launches(to: 1) == ["t"])
        desk.reports(1, "t", .running, "u1")
    }

    private func ended(_ sequence: UInt64 = .max) {
        desk.step(
            .agent(
                AgentConnectionID(1), .executorEnded(executor, status: 9, sequence: sequence)))
    }

    private var failures: Int {
        desk.events.count { if case .failure = $0.1 { true } else { false } }
    }

    @Test("an executor that ended holds what it holds until its tasks' ends are on record")
    func endsWithItsTasks() throws {
        try running()
        ended()
        #expect(failures == 1)
        #expect(desk.table.executors[executor] != nil)
        desk.reports(1, "t", .failed, "u2")
        #expect(desk.table.executors.isEmpty)
        #expect(desk.table.agents[executor.agent]?.used.isEmpty == true)
        ended()
        #expect(failures == 1, "of one that is on no record nobody hears")
    }

    @Test("a launch that its agent had not heard of when it said so begins the executor anew")
    func launchedMeanwhile() throws {
        try running()
        let heard = desk.table.tasks[TaskKey(executor.framework, TaskID("t"))]?.sequence ?? 0
        try accept(try nextOffer(), "late")
        ended(heard)
        desk.reports(1, "t", .failed, "u2")
        #expect(desk.table.executors[executor] != nil)
        desk.reports(1, "late", .finished, "u3")
        desk.tick()
        #expect(desk.table.executors[executor] != nil, "its agent has not said so")
        ended()
        #expect(desk.table.executors.isEmpty)
    }

    @Test("a launch on its way to the log keeps the record that it counts on")
    func launchOnItsWay() throws {
        try running()
        desk.reports(1, "t", .finished, "u2")
        let offer = try nextOffer()
        desk.holdsBack = true
        try accept(offer, "late")
        ended(1 << 40)
        desk.commit()
        desk.holdsBack = false
        #expect(desk.table.executors[executor] != nil)
        #expect(desk.launches(to: 1) == ["t", "late"])
        desk.reports(1, "late", .failed, "u3")
        #expect(desk.table.executors.isEmpty)
    }

    @Test("a launch of which nobody knows whether the log has it keeps that record, too")
    func uncertainLaunch() throws {
        try running()
        desk.reports(1, "t", .finished, "u2")
        let offer = try nextOffer()
        desk.holdsBack = true
        try accept(offer, "late")
        ended(1 << 40)
        desk.timeOut(isInLog: true)
        desk.tick(desk.settings.timeRecordMilliseconds)
        desk.commit()
        #expect(desk.table.tasks[TaskKey(executor.framework, TaskID("late"))] != nil)
        #expect(desk.table.executors[executor] != nil)
        #expect(desk.launches(to: 1) == ["t", "late"])
    }

    @Test("an executor whose only task is to be killed before its launch was sent begins nowhere")
    func killedBeforeLaunch() throws {
        try desk.registers(1)
        desk.subscribes(1)
        let offer = try nextOffer()
        desk.step(.agent(AgentConnectionID(1), .disconnected))
        try accept(offer, "t")
        func ended() -> [ExecutorKey] {
            AgentDifferences(of: executor.agent, known: [], in: desk.table).endedExecutors
                .map(\.key)
        }
        #expect(ended().isEmpty, "it begins with its task")
        desk.call(1, .kill(TaskID("t"), graceMilliseconds: 0))
        #expect(ended() == [executor])
    }

    @Test("nor does one whose tasks were launched and ended in one turn of the log")
    func killedWithLaunch() throws {
        try desk.registers(1)
        desk.subscribes(1)
        let offer = try nextOffer()
        desk.holdsBack = true
        try accept(offer, "t")
        let launch = try #require(desk.heldBack.first)
        desk.loseAll()
        desk.holdsBack = false
        let launched = desk.apply(launch.1)
        var changes = launched.datacenterChanges
        let key = TaskKey(executor.framework, TaskID("t"))
        changes += desk.apply(.kill(key, graceMilliseconds: 0)).datacenterChanges
        desk.step(.applied(changes))
        desk.step(.decided(launch.0, DecisionOutcome.of(launched)))
        #expect(desk.launches(to: 1).isEmpty && desk.kills(to: 1) == ["t"])
        #expect(desk.table.executors[executor] != nil)
        desk.reports(1, "t", .killed, "u1")
        #expect(desk.table.executors.isEmpty)
        #expect(desk.table.agents[executor.agent]?.used.isEmpty == true)
    }

    @Test("one whose launch was sent may run, however late, and however often its end is asked for")
    func killedLate() throws {
        try desk.registers(1)
        desk.subscribes(1)
        try accept(try nextOffer(), "t")
        #expect(desk.launches(to: 1) == ["t"])
        desk.call(1, .kill(TaskID("t"), graceMilliseconds: 0))
        for _ in 0..<8 {
            desk.tick(1_000)
            desk.step(.agent(AgentConnectionID(1), .heartbeat))
        }
        desk.call(1, .kill(TaskID("t"), graceMilliseconds: 0))
        desk.reports(1, "t", .killed, "u1")
        #expect(desk.table.executors[executor] != nil, "its agent has not said that it ended")
        ended()
        #expect(desk.table.executors.isEmpty)
    }

    @Test("an executor that runs is not counted again with its next task")
    func countedOnce() throws {
        try running(executorCPUs: 2)
        let offer = try nextOffer()
        #expect(offer.resources.description == "cpus:1;mem:4096")
        try accept(offer, "second", executorCPUs: 2)
        #expect(desk.launches(to: 1) == ["t", "second"])
    }

    @Test("a framework's end is told to its executors, to those without a task too")
    func frameworkEnds() throws {
        try running()
        desk.reports(1, "t", .finished, "u2")
        desk.call(1, .teardown)
        let told = desk.orders.contains { $0.1 == .shutdown(executor) }
        #expect(told)
    }
}
