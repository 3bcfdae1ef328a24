internal import Backup
internal import ControlPlane
internal import Histogram
internal import KeelsonClient
internal import Primitives
internal import Storage

/// Brings a cluster's log into an archive, whatever happens to single members.
actor LogFollower {
    private let archive: ArchiveWriter
    private let baseEvery: Duration
    private var nextBase: ContinuousClock.Instant
    private var bases = 0
    /// Milliseconds from a leader's stamp to the sync here.
    private var lag = Histogram<UInt64>(
        highestTrackableValue: 86_400_000, numberOfSignificantValueDigits: .three)
    /// What the members had that the archive had not, when it asked last.
    private var entriesBehind: UInt64 = 0
    private var gaps = 0
    private var progress = ProgressLine("archiving")
    private var complaint = ""

    private static let retryPause: Duration = .milliseconds(300)

    init(_ archive: sending ArchiveWriter, baseEvery: Duration) {
        nextBase = archive.clusterID == nil ? .now : .now + baseEvery
        self.baseEvery = baseEvery
        self.archive = archive
    }

    func run(_ cluster: Cluster, until stop: StopSignal) async throws {
        while !stop.isSet {
            do {
                if ContinuousClock.now >= nextBase { try await takeBase(cluster) }
                try await takeEntries(cluster, stop.patience)
                complaint = ""
            } catch let error as ClusterError {
                // Members come back; what the archive is for is that it goes on.
                guard error.isPassing else { throw error }
                complain("\(error.message)")
                try await Task.sleep(for: Self.retryPause)
            }
        }
        progress.clear()
    }

    private func takeBase(_ cluster: Cluster) async throws {
        let description = BackupDescription(
            takenAt: TimeOfDay.milliseconds(), program: "keelson \(KeelsonVersion.keelson)")
        let path = archive.incomingPath
        let file = BackupFile(
            try Failure.describing { () throws(BackupError) in
                try BackupWriter(path, description, fileSystem: PosixFileSystem())
            }, bytesPerSecond: nil)
        do {
            try await cluster.backup(isSerializable: false) { try await file.append($0) }
            let summary = try await file.finish()
            try Failure.describing { () throws(BackupError) in try archive.adopt(summary) }
        } catch {
            await file.discard()
            throw error
        }
        bases += 1
        nextBase = .now + baseEvery
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
        entriesBehind = portion.appliedIndex - min(portion.appliedIndex, archive.lastIndex.rawValue)
        if portion.isGone {
            complain(
                "the members have not got entry \(archive.lastIndex.next) any more:"
                    + " going on behind a new backup; moments between cannot be restored")
            gaps += 1
            try await takeBase(cluster)
            archive.skipToBase()
            return
        }
        guard !portion.entries.isEmpty else { return }
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

    private func complain(_ text: String) {
        guard text != complaint else { return }
        complaint = text
        progress.clear()
        Output.writeAll(Array("keelson: \(text)\n".utf8), to: 2)
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
