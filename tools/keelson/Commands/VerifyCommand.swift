internal import ArgumentParser
internal import Primitives
internal import Replication
internal import StateMachine
internal import Storage

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Read and check everything in the data directory of a stopped server.",
        discussion: """
            Every checksum, the chain of the log, both checkpoints, and whether they fit each other.
            Nothing is changed: what a start would mend is mended in memory only.

            A finding is MENDED where a start mends it from what is there, DAMAGE where another
            member has to give what is lost (a server does that by itself), FATAL where the server
            would not start. The exit status is 65 with damage, 74 where the directory cannot be
            read or its server runs.

            EXAMPLES:
              keelson verify /var/lib/keelson
              keelson verify /var/lib/keelson -o json
            """)

    @Argument(help: "The server's --data-dir.")
    var directory: String

    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: ArgumentHelp("How to print.", valueName: "format"))
    var format = OutputFormat.text

    func run() throws {
        let path =
            directory.count > 1 && directory.hasSuffix("/")
            ? String(directory.dropLast()) : directory
        let check: DirectoryReport
        do throws(StorageError) {
            check = try DirectoryCheck.run(
                path, fileSystem: OverlayFileSystem(over: PosixFileSystem()), progress: show)
        } catch {
            throw Failure(
                Failure.Status(rawValue: error.exitStatus) ?? .inputOutput, "\(error)")
        }
        var output = Output()
        switch format {
        case .text: VerifyCommand.print(check, path, to: &output)
        case .json: output.line(VerifyCommand.json(check, path))
        }
        output.flush()
        if !check.isSound { throw ExitCode(Failure.Status.untrustworthyData.rawValue) }
    }

    /// What is read now, where somebody waits for it.
    private func show(_ text: String) {
        guard isatty(STDERR_FILENO) == 1 else { return }
        Output.writeAll(Array("\(text)…\n".utf8), to: STDERR_FILENO)
    }

    private static func print(
        _ check: DirectoryReport, _ path: String, to output: inout Output
    ) {
        if let identity = check.identity {
            output.line(
                "\(path): member \(identity.memberID) (\(identity.name)) of cluster"
                    + " \(identity.clusterID)")
        }
        if let state = check.hardState {
            let vote = state.votedFor.map { ", voted for \($0)" } ?? ""
            let boot = check.boot.map { ", start \($0)" } ?? ""
            output.line("term \(state.term)\(vote)\(boot)")
        }
        for checkpoint in check.checkpoints {
            output.line(
                "checkpoint at index \(checkpoint.index), term \(checkpoint.term): revision"
                    + " \(checkpoint.revision), \(checkpoint.keys) keys")
        }
        if let log = check.log {
            let range =
                log.last < log.first
                ? "no entries behind \(log.last)"
                : "entries \(log.first) to \(log.last)"
            output.line("log: \(range) in \(log.segments) segments")
        }
        if !check.findings.isEmpty {
            output.table(
                ["FINDING", "FILE", "WHAT"],
                check.findings.map { [$0.weight.rawValue.uppercased(), $0.path, $0.what] })
        }
        let damaged = check.findings.filter { $0.weight != .mended }.count
        output.line(damaged == 0 ? "sound" : "NOT sound: \(damaged) findings of damage")
    }

    private static func json(_ check: DirectoryReport, _ path: String) -> JSONValue {
        var members: [(String, JSONValue)] = [
            ("directory", .string(path)), ("sound", .bool(check.isSound)),
        ]
        if let identity = check.identity {
            members += [
                ("cluster", .string("\(identity.clusterID)")),
                ("member", .string("\(identity.memberID)")), ("name", .string(identity.name)),
            ]
        }
        if let state = check.hardState { members.append(("term", .unsigned(state.term.rawValue))) }
        if let boot = check.boot { members.append(("boot", .unsigned(boot.rawValue))) }
        members.append(
            (
                "checkpoints",
                .array(
                    check.checkpoints.map { checkpoint in
                        .object([
                            ("index", .unsigned(checkpoint.index.rawValue)),
                            ("term", .unsigned(checkpoint.term.rawValue)),
                            ("revision", .integer(checkpoint.revision)),
                            ("keys", .integer(Int64(checkpoint.keys))),
                        ])
                    })
            ))
        if let log = check.log {
            members.append(
                (
                    "log",
                    .object([
                        ("first", .unsigned(log.first.rawValue)),
                        ("last", .unsigned(log.last.rawValue)),
                        ("segments", .integer(Int64(log.segments))),
                    ])
                ))
        }
        members.append(
            (
                "findings",
                .array(
                    check.findings.map { finding in
                        .object([
                            ("weight", .string(finding.weight.rawValue)),
                            ("file", .string(finding.path)), ("what", .string(finding.what)),
                        ])
                    })
            ))
        return .object(members)
    }
}
