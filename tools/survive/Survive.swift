internal import ArgumentParser
internal import Foundation
internal import LocalCluster
internal import NIOCore
internal import NIOPosix
internal import Primitives

@main
struct Survive: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keelson-survive",
        abstract: "Kills real servers under load and proves that no acknowledged write is lost.",
        discussion: """
            Three servers on the loopback; clients write unique keys through all of them. The \
            leader is killed and restarted, then stopped gracefully, then all three are killed at \
            once. At the end every write is looked up on every node.

            Example: keelson-survive --server .build/release/keelson --kills 30 --total-stops 10

            Exit status: 0 when all held, 1 with the evidence when not; data and logs stay under \
            .build/clusters/survive.
            """)

    @Option(help: "The server's binary; KEELSON_BIN or the build's own without it.")
    var server: String?
    @Option(help: "What the binary is: keelson or etcd.")
    var kind: String = "keelson"
    @Option(help: "Clients that write at a time.")
    var clients: Int = 32
    @Option(help: "Kills of the leader.")
    var kills: Int = 10
    @Option(help: "Graceful stops of the leader.")
    var gracefulStops: Int = 3
    @Option(help: "Kills of all three at once.")
    var totalStops: Int = 2
    @Option(help: "Milliseconds that a client waits between its writes.")
    var pause: Int = 5
    @Option(help: "Draws the moments of the kills; a failed run prints its own.")
    var seed: UInt64?
    @Option(help: "Where the JSON report goes.")
    var report: String?
    @Option(help: "Seconds of undisturbed load before the first kill.")
    var warmUp: Int = 1
    @Option(help: ArgumentHelp("Plants a violation that must be found.", visibility: .hidden))
    var plant: Sabotage?
    @Option(help: "The name of the folder under .build/clusters.")
    var name: String = "survive"
    @Option(
        help: "One fault by itself in place of the kills (needs root): \(Trial.names).")
    var trial: Trial?
    @Option(
        help:
            "Seconds of ten thousand watchers and a thousand puts a second, in place of the kills.")
    var soak: Int?
    @Flag(
        help: ArgumentHelp(
            "Readers ask for what may be old, which must be found.", visibility: .hidden))
    var oldReads = false

    func validate() throws {
        guard (1...1000).contains(clients) else {
            throw ValidationError("--clients must be from 1 to 1000")
        }
        guard kills >= 0, gracefulStops >= 0, totalStops >= 0, pause >= 0 else {
            throw ValidationError("numbers of kills and stops and --pause cannot be negative")
        }
        guard (0...86_400).contains(warmUp) else {
            throw ValidationError("--warm-up must be from 0 to 86400 seconds")
        }
        if let soak, !(20...86_400).contains(soak) {
            throw ValidationError("--soak must be from 20 to 86400 seconds")
        }
        guard ServerProgram.Kind(rawValue: kind) != nil else {
            throw ValidationError("--kind must be keelson or etcd")
        }
    }

    func run() throws {
        let seed = seed ?? UInt64.random(in: 0...UInt64(UInt32.max))
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        defer { try? group.syncShutdownGracefully() }
        if let trial { return try run(trial, group.next()) }
        if let soak { return try runSoak(seconds: soak, group.next()) }
        let cluster = try ServerCluster(name, try program(), keepsData: true)
        say("seed \(seed), data and logs in \(cluster.folder.path)")
        try cluster.start()
        let workload = Workload(
            loop: group.next(), nodes: cluster.nodes, writerCount: clients,
            pauseMilliseconds: pause, hasDefiniteTexts: kind == "keelson")
        let control = ControlClient(loop: group.next())
        var chaos = Chaos(cluster: cluster, workload: workload, control: control, seed: seed)

        let begin = ContinuousClock.now
        try workload.start()
        chaos.letRun(seconds: warmUp)
        try rampage(&chaos)
        try workload.stop()
        let seconds = (ContinuousClock.now - begin).milliseconds / 1e3
        say("checking every write on every node")
        _ = try control.waitForLeader(of: cluster)
        var ledger = try workload.currentLedger()
        try plant?.plant(&ledger, cluster, control)
        let verdict = try Verdict.reach(ledger, cluster, control)

        let result = makeReport(seed, seconds, ledger, verdict, chaos)
        say(result.text)
        if let report { try result.write(to: report) }
        if !result.violations.isEmpty { throw ExitCode(1) }
        try cluster.stopAll()
        cluster.removeData()
    }

    private func rampage(_ chaos: inout Chaos) throws {
        for number in 0..<kills {
            try chaos.killLeader()
            say("leader killed \(number + 1)/\(kills)", chaos.outagesAfterKill.last)
        }
        for number in 0..<gracefulStops {
            try chaos.stopLeader()
            say("leader stopped \(number + 1)/\(gracefulStops)", chaos.outagesAfterStop.last)
        }
        for number in 0..<totalStops {
            try chaos.killAll()
            say("all killed \(number + 1)/\(totalStops)", chaos.outagesAfterTotalStop.last)
        }
    }

    func program() throws -> ServerProgram {
        if let server {
            return ServerProgram(kind: ServerProgram.Kind(rawValue: kind) ?? .keelson, path: server)
        }
        return try ServerProgram.underTest()
    }

    private func say(_ what: String, _ outage: Double? = nil) {
        let suffix = outage.map { String(format: ": %.0f ms without a write", $0) } ?? ""
        print(what + suffix)
        fflush(nil)
    }

    private func makeReport(
        _ seed: UInt64, _ seconds: Double, _ ledger: Ledger, _ verdict: Verdict, _ chaos: Chaos
    ) -> SurviveReport {
        SurviveReport(
            server: kind, seed: seed, clients: clients, seconds: seconds, writes: ledger.counts,
            unknownButDone: verdict.unknownButDone, keys: verdict.keyCount,
            revision: verdict.revision, hashes: verdict.hashes,
            withoutWritesAfterKillMilliseconds: .init(chaos.outagesAfterKill),
            withoutWritesAfterGracefulStopMilliseconds: .init(chaos.outagesAfterStop),
            withoutWritesAfterTotalStopMilliseconds: .init(chaos.outagesAfterTotalStop),
            allReadyAfterTotalStopMilliseconds: .init(chaos.timesToReady),
            aroundKills: SurviveReport.KillTrace.all(ledger, chaos),
            failureReasons: ledger.reasons, violations: verdict.violations)
    }
}
