internal import ArgumentParser
internal import KeelsonClient
internal import Monitoring

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

struct TopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Watch a cluster: roles, rates, latencies, disks, agents and tasks.",
        discussion: """
            LAG is how many entries a member has yet to apply. Rates and latencies are of the time
            since the last picture; latencies are read off histograms whose bounds double. SYNC99
            is the p99 of syncs of the log, PEER99 of round trips to the others. A member that does
            not answer is `silent`, one that knows no leader `lost`, one that takes no part `unfit`.

            Ctrl-C ends it.

            EXAMPLES:
              keelson top --endpoints http://10.0.0.1:2379,http://10.0.0.2:2379,http://10.0.0.3:2379
              keelson top --once --interval 5s
            """)

    @Option(help: "The time between two pictures: a number with ms, s, m or h.")
    var interval = TimeSpan(.seconds(2))

    @Flag(help: "Print one picture, of one interval, and end.")
    var once = false

    @OptionGroup var cluster: ClusterOptions

    /// Longer is no member waited for: the picture of the others is to move.
    private static let patience: Duration = .seconds(1)
    private static let intervalMin: Duration = .milliseconds(100)

    func validate() throws {
        if interval.duration < Self.intervalMin {
            throw ValidationError("An interval is 100ms or more.")
        }
        if cluster.format == .json {
            throw ValidationError("top draws pictures: `keelson doctor -o json` is for programs.")
        }
    }

    func run() async throws {
        let sources = try MetricsSource.all(cluster)
        let timeout = min(cluster.timeout.duration, Self.patience)
        let clock = ContinuousClock()
        var before = await read(sources, timeout)
        if once, !before.contains(where: { $0 != nil }) {
            throw Failure(
                .unavailable, "no member answers",
                advice: "check that the servers run and that --endpoints names them")
        }
        var next = clock.now
        let isLive = !once && isatty(STDOUT_FILENO) == 1
        if isLive { draw(frame(sources, before, before.map { _ in nil }), isLive: true) }
        while true {
            next = max(clock.now, next + interval.duration)
            try await clock.sleep(until: next)
            let now = await read(sources, timeout)
            draw(frame(sources, now, before), isLive: isLive)
            if once { return }
            before = now
        }
    }

    private func frame(
        _ sources: [MetricsSource], _ now: [MetricsSample?], _ before: [MetricsSample?]
    ) -> TopFrame {
        TopFrame(
            sources.indices.map { place in
                TopFrame.Row(
                    endpoint: sources[place].endpoint, now: now[place], before: before[place])
            })
    }

    private func read(
        _ sources: [MetricsSource], _ timeout: Duration
    ) async -> [MetricsSample?] {
        await MetricsSource.read(sources, timeout: timeout).map { try? $0.get() }
    }

    /// A live picture takes the place of the last one, line by line, so that nothing flickers.
    private func draw(_ frame: TopFrame, isLive: Bool) {
        var output = Output()
        if isLive {
            let lines = frame.lines.map { $0 + "\u{1B}[K" }
            output.line("\u{1B}[H" + lines.joined(separator: "\n") + "\u{1B}[J")
        } else {
            for line in frame.lines { output.line(line) }
            if !once { output.line("") }
        }
        output.flush()
    }
}
