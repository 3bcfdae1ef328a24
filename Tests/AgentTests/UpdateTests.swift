import Agent
import AgentLogic
import Primitives
import Testing

@Suite("Agent core: status updates and sandboxes")
struct UpdateTests {
    @Test("a status is durable before it is sent")
    func durableBeforeSent() throws {
        var bench = try CoreBench()
        bench.give(.connected(Term(1)))
        bench.launch(try task("a"))
        var durable: Set<UpdateID> = []
        for effect in bench.effects {
            if case .persist(let write, _) = effect {
                durable.formUnion(write.records.flatMap { $0.pending.map { $0.id } })
            }
            if case .send(let update) = effect { #expect(durable.contains(update.id)) }
        }
        #expect(bench.sends.map { $0.state } == [.starting])
    }

    @Test("a task's statuses are sent one at a time, each after the one before is acknowledged")
    func inOrder() throws {
        var bench = try CoreBench()
        bench.give(.connected(Term(1)))
        bench.launch(try task("a"))
        let first = try #require(bench.sends.first)
        bench.give(.supervisor(first.container, .started))
        bench.give(
            .supervisor(first.container, .exited(ExitReport(.exited(code: 0), atMillis: 9))))
        #expect(bench.sends.isEmpty)
        bench.give(.acknowledge(first.key, first.id))
        let second = try #require(bench.sends.first)
        #expect(second.state == .running)
        bench.give(.acknowledge(first.key, first.id))
        #expect(bench.effects.isEmpty, "an acknowledgement that comes twice counts once")
        bench.give(.acknowledge(second.key, second.id))
        #expect(bench.sends.map { $0.state } == [.finished])
    }

    @Test("what is not acknowledged is sent again: at once to a new master, else after a wait")
    func resent() throws {
        var bench = try CoreBench()
        bench.give(.connected(Term(1)))
        bench.launch(try task("a"))
        let first = try #require(bench.sends.first)
        bench.give(.tick(nowMillis: 1000 + AgentLimits.resendMillisMin - 1))
        #expect(bench.sends.isEmpty)
        bench.give(.tick(nowMillis: 1000 + AgentLimits.resendMillisMin))
        #expect(bench.sends == [first])
        bench.give(.tick(nowMillis: 1000 + AgentLimits.resendMillisMin * 2))
        #expect(bench.sends.isEmpty, "the wait has doubled")
        bench.give(.disconnected)
        bench.give(.tick(nowMillis: 10_000_000))
        #expect(bench.sends.isEmpty)
        bench.give(.connected(Term(2)))
        #expect(bench.sends == [first])
    }

    @Test("unacknowledged statuses outlive a restart, with their ids")
    func outliveRestart() throws {
        var bench = try CoreBench()
        let container = bench.running(try task("a"))
        let before = bench.core.records.first?.pending.map { $0.id }
        bench.restart([container: .supervised])
        #expect(bench.core.records.first?.pending.map { $0.id } == before)
        bench.give(.connected(Term(1)))
        #expect(bench.sends.map { $0.id } == before.map { [$0[0]] })
    }

    @Test("health that changes for hours unheard keeps no more updates than there is room for")
    func boundedHealth() throws {
        var bench = try CoreBench()
        var spec = try task("a")
        spec.healthCheck = HealthCheck(.tcp(port: 80))
        let container = bench.running(spec)
        for round in 0..<200 {
            bench.give(.health(container, isHealthy: round % 2 == 0, mustEnd: false))
        }
        let pending = try #require(bench.core.records.first?.pending)
        #expect(pending.count == AgentLimits.pendingUpdatesMax)
        #expect(pending[0].state == .starting)
        #expect(pending[1].reason == .none && pending[1].state == .running)
        #expect(pending.last?.isHealthy == false)
    }

    @Test("a sandbox goes when its task is over, acknowledged and old enough for the disk")
    func sandboxes() throws {
        var settings = AgentCore.Settings()
        settings.sandboxMillis = 1000
        var bench = try CoreBench(settings: settings)
        bench.give(.connected(Term(1)))
        let container = bench.running(try task("a"))
        bench.give(.supervisor(container, .exited(ExitReport(.exited(code: 0), atMillis: 1))))
        bench.give(.tick(nowMillis: 1_000_000))
        #expect(bench.disk.records.count == 1, "nobody has acknowledged the end")
        bench.restartless(acknowledgeAll: container)
        #expect(bench.core.records.isEmpty)
        #expect(bench.disk.records.isEmpty)
    }

    @Test("a fuller disk makes sandboxes go sooner, but not within a minute of the end")
    func diskPressure() throws {
        var bench = try CoreBench()
        bench.give(.connected(Term(1)))
        let container = bench.running(try task("a"))
        bench.give(.supervisor(container, .exited(ExitReport(.exited(code: 0), atMillis: 1))))
        bench.restartless(acknowledgeAll: container)
        bench.give(.diskUse(permille: 500))
        #expect(bench.core.records.count == 1)
        bench.give(.diskUse(permille: 950))
        bench.give(.tick(nowMillis: 60_999))
        #expect(bench.core.records.count == 1)
        bench.give(.tick(nowMillis: 61_000))
        #expect(bench.core.records.isEmpty)
    }

    @Test("a task's id may be used again once its run has ended")
    func idAgain() throws {
        var bench = try CoreBench()
        let first = bench.running(try task("a"))
        bench.give(.supervisor(first, .exited(ExitReport(.exited(code: 0), atMillis: 1))))
        let second = bench.running(try task("a"))
        #expect(first < second)
        #expect(try bench.state("a") == .running)
        bench.give(.connected(Term(1)))
        #expect(bench.sends.count == 2)
        let old = try #require(bench.sends.first)
        bench.give(.acknowledge(old.key, old.id))
        #expect(bench.sends.map { $0.state } == [.running])
        #expect(bench.sends.map { $0.container } == [first])
    }
}

extension CoreBench {
    mutating func restartless(acknowledgeAll container: ContainerID) {
        while let first = core.records.first(where: { $0.container == container })?.pending.first {
            give(.acknowledge(first.key, first.id))
        }
    }
}
