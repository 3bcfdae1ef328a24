internal import Backup
internal import ControlPlane
internal import KeelsonClient
internal import Primitives
internal import Storage

/// Brings a member's state into a file, whatever happens to connections: what came is kept, and the
/// rest asked for where it is.
///
/// Once nothing has come, nothing is tried again: who asks hears at once that nobody answers.
struct BackupDownload {
    private let cluster: Cluster
    private let file: BackupFile
    private let isSerializable: Bool

    init(_ cluster: Cluster, _ file: BackupFile, isSerializable: Bool) {
        self.cluster = cluster
        self.file = file
        self.isSerializable = isSerializable
    }

    /// Returns once all of it has come.
    func run() async throws {
        var policy = ResumePolicy(endpointCount: cluster.endpoints.count)
        if await !file.isEmpty, await file.resumePoint == nil, await !file.isComplete {
            Output.complain("what was interrupted cannot be gone on with: beginning anew")
            try await file.beginAnew()
        }
        while await !file.isComplete {
            do {
                try await attempt()
                await note(&policy)
                // A stream that ends well before its trailer is none; the file says which.
                return
            } catch let error as ClusterError {
                await note(&policy)
                guard try await mayGoOn(after: error, &policy) else { throw error }
            }
        }
    }

    private func attempt() async throws {
        let point = await file.beginAttempt()
        try await cluster.backup(isSerializable: isSerializable, resumePoint: point) {
            try await file.append($0)
        }
    }

    /// Tells the policy what came.
    private func note(_ policy: inout ResumePolicy) async {
        let came = await file.takeNews()
        if came.beginning { policy.began() }
        if came.anything { policy.progressed() }
    }

    private func mayGoOn(
        after error: ClusterError, _ policy: inout ResumePolicy
    ) async throws -> Bool {
        guard await !file.isEmpty else { return false }
        let point = await file.resumePoint
        let next: ResumePolicy.Next
        if error.code == .notFound, point != nil {
            // It can only go on at the member that sent what came before.
            cluster.preferNextEndpoint()
            next = policy.isGone(at: error.endpoint ?? "")
        } else if error.mayPass {
            next = policy.failed(canGoOn: point != nil)
        } else {
            return false
        }
        switch next {
        case .giveUp: return false
        case .anew:
            await file.complain("no member keeps the rest any more: beginning anew")
            try await file.beginAnew()
        case .again(let pause):
            if pause == .zero { return true }
            await file.complain(
                error.reason + (point == nil ? ": beginning anew soon" : ": trying to go on"))
            do { try await Task.sleep(for: pause) } catch { return false }
        }
        return true
    }
}

extension ClusterError {
    /// In a few words.
    fileprivate var reason: String {
        switch code {
        case .notFound: "the members that answer do not keep the rest"
        case .unavailable where endpoint == nil: "no endpoint answers"
        default: message
        }
    }

    /// Whether the same question may be answered next time, perhaps by another member.
    fileprivate var mayPass: Bool {
        switch code {
        case .unavailable, .deadlineExceeded, .outcomeUnknown, .resourceExhausted, .server,
            .malformedAnswer:
            true
        // The client logs in again.
        case .unauthenticated: message.hasSuffix("etcdserver: invalid auth token")
        // By the server: who cancels here does not want to go on.
        case .cancelled: !Task.isCancelled
        default: false
        }
    }
}

extension BackupDescription {
    /// Of a backup that begins now.
    static func now() -> BackupDescription {
        BackupDescription(
            takenAt: TimeOfDay.milliseconds(), program: "keelson \(KeelsonVersion.keelson)")
    }
}

/// The file while it is written.
actor BackupFile {
    private var writer: BackupWriter
    private var progress = ProgressLine("backing up")
    private var expected: UInt64 = 0
    private let bytesPerSecond: Double?
    /// When the present attempt began, and what the file had then.
    private var start = ContinuousClock.now
    private var startByteCount = 0
    /// What was there before the present attempt is to be gone on with, and whether that was said.
    private var goesOn = false
    private var news = News()
    private var complaint = ""

    /// What came since somebody asked.
    struct News {
        /// A stream's first chunk.
        var beginning = false
        var anything = false
    }

    init(_ writer: sending BackupWriter, bytesPerSecond: Double?) {
        self.writer = writer
        self.bytesPerSecond = bytesPerSecond
    }

    /// Nothing has come, in this process or an earlier one.
    var isEmpty: Bool { !writer.hasBegun }
    var isComplete: Bool { writer.isComplete }
    /// Where the stream goes on; nil where it has to begin anew.
    var resumePoint: [UInt8]? { writer.resumePoint?.encode() }

    /// What to ask for.
    func beginAttempt() -> [UInt8]? {
        start = .now
        startByteCount = writer.byteCount
        goesOn = writer.resumePoint != nil
        return resumePoint
    }

    func takeNews() -> News {
        defer { news = News() }
        return news
    }

    func append(_ piece: BackupPiece) async throws {
        if SnapshotChunk.begins(piece.chunk) { try takeBeginning() }
        expected = max(expected, piece.estimatedBytes)
        if goesOn {
            goesOn = false
            complain(
                "going on at \(Int(min(1, share) * 100)) %"
                    + " (\(ByteCount.text(Int64(writer.byteCount)))) with the backup of"
                    + " \(TimeOfDay.text(writer.description.takenAt))")
        }
        try Failure.describing { () throws(BackupError) in try writer.append(piece.chunk) }
        news.anything = true
        progress.show(share, ByteCount.text(Int64(writer.byteCount)))
        guard let bytesPerSecond else { return }
        let came = writer.byteCount - startByteCount
        let due = start + .seconds(Double(came) / bytesPerSecond)
        if due > .now { try await ContinuousClock().sleep(until: due) }
    }

    /// A stream begins: what there is of another one is of no use.
    private func takeBeginning() throws {
        news.beginning = true
        if goesOn { complain("the member that answers cannot go on: beginning anew") }
        goesOn = false
        if writer.hasBegun { try beginAnew() }
    }

    func beginAnew() throws {
        try Failure.describing { () throws(BackupError) in try writer.beginAnew(.now()) }
        startByteCount = writer.byteCount
        start = .now
        expected = 0
    }

    private var share: Double {
        Double(writer.contentByteCount) / Double(max(1, expected))
    }

    /// Says it, where it was not the last thing said.
    func complain(_ text: String) {
        guard text != complaint else { return }
        complaint = text
        progress.clear()
        Output.complain(text)
    }

    func finish() throws -> BackupSummary {
        progress.clear()
        return try Failure.describing { () throws(BackupError) in try writer.finish() }
    }

    /// Keeps what came for another process; false where that is nothing.
    func leave() throws -> Bool {
        progress.clear()
        return try Failure.describing { () throws(BackupError) in try writer.leave() }
    }

    func discard() {
        progress.clear()
        writer.discard()
    }
}
