internal import ArgumentParser
internal import EtcdSnapshot

struct SnapshotStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Check a snapshot file and say what is in it.",
        discussion: """
            Files of Keelson and of etcd, with or without the digest behind them. All of it is read
            and checked; the exit status is 65 if it is damaged. The figures are those of
            `etcdutl snapshot status`.

            EXAMPLES:
              keelson snapshot status backup.db
              keelson snapshot status backup.db -o json
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case table
        case json
    }

    @Argument(help: "The file to read.")
    var file: String

    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: ArgumentHelp("How to print.", valueName: "format"))
    var format = Format.table

    func run() async throws {
        let summary: SnapshotSummary
        do throws(BoltFileError) {
            summary = try SnapshotSummary(try BoltDiskFile(path: file))
        } catch {
            throw Self.failure(error, file)
        }
        var output = Output()
        switch format {
        case .table:
            output.table(
                ["HASH", "REVISION", "TOTAL KEYS", "TOTAL SIZE"],
                [
                    [
                        String(summary.hash, radix: 16), "\(summary.revision)",
                        "\(summary.totalKeys)", ByteCount.text(Int64(summary.totalBytes)),
                    ]
                ])
        case .json:
            output.line(
                .object([
                    ("hash", .unsigned(UInt64(summary.hash))),
                    ("revision", .integer(summary.revision)),
                    ("totalKey", .integer(Int64(summary.totalKeys))),
                    ("totalSize", .integer(Int64(summary.totalBytes))),
                ]))
        }
        output.flush()
    }

    private static func failure(_ error: BoltFileError, _ file: String) -> Failure {
        switch error {
        case .unreadable:
            Failure(.inputOutput, "\(file) \(error)", advice: "name a file that you may read")
        case .truncated, .noValidMeta, .badPage, .overLimit, .digestMismatch, .badRow:
            Failure(
                .untrustworthyData, "\(file) is no whole snapshot: \(error)",
                advice: "save another; this one cannot be restored")
        }
    }
}
