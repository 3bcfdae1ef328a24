import Agent
import AgentLogic
import Primitives
import Testing

@Suite("Agent core: executors through restarts of the agent")
struct ExecutorRestartTests {
    @Test("an executor that lives goes on, and is told only of tasks that it never heard of")
    func goesOn() throws {
        var bench = try CoreBench()
        let run = try bench.connected("told", "running", "lost-on-the-way")
        bench.says("running", .running, 1)
        bench.restart([run: .supervised])
        #expect(bench.effects.contains { if case .attach = $0 { true } else { false } })
        bench.give(.supervisor(run, .started))
        #expect(bench.told.isEmpty)
        bench.subscribe(ExecutorCallID(20), unacknowledged: ["told"])
        #expect(bench.told == [.launch(Array("lost-on-the-way".utf8))])
        #expect(try bench.state("running") == .running)
        #expect(bench.core.executors == [CoreBench.executorKey()])
    }

    @Test("updates that nobody acknowledged come with the subscription, and count once")
    func unacknowledged() throws {
        var bench = try CoreBench()
        let run = try bench.connected("a")
        bench.says("a", .running, 1)
        bench.restart([run: .supervised])
        bench.give(.supervisor(run, .started))
        let updates = [
            CoreBench.update("a", .running, 1), CoreBench.update("a", .finished, 2),
            CoreBench.update("nobody", .finished, 3),
        ]
        bench.subscribe(ExecutorCallID(20), updates: updates)
        #expect(bench.core.records.first?.pending.map(\.id.low) == [1, 2])
        #expect(try bench.state("a") == .finished)
        #expect(bench.told.count == 3, "each is acknowledged: \(bench.told)")
    }

    @Test("a kill that came while the executor was away is told when it is back")
    func killedMeanwhile() throws {
        var bench = try CoreBench()
        let run = try bench.connected("a", "unheard")
        bench.says("a", .running, 1)
        bench.restart([run: .supervised])
        bench.give(.supervisor(run, .started))
        for name in ["a", "unheard"] {
            bench.give(.kill(KillOrder(stamp: bench.stamp(), key: try key(name))))
            #expect(bench.told.isEmpty)
        }
        bench.subscribe(ExecutorCallID(20))
        #expect(bench.told == [.kill(taskID("a"), graceMillis: nil)])
        #expect(try bench.state("unheard") == .killed)
    }

    @Test("one that ended meanwhile takes its tasks with it")
    func ended() throws {
        var bench = try CoreBench()
        let run = try bench.connected("a")
        bench.restart([run: .exited(ExitReport(.exited(code: 0), atMillis: 1))])
        #expect(try bench.state("a") == .failed)
        #expect(bench.endedExecutors == [CoreBench.executorKey()])
        #expect(bench.core.executors.isEmpty)
    }

    @Test("one that was never started takes its tasks with it")
    func neverStarted() throws {
        var bench = try CoreBench()
        try bench.launch("a")
        bench.restart([bench.run: .neverStarted])
        #expect(try bench.state("a") == .lost)
    }

    @Test("a task whose executor's record ended before its own did is over")
    func halfWritten() throws {
        var bench = try CoreBench()
        let run = try bench.connected("a")
        let task = try #require(bench.disk.records.first)
        bench.give(.supervisor(run, .exited(ExitReport(.exited(code: 1), atMillis: 1))))
        var write = StateWrite()
        write.records = [task]
        bench.disk.apply(write)
        bench.restart()
        #expect(try bench.state("a") == .failed)
    }

    @Test("an executor that loses its connection is awaited, and ended when it stays away")
    func disconnected() throws {
        var settings = AgentCore.Settings()
        settings.executorMillis = 4000
        var bench = try CoreBench(settings: settings)
        let run = try bench.connected("a")
        bench.give(.executor(.closed(ExecutorCallID(1), CoreBench.executorKey())))
        bench.give(.tick(nowMillis: 6000))
        #expect(bench.kills.isEmpty, "the connection that went was another")
        bench.give(.executor(.closed(CoreBench.call, CoreBench.executorKey())))
        bench.give(.tick(nowMillis: 9000))
        bench.subscribe(ExecutorCallID(21))
        bench.give(.tick(nowMillis: 14_000))
        #expect(bench.kills.isEmpty)
        bench.give(.executor(.closed(ExecutorCallID(21), CoreBench.executorKey())))
        bench.give(.tick(nowMillis: 19_000))
        #expect(bench.kills == [run])
    }

    @Test("records of executors and of their tasks are read as they were written, and cut ones not")
    func coding() throws {
        var bench = try CoreBench()
        _ = try bench.connected("a")
        bench.says("a", .running, 1)
        bench.says("a", .running, 2)
        #expect(bench.disk.records.count == 2)
        for record in bench.disk.records {
            let bytes = record.encoded()
            var reader = ByteReader(bytes)
            #expect(try TaskRecord(from: &reader) == record)
            #expect(reader.isAtEnd)
            for count in stride(from: bytes.count - 1, to: bytes.count - 40, by: -1) {
                var short = ByteReader(Array(bytes[..<count]))
                let read = try? TaskRecord(from: &short)
                // Without its last part it is a task's from before there were executors.
                #expect(read == nil || read?.role == .command, "\(count) of \(bytes.count)")
            }
        }
    }
}
