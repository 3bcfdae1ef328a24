internal import Primitives
internal import Storage

/// Appends to the log, one entry an operation: batches, their checksums and padding to sectors.
enum LogPieces {
    private enum Medium {
        /// What is written goes nowhere: what remains is encoding.
        case nothing
        /// One write into the page cache an append.
        case file
        /// And one `fdatasync`.
        case disk
    }

    static var all: [Piece] {
        let media: [(name: String, medium: Medium, what: String)] = [
            ("log-encode", .nothing, "an entry appended alone: batch, checksums, no write"),
            ("log-write", .file, "an entry appended alone: one write, no fdatasync"),
            ("log-sync", .disk, "an entry appended alone: one write, one fdatasync"),
        ]
        return media.flatMap { name, medium, what in
            [
                Piece(name, what) { try work(name, in: $0, on: medium, batch: 1) },
                Piece("\(name)-100", "the same, a hundred entries an append") {
                    try work("\(name)-100", in: $0, on: medium, batch: RaftPieces.batch)
                },
            ]
        }
    }

    private static func work(
        _ name: String, in place: Workplace, on medium: Medium, batch: Int
    ) throws -> Work {
        let files: any FileSystem =
            medium == .nothing ? DiscardingFileSystem() : PosixFileSystem()
        let folder = place.path(name)
        try files.makeDirectory(folder)
        let writer = try LogWriting(
            files, folder: folder, batch: batch, isSynced: medium == .disk)
        // A batch of operations fits into the segment that is there and the spare.
        return Work(
            step: batch, operationsMax: batch == 1 ? 50_000 : 100_000, prepare: writer.prepare,
            run: writer.run)
    }
}

private final class LogWriting {
    private let log: SegmentedLog
    private let batch: Int
    private let isSynced: Bool
    private let payloads = RaftPieces.payloads(1000)
    private var next = 0
    private var entries: [LogEntry] = []

    init(
        _ files: any FileSystem, folder: String, batch: Int, isSynced: Bool
    ) throws(StorageError) {
        log = try SegmentedLog.open(
            fileSystem: files, directory: folder,
            identity: NodeIdentity(clusterID: ClusterID(1), memberID: NodeID(1), name: "micro"),
            boot: BootNumber(1))
        self.batch = batch
        self.isSynced = isSynced
    }

    /// Old segments become spares, as they do in a server, behind its checkpoints.
    func prepare() throws {
        try log.sync()
        try log.release(through: log.lastIndex)
        while log.isPreparingDue { _ = try log.prepareSpare() }
    }

    func run(_ operations: Int) throws {
        for _ in 0..<(operations / batch) {
            entries.removeAll(keepingCapacity: true)
            var index = log.lastIndex
            for _ in 0..<batch {
                index = index.next
                entries.append(
                    LogEntry(
                        index: index, term: Term(1), kind: .command, payload: payloads[next]))
                next = next + 1 == payloads.count ? 0 : next + 1
            }
            try log.append(entries)
            if isSynced { try log.sync() }
        }
    }
}
