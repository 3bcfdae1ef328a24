import Monitoring
import Testing

@Suite("Prometheus' text format")
struct MetricsTextTests {
    private func read(_ text: String) throws(MetricsReadingError) -> MetricsReading {
        try MetricsReading(Array(text.utf8))
    }

    @Test("a page says each name's help and type, and its values behind them")
    func page() {
        var page = MetricsText()
        page.counter("a_total", "What \\ it\nis.", 18_446_744_073_709_551_615)
        page.gauge("b", "B.", 0.25)
        page.gauge("c", "C.", 3)
        page.family(
            "d", "D.", .gauge,
            [
                ([MetricLabel("to", "x\"y\\z\n"), MetricLabel("n", "1")], .whole(1)),
                ([], .real(.infinity)),
            ])
        #expect(
            page.text == """
                # HELP a_total What \\\\ it\\nis.
                # TYPE a_total counter
                a_total 18446744073709551615
                # HELP b B.
                # TYPE b gauge
                b 0.25
                # HELP c C.
                # TYPE c gauge
                c 3
                # HELP d D.
                # TYPE d gauge
                d{to="x\\"y\\\\z\\n",n="1"} 1
                d +Inf

                """)
    }

    @Test("what is written is read back, with labels of any text")
    func roundTrip() throws {
        var durations = DurationHistogram()
        for milliseconds in [1, 1, 3, 90_000] as [UInt64] {
            durations.record(nanoseconds: milliseconds * 1_000_000)
        }
        let odd = "a\"b\\c\nd,e}f=g h\u{1F6A2}"
        var page = MetricsText()
        page.histograms("t_seconds", "T.", [([MetricLabel("to", odd)], durations)])
        page.gauge("nan", "N.", .nan)
        let read = try read(page.text)
        #expect(read.buckets("t_seconds", [MetricLabel("to", odd)]) == durations.buckets)
        #expect(read.buckets("t_seconds", [MetricLabel("to", "nobody")]).count == 0)
        #expect(read.types.map(\.name) == ["t_seconds", "nan"])
        #expect(read.types.map(\.type) == ["histogram", "gauge"])
        #expect(read.value("t_seconds_count") == 4)
        #expect(read.value("nan")?.isNaN == true)
        #expect(read.value("missing") == nil)
        #expect(read.sum("t_seconds_bucket") > 0)
    }

    @Test("histograms whose labels fit are taken together")
    func together() throws {
        let page = try read(
            """
            h_bucket{m="a",le="1"} 1
            h_bucket{m="a",le="+Inf"} 2
            h_bucket{m="b",le="1"} 3
            h_bucket{m="b",le="+Inf"} 5
            h_sum{m="a"} 4
            h_sum{m="b"} 6

            """)
        #expect(
            page.buckets("h")
                == BucketCounts(bounds: [1, .infinity], counts: [4, 7], sum: 10))
    }

    @Test("times, spaces, comments and empty lines are no trouble")
    func leniency() throws {
        let page = try read("\n# just so\n  x { a = \"b\" , } 1 1700000000000 \r\ny\t2\n")
        #expect(page.value("x", [MetricLabel("a", "b")]) == 1)
        #expect(page.value("y") == 2)
    }

    @Test(
        "what is no metric is refused with its line",
        arguments: [
            "x", "x{", "x{a", "x{a=", "x{a=\"", "x{a=\"b", "x{a=\"b\\", "x{a=\"b\"", "{} 1",
            "x 1 y",
            "x 1 2 3", "x one", "é 1", "x{a=\"b\" c=\"d\"} 1", "\u{0}",
        ])
    func malformed(line: String) {
        #expect(throws: MetricsReadingError.malformed(line: 2)) {
            _ = try MetricsReading(Array("ok 1\n\(line)\n".utf8))
        }
    }
}
