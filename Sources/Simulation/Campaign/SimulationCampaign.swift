import Dispatch
import Synchronization

/// Many seeds, on several threads, each run a world of its own.
package final class SimulationCampaign: Sendable {
    package struct Plan: Sendable {
        package var firstSeed: UInt64
        /// How many seeds; nil: until the time is up.
        package var seedsMax: Int?
        /// Real time after which no more seeds are begun, in nanoseconds of the monotonic clock.
        package var nanosecondsMax: UInt64?
        package var safetyMicros: Micros
        package var threads: Int
        /// One seed in so many runs twice, and must come to the same trace. Zero: none.
        package var repeatEvery = 100
        /// How many lines of a trace are kept for whoever looks for the cause.
        package var traceLinesMax = Trace.linesMaxDefault
        /// Only seeds in which this may happen are run.
        package var wanted: FaultKind?

        package init(
            firstSeed: UInt64, seedsMax: Int?, nanosecondsMax: UInt64?, safetyMicros: Micros,
            threads: Int
        ) {
            self.firstSeed = firstSeed
            self.seedsMax = seedsMax
            self.nanosecondsMax = nanosecondsMax
            self.safetyMicros = safetyMicros
            self.threads = threads
        }
    }

    /// What a campaign has come to so far.
    package struct Report: Sendable {
        package var seeds = 0
        package var repeated = 0
        package var simulatedMicros: Micros = 0
        package var realNanoseconds: UInt64 = 0
        package var counters = Counters()
        package var operations = 0
        package var committed: UInt64 = 0
        /// Seeds in which at least three kinds of faults struck.
        package var seedsWithThreeKinds = 0
        package var broken: [RunResult] = []
        /// Of the seed that ended last.
        package var lastTrace: String?

        package var simulatedHours: Double { Double(simulatedMicros) / 3.6e9 }
        package var hoursPerRealMinute: Double {
            realNanoseconds == 0 ? 0 : simulatedHours / (Double(realNanoseconds) / 60e9)
        }
    }

    private struct State {
        var next: UInt64
        var begun = 0
        var report = Report()
    }

    private let plan: Plan
    private let state: Mutex<State>
    private let start: UInt64
    private let onBegin: @Sendable (UInt64) -> Void
    private let onProgress: @Sendable (Report) -> Void

    /// - Parameter onBegin: told of each seed before it runs, so that a trap in the product names
    ///   it.
    package init(
        _ plan: Plan, onBegin: @escaping @Sendable (UInt64) -> Void,
        onProgress: @escaping @Sendable (Report) -> Void
    ) {
        self.plan = plan
        state = Mutex(State(next: plan.firstSeed))
        start = DispatchTime.now().uptimeNanoseconds
        self.onBegin = onBegin
        self.onProgress = onProgress
    }

    /// Runs the plan, or until the first broken promise.
    package func run() -> Report {
        DispatchQueue.concurrentPerform(iterations: plan.threads) { _ in
            while let (seed, runsTwice) = takeSeed() {
                onBegin(seed)
                note(runOnce(seed, runsTwice), twice: runsTwice)
            }
        }
        return state.withLock { $0.report }
    }

    private func runOnce(_ seed: UInt64, _ runsTwice: Bool) -> RunResult {
        var settings = RunSettings(seed: seed, safetyMicros: plan.safetyMicros)
        settings.traceLinesMax = plan.traceLinesMax
        var result = SimulationRun(settings).result()
        guard runsTwice, result.violation == nil else { return result }
        let again = SimulationRun(settings).result()
        if again.traceHash != result.traceHash {
            result.violation = Violation(
                property: "S1 a seed is one run",
                what: "trace \(result.traceHash), then \(again.traceHash)")
        }
        return result
    }

    private func takeSeed() -> (seed: UInt64, runsTwice: Bool)? {
        let elapsed = DispatchTime.now().uptimeNanoseconds - start
        return state.withLock { state in
            if !state.report.broken.isEmpty { return nil }
            if let most = plan.seedsMax, state.begun >= most { return nil }
            if let most = plan.nanosecondsMax, elapsed >= most { return nil }
            if let wanted = plan.wanted {
                while !RunSettings(seed: state.next).enables(wanted) { state.next &+= 1 }
            }
            defer {
                state.next &+= 1
                state.begun += 1
            }
            let every = plan.repeatEvery
            return (state.next, every > 0 && state.begun % every == every / 2)
        }
    }

    private func note(_ result: RunResult, twice: Bool) {
        let elapsed = DispatchTime.now().uptimeNanoseconds - start
        let report = state.withLock { state in
            state.report.seeds += 1
            state.report.repeated += twice ? 1 : 0
            state.report.simulatedMicros += result.simulatedMicros * (twice ? 2 : 1)
            state.report.realNanoseconds = elapsed
            state.report.counters.add(result.counters)
            state.report.operations += result.operations
            state.report.committed += result.committed
            let kinds = result.counters.faults.count { $0 > 0 }
            state.report.seedsWithThreeKinds += kinds >= 3 ? 1 : 0
            state.report.lastTrace = result.traceHash
            if result.violation != nil { state.report.broken.append(result) }
            return state.report
        }
        onProgress(report)
    }
}
