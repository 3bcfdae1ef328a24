internal import ArgumentParser
internal import Backup
internal import Primitives
internal import Storage

struct BackupListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Print what an archive holds.",
        discussion: """
            Of each backup only its beginning is read; `keelson backup verify` reads all.

            EXAMPLE:
              keelson backup list /backup/cluster
            """)

    @Argument(help: "The directory of `keelson backup follow`.")
    var directory: String

    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: ArgumentHelp("How to print.", valueName: "format"))
    var format = OutputFormat.text

    func run() throws {
        let archive = try Failure.describing { () throws(BackupError) in
            try Archive(directory, fileSystem: PosixFileSystem())
        }
        var rows: [(Archive.Base, revision: Revision, clock: UInt64)] = []
        for base in archive.bases {
            let position = try Failure.describing { () throws(BackupError) in
                try archive.position(of: base)
            }
            rows.append((base, position.revision, position.clock))
        }
        let logBytes = archive.logs.reduce(0) { $0 + $1.byteCount }
        var output = Output()
        switch format {
        case .text:
            output.table(
                ["BACKUP AT", "REVISION", "INDEX", "SIZE"],
                rows.map { base, revision, clock in
                    [
                        TimeOfDay.text(clock), "\(revision)", "\(base.index)",
                        ByteCount.text(Int64(base.byteCount)),
                    ]
                })
            output.line("log: \(archive.logs.count) files, \(ByteCount.text(Int64(logBytes)))")
        case .json:
            output.line(
                .object([
                    (
                        "bases",
                        .array(
                            rows.map { base, revision, clock in
                                .object([
                                    ("path", .string(base.path)), ("clock", .unsigned(clock)),
                                    ("revision", .integer(revision.rawValue)),
                                    ("index", .unsigned(base.index.rawValue)),
                                    ("bytes", .integer(Int64(base.byteCount))),
                                ])
                            })
                    ), ("logFiles", .integer(Int64(archive.logs.count))),
                    ("logBytes", .integer(Int64(logBytes))),
                ]))
        }
        output.flush()
    }
}

struct BackupPruneCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Remove an archive's oldest backups, and the log that only they need.",
        discussion: """
            Moments from the oldest backup that stays on can be restored afterwards. It may run
            beside `keelson backup follow`.

            EXAMPLE:
              keelson backup prune /backup/cluster --keep 28
            """)

    @Argument(help: "The directory of `keelson backup follow`.")
    var directory: String

    @Option(help: ArgumentHelp("How many of the newest backups stay.", valueName: "count"))
    var keep: Int

    func validate() throws {
        guard keep >= 1 else { throw ValidationError("--keep must be at least 1") }
    }

    func run() throws {
        let gone = try Failure.describing { () throws(BackupError) in
            try Archive(directory, fileSystem: PosixFileSystem()).prune(keeping: keep)
        }
        var output = Output()
        for path in gone { output.line("removed \(path)") }
        output.line("\(gone.count) files removed")
        output.flush()
    }
}
