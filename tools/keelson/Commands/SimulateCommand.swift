internal import ArgumentParser
internal import Dispatch
internal import Simulation
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Run whole clusters under faults, in virtual time, from seeds.",
        discussion: """
            Each seed is a cluster of three to five nodes with its disks, network, clocks and
            clients, in which things go wrong for some simulated minutes and heal at the end. Every
            promise of the store is checked all the time. One seed is one run: it ends in the same
            trace on every machine.

            EXAMPLES:
              keelson simulate --seed 42
              keelson simulate --seeds 2000
              keelson simulate --minutes 30 --report chaos.json
              keelson simulate --seeds 100 --with membership

            EXIT STATUS:
              0 every promise was kept, 1 one was broken, 64 wrong usage
            """)

    @Option(name: .long, help: "Run this seed once and print its trace hash.")
    var seed: UInt64?

    @Option(name: .long, help: "Run so many seeds.")
    var seeds: Int?

    @Option(name: .long, help: "The first of the seeds.")
    var from: UInt64 = 1

    @Option(name: .long, help: "Begin new seeds for so many minutes.")
    var minutes: Double?

    @Option(name: .long, help: "How long things go wrong in a seed, in simulated minutes.")
    var simulatedMinutes: Double = 3

    @Option(name: .long, help: "How many seeds run at a time. Default: one a core.")
    var jobs: Int?

    @Option(name: .long, help: "Write what was run and found to this file, as JSON.")
    var report: String?

    @Option(name: .long, help: "How many of a trace's last lines are printed where one is broken.")
    var traceLines: Int = Trace.linesMaxDefault

    @Option(name: .long, help: "Run only seeds in which this may happen, such as membership.")
    var with: FaultKind?

    func validate() throws {
        guard traceLines > 0, traceLines <= 10_000_000 else {
            throw ValidationError("--trace-lines is from 1 to 10000000")
        }
        guard simulatedMinutes > 0, simulatedMinutes <= 10_000 else {
            throw ValidationError("--simulated-minutes is from above 0 to 10000")
        }
        if let jobs, jobs < 1 { throw ValidationError("--jobs is at least 1") }
        if let seeds, seeds < 1 { throw ValidationError("--seeds is at least 1") }
        if let minutes, minutes <= 0 { throw ValidationError("--minutes is above 0") }
        if seed != nil, seeds != nil || minutes != nil {
            throw ValidationError("--seed runs one seed: leave --seeds and --minutes out")
        }
    }

    private var safetyMicros: Int { Int(simulatedMinutes * 60_000_000) }

    func run() throws {
        var plan = SimulationCampaign.Plan(
            firstSeed: seed ?? from, seedsMax: seed == nil ? seeds : 1,
            nanosecondsMax: minutes.map { UInt64($0 * 60e9) }, safetyMicros: safetyMicros,
            threads: seed == nil ? jobs ?? Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))) : 1)
        if plan.seedsMax == nil, plan.nanosecondsMax == nil { plan.seedsMax = 100 }
        if seed != nil { plan.repeatEvery = 0 }
        plan.traceLinesMax = traceLines
        plan.wanted = seed == nil ? with : nil
        let progress = SimulationProgress(isSingle: seed != nil)
        let campaign = SimulationCampaign(
            plan, onBegin: { progress.began($0) }, onProgress: { progress.came(to: $0) })
        let result = campaign.run()
        progress.end()
        if let report {
            try SimulationReport.write(
                result, plan, to: report, command: replayCommand(_:))
        }
        var output = Output()
        if seed != nil, let trace = result.lastTrace { output.line("trace \(trace)") }
        for broken in result.broken { describe(broken, into: &output) }
        if seed == nil { output.line(SimulationReport.summary(result)) }
        output.flush()
        if !result.broken.isEmpty { throw ExitCode(1) }
    }

    private func replayCommand(_ seed: UInt64) -> String {
        let length = simulatedMinutes == 3 ? "" : " --simulated-minutes \(simulatedMinutes)"
        return "keelson simulate --seed \(seed)\(length)"
    }

    private func describe(_ broken: RunResult, into output: inout Output) {
        guard let violation = broken.violation else { return }
        for line in broken.tail { output.line("  \(line)") }
        output.line("broken promise: \(violation.property)")
        output.line("  \(violation.what)")
        output.line("  seed \(broken.seed), \(broken.nodeCount) nodes, trace \(broken.traceHash)")
        output.line("  again: \(replayCommand(broken.seed))")
    }
}

extension FaultKind: ExpressibleByArgument {}

/// The line that says how far a campaign is, and the seeds that run, for a trap to leave behind.
final class SimulationProgress: Sendable {
    private let isSingle: Bool
    private let isTerminal: Bool
    private let lastShown = Mutex<UInt64>(0)

    init(isSingle: Bool) {
        self.isSingle = isSingle
        isTerminal = isatty(STDERR_FILENO) == 1
    }

    /// What a trap prints comes after this line, so that it names the seed.
    func began(_ seed: UInt64) {
        let line = isTerminal ? "" : "seed \(seed)\n"
        Output.writeAll(Array(line.utf8), to: STDERR_FILENO)
        if isTerminal { show("seed \(seed)") }
    }

    func came(to report: SimulationCampaign.Report) {
        guard isTerminal, !isSingle else { return }
        let now = DispatchTime.now().uptimeNanoseconds
        let isDue = lastShown.withLock { last in
            guard now - last > 200_000_000 else { return false }
            last = now
            return true
        }
        if isDue { show(SimulationReport.summary(report)) }
    }

    func end() {
        if isTerminal { show("") }
    }

    private func show(_ text: String) {
        Output.writeAll(Array("\r\u{1B}[K\(text)".utf8), to: STDERR_FILENO)
    }
}
