internal import ArgumentParser
internal import Backup
internal import Primitives
internal import StateMachine
internal import Storage

struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Look into a log, a checkpoint or a backup, without a server.",
        discussion: """
            Nothing is changed. A server whose directory is looked into must not run; take a backup
            of one that does.
            """,
        subcommands: [
            InspectLogCommand.self, InspectCheckpointCommand.self, InspectBackupCommand.self,
        ])
}

/// Numbers from a first one to a last one: `5`, `5-9` or `5-`.
struct NumberRange: ExpressibleByArgument {
    let range: ClosedRange<UInt64>

    init?(argument: String) {
        let parts = argument.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = UInt64(parts[0]) else { return nil }
        var bound: UInt64? = first
        if parts.count > 1 { bound = parts[1].isEmpty ? .max : UInt64(parts[1]) }
        guard let last = bound, first <= last else { return nil }
        range = first...last
    }
}

struct InspectLogCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log",
        abstract: "Print entries of a log.",
        discussion: """
            PATH is the data directory of a server that does not run, or the directory of `keelson
            backup follow`. What cannot be read is passed over; `keelson verify` says what that is.
            Values, and hashes of passwords and tokens, are not printed.

            EXAMPLES:
              keelson inspect log /var/lib/keelson --index 1000-
              keelson inspect log /backup/cluster --key config/motd -o json
            """)

    @Argument(help: ArgumentHelp("A data directory, or an archive.", valueName: "path"))
    var path: String

    @Option(help: ArgumentHelp("Entries with these indexes: 5, 5-9 or 5-.", valueName: "range"))
    var index: NumberRange?

    @Option(help: ArgumentHelp("Entries of these terms.", valueName: "range"))
    var term: NumberRange?

    @Option(
        help: ArgumentHelp(
            "Entries that read, compare or change this key.", valueName: "key"))
    var key: String?

    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: ArgumentHelp("How to print: json gives a line an entry.", valueName: "format"))
    var format = OutputFormat.text

    func run() throws {
        var printer = EntryPrinter(
            indexes: index?.range, terms: term?.range, key: key.map { Array($0.utf8) },
            format: format)
        let fileSystem = PosixFileSystem()
        try Failure.describing { () throws(BackupError) in
            if try Archive.isThere(path, fileSystem: fileSystem) {
                try Archive(path, fileSystem: fileSystem).forEachEntry { printer.take($0) }
            } else {
                try MemberDirectory(path, fileSystem: fileSystem).forEachEntry { printer.take($0) }
            }
        }
        printer.finish()
    }
}

/// Prints the entries that are asked for as they come.
private struct EntryPrinter {
    let indexes: ClosedRange<UInt64>?
    let terms: ClosedRange<UInt64>?
    let key: [UInt8]?
    let format: OutputFormat
    private var output = Output()
    private var pending = 0

    private static let pendingMax = 256

    init(
        indexes: ClosedRange<UInt64>?, terms: ClosedRange<UInt64>?, key: [UInt8]?,
        format: OutputFormat
    ) {
        self.indexes = indexes
        self.terms = terms
        self.key = key
        self.format = format
    }

    /// False once nothing that is asked for can follow.
    mutating func take(_ entry: LogEntry) -> Bool {
        if let indexes, entry.index.rawValue > indexes.upperBound { return false }
        if let terms, entry.term.rawValue > terms.upperBound { return false }
        if let indexes, !indexes.contains(entry.index.rawValue) { return true }
        if let terms, !terms.contains(entry.term.rawValue) { return true }
        let glance = EntryGlance(entry)
        if let key, !glance.touches(key) { return true }
        switch format {
        case .text: output.line(Self.text(entry, glance))
        case .json: output.line(Self.json(entry, glance))
        }
        pending += 1
        if pending >= Self.pendingMax { finish() }
        return true
    }

    mutating func finish() {
        output.flush()
        pending = 0
    }

    private static func text(_ entry: LogEntry, _ glance: EntryGlance) -> String {
        var parts = ["\(entry.index)", "term \(entry.term)", glance.kind]
        if !glance.what.isEmpty { parts.append(glance.what) }
        if let user = glance.user { parts.append("as \(user)") }
        if let clock = glance.clock, clock > 0 { parts.append(TimeOfDay.text(clock)) }
        return parts.joined(separator: "  ")
    }

    private static func json(_ entry: LogEntry, _ glance: EntryGlance) -> JSONValue {
        var members: [(String, JSONValue)] = [
            ("index", .unsigned(entry.index.rawValue)), ("term", .unsigned(entry.term.rawValue)),
            ("kind", .string(glance.kind)), ("what", .string(glance.what)),
            ("bytes", .integer(Int64(entry.payload.count))),
        ]
        if let clock = glance.clock { members.append(("clock", .unsigned(clock))) }
        if let user = glance.user { members.append(("user", .string(user))) }
        if let request = glance.request {
            members += [
                ("member", .string("\(request.origin)")),
                ("boot", .unsigned(request.boot.rawValue)),
                ("sequence", .unsigned(request.sequence)),
            ]
        }
        return .object(members)
    }
}
