internal import ArgumentParser
internal import Foundation
internal import KeelsonClient

struct SnapshotCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot",
        abstract: "Save the cluster's keys in a file that etcd's own tools take, and check it.",
        discussion: """
            EXAMPLE:
              keelson snapshot save backup.db
              keelson snapshot status backup.db
            """,
        subcommands: [SnapshotSaveCommand.self, SnapshotStatusCommand.self])
}

struct SnapshotSaveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "save",
        abstract: "Save a snapshot of one server's state.",
        discussion: """
            Keys with their history since the last compaction, leases, users and roles are in the
            file; passwords are not, and authentication is off in it. It is written beside its place
            and moved there when it is whole and on the disk.

            EXAMPLE:
              keelson snapshot save backup.db --endpoints 10.0.0.1:2379
            """)

    @Argument(help: "The file to write; it must not be there.")
    var file: String

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        guard !FileManager.default.fileExists(atPath: file) else {
            throw Failure(
                .usage, "\(file) is there already", advice: "name another file, or move it away")
        }
        let writer = try SnapshotWriter(file)
        do {
            try await cluster.withCluster { cluster in
                try await cluster.snapshot { try await writer.write($0) }
            }
            let bytes = try await writer.finish()
            Output.say("\(file) saved: \(bytes) bytes")
        } catch {
            await writer.discard()
            throw error
        }
    }
}

/// The file while it is written, under another name.
private actor SnapshotWriter {
    private let path: String
    private let handle: FileHandle
    private var written = 0
    private var shownAt = ContinuousClock.now

    private var partPath: String { path + ".part" }

    init(_ path: String) throws {
        self.path = path
        let part = path + ".part"
        let isMade = FileManager.default.createFile(
            atPath: part, contents: nil, attributes: [.posixPermissions: 0o600])
        guard isMade, let handle = FileHandle(forWritingAtPath: part) else {
            throw Failure(
                .inputOutput, "\(part) cannot be written",
                advice: "check that the folder is there and that you may write into it")
        }
        self.handle = handle
    }

    func write(_ piece: SnapshotPiece) throws {
        do { try handle.write(contentsOf: piece.bytes) } catch {
            throw Failure(.inputOutput, "\(partPath) cannot be written: \(error)")
        }
        written += piece.bytes.count
        show(piece.remainingBytes)
    }

    /// A line that is written over, where somebody looks.
    private func show(_ remaining: UInt64) {
        guard isatty(STDERR_FILENO) == 1, ContinuousClock.now - shownAt > .milliseconds(200) else {
            return
        }
        shownAt = .now
        let total = written + Int(remaining)
        let text = "\r\(written >> 20) of \(total >> 20) MiB  "
        Output.writeAll(Array(text.utf8), to: STDERR_FILENO)
    }

    func finish() throws -> Int {
        if isatty(STDERR_FILENO) == 1 { Output.writeAll(Array("\r".utf8), to: STDERR_FILENO) }
        // A bbolt file is whole pages; only the digest behind it is not.
        guard written % 512 == 32 else {
            throw Failure(
                .untrustworthyData, "the snapshot broke off after \(written) bytes",
                advice: "try again, or another server")
        }
        do {
            try handle.synchronize()
            try handle.close()
            try FileManager.default.moveItem(atPath: partPath, toPath: path)
        } catch {
            throw Failure(.inputOutput, "\(path) cannot be written: \(error)")
        }
        return written
    }

    func discard() {
        try? handle.close()
        try? FileManager.default.removeItem(atPath: partPath)
    }
}
