internal import ArgumentParser
internal import Backup
internal import ControlPlane
internal import Dispatch
internal import KeelsonClient
internal import Primitives
internal import Storage
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

struct BackupFollowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "follow",
        abstract: "Archive a live cluster's log continuously, to restore it to any moment.",
        discussion: """
            The directory gets a backup first, and then every entry of the log as the cluster
            commits it, each batch synced; and a further backup now and then, so that a restoration
            need not replay everything. It goes on where it stopped: run it as a service. Members
            that fail are replaced by others of --endpoints.

            The lag is the time from a leader's stamp on an entry to its being synced here; the
            clocks of both are compared. SIGTERM or Ctrl-C ends it.

            EXAMPLES:
              keelson backup follow --endpoints 10.0.0.1:2379,10.0.0.2:2379 --to /backup/cluster
              keelson restore /backup/cluster --to-time 2026-11-30T10:42:00Z --name n1 …
            """)

    @Option(help: ArgumentHelp("The archive; made where it is missing.", valueName: "directory"))
    var to: String

    @Option(help: "A further backup so often.")
    var baseEvery = TimeSpan(.seconds(6 * 3600))

    @Option(name: .customLong("for"), help: "End after this time.")
    var limit: TimeSpan?

    @Option(help: ArgumentHelp("Read backups at most so many MiB a second.", valueName: "rate"))
    var limitRate: Double?

    @OptionGroup var cluster: ClusterOptions

    func validate() throws {
        if let limitRate, !(limitRate > 0) {
            throw ValidationError("--limit-rate must be above 0")
        }
    }

    func run() async throws {
        let archive = try Failure.describing { () throws(BackupError) in
            try ArchiveWriter(to, fileSystem: PosixFileSystem())
        }
        let following = LogFollower(
            archive, baseEvery: baseEvery.duration,
            bytesPerSecond: limitRate.map { $0 * 1_048_576 })
        let stop = StopSignal(after: limit?.duration)
        try await cluster.withCluster { try await following.run($0, until: stop) }
        await following.report(cluster.format)
    }
}

/// Set by a signal, or by time.
///
/// `@unchecked Sendable`: the sources are only kept alive.
final class StopSignal: @unchecked Sendable {
    private let sources: [any DispatchSourceSignal]
    private let deadline: ContinuousClock.Instant?
    private let flag = StopFlag()

    init(after limit: Duration?) {
        let flag = self.flag
        deadline = limit.map { .now + $0 }
        sources = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { flag.set() }
            source.resume()
            return source
        }
    }

    var isSet: Bool { flag.isSet || deadline.map { .now >= $0 } ?? false }

    /// How long something may take before somebody has to look again.
    var patience: Duration {
        let left = deadline.map { $0 - .now } ?? .seconds(1)
        return min(max(left, .milliseconds(1)), .milliseconds(500))
    }
}

private final class StopFlag: Sendable {
    private let value = Atomic<Bool>(false)
    var isSet: Bool { value.load(ordering: .relaxed) }
    func set() { value.store(true, ordering: .relaxed) }
}
