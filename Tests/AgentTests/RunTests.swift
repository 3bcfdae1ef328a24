import Agent
import AgentLogic
import Primitives
import Testing

@Suite("Agent core: runs, kills, groups")
struct RunTests {
    private func exit(_ code: Int32, killed: Bool = false) -> SupervisorEvent {
        var report = ExitReport(.exited(code: code), atMillis: 7)
        report.wasKilled = killed
        return .exited(report)
    }

    @Test("exit code 0 is FINISHED, any other FAILED, a signal FAILED, no start FAILED")
    func outcomes() throws {
        let cases: [(ProcessOutcome, TaskState, StatusReason)] = [
            (.exited(code: 0), .finished, .commandEnded),
            (.exited(code: 3), .failed, .commandEnded),
            (.signaled(11), .failed, .commandEnded),
            (.notStarted("no such program"), .failed, .commandCouldNotStart),
        ]
        for (outcome, state, reason) in cases {
            var bench = try CoreBench()
            let container = bench.running(try task("a"))
            bench.give(.supervisor(container, .exited(ExitReport(outcome, atMillis: 7))))
            #expect(bench.core.records.map { $0.state } == [state])
            #expect(bench.core.records.first?.latest?.reason == reason)
        }
    }

    @Test("memory that ran out is the reason of the failure")
    func outOfMemory() throws {
        var bench = try CoreBench()
        let container = bench.running(try task("a"))
        var report = ExitReport(.signaled(9), atMillis: 7)
        report.isOutOfMemory = true
        bench.give(.supervisor(container, .exited(report)))
        #expect(bench.core.records.first?.latest?.reason == .outOfMemory)
    }

    @Test("a kill goes RUNNING, KILLING, KILLED, and tells the supervisor the grace")
    func killed() throws {
        var bench = try CoreBench()
        let container = bench.running(try task("a"))
        bench.give(.kill(KillOrder(stamp: bench.stamp(), key: try key("a"), graceMillis: 70)))
        #expect(bench.effects.contains(.kill(container, graceMillis: 70)))
        #expect(try bench.state("a") == .killing)
        bench.give(.supervisor(container, exit(0, killed: true)))
        #expect(try bench.state("a") == .killed)
        #expect(bench.core.records.first?.latest?.reason == .killedByOrder)
    }

    @Test("a framework that does not know KILLING is not told it")
    func silentKilling() throws {
        var bench = try CoreBench()
        var spec = try task("a")
        spec.reportsKilling = false
        _ = bench.running(spec)
        bench.give(.kill(KillOrder(stamp: bench.stamp(), key: try key("a"))))
        #expect(try bench.state("a") == .killing)
        #expect(bench.core.records.first?.pending.map { $0.state } == [.starting, .running])
    }

    @Test("a kill before the start is kept: the task is killed as soon as it runs")
    func killWhileStarting() throws {
        var bench = try CoreBench()
        bench.launch(try task("a"))
        bench.give(.kill(KillOrder(stamp: bench.stamp(), key: try key("a"))))
        #expect(bench.kills.count == 1)
        bench.give(.supervisor(ContainerID(sequence: 1, index: 0), .started))
        #expect(bench.kills.count == 1)
        #expect(try bench.state("a") == .killing)
    }

    @Test("a kill while files are fetched ends the task without a start")
    func killWhileStaging() throws {
        var bench = try CoreBench()
        var spec = try task("a")
        spec.uris = [TaskURI("/etc/hosts")]
        bench.launch(spec)
        #expect(try bench.state("a") == .staging)
        bench.give(.kill(KillOrder(stamp: bench.stamp(), key: try key("a"))))
        #expect(try bench.state("a") == .killed)
        bench.give(.fetched(ContainerID(sequence: 1, index: 0), fault: nil))
        #expect(bench.starts.isEmpty)
    }

    @Test("a kill outlives a restart of the agent: it is given again when the task is found")
    func killOutlivesRestart() throws {
        var bench = try CoreBench()
        let container = bench.running(try task("a"))
        bench.give(.kill(KillOrder(stamp: bench.stamp(), key: try key("a"))))
        bench.restart([container: .supervised])
        bench.give(.supervisor(container, .started))
        #expect(bench.kills == [container])
        bench.give(.supervisor(container, exit(0)))
        #expect(try bench.state("a") == .killed)
    }

    @Test("a group starts when all its members have their files, and not before")
    func groupStartsTogether() throws {
        var bench = try CoreBench()
        var first = try task("a")
        first.uris = [TaskURI("/etc/hosts")]
        bench.launch(first, try task("b"))
        #expect(bench.starts.isEmpty)
        bench.give(.fetched(ContainerID(sequence: 1, index: 0), fault: nil))
        #expect(bench.starts.count == 2)
    }

    @Test("one member that fails takes its group with it; one that finishes does not")
    func groupEnds() throws {
        var bench = try CoreBench()
        bench.launch(try task("a"), try task("b"), try task("c"))
        let containers = (0..<3).map { ContainerID(sequence: 1, index: UInt32($0)) }
        for container in containers { bench.give(.supervisor(container, .started)) }
        bench.give(.supervisor(containers[0], exit(0)))
        #expect(bench.kills.isEmpty)
        bench.give(.supervisor(containers[1], exit(1)))
        #expect(bench.kills == [containers[2]])
        bench.give(.supervisor(containers[2], exit(0, killed: true)))
        #expect(bench.core.records.map { $0.state } == [.finished, .failed, .killed])
        #expect(bench.core.records.last?.latest?.reason == .groupMemberEnded)
    }

    @Test("a member whose files cannot be fetched fails, and the others are never started")
    func groupFetchFails() throws {
        var bench = try CoreBench()
        var first = try task("a")
        first.uris = [TaskURI("/etc/hosts")]
        bench.launch(first, try task("b"))
        bench.give(.fetched(ContainerID(sequence: 1, index: 0), fault: "no such file"))
        #expect(bench.starts.isEmpty)
        #expect(bench.core.records.map { $0.state } == [.failed, .killed])
    }

    @Test("what a restart finds of a run decides what is reported")
    func recovery() throws {
        let findings: [(RunFinding, TaskState, StatusReason)] = [
            (.exited(ExitReport(.exited(code: 0), atMillis: 3)), .finished, .commandEnded),
            (.neverStarted, .lost, .agentRestarted),
            (.vanished, .failed, .supervisorGone),
        ]
        for (finding, state, reason) in findings {
            var bench = try CoreBench()
            let container = bench.running(try task("a"))
            bench.restart([container: finding])
            #expect(try bench.state("a") == state)
            #expect(bench.core.records.first?.latest?.reason == reason)
        }
        var bench = try CoreBench()
        let container = bench.running(try task("a"))
        bench.restart([container: .supervised])
        #expect(try bench.state("a") == .running)
        guard case .attach(let record) = bench.effects.last else {
            Issue.record("nobody was attached: \(bench.effects)")
            return
        }
        #expect(record.container == container)
    }

    @Test("a record without its mark still bars its sequence")
    func recordImpliesMark() throws {
        var bench = try CoreBench()
        _ = bench.running(try task("a"))
        bench.disk.mark.sequence = 0
        bench.restart([ContainerID(sequence: 1, index: 0): .neverStarted])
        #expect(bench.core.mark.sequence == 1)
        #expect(bench.disk.mark.sequence == 1)
    }

    @Test("health is reported when it changes, and a check that fails too often kills")
    func health() throws {
        var bench = try CoreBench()
        var spec = try task("a")
        spec.healthCheck = HealthCheck(.tcp(port: 80))
        let container = bench.running(spec)
        bench.give(.health(container, isHealthy: true, mustEnd: false))
        #expect(bench.core.records.first?.latest?.isHealthy == true)
        bench.give(.health(container, isHealthy: true, mustEnd: false))
        #expect(bench.effects.isEmpty)
        bench.give(.health(container, isHealthy: false, mustEnd: true))
        #expect(bench.kills == [container])
        #expect(bench.effects.contains(.stopChecks(container)))
        bench.give(.supervisor(container, exit(0, killed: true)))
        #expect(bench.core.records.first?.latest?.reason == .killedByHealthCheck)
        #expect(bench.core.records.first?.latest?.isHealthy == false)
    }
}
