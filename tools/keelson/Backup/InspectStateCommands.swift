internal import ArgumentParser
internal import Backup
internal import Primitives
internal import StateMachine
internal import Storage

struct InspectCheckpointCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint",
        abstract: "Print what a server's checkpoint holds.",
        discussion: """
            The newest checkpoint, or the one before it; entries of the log behind it are not in it.

            EXAMPLE:
              keelson inspect checkpoint /var/lib/keelson --key config/motd
            """)

    @Argument(help: ArgumentHelp("The server's --data-dir.", valueName: "path"))
    var path: String

    @Flag(help: "The checkpoint before the newest.")
    var previous = false

    @OptionGroup var options: InspectStateOptions

    func run() throws {
        let state = try Failure.describing { () throws(BackupError) in
            try MemberDirectory(path, fileSystem: PosixFileSystem()).checkpoint(previous: previous)
        }
        try options.print(state)
    }
}

struct InspectBackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Print what a backup, an archive or a snapshot of etcd's holds.",
        discussion: """
            All of it is read and checked first. `keelson backup open` makes a database of it.

            EXAMPLES:
              keelson inspect backup monday.kbk --key config/motd
              keelson inspect backup /backup/cluster --to-time 2026-11-30T10:42:00Z -o json
            """)

    @Argument(help: ArgumentHelp("The file, or an archive's directory.", valueName: "path"))
    var path: String

    @OptionGroup var moment: ArchiveMomentOptions
    @OptionGroup var keyFile: KeyFileOptions
    @OptionGroup var options: InspectStateOptions

    func run() throws {
        try options.print(try BackupLoading.load(path, cut: try moment.cut(), keyFile))
    }
}

/// What of a state is printed, and how.
struct InspectStateOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Every version of this key; without it, live keys.", valueName: "key"))
    var key: String?

    @Option(
        help: ArgumentHelp(
            "Versions of these revisions only: 5, 5-9 or 5-.", valueName: "range"))
    var revision: NumberRange?

    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: ArgumentHelp("How to print.", valueName: "format"))
    var format = OutputFormat.text

    func print(_ state: BackupState) throws {
        let store = state.store
        let recordsFloor = store.compactedRevision(of: .datacenter)
        let records = found(in: store)
        var output = Output()
        switch format {
        case .text:
            output.line(
                "\(state.path): revision \(store.revision), compacted at"
                    + " \(store.compactedRevision) (records at \(recordsFloor)), index"
                    + " \(store.appliedIndex), term"
                    + " \(store.appliedTerm)")
            output.line(
                "\(store.keyCount) keys in \(store.recordCount) versions, \(store.leases.count)"
                    + " leases, \(store.auth.users.count) users, \(store.members.records.count)"
                    + " members")
            for notice in state.notices { output.line("note: \(notice)") }
            output.table(
                ["REVISION", "KEY", "CREATED", "VERSION", "LEASE", "BYTES"],
                records.map { record in
                    [
                        "\(record.modRevision)",
                        PrintableBytes.text(record.key.storage), "\(record.createRevision)",
                        record.isTombstone ? "deleted" : "\(record.version)",
                        record.lease == 0 ? "-" : "\(LeaseID(record.lease))",
                        "\(record.value.count)",
                    ]
                })
        case .json: output.line(Self.json(state, records))
        }
        output.flush()
    }

    private func found(in store: Store) -> [Record] {
        let wanted = key.map { Array($0.utf8) }
        var found: [Record] = []
        store.freeze().forEachRecord { _, record in
            if let revision, !revision.range.contains(UInt64(max(0, record.modRevision))) { return }
            if let wanted {
                if record.key.storage == wanted { found.append(record) }
            } else if revision != nil || store.isLive(record) {
                found.append(record)
            }
        }
        return found
    }

    private static func json(_ state: BackupState, _ records: [Record]) -> JSONValue {
        let store = state.store
        return .object([
            ("path", .string(state.path)), ("revision", .integer(store.revision.rawValue)),
            ("compactedRevision", .integer(store.compactedRevision.rawValue)),
            (
                "recordsCompactedRevision",
                .integer(store.compactedRevision(of: .datacenter).rawValue)
            ),
            ("index", .unsigned(store.appliedIndex.rawValue)),
            ("term", .unsigned(store.appliedTerm.rawValue)), ("clock", .unsigned(store.clock)),
            (
                "members",
                .array(
                    store.members.records.map { member in
                        .object([
                            ("id", .string("\(member.id)")), ("name", .string(member.name)),
                            ("role", .string("\(member.role)")),
                            ("peerURLs", .array(member.peerURLs.map { .string($0) })),
                        ])
                    })
            ),
            (
                "leases",
                .array(
                    store.leases.all.map { lease in
                        .object([
                            ("id", .string("\(LeaseID(lease.id))")),
                            ("seconds", .integer(lease.grantedSeconds)),
                        ])
                    })
            ),
            ("users", .array(store.auth.users.map { .string(PrintableBytes.text($0.name)) })),
            (
                "records",
                .array(
                    records.map { record in
                        .object([
                            ("key", .base64(record.key.storage)),
                            ("value", .base64(record.value)),
                            ("createRevision", .integer(record.createRevision)),
                            ("modRevision", .integer(record.modRevision)),
                            ("version", .integer(record.version)),
                            ("lease", .integer(record.lease)),
                            ("deleted", .bool(record.isTombstone)),
                        ])
                    })
            ),
            ("notices", .array(state.notices.map { .string($0) })),
        ])
    }
}

extension Store {
    /// Whether the record is the newest version of its key, and no deletion.
    fileprivate func isLive(_ record: Record) -> Bool {
        record.withKey { get($0) }?.isSame(as: record) ?? false
    }
}
