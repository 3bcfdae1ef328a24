/// When a task is probed and what the answers mean, as a value: time and answers in, actions out.
///
/// One probe at a time. The first comes ``ProbeTiming/delay`` after the start, each next one
/// ``ProbeTiming/interval`` after the last was answered or given up. Source of the rules: the
/// behaviour that Mesos documents for health checks and checks.
package struct HealthCheckState: Equatable, Sendable {
    package enum Purpose: Equatable, Sendable {
        /// Counts failures and may end the task.
        case health(consecutiveFailures: UInt32, gracePeriod: UInt64)
        /// Only says what it sees.
        case check
    }

    package enum Action: Equatable, Sendable {
        /// Make probe number `id`, and say what came of it within `timeoutMillis`.
        case probe(id: UInt64, timeoutMillis: UInt64)
        /// Nobody waits for probe `id` any more.
        case abandon(id: UInt64)
        case reportHealth(Bool)
        case reportCheck(CheckResult)
        /// The task has failed too often; asked for once.
        case end
    }

    private enum Phase: Equatable, Sendable {
        case waiting(until: UInt64)
        case probing(id: UInt64, until: UInt64)
        /// The task is to end: nothing more is asked of it.
        case over
    }

    private let timing: ProbeTiming
    private let purpose: Purpose
    private let startMillis: UInt64
    private var phase: Phase
    private var lastProbe: UInt64 = 0
    /// Failures in a row that count.
    package private(set) var failures: UInt32 = 0
    private var wasHealthy: Bool?
    private var lastResult: CheckResult?

    /// `nowMillis` is of a clock that never goes back; so are all times given later.
    package init(_ check: HealthCheck, nowMillis: UInt64) {
        self.init(
            check.timing,
            .health(
                consecutiveFailures: check.consecutiveFailures, gracePeriod: check.gracePeriod),
            nowMillis)
    }

    package init(_ check: TaskCheck, nowMillis: UInt64) {
        self.init(check.timing, .check, nowMillis)
    }

    private init(_ timing: ProbeTiming, _ purpose: Purpose, _ nowMillis: UInt64) {
        self.timing = timing
        self.purpose = purpose
        startMillis = nowMillis
        phase = .waiting(until: nowMillis.addingCapped(timing.delay))
    }

    /// When ``tick(_:)`` has something to do next; nil: never.
    package var nextMillis: UInt64? {
        switch phase {
        case .waiting(let until), .probing(_, let until): until
        case .over: nil
        }
    }

    package mutating func tick(_ nowMillis: UInt64) -> [Action] {
        switch phase {
        case .waiting(let until):
            guard nowMillis >= until else { return [] }
            lastProbe += 1
            phase = .probing(id: lastProbe, until: nowMillis.addingCapped(timing.timeout))
            return [.probe(id: lastProbe, timeoutMillis: timing.timeout)]
        case .probing(let id, let until):
            guard nowMillis >= until else { return [] }
            return [.abandon(id: id)] + answered(.nothing, nowMillis)
        case .over: return []
        }
    }

    /// What came of probe `id`. One that is not awaited any more says nothing.
    package mutating func result(
        of id: UInt64, _ result: CheckResult, _ nowMillis: UInt64
    ) -> [Action] {
        guard case .probing(id, _) = phase else { return [] }
        return answered(result, nowMillis)
    }

    private mutating func answered(_ result: CheckResult, _ nowMillis: UInt64) -> [Action] {
        phase = .waiting(until: nowMillis.addingCapped(timing.interval))
        switch purpose {
        case .check:
            defer { lastResult = result }
            return lastResult == result ? [] : [.reportCheck(result)]
        case .health(let limit, let grace):
            return result.isHealthy
                ? succeeded() : failed(limit: limit, grace: grace, nowMillis: nowMillis)
        }
    }

    private mutating func succeeded() -> [Action] {
        failures = 0
        defer { wasHealthy = true }
        return wasHealthy == true ? [] : [.reportHealth(true)]
    }

    private mutating func failed(limit: UInt32, grace: UInt64, nowMillis: UInt64) -> [Action] {
        if wasHealthy == nil, nowMillis < startMillis.addingCapped(grace) { return [] }
        failures = failures == .max ? .max : failures + 1
        var actions: [Action] = wasHealthy == false ? [] : [.reportHealth(false)]
        wasHealthy = false
        if limit > 0, failures >= limit {
            phase = .over
            actions.append(.end)
        }
        return actions
    }
}

extension CheckResult {
    /// Exit code 0, a status from 200 to 399, a connection that was accepted.
    package var isHealthy: Bool {
        switch self {
        case .exitCode(let code): code == 0
        case .httpStatus(let status): (200...399).contains(status)
        case .tcp(let accepted): accepted
        case .nothing: false
        }
    }
}
