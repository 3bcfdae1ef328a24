internal import Histogram
internal import KeelsonClient
internal import RPC

/// What a run found out.
struct BenchReport: Sendable {
    let plan: BenchPlan
    let recorder: BenchRecorder
    /// The writes of the target `watch`, whose `recorder` is that of the events.
    let writes: BenchRecorder?

    init(plan: BenchPlan, recorder: BenchRecorder, writes: BenchRecorder? = nil) {
        self.plan = plan
        self.recorder = recorder
        self.writes = writes
    }

    private static let quantiles: [(name: String, percent: Double)] = [
        ("p50", 50), ("p90", 90), ("p99", 99), ("p99.9", 99.9),
    ]
    /// Enough of them for a curve.
    private static let percents = [
        0, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 92.5, 95, 97.5, 98, 99, 99.25, 99.5, 99.75,
        99.9, 99.95, 99.99, 99.995, 99.999, 100,
    ]

    private var perSecond: Double {
        recorder.elapsedSeconds > 0
            ? Double(recorder.completedCount) / recorder.elapsedSeconds : 0
    }

    /// Of all processors of this machine.
    private var processorShare: Double {
        recorder.elapsedSeconds > 0
            ? recorder.processorSeconds / recorder.elapsedSeconds
                / Double(ProcessUsage.processorCount) : 0
    }

    private var bytesPerSecond: Double {
        recorder.elapsedSeconds > 0 ? Double(recorder.byteCount) / recorder.elapsedSeconds : 0
    }

    private var microsecondsPerCall: Double {
        recorder.completedCount > 0
            ? recorder.processorSeconds * 1e6 / Double(recorder.completedCount) : 0
    }

    private var sortedFailures: [(BenchRecorder.Failure, Int)] {
        recorder.failures.sorted {
            ($1.value, $0.key.code.rawValue, $0.key.message)
                < ($0.value, $1.key.code.rawValue, $1.key.message)
        }.map { ($0.key, $0.value) }
    }

    // MARK: - Text

    func print(to output: inout Output) {
        let noun = plan.target == .watch ? "events" : "calls"
        let places = plan.endpoints.map(\.description).joined(separator: ",")
        output.line("target      \(plan.target.rawValue) at \(places)")
        output.line(
            "load        \(plan.connectionCount) connections × \(plan.streamsPerConnection),"
                + " \(plan.valueByteCount) B values, \(plan.keyCount) keys")
        output.line(
            "throughput  \(fixed(perSecond, 0)) \(noun)/s"
                + "  (\(recorder.completedCount) in \(fixed(recorder.elapsedSeconds, 3)) s)")
        if let writes {
            output.line(
                "writes      \(fixed(Double(writes.completedCount) / writes.elapsedSeconds, 0))/s"
                    + ", mean \(fixed(writes.histogram.mean / 1000, 0)) µs")
        }
        if plan.rangeKeyCount > 1 {
            let megabytes = fixed(bytesPerSecond / 1e6, 1)
            output.line("answers     \(megabytes) MB/s, \(plan.rangeKeyCount) keys each")
        }
        var latencies = "mean \(fixed(recorder.histogram.mean / 1000, 0))"
        for quantile in BenchReport.quantiles {
            let value = recorder.histogram.valueAtPercentile(quantile.percent)
            latencies += "  \(quantile.name) \(fixed(Double(value) / 1000, 0))"
        }
        latencies += "  max \(fixed(Double(recorder.histogram.max) / 1000, 0))"
        output.line("latency     \(latencies)  µs")
        output.line("pause       \(fixed(Double(recorder.longestGap) / 1e6, 1)) ms at most")
        output.line(
            "own CPU     \(fixed(recorder.processorSeconds, 3)) s,"
                + " \(fixed(processorShare * 100, 1)) % of \(ProcessUsage.processorCount) cores,"
                + " \(fixed(microsecondsPerCall, 2)) µs a \(noun.dropLast())")
        output.line("errors      \(recorder.failureCount + (writes?.failureCount ?? 0))")
        for (failure, count) in sortedFailures {
            output.line("  \(count) × \(failure.code): \(failure.message)")
        }
    }

    private func fixed(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite else { return "-" }
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = (value * scale).rounded()
        if digits == 0 { return "\(Int(scaled))" }
        let whole = Int(scaled) / Int(scale)
        let fraction = "\(abs(Int(scaled)) % Int(scale))"
        return "\(whole)." + String(repeating: "0", count: digits - fraction.count) + fraction
    }

    // MARK: - JSON

    /// Pairs of a percentage and microseconds.
    private var quantiles: JSONValue {
        .array(
            BenchReport.percents.map { percent in
                let value = recorder.histogram.valueAtPercentile(percent)
                return .array([.number(percent), .number(Double(value) / 1000)])
            })
    }

    var json: JSONValue {
        var latency: [(String, JSONValue)] = [("mean", .number(recorder.histogram.mean / 1000))]
        for quantile in BenchReport.quantiles {
            let value = recorder.histogram.valueAtPercentile(quantile.percent)
            latency.append((quantile.name, .number(Double(value) / 1000)))
        }
        latency.append(("max", .number(Double(recorder.histogram.max) / 1000)))
        var members: [(String, JSONValue)] = [
            ("target", .string(plan.target.rawValue)),
            ("endpoints", .array(plan.endpoints.map { .string($0.description) })),
            ("connections", .integer(Int64(plan.connectionCount))),
            ("streams", .integer(Int64(plan.streamsPerConnection))),
            ("value_bytes", .integer(Int64(plan.valueByteCount))),
            ("key_count", .integer(Int64(plan.keyCount))),
            ("seconds", .number(recorder.elapsedSeconds)),
            ("completed", .integer(Int64(recorder.completedCount))),
            ("per_second", .number(perSecond)),
            ("answer_bytes", .integer(Int64(recorder.byteCount))),
            ("answer_bytes_per_second", .number(bytesPerSecond)),
            ("latency_us", .object(latency)),
            ("quantiles_us", quantiles),
            ("longest_pause_ms", .number(Double(recorder.longestGap) / 1e6)),
            ("cpu_seconds", .number(recorder.processorSeconds)),
            ("cpu_share", .number(processorShare)),
            ("cpu_us_per_call", .number(microsecondsPerCall)),
            ("error_count", .integer(Int64(recorder.failureCount + (writes?.failureCount ?? 0)))),
            (
                "errors",
                .array(
                    sortedFailures.map { failure, count in
                        .object([
                            ("code", .integer(Int64(failure.code.rawValue))),
                            ("message", .string(failure.message)),
                            ("count", .integer(Int64(count))),
                        ])
                    })
            ),
        ]
        if let interval = plan.intervalNanoseconds {
            members.append(("interval_ms", .number(Double(interval) / 1e6)))
            members.append(
                ("per_interval", .array(recorder.countsPerInterval.map { .integer(Int64($0)) })))
        }
        if let writes {
            members.append(
                (
                    "writes",
                    .object([
                        ("completed", .integer(Int64(writes.completedCount))),
                        (
                            "per_second",
                            .number(Double(writes.completedCount) / writes.elapsedSeconds)
                        ),
                        ("mean_us", .number(writes.histogram.mean / 1000)),
                    ])
                ))
        }
        return .object(members)
    }
}
