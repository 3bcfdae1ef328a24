import Agent
import AgentLogic
import Primitives
import Testing

@Suite("Agent core: executors that frameworks bring along")
struct ExecutorTests {
    @Test("an executor is started once, and told of its tasks when it subscribes, in their order")
    func startedOnce() throws {
        var bench = try CoreBench()
        try bench.launch("a")
        let run = bench.run
        #expect(bench.starts == [run])
        try bench.launch("b")
        #expect(bench.starts.isEmpty && bench.told.isEmpty)
        bench.give(.supervisor(run, .started))
        bench.subscribe(CoreBench.call)
        guard case .subscribed(CoreBench.call, _, _, run: run) = bench.executorEffects.first else {
            Issue.record("\(bench.executorEffects) does not begin with the subscription")
            return
        }
        #expect(bench.told == [.launch(Array("a".utf8)), .launch(Array("b".utf8))])
        try bench.launch("c")
        #expect(bench.told == [.launch(Array("c".utf8))])
    }

    @Test("a task's record is durable before its executor is told of it")
    func durableFirst() throws {
        var bench = try CoreBench()
        _ = try bench.connected("a")
        try bench.launch("b")
        guard case .persist(let write, _) = bench.effects.first else {
            Issue.record("\(bench.effects) begins with something else than a write")
            return
        }
        #expect(write.records.map(\.spec.taskID.text) == ["b"] && write.mark != nil)
        #expect(bench.told == [.launch(Array("b".utf8))])
    }

    @Test("a group is told as one, also where it has one task")
    func groups() throws {
        var bench = try CoreBench()
        _ = try bench.connected("a")
        try bench.launch("b", "c", isGroup: true)
        #expect(bench.told == [.launchGroup([Array("b".utf8), Array("c".utf8)])])
        try bench.launch("d", isGroup: true)
        #expect(bench.told == [.launchGroup([Array("d".utf8)])])
    }

    @Test("an update is acknowledged after it is durable, and reaches the master as it was written")
    func updates() throws {
        var bench = try CoreBench()
        bench.give(.connected(Term(1)))
        _ = try bench.connected("a")
        bench.says("a", .running, 1)
        guard case .persist(let write, _) = bench.effects.first else {
            Issue.record("\(bench.effects) begins with something else than a write")
            return
        }
        #expect(write.records.first?.latest?.id == UpdateID(high: 0, low: 1))
        #expect(bench.answersToExecutor == [nil])
        #expect(bench.told == [.acknowledged(taskID("a"), UpdateID(high: 0, low: 1))])
        #expect(bench.sends.map(\.body) == [[9]])
    }

    @Test("an update that comes again is acknowledged again, and told to nobody")
    func repeated() throws {
        var bench = try CoreBench()
        _ = try bench.connected("a")
        bench.says("a", .running, 1)
        bench.says("a", .running, 2)
        bench.says("a", .running, 1)
        #expect(bench.answersToExecutor == [nil] && bench.told.count == 1)
        #expect(bench.core.records.first?.pending.map(\.id.low) == [1, 2])
    }

    @Test("who lies gets an answer, and nothing changes: others' tasks, ended ones, no connection")
    func lies() throws {
        var bench = try CoreBench()
        _ = try bench.connected("a")
        try bench.launch("other", by: "y")
        let before = bench.disk.records
        bench.says("nobody", .running, 1)
        #expect(bench.answersToExecutor == [.unknownTask(taskID("nobody"))])
        bench.says("other", .finished, 2)
        #expect(bench.answersToExecutor == [.unknownTask(taskID("other"))])
        let stranger = ExecutorKey(framework: try FrameworkID("G"), executor: try ExecutorID("x"))
        bench.give(
            .executor(
                .updates(ExecutorCallID(1), stranger, CoreBench.update("a", .finished, 3))))
        #expect(bench.answersToExecutor == [.unknownExecutor(stranger)])
        bench.give(.executor(.says(ExecutorCallID(1), CoreBench.executorKey("y"), [1])))
        #expect(bench.answersToExecutor == [.notSubscribed(CoreBench.executorKey("y"))])
        #expect(bench.disk.records == before)
        bench.says("a", .finished, 4)
        bench.says("a", .failed, 5)
        #expect(bench.answersToExecutor == [.taskEnded(taskID("a"), .finished)])
        #expect(bench.core.records.first?.latest?.state == .finished)
    }

    @Test("updates without end are refused when too many wait, and the task's end finds room")
    func bounded() throws {
        var bench = try CoreBench()
        _ = try bench.connected("a")
        for number in 1...100 { bench.says("a", .running, UInt64(number)) }
        #expect(bench.answersToExecutor == [.busy(taskID("a"))])
        bench.says("a", .finished, 200)
        #expect(bench.answersToExecutor == [nil])
        let record = try #require(bench.core.records.first)
        #expect(record.pending.count == AgentLimits.pendingUpdatesMax)
        #expect(record.state == .finished)
    }

    @Test("an executor's end is its tasks' end, and is told behind what was said of them")
    func exits() throws {
        var bench = try CoreBench()
        bench.give(.connected(Term(1)))
        let run = try bench.connected("a", "b", "c")
        bench.says("a", .finished, 1)
        let report = ExitReport(.exited(code: 3), atMillis: 9)
        bench.give(.supervisor(run, .exited(report)))
        #expect(bench.core.records.map(\.state) == [.finished, .failed, .failed])
        #expect(bench.core.records[1].latest?.reason == .executorGone)
        #expect(
            bench.executorEffects == [
                .close(CoreBench.call),
                .ended(CoreBench.executorKey(), status: 3 << 8, sequence: 3),
            ])
        try bench.launch("d")
        #expect(bench.starts == [bench.run] && bench.run != run)
    }

    @Test("a kill is the executor's to obey; what it was not told of yet is killed at once")
    func kills() throws {
        var bench = try CoreBench()
        try bench.launch("early")
        let first = bench.run
        bench.give(.kill(KillOrder(stamp: bench.stamp(), key: try key("early"))))
        #expect(try bench.state("early") == .killed)
        #expect(bench.kills == [first], "an executor without a task is of no use")
        bench.give(.supervisor(first, .exited(ExitReport(.signaled(15), atMillis: 1))))
        _ = try bench.connected("a")
        bench.give(.kill(KillOrder(stamp: bench.stamp(), key: try key("a"), graceMillis: 9)))
        #expect(bench.told == [.kill(taskID("a"), graceMillis: 9)])
        #expect(try bench.state("a") == .staging)
        bench.says("a", .killed, 1)
        #expect(try bench.state("a") == .killed)
    }

    @Test("told to end, an executor has its grace and then is ended; its tasks are killed")
    func shutdown() throws {
        var bench = try CoreBench()
        let run = try bench.connected("a")
        bench.give(.executor(.shutDown(CoreBench.executorKey())))
        #expect(bench.told == [.shutdown] && bench.kills.isEmpty)
        try bench.launch("late")
        #expect(try bench.state("late") == .dropped)
        bench.give(.tick(nowMillis: 5000))
        #expect(bench.kills.isEmpty)
        bench.give(.tick(nowMillis: 7000))
        #expect(bench.kills == [run])
        bench.give(.supervisor(run, .exited(ExitReport(.signaled(9), atMillis: 1))))
        #expect(try bench.state("a") == .killed)
        bench.give(.executor(.shutDown(CoreBench.executorKey())))
        #expect(bench.endedExecutors == [CoreBench.executorKey()])
    }

    @Test("one that never connects is ended, and its tasks have failed")
    func silent() throws {
        var settings = AgentCore.Settings()
        settings.executorMillis = 6000
        var bench = try CoreBench(settings: settings)
        try bench.launch("a")
        let run = bench.run
        bench.give(.supervisor(run, .started))
        // The clock is set forward by a day.
        bench.give(.tick(nowMillis: 86_400_000))
        #expect(bench.kills.isEmpty)
        bench.give(.tick(nowMillis: 86_401_000))
        #expect(bench.kills == [run])
        bench.give(.supervisor(run, .exited(ExitReport(.signaled(15), atMillis: 1))))
        #expect(try bench.state("a") == .failed)
    }

    @Test("messages go both ways while the executor is connected")
    func messages() throws {
        var bench = try CoreBench()
        _ = try bench.connected("a")
        bench.give(.executor(.told(CoreBench.executorKey(), [1, 2])))
        #expect(bench.told == [.message([1, 2])])
        bench.give(.executor(.says(ExecutorCallID(8), CoreBench.executorKey(), [3])))
        #expect(
            bench.executorEffects == [
                .toScheduler(CoreBench.executorKey(), [3]), .answer(ExecutorCallID(8), nil),
            ])
    }

    @Test("a launch that comes again while its executor starts is neither obeyed nor answered")
    func launchedAgain() throws {
        var bench = try CoreBench()
        bench.give(.connected(Term(1)))
        let order = LaunchOrder(
            stamp: bench.stamp(), tasks: [try CoreBench.remoteTask("a")],
            executor: try CoreBench.order(tasks: ["a"]))
        bench.give(.launch(order))
        #expect(bench.starts == [bench.run])
        bench.give(.launch(order))
        #expect(bench.effects.isEmpty)
    }

    @Test("a task that is over is soon forgotten, and its executor's sandbox stays")
    func forgotten() throws {
        var bench = try CoreBench()
        bench.give(.connected(Term(1)))
        let run = try bench.connected("a")
        bench.says("a", .finished, 1)
        bench.give(.acknowledge(try key("a"), UpdateID(high: 0, low: 1)))
        bench.give(.tick(nowMillis: 50_000))
        #expect(bench.core.records.count == 1)
        bench.give(.tick(nowMillis: 70_000))
        #expect(bench.core.records.isEmpty)
        bench.give(.supervisor(run, .exited(ExitReport(.exited(code: 0), atMillis: 1))))
        bench.give(.tick(nowMillis: 200_000))
        #expect(bench.disk.records.map(\.container) == [run])
    }
}
