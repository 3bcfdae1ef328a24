internal import ArgumentParser
internal import Backup
internal import ControlPlane
internal import Primitives
internal import StateMachine
internal import Storage

/// Reading a file whole, with a line of progress.
enum BackupLoading {
    static func load(_ path: String, cut: ArchiveCut = .end) throws -> BackupState {
        var progress = ProgressLine("reading")
        defer { progress.clear() }
        return try Failure.describing { () throws(BackupError) in
            try BackupState.load(path, cut: cut, fileSystem: PosixFileSystem()) {
                progress.show($0)
            }
        }
    }
}

struct BackupVerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Read a backup whole, check all of it, and say what is in it.",
        discussion: """
            Every block's checksum, the hash over the whole, and that what is in it is a state. Also
            reads etcd's snapshots, and archives: each backup and each file of the log in them, and
            whether entries are missing between. The exit status is 65 where something is damaged,
            cut off, of another kind or of a newer version.

            EXAMPLE:
              keelson backup verify monday.kbk -o json
            """)

    @Argument(help: "The file to read, or the directory of `keelson backup follow`.")
    var file: String

    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: ArgumentHelp("How to print.", valueName: "format"))
    var format = OutputFormat.text

    func run() throws {
        var state = try BackupLoading.load(file)
        if case .archive = state.origin {
            let survey = try survey()
            if let fault = survey.faults.first {
                throw Failure(
                    .untrustworthyData, "\(fault)",
                    advice:
                        "\(survey.faults.count) files are damaged; the newest state can be restored"
                )
            }
            state.notices += survey.gaps.map {
                "entries \($0.first) to \($0.last) are missing: moments there cannot be restored"
            }
        }
        let store = state.store
        var output = Output()
        switch format {
        case .text:
            switch state.origin {
            case .backup(let summary):
                output.line(
                    "\(file): taken \(TimeOfDay.text(summary.description.takenAt)) by"
                        + " \(summary.description.program) from member \(summary.memberID) of"
                        + " cluster \(summary.clusterID)")
                output.line("sha256 \(summary.digest)")
            case .etcd: output.line("\(file): a snapshot of etcd")
            case .member(let identity, _, _):
                output.line("\(file): member \(identity.memberID) of cluster \(identity.clusterID)")
            case .archive(let base, let last):
                output.line(
                    "\(file): an archive of cluster \(base.clusterID), from a backup at index"
                        + " \(base.index) on, up to index \(last)")
            }
            let clock = store.clock > 0 ? ", clock \(TimeOfDay.text(store.clock))" : ""
            output.line(
                "revision \(store.revision), index \(store.appliedIndex), term"
                    + " \(store.appliedTerm)\(clock)")
            output.line(
                "\(store.keyCount) keys in \(store.recordCount) versions, \(store.leases.count)"
                    + " leases, \(store.auth.users.count) users")
            for notice in state.notices { output.line("note: \(notice)") }
            output.line("whole")
        case .json: output.line(.object(Self.members(state)))
        }
        output.flush()
    }

    private func survey() throws -> ArchiveSurvey {
        var progress = ProgressLine("checking")
        defer { progress.clear() }
        return try Failure.describing { () throws(BackupError) in
            try Archive(file, fileSystem: PosixFileSystem()).survey { progress.show($0) }
        }
    }

    private static func members(_ state: BackupState) -> [(String, JSONValue)] {
        let store = state.store
        var members: [(String, JSONValue)] = [("file", .string(state.path))]
        switch state.origin {
        case .backup(let summary): members += [("backup", summary.json)]
        case .archive(let base, let last):
            members += [("base", base.json), ("lastIndex", .unsigned(last.rawValue))]
        case .member(let identity, _, _):
            members.append(("member", .string("\(identity.memberID)")))
        case .etcd(let hasDigest): members += [("etcd", .object([("digest", .bool(hasDigest))]))]
        }
        return members + [
            ("revision", .integer(store.revision.rawValue)),
            ("keys", .integer(Int64(store.keyCount))),
            ("versions", .integer(Int64(store.recordCount))),
            ("leases", .integer(Int64(store.leases.count))),
            ("users", .integer(Int64(store.auth.users.count))),
            ("notices", .array(state.notices.map { .string($0) })),
        ]
    }
}

struct BackupOpenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "open",
        abstract: "Make a SQLite database of a backup, for the sqlite3 shell.",
        discussion: """
            Tables and views are described in docs/backup.md; `.schema` shows them. Values are in it
            as they are, passwords' hashes are not.

            EXAMPLES:
              keelson backup open monday.kbk --out monday.sqlite
              sqlite3 monday.sqlite "SELECT key_text, mod_revision FROM keys WHERE lease <> 0"
              keelson backup open /backup/cluster --to-time 2026-11-30T10:42:00Z --out then.sqlite
            """)

    @Argument(help: "The backup, an archive, or a snapshot of etcd's.")
    var file: String

    @Option(help: ArgumentHelp("The database to write; it must not be there.", valueName: "file"))
    var out: String

    @OptionGroup var moment: ArchiveMomentOptions

    func run() throws {
        let state = try BackupLoading.load(file, cut: try moment.cut())
        try Failure.describing { () throws(BackupError) in
            try BackupDatabase.write(state, to: out, fileSystem: PosixFileSystem())
        }
        Output.say("\(out): \(state.store.keyCount) keys, revision \(state.store.revision)")
    }
}

struct BackupExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write a backup as a snapshot that etcd's own tools take.",
        discussion: """
            Keys with their history, leases, users and roles are in the snapshot; passwords are not,
            and authentication is off in it. The datacenter's records are left out.

            EXAMPLES:
              keelson backup export --etcd monday.kbk --out monday.db
              etcdutl snapshot restore monday.db --data-dir new
            """)

    @Option(help: ArgumentHelp("The backup to read.", valueName: "file"))
    var etcd: String

    @Option(help: ArgumentHelp("The file to write; it must not be there.", valueName: "file"))
    var out: String

    @OptionGroup var moment: ArchiveMomentOptions

    private static let pieceBytes = 1 << 20

    func run() throws {
        let state = try BackupLoading.load(etcd, cut: try moment.cut())
        var snapshot = try SnapshotFile(state.store.freeze())
        let file = try Failure.describing { () throws(BackupError) in
            try PartFile(out, fileSystem: PosixFileSystem())
        }
        do {
            while true {
                let piece = try snapshot.next(bytesMin: Self.pieceBytes)
                try Failure.describing { () throws(BackupError) in try file.append(piece) }
                // The digest comes last, and alone.
                if piece.count == SnapshotFile.digestBytes { break }
            }
            try Failure.describing { () throws(BackupError) in try file.finish() }
        } catch {
            file.discard()
            throw error
        }
        Output.say("\(out): \(ByteCount.text(Int64(file.byteCount)))")
    }
}
