internal import Monitoring
internal import Primitives

extension FuzzTarget {
    /// A page of metrics, of whoever answers `keelson top` and `keelson doctor`.
    static let metricsPage = FuzzTarget("metrics-page") { bytes in
        guard let page = try? MetricsReading(bytes) else { return }
        for sample in page.samples.prefix(64) {
            let base = sample.name.hasSuffix("_bucket") ? sample.name.dropLast(7) : sample.name[...]
            let counts = page.buckets(String(base), sample.labels)
            for share in [0, 0.5, 0.99, 1] { _ = counts.quantile(share) }
            invariant(counts.bounds.count <= MetricsReading.boundsMax, "bounds are bounded")
            _ = counts.since(counts)
            _ = page.sum(sample.name)
        }
    } seeds: {
        var durations = DurationHistogram()
        for power in 0...40 as ClosedRange<UInt64> { durations.record(nanoseconds: 1 << power) }
        var page = MetricsText()
        page.gauge("a", "A.", 0.5)
        page.counter("b_total", "B.", .max)
        page.histograms("c_seconds", "C.", [([MetricLabel("to", "x\"\\\n")], durations)])
        let odd = "x{a=\"b\" , } 1 1700000000000 \r\ny\t-Inf\nz_bucket{le=\"NaN\"} NaN\n"
        return [Array(page.text.utf8), Array(odd.utf8), []]
    }
}
