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

            Connections that are lost are made again, and the backup goes on where it stopped. So
            does the same command after one that was interrupted: members keep what they were
            sending for ten minutes. It is the state of the first one's beginning then. Where nobody
            has the rest any more, the backup begins anew, and says so.

            With authentication on, log in as a user with the role root.

            EXAMPLES:
              keelson backup take --endpoints 10.0.0.1:2379,10.0.0.2:2379 --out monday.kbk
              keelson backup take --out monday.kbk --limit-rate 20
            """)

    @Option(help: ArgumentHelp("The file to write; it must not be there.", valueName: "file"))
    var out: String

    @Flag(help: "Take what the member has, also where no majority of the members answers.")
    var serializable = false

    @Flag(help: "Begin anew, whatever an interrupted command left in FILE.part.")
    var restart = false

    @Option(help: ArgumentHelp("At most so many MiB a second.", valueName: "rate"))
    var limitRate: Double?

    @OptionGroup var key: KeyFileOptions
    @OptionGroup var cluster: ClusterOptions

    func validate() throws {
        if let limitRate, !(limitRate > 0) {
            throw ValidationError("--limit-rate must be above 0")
        }
    }

    func run() async throws {
        let seal = try key.seal()
        let file = BackupFile(try writer(seal), bytesPerSecond: limitRate.map { $0 * 1_048_576 })
        let summary = try await cluster.withCluster { cluster in
            let download = BackupDownload(cluster, file, isSerializable: serializable)
            do {
                try await download.run()
                return try await file.finish()
            } catch let error as ClusterError {
                // What came is worth another attempt: the next `take` looks for it.
                guard try await file.leave() else { throw error }
                Output.complain(
                    "what came so far is in \(out).part: the same command, soon, goes on with it")
                throw error
            } catch {
                await file.discard()
                throw error
            }
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

    /// Goes on with what an earlier process left.
    private func writer(_ seal: BackupSeal?) throws -> BackupWriter {
        let disk = PosixFileSystem()
        do throws(BackupError) {
            if !restart, let writer = try BackupWriter.resume(out, seal: seal, fileSystem: disk) {
                return writer
            }
            return try BackupWriter(out, .now(), seal: seal, fileSystem: disk)
        } catch {
            guard error.isAboutKey else { throw Failure(error) }
            throw Failure(
                .usage, "\(error)",
                advice: "an interrupted command left that file; --restart begins anew without it")
        }
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
