import Primitives
import RaftCore
import Replication
import StateMachine
import Storage

/// One node's disk in memory, and what may befall it between two starts.
struct Disk {
    static let cluster = ClusterID(0xC1)
    static let member = NodeID(1)
    static let voters = [NodeID(1), NodeID(2), NodeID(3)]
    static let segmentBytes = 20 << 10
    /// A batch of one entry of ``entry(_:term:)`` takes three sectors.
    static let batchBytes = 1536

    let fileSystem = MemoryFileSystem(seed: 1)

    /// Starts a node on the disk. The process before it is killed.
    func open(disk: UInt32 = 7, known: FeatureLevel = .newest) throws -> NodeStorage {
        fileSystem.crash(.keep)
        let identity = NodeIdentity(
            clusterID: Self.cluster, memberID: Self.member, name: "n1", initialVoters: Self.voters)
        let options = LogOptions(
            segmentBytes: Self.segmentBytes, batchBytesMax: 512, compressionMinBytes: .max,
            spareSegments: 0)
        return try NodeStorage.open(
            NodePlace(
                path: "/n1", identity: identity, freshDisk: disk, nonce: 1,
                logOptions: options, known: known), fileSystem: fileSystem, progress: { _ in })
    }

    static func entry(_ index: UInt64, term: UInt64 = 1) -> LogEntry {
        LogEntry(
            index: LogIndex(index), term: Term(term), kind: .noop,
            payload: (0..<1000).map { UInt8(truncatingIfNeeded: UInt64($0) &* index) | 1 })
    }

    static func entries(_ range: ClosedRange<UInt64>, term: UInt64 = 1) -> [LogEntry] {
        range.map { entry($0, term: term) }
    }

    /// A store that has applied the entries through `index`.
    static func store(_ index: UInt64, term: UInt64 = 1) -> Store {
        let store = Store()
        for entry in entries(1...index, term: term) { _ = store.apply(entry, evaluate: false) }
        return store
    }

    /// Does one write as the log thread does; what it reports.
    @discardableResult
    static func perform(_ write: Write, on storage: inout NodeStorage) throws -> [LogReport] {
        try perform(.write(write), on: &storage)
    }

    @discardableResult
    static func perform(_ job: LogJob, on storage: inout NodeStorage) throws -> [LogReport] {
        var reports: [LogReport] = []
        try storage.writer.take([job]) { reports.append($0) }
        try storage.writer.sync()
        if let done = storage.writer.complete() { reports.append(done) }
        return reports
    }

    /// Writes `entries` with the term that the last of them has.
    static func append(_ entries: [LogEntry], to storage: inout NodeStorage) throws {
        let state = HardState(term: entries.last?.term ?? .zero, votedFor: nil)
        try perform(Write(id: WriteID(1), hardState: state, entries: entries), on: &storage)
    }

    /// Makes a snapshot at `index` this node's newest checkpoint, and nothing else.
    static func checkpoint(_ index: UInt64, term: UInt64, in storage: NodeStorage) throws {
        try storage.checkpoints.write(
            CheckpointHeader(
                index: LogIndex(index), term: Term(term),
                configuration: ClusterConfiguration(voters: voters).encode()),
            upserts: store(index, term: term).freeze().rows().lazy.map(Row.init), deletes: [],
            replacingAll: true)
    }

    /// The path of the log's segment of this generation, below 16.
    static func segment(_ generation: Int) -> String {
        "/n1/log/000000000000000" + String(generation, radix: 16) + ".log"
    }

    /// Of all files of the node.
    var usedBytes: Int {
        ["/n1", "/n1/log", "/n1/checkpoint"].reduce(0) { sum, folder in
            let names = (try? fileSystem.list(folder)) ?? []
            return names.reduce(sum) {
                $0 + (fileSystem.contents(of: folder + "/" + $1)?.count ?? 0)
            }
        }
    }

    /// Rot in the batch of the `number`th entry of a segment, from 1: in its body, or in its
    /// header.
    func rot(entry number: Int, segment: Int = 1, header: Bool = false) {
        let offset = 8192 + Self.batchBytes * (number - 1) + (header ? 40 : 700)
        fileSystem.flipBit(Self.segment(segment), at: offset, bit: 3)
    }
}
