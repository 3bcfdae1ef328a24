internal import Backup
internal import ControlPlane
internal import Histogram
internal import KeelsonClient
internal import Primitives
internal import Storage

/// Brings a cluster's log into an archive, whatever happens to single members.
actor LogFollower {
    private let archive: ArchiveWriter
    private let seal: BackupSeal?
    private let baseEvery: Duration
    private let bytesPerSecond: Double?
    private var nextBase: ContinuousClock.Instant
    /// A backup on its way in, and what came of it. The log goes on meanwhile: members keep it no
    /// longer than they need it.
    private var baseTask: Task<Void, Never>?
    private var baseResult: Result<BackupSummary, any Error>?
    private var bases = 0
    /// Endpoints in a row that have not got the next entry any more.
    private var goneCount = 0
    /// Nobody has the next entry: the log goes on behind a new backup.
    private var isInGap = false
    /// Milliseconds from a leader's stamp to the sync here.
    private var lag = Histogram<UInt64>(
        highestTrackableValue: 86_400_000, numberOfSignificantValueDigits: .three)
    /// What the member that answered last had, and the archive has not.
    private var entriesBehind: UInt64 = 0
    private var gaps = 0
    private var progress = ProgressLine("archiving")
    private var complaint = ""

    private static let retryPause: Duration = .milliseconds(300)
    private static let baseRetryPause: Duration = .seconds(5)

    /// - Parameter bytesPerSecond: how fast backups are read, at most.
    init(
        _ archive: sending ArchiveWriter, seal: BackupSeal?, baseEvery: Duration,
        bytesPerSecond: Double?
    ) {
        self.seal = seal
        self.baseEvery = baseEvery
        self.bytesPerSecond = bytesPerSecond
        let now = TimeOfDay.milliseconds()
        let age = archive.newestBaseTakenAt.map { Duration.milliseconds(now - min(now, $0)) }
        nextBase = .now + (age.map { max(.zero, baseEvery - $0) } ?? .zero)
        self.archive = archive
    }

    func run(_ cluster: Cluster, until stop: StopSignal) async throws {
        do {
            try await follow(cluster, until: stop)
        } catch {
            await endBase(cluster)
            throw error
        }
        await endBase(cluster)
        progress.clear()
    }

    private func follow(_ cluster: Cluster, until stop: StopSignal) async throws {
        while !stop.isSet {
            do {
                try takeInBase(cluster)
                if baseTask == nil, ContinuousClock.now >= nextBase { startBase(cluster) }
                if archive.clusterID == nil || isInGap {
                    try await Task.sleep(for: .milliseconds(20))
                } else {
                    try await takeEntries(cluster, stop.patience)
                    complaint = ""
                }
            } catch let error as ClusterError {
                // Members come back; what the archive is for is that it goes on.
                guard error.isPassing else { throw error }
                complain("\(error.message)")
                // Who does not answer at all is asked last next time.
                cluster.preferNextEndpoint()
                try await Task.sleep(for: Self.retryPause)
            }
        }
    }

    private func startBase(_ cluster: Cluster) {
        archive.beginFile()
        let path = archive.incomingPath
        let (rate, seal) = (bytesPerSecond, self.seal)
        baseTask = Task {
            do {
                baseResult = .success(try await Self.takeBase(cluster, to: path, seal, rate))
            } catch {
                baseResult = .failure(error)
            }
        }
    }

    private static func takeBase(
        _ cluster: Cluster, to path: String, _ seal: BackupSeal?, _ bytesPerSecond: Double?
    ) async throws -> BackupSummary {
        let file = BackupFile(
            try Failure.describing { () throws(BackupError) in
                try BackupWriter(path, .now(), seal: seal, fileSystem: PosixFileSystem())
            }, bytesPerSecond: bytesPerSecond)
        do {
            try await BackupDownload(cluster, file, isSerializable: false).run()
            return try await file.finish()
        } catch {
            await file.discard()
            throw error
        }
    }

    private func takeInBase(_ cluster: Cluster) throws {
        guard let result = baseResult else { return }
        baseResult = nil
        baseTask = nil
        switch result {
        case .success(let summary):
            try Failure.describing { () throws(BackupError) in try archive.adopt(summary) }
            if isInGap { archive.skipToBase() }
            isInGap = false
            bases += 1
            nextBase = .now + baseEvery
        case .failure(let error):
            nextBase = .now + (archive.clusterID == nil ? Self.retryPause : Self.baseRetryPause)
            guard let error = error as? ClusterError, error.isPassing else { throw error }
            complain("\(error.message)")
            cluster.preferNextEndpoint()
        }
    }

    /// What is half done when the command ends is removed.
    private func endBase(_ cluster: Cluster) async {
        baseTask?.cancel()
        await baseTask?.value
        try? takeInBase(cluster)
    }

    private func takeEntries(_ cluster: Cluster, _ patience: Duration) async throws {
        let portion = try await cluster.log(
            from: archive.lastIndex.next.rawValue, waiting: patience)
        if let known = archive.clusterID, known.rawValue != portion.clusterID {
            throw Failure(
                .failed,
                "\(archive.directory) is the archive of cluster \(known), and"
                    + " \(ClusterID(portion.clusterID)) answers",
                advice: "give each cluster, a restored one too, a directory of its own")
        }
        defer {
            entriesBehind =
                portion.appliedIndex - min(portion.appliedIndex, archive.lastIndex.rawValue)
        }
        if portion.isGone { return gone(cluster) }
        goneCount = 0
        guard !portion.entries.isEmpty else {
            // Whoever is cut off from the others has nothing new either.
            cluster.preferNextEndpoint()
            return
        }
        let clock = portion.entries.lazy.reversed().compactMap { ArchiveClock.clock(of: $0) }.first
        try Failure.describing { () throws(BackupError) in
            try archive.append(
                portion.entries, clock: clock ?? 0, archivedAt: TimeOfDay.milliseconds())
        }
        let now = TimeOfDay.milliseconds()
        for entry in portion.entries {
            guard let clock = ArchiveClock.clock(of: entry) else { continue }
            _ = lag.record(min(86_400_000, now - min(now, clock)))
        }
        progress.note("entry \(archive.lastIndex), \(lag.valueAtPercentile(50)) ms behind")
    }

    /// A member that came in by a snapshot has a shorter log than the others.
    private func gone(_ cluster: Cluster) {
        goneCount += 1
        cluster.preferNextEndpoint()
        guard goneCount >= cluster.endpoints.count else { return }
        goneCount = 0
        gaps += 1
        isInGap = true
        nextBase = .now
        complain(
            "the members have not got entry \(archive.lastIndex.next) any more: going on behind a"
                + " new backup; moments between cannot be restored")
    }

    private func complain(_ text: String) {
        guard text != complaint else { return }
        complaint = text
        progress.clear()
        Output.complain(text)
    }

    func report(_ format: OutputFormat) {
        var output = Output()
        let (p50, p99) = (lag.valueAtPercentile(50), lag.valueAtPercentile(99))
        switch format {
        case .text:
            output.line(
                "\(archive.directory): \(archive.entryCount) entries up to \(archive.lastIndex),"
                    + " \(ByteCount.text(Int64(clamping: archive.byteCount))), \(bases) backups")
            output.line(
                "lag: p50 \(p50) ms, p99 \(p99) ms, most \(lag.max) ms; \(entriesBehind) entries"
                    + " behind when last asked, \(gaps) gaps")
        case .json:
            output.line(
                .object([
                    ("entries", .unsigned(archive.entryCount)),
                    ("lastIndex", .unsigned(archive.lastIndex.rawValue)),
                    ("bytes", .unsigned(archive.byteCount)), ("bases", .integer(Int64(bases))),
                    ("gaps", .integer(Int64(gaps))), ("lagP50Milliseconds", .unsigned(p50)),
                    ("lagP99Milliseconds", .unsigned(p99)),
                    ("lagMaxMilliseconds", .unsigned(lag.max)),
                    ("entriesBehind", .unsigned(entriesBehind)),
                ]))
        }
        output.flush()
    }
}

extension ClusterError {
    /// Whether another attempt, perhaps at another member, may go better.
    fileprivate var isPassing: Bool {
        switch code {
        case .unavailable, .deadlineExceeded, .outcomeUnknown, .resourceExhausted: true
        default: false
        }
    }
}
