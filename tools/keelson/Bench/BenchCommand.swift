internal import ArgumentParser
internal import KeelsonClient
internal import NIOCore
internal import NIOPosix
internal import RPC

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure any server that speaks the etcd v3 API.",
        discussion: """
            Connections are spread over the endpoints; on each, --streams calls are outstanding at
            a time, the next one as soon as one is answered (or --rate a second). range, mixed, txn
            and lease first make the keys or leases that they need. mixed reads and writes on the
            same connections. watch puts --streams watches of one
            prefix on each connection and counts the events that --writers writes cause. One event
            loop does it all; its own share of the processors is part of the result.

            tasks registers --connections agents without processes, has one framework fill each of
            them with --streams tasks, and holds all for --duration: kill the leader meanwhile.
            agents does so without the framework: services, or what you start, find that room.
            allocator asks no servers: it measures the allocator for so many agents and tasks.

            The keys lie under /bench/ and /bench-watch/ and stay; leases live for an hour.

            EXAMPLES:
              keelson bench --target put --connections 100 --streams 10 --total 200000
              keelson bench --target put --connections 1 --streams 1 --duration 10s -o json
              keelson bench --target mixed --connections 1000 --streams 1 --duration 10s
              keelson bench --target range --range-keys 1000 --connections 8 --streams 1 --total 800
              keelson bench --target watch --connections 10 --streams 100 --total 1000
              keelson bench --target tasks --connections 1000 --streams 20 --duration 30s
            """)

    @Option(
        help: """
            put, range, range-serializable, mixed, txn, watch, lease, tasks, agents or allocator.
            """)
    var target = BenchTarget.put

    @Option(help: "Connections, or agents.")
    var connections = 10

    @Option(help: "Outstanding calls, or watches, on each connection; or tasks on each agent.")
    var streams = 10

    @Option(help: "Calls to measure; for watch, writes. Without it and --duration: 100000.")
    var total: Int?

    @Option(help: "Measure for so long instead: a number with ms, s, m or h.")
    var duration: TimeSpan?

    @Option(help: "Calls to make before measuring; without it twice what is outstanding, or 1000.")
    var warmUp: Int?

    @Option(help: "Calls to start a second, whatever the answers do.")
    var rate: Double?

    @Option(help: "Size of the values in bytes.")
    var valueBytes = 256

    @Option(help: "How many keys, or leases, there are.")
    var keyCount = 10_000

    @Flag(help: "Take the keys in their order instead of at random.")
    var sequential = false

    @Option(help: "Keys that each read asks for, in one range.")
    var rangeKeys = 1

    @Option(help: "How many of a hundred calls of the target mixed read.")
    var reads = 80

    @Flag(help: "An earlier run made the keys, or the leases from --first-lease on.")
    var prepared = false

    @Option(help: "The id of the first lease, a number; without it ids that are new.")
    var firstLease: Int64?

    @Option(help: "In JSON, count for each span of this length: a number with ms, s, m or h.")
    var interval: TimeSpan?

    @Option(help: "Outstanding writes of the target watch.")
    var writers = 10

    @Flag(help: "Use only the endpoint that leads.")
    var leaderOnly = false

    @Option(help: "The seed of keys and values.")
    var seed: UInt64 = 1

    @OptionGroup var cluster: ClusterOptions

    func validate() throws {
        try check("--connections", connections, 1...20_000)
        try check("--streams", streams, 1...10_000)
        try check("--total", total ?? 1, 1...1_000_000_000_000)
        try check("--warm-up", warmUp ?? 0, 0...1_000_000_000)
        try check("--value-bytes", valueBytes, (target == .watch ? 8 : 0)...(64 << 20))
        try check("--key-count", keyCount, 1...min(RequestTemplate.keysMax, 1 << 31))
        try check("--writers", writers, 1...10_000)
        try check("--range-keys", rangeKeys, 1...min(keyCount, BenchCommand.rangeKeysMax))
        try check("--reads", reads, 0...100)
        try check("--first-lease", Int(firstLease ?? 1), 1...(1 << 62))
        if prepared, target == .lease, firstLease == nil {
            throw ValidationError("--prepared needs to know which leases: add --first-lease.")
        }
        if let interval, interval.duration < .milliseconds(1) {
            throw ValidationError("--interval must be 1 ms or more.")
        }
        if let rate, !(rate >= 1 && rate <= 100_000_000) {
            throw ValidationError("--rate must be from 1 to 100000000, not \(rate).")
        }
        if total != nil, duration != nil {
            throw ValidationError("--total and --duration exclude each other.")
        }
    }

    private static let rangeKeysMax = 1_000_000

    private func check(_ name: String, _ value: Int, _ range: ClosedRange<Int>) throws {
        guard range ~= value else {
            throw ValidationError(
                "\(name) must be from \(range.lowerBound) to \(range.upperBound), not \(value).")
        }
    }

    func run() async throws {
        if target == .tasks || target == .agents { return try await runTasks() }
        if target == .allocator { return try runAllocator() }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let runner = BenchRunner(plan: try await makePlan(), loop: group.next())
        let progress = isatty(STDERR_FILENO) == 1 ? Task { await show(runner) } : nil
        let report: BenchReport
        do { report = try await runner.run().get() } catch {
            progress?.cancel()
            let text = (error as? RPCStatus)?.message ?? "\(error)"
            throw Failure(
                .unavailable, "the benchmark could not run: \(text)",
                advice: "check that the servers run and that --endpoints names them")
        }
        progress?.cancel()
        var output = Output()
        switch cluster.format {
        case .json: output.line(report.json)
        case .text: report.print(to: &output)
        }
        output.flush()
        try? await group.shutdownGracefully()
        if report.recorder.completedCount == 0 {
            throw Failure(.failed, "not one call succeeded")
        }
    }

    private func runTasks() async throws {
        let isShown = isatty(STDERR_FILENO) == 1
        let report = try await cluster.withCluster { cluster in
            try await TaskLoad(
                agentCount: connections, tasksPerAgent: streams, isFilled: target == .tasks,
                hold: duration?.duration ?? .seconds(1),
                endpoints: try self.cluster.parsedEndpoints(), cluster: cluster,
                timeout: self.cluster.timeout.duration, patience: .seconds(30)
            ) { line in
                if isShown { Output.writeAll(Array((line + "\n").utf8), to: STDERR_FILENO) }
            }.run()
        }
        var output = Output()
        switch cluster.format {
        case .json: output.line(report.json)
        case .text: report.print(to: &output)
        }
        output.flush()
    }

    private func runAllocator() throws {
        let report = try AllocatorLoad(agentCount: connections, tasksPerAgent: streams).run()
        var output = Output()
        switch cluster.format {
        case .json: output.line(report.json)
        case .text: report.print(to: &output)
        }
        output.flush()
    }

    private func makePlan() async throws -> BenchPlan {
        var endpoints = try cluster.parsedEndpoints()
        if leaderOnly {
            let leader = try await cluster.each { try await $0.status() }.first {
                (try? $0.answer.get().isLeader) == true
            }
            guard let leader else {
                throw Failure(
                    .unavailable, "none of the endpoints leads",
                    advice: "name all members with --endpoints, or leave --leader-only out")
            }
            endpoints = [leader.endpoint]
        }
        let outstanding = target == .watch ? writers : connections * streams
        return BenchPlan(
            target: target, endpoints: endpoints,
            tls: endpoints.contains(where: \.usesTLS)
                ? try (cluster.tls.settings ?? TLSSettings()).load() : nil,
            connectionCount: connections,
            streamsPerConnection: streams, total: duration == nil ? total ?? 100_000 : nil,
            durationNanoseconds: duration.map { UInt64($0.duration.milliseconds * 1e6) },
            warmUpCount: warmUp ?? (target == .watch ? 10 : max(2 * outstanding, 1000)),
            rate: rate, valueByteCount: valueBytes, keyCount: keyCount, isSequential: sequential,
            rangeKeyCount: rangeKeys, readPercent: reads, isPrepared: prepared,
            firstLease: firstLease, writerCount: writers,
            intervalNanoseconds: interval.map { UInt64($0.duration.milliseconds * 1e6) },
            stallNanoseconds: UInt64(max(cluster.timeout.duration.milliseconds, 1) * 1e6),
            seed: seed)
    }

    /// A line a second on the terminal.
    private func show(_ runner: BenchRunner) async {
        var last = 0
        var second = 0
        while (try? await Task.sleep(for: .seconds(1))) != nil {
            guard let now = try? await runner.progress().get() else { return }
            second += 1
            let made = now.completed >= last ? now.completed - last : now.completed
            last = now.completed
            let phase = now.isMeasuring ? "measuring" : "preparing"
            let line =
                "\(second) s  \(phase)  \(made)/s  \(now.completed) done  \(now.failed) failed\n"
            Output.writeAll(Array(line.utf8), to: STDERR_FILENO)
        }
    }
}
