import Agent
import AgentLogic
import Testing

@Suite("Health checks and checks: when and what")
struct HealthCheckTests {
    private func check(failures: UInt32 = 3, grace: UInt64 = 0) -> HealthCheck {
        var check = HealthCheck(.tcp(port: 80))
        check.timing.delay = 1000
        check.timing.interval = 500
        check.timing.timeout = 200
        check.consecutiveFailures = failures
        check.gracePeriod = grace
        return check
    }

    @Test("the first probe comes after the delay, the next an interval after the last answer")
    func schedule() {
        var state = HealthCheckState(check(), nowMillis: 0)
        #expect(state.tick(999).isEmpty)
        #expect(state.tick(1000) == [.probe(id: 1, timeoutMillis: 200)])
        #expect(state.tick(1100).isEmpty)
        #expect(state.result(of: 1, .tcp(accepted: true), 1100) == [.reportHealth(true)])
        #expect(state.nextMillis == 1600)
        #expect(state.tick(1600) == [.probe(id: 2, timeoutMillis: 200)])
    }

    @Test("a probe without an answer fails at its timeout, and its late answer counts for nothing")
    func timeout() {
        var state = HealthCheckState(check(), nowMillis: 0)
        _ = state.tick(1000)
        #expect(state.tick(1200) == [.abandon(id: 1), .reportHealth(false)])
        #expect(state.result(of: 1, .tcp(accepted: true), 1201).isEmpty)
        #expect(state.failures == 1)
    }

    @Test("so many failures in a row end the task, once; a success starts the count again")
    func consecutive() {
        var state = HealthCheckState(check(), nowMillis: 0)
        var now: UInt64 = 1000
        func round(_ state: inout HealthCheckState, _ ok: Bool) -> [HealthCheckState.Action] {
            guard case .probe(let id, _) = state.tick(now).first else { return [] }
            defer { now += 500 }
            return state.result(of: id, .tcp(accepted: ok), now)
        }
        #expect(round(&state, false) == [.reportHealth(false)])
        #expect(round(&state, false) == [])
        #expect(round(&state, true) == [.reportHealth(true)])
        #expect(round(&state, false) == [.reportHealth(false)])
        #expect(round(&state, false) == [])
        #expect(round(&state, false) == [.end])
        #expect(state.nextMillis == nil)
        #expect(state.tick(.max).isEmpty)
    }

    @Test("failures within the grace period count only after the first success")
    func gracePeriod() {
        var state = HealthCheckState(check(failures: 1, grace: 5000), nowMillis: 0)
        _ = state.tick(1000)
        #expect(state.result(of: 1, .tcp(accepted: false), 1001).isEmpty)
        _ = state.tick(2000)
        #expect(state.result(of: 2, .tcp(accepted: true), 2001) == [.reportHealth(true)])
        _ = state.tick(3000)
        #expect(state.result(of: 3, .nothing, 3001) == [.reportHealth(false), .end])
    }

    @Test("a limit of zero failures never ends the task")
    func neverEnds() {
        var state = HealthCheckState(check(failures: 0), nowMillis: 0)
        var now: UInt64 = 1000
        for id in 1...50 {
            _ = state.tick(now)
            #expect(!state.result(of: UInt64(id), .nothing, now).contains(.end))
            now += 500
        }
    }

    @Test("HTTP is healthy from 200 to 399, a command with exit code 0")
    func verdicts() {
        #expect(CheckResult.httpStatus(200).isHealthy && CheckResult.httpStatus(399).isHealthy)
        #expect(!CheckResult.httpStatus(199).isHealthy && !CheckResult.httpStatus(400).isHealthy)
        #expect(CheckResult.exitCode(0).isHealthy && !CheckResult.exitCode(1).isHealthy)
    }

    @Test("a check reports what it sees when that changes, and never ends the task")
    func checks() {
        var check = TaskCheck(.http(port: 80, path: "/"))
        check.timing.delay = 0
        check.timing.interval = 100
        var state = HealthCheckState(check, nowMillis: 0)
        _ = state.tick(0)
        #expect(state.result(of: 1, .httpStatus(500), 1) == [.reportCheck(.httpStatus(500))])
        _ = state.tick(101)
        #expect(state.result(of: 2, .httpStatus(500), 102).isEmpty)
        _ = state.tick(202)
        #expect(state.result(of: 3, .nothing, 203) == [.reportCheck(.nothing)])
    }
}
