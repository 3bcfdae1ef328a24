import Agent
import AgentLogic
import Primitives
import Testing

@Suite("Agent core: orders (terms, sequences, lives)")
struct OrderTests {
    @Test("a launch is written down, mark and all, before the supervisor is started")
    func markBeforeFork() throws {
        var bench = try CoreBench()
        var wanted: [AgentEffect] = []
        bench.core.step(
            .launch(LaunchOrder(stamp: bench.stamp(), tasks: [try task("a")])), into: &wanted)
        guard case .persist(let write, let then) = wanted.first, wanted.count == 1 else {
            Issue.record("one write and what waits for it, not \(wanted)")
            return
        }
        #expect(write.mark?.sequence == 1)
        #expect(write.mark?.term == Term(1))
        #expect(write.records.map { $0.state } == [.starting])
        guard case .startSupervisor(let record) = then.last else {
            Issue.record("no start among \(then)")
            return
        }
        #expect(record.container == ContainerID(sequence: 1, index: 0))
    }

    @Test("an order that comes twice starts its task once, and is answered with how it stands")
    func repeatedLaunch() throws {
        var bench = try CoreBench()
        let order = LaunchOrder(stamp: bench.stamp(), tasks: [try task("a")])
        bench.give(.launch(order))
        #expect(bench.starts.count == 1)
        bench.give(.launch(order))
        #expect(bench.starts.isEmpty)
        #expect(bench.answers.map { $0.state } == [.starting])
    }

    @Test("a sequence below the mark that was never seen is lost, and never started")
    func passedSequence() throws {
        var bench = try CoreBench()
        let early = LaunchOrder(stamp: bench.stamp(), tasks: [try task("early")])
        bench.launch(try task("late"))
        bench.give(.launch(early))
        #expect(bench.starts.isEmpty)
        #expect(bench.answers.map { $0.state } == [.lost])
        #expect(bench.answers.map { $0.reason } == [.sequencePassed])
    }

    @Test("a deposed master's orders have no effect, whatever they are")
    func staleTerm() throws {
        var bench = try CoreBench()
        bench.term = Term(5)
        _ = bench.running(try task("a"))
        bench.term = Term(4)
        let old = bench.stamp()
        for order in [
            AgentInput.launch(LaunchOrder(stamp: old, tasks: [try task("b")])),
            .kill(KillOrder(stamp: old, key: try key("a"))),
            .reconcile(ReconcileOrder(stamp: old, keys: [])),
        ] {
            bench.give(order)
            #expect(bench.effects == [.refuse(.staleTerm(Term(4), highest: Term(5)))])
        }
        bench.give(.connected(Term(4)))
        #expect(!bench.core.isConnected)
        #expect(bench.core.mark.sequence == 1)
    }

    @Test("the highest term outlives a restart")
    func termIsDurable() throws {
        var bench = try CoreBench()
        bench.give(.connected(Term(9)))
        bench.restart()
        bench.term = Term(8)
        bench.launch(try task("a"))
        #expect(bench.refusals == [.staleTerm(Term(8), highest: Term(9))])
    }

    @Test("an order for an earlier life has no effect and does not move the mark")
    func otherLife() throws {
        var bench = try CoreBench()
        let old = LaunchOrder(stamp: bench.stamp(), tasks: [try task("a")])
        bench.restart()
        bench.give(.launch(old))
        #expect(bench.effects == [.refuse(.otherLife(1, current: 2))])
        #expect(bench.core.mark.sequence == 0)
    }

    @Test("each start of the agent is a life of its own, durable before anything else")
    func lives() throws {
        var bench = try CoreBench()
        #expect(bench.disk.mark.life == 1)
        bench.restart()
        #expect(bench.disk.mark.life == 2)
    }

    @Test("a kill of an unknown task reports it lost, after a mark that bars its launch is durable")
    func killUnknown() throws {
        var bench = try CoreBench()
        let launch = LaunchOrder(stamp: bench.stamp(), tasks: [try task("a")])
        bench.give(.kill(KillOrder(stamp: bench.stamp(), key: try key("a"))))
        guard case .persist(let write, _) = bench.effects.first else {
            Issue.record("nothing was written: \(bench.effects)")
            return
        }
        #expect(write.mark?.sequence == 2)
        #expect(bench.answers.map { $0.state } == [.lost])
        bench.give(.launch(launch))
        #expect(bench.starts.isEmpty)
    }

    @Test("reconciliation answers what is asked: the state of the known, lost for the unknown")
    func explicitReconciliation() throws {
        var bench = try CoreBench()
        _ = bench.running(try task("a"))
        bench.give(
            .reconcile(
                ReconcileOrder(stamp: bench.stamp(), keys: [try key("a"), try key("b")])))
        #expect(bench.answers.map { $0.state } == [.running, .lost])
        #expect(bench.disk.mark.sequence == 2)
    }

    @Test("reconciliation of everything names what lives and what is not acknowledged")
    func implicitReconciliation() throws {
        var bench = try CoreBench()
        _ = bench.running(try task("a"))
        let ended = bench.running(try task("b"))
        bench.give(.supervisor(ended, .exited(ExitReport(.exited(code: 0), atMillis: 5))))
        bench.give(.reconcile(ReconcileOrder(stamp: bench.stamp(), keys: [])))
        #expect(bench.answers.map { $0.state } == [.running, .finished])
    }

    @Test("a task that is described wrongly is an error; one whose id lives is refused as such")
    func refusedTasks() throws {
        var bench = try CoreBench()
        var wrong = try task("wrong")
        wrong.command = .shell("")
        bench.launch(wrong)
        #expect(try bench.state("wrong") == .error)
        _ = bench.running(try task("a"))
        bench.give(.connected(Term(1)))
        bench.launch(try task("a"))
        #expect(bench.starts.isEmpty)
        #expect(bench.sends.map { $0.reason } == [.taskDuplicate])
        #expect(try bench.state("a") == .running)
    }

    @Test("an order without tasks, or with too many, is refused")
    func groupSizes() throws {
        var bench = try CoreBench()
        bench.give(.launch(LaunchOrder(stamp: bench.stamp(), tasks: [])))
        #expect(bench.refusals == [.groupSize(0)])
        let many = try (0...AgentLimits.groupTasksMax).map { try task("t\($0)") }
        bench.give(.launch(LaunchOrder(stamp: bench.stamp(), tasks: many)))
        #expect(bench.refusals == [.groupSize(AgentLimits.groupTasksMax + 1)])
    }
}
