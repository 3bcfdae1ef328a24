internal import ArgumentParser
internal import Backup
internal import ControlPlane
internal import KeelsonClient
internal import Primitives
internal import Storage

struct BackupTakeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "take",
        abstract: "Write the whole state of a live cluster into one file.",
        discussion: """
            One of the endpoints is read; any member will do, and none pauses. What was acknowledged
            before the command began is in it. The file is written beside its place, checked as it
            comes, synced, and moved there when it is whole.

            With authentication on, log in as a user with the role root.

            EXAMPLES:
              keelson backup take --endpoints 10.0.0.1:2379,10.0.0.2:2379 --out monday.kbk
              keelson backup take --out monday.kbk --limit-rate 20
            """)

    @Option(help: ArgumentHelp("The file to write; it must not be there.", valueName: "file"))
    var out: String

    @Flag(help: "Take what the member has, also where no majority of the members answers.")
    var serializable = false

    @Option(help: ArgumentHelp("At most so many MiB a second.", valueName: "rate"))
    var limitRate: Double?

    @OptionGroup var cluster: ClusterOptions

    func validate() throws {
        if let limitRate, !(limitRate > 0) {
            throw ValidationError("--limit-rate must be above 0")
        }
    }

    func run() async throws {
        let description = BackupDescription(
            takenAt: TimeOfDay.milliseconds(), program: "keelson \(KeelsonVersion.keelson)")
        let file = BackupFile(
            try Failure.describing { () throws(BackupError) in
                try BackupWriter(out, description, fileSystem: PosixFileSystem())
            }, bytesPerSecond: limitRate.map { $0 * 1_048_576 })
        let summary: BackupSummary
        do {
            try await cluster.withCluster { cluster in
                try await cluster.backup(isSerializable: serializable) {
                    try await file.append($0)
                }
            }
            summary = try await file.finish()
        } catch {
            await file.discard()
            throw error
        }
        var output = Output()
        switch cluster.format {
        case .text:
            output.line(
                "\(out): revision \(summary.revision), index \(summary.index), cluster"
                    + " \(summary.clusterID), \(ByteCount.text(Int64(summary.fileByteCount)))")
        case .json: output.line(summary.json)
        }
        output.flush()
    }
}

/// The file while it is written.
actor BackupFile {
    private var writer: BackupWriter
    private var progress = ProgressLine("backing up")
    private var expected: UInt64 = 0
    private let bytesPerSecond: Double?
    private let start = ContinuousClock.now

    init(_ writer: sending BackupWriter, bytesPerSecond: Double?) {
        self.writer = writer
        self.bytesPerSecond = bytesPerSecond
    }

    func append(_ piece: BackupPiece) async throws {
        expected = max(expected, piece.estimatedBytes)
        try Failure.describing { () throws(BackupError) in try writer.append(piece.chunk) }
        progress.show(
            Double(writer.contentByteCount) / Double(max(1, expected)),
            ByteCount.text(Int64(writer.byteCount)))
        guard let bytesPerSecond else { return }
        let due = start + .seconds(Double(writer.byteCount) / bytesPerSecond)
        if due > .now { try await ContinuousClock().sleep(until: due) }
    }

    func finish() throws -> BackupSummary {
        progress.clear()
        return try Failure.describing { () throws(BackupError) in try writer.finish() }
    }

    func discard() {
        progress.clear()
        writer.discard()
    }
}

extension BackupSummary {
    var json: JSONValue {
        .object([
            ("takenAt", .unsigned(description.takenAt)), ("program", .string(description.program)),
            ("cluster", .string("\(clusterID)")), ("member", .string("\(memberID)")),
            ("index", .unsigned(index.rawValue)), ("term", .unsigned(term.rawValue)),
            ("revision", .integer(revision.rawValue)), ("clock", .unsigned(clock)),
            ("rows", .unsigned(rowCount)), ("blocks", .unsigned(blockCount)),
            ("contentBytes", .unsigned(contentByteCount)),
            ("fileBytes", .integer(Int64(fileByteCount))), ("sha256", .string(digest)),
        ])
    }
}
