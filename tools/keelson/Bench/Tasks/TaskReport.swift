internal import Histogram

/// What a run with many agents and tasks came to.
struct TaskReport {
    let agents: Int
    let tasks: Int
    var registeredNanoseconds: UInt64 = 0
    var fleet = AgentFleet.Count()
    var fleetFailures: [String: Int] = [:]
    var seen = TaskScheduler.Seen(recorder: BenchRecorder(now: 0))

    init(agents: Int, tasks: Int) {
        self.agents = agents
        self.tasks = tasks
    }

    private var launchSeconds: Double {
        guard let first = seen.firstAccept, let last = seen.lastRunning else { return 0 }
        return Double(last - first) / 1e9
    }

    private var perSecond: Double { launchSeconds > 0 ? Double(seen.running) / launchSeconds : 0 }

    private func milliseconds(_ percent: Double) -> Double {
        Double(seen.recorder.histogram.valueAtPercentile(percent)) / 1e6
    }

    private var failures: [(String, Int)] {
        (Array(seen.failures) + Array(fleetFailures)).map { ($0.key, $0.value) }
            .sorted { ($1.1, $0.0) < ($0.1, $1.0) }
    }

    func print(to output: inout Output) {
        func tenths(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }
        let seconds = Double(registeredNanoseconds) / 1e9
        output.line("agents      \(agents) registered in \(tenths(seconds)) s")
        output.line(
            "tasks       \(seen.running) running in \(tenths(launchSeconds)) s:"
                + " \(Int(perSecond)) launches/s, each committed, delivered and reported")
        output.line(
            "launch      p50 \(tenths(milliseconds(50)))  p99 \(tenths(milliseconds(99)))  ms"
                + " from the accepted offer to TASK_RUNNING")
        output.line(
            "sessions    \(fleet.lost) lost, \(fleet.registrations - agents) registered again")
        for failover in seen.failovers {
            func after(_ time: UInt64?) -> String {
                time.map { "\($0 / 1_000_000) ms" } ?? "never"
            }
            output.line(
                "failover    subscribed after \(after(failover.subscribedAfter)), first offers"
                    + " after \(after(failover.firstOfferAfter))")
        }
        output.line("errors      \(failures.reduce(0) { $0 + $1.1 })")
        for (what, count) in failures { output.line("  \(count) × \(what)") }
    }

    var json: JSONValue {
        .object([
            ("target", .string("tasks")),
            ("agents", .integer(Int64(agents))),
            ("registered_seconds", .number(Double(registeredNanoseconds) / 1e9)),
            ("tasks", .integer(Int64(tasks))),
            ("running", .integer(Int64(seen.running))),
            ("launch_seconds", .number(launchSeconds)),
            ("launches_per_second", .number(perSecond)),
            ("launch_ms_p50", .number(milliseconds(50))),
            ("launch_ms_p99", .number(milliseconds(99))),
            ("sessions_lost", .integer(Int64(fleet.lost))),
            ("registrations", .integer(Int64(fleet.registrations))),
            (
                "failovers",
                .array(
                    seen.failovers.map { failover in
                        func after(_ time: UInt64?) -> JSONValue {
                            time.map { .number(Double($0) / 1e6) } ?? .null
                        }
                        return .object([
                            ("subscribed_after_ms", after(failover.subscribedAfter)),
                            ("first_offers_after_ms", after(failover.firstOfferAfter)),
                        ])
                    })
            ),
            (
                "errors",
                .array(
                    failures.map { what, count in
                        .object([("message", .string(what)), ("count", .integer(Int64(count)))])
                    })
            ),
        ])
    }
}
