import Primitives
import RaftCore
import Replication
import Storage
import Testing

@Suite("The log's jobs in their order (DESIGN §5)")
struct LogWriterTests {
    private func writer(_ disk: MemoryFileSystem) throws -> LogWriter {
        let identity = NodeIdentity(clusterID: ClusterID(1), memberID: NodeID(1), name: "n1")
        let found = try DataDirectory.open("/data", fileSystem: disk)
        let directory = try found.initialize(as: identity)
        return LogWriter(
            log: try SegmentedLog.open(
                fileSystem: disk, directory: directory.logPath, identity: identity,
                options: LogOptions(segmentBytes: 16 << 10), boot: BootNumber(1)),
            hardState: try HardStateFile.open(fileSystem: disk, directory: directory.path),
            peers: try PeerMemoryFile.open(fileSystem: disk, directory: directory.path))
    }

    private func entry(_ index: UInt64, _ term: UInt64) -> LogEntry {
        LogEntry(
            index: LogIndex(index), term: Term(term), kind: .command, payload: [UInt8(term)])
    }

    @Test("what is read is what the writes before it left, also in one round")
    func readsBehindWrites() throws {
        var writer = try writer(MemoryFileSystem(seed: 1))
        try writer.take([.write(Write(id: WriteID(1), entries: [entry(1, 1), entry(2, 1)]))]) {
            _ in
        }
        try writer.sync()
        _ = writer.complete()
        var loaded: [LogEntry] = []
        let overwrite = Write(
            id: WriteID(2), truncateFrom: LogIndex(2), entries: [entry(2, 2), entry(3, 2)])
        try writer.take([
            .write(overwrite),
            .load(first: LogIndex(2), last: LogIndex(3), bytesMax: 1 << 20, .applying),
        ]) { report in
            if case .loaded(_, let entries, _) = report { loaded = entries }
        }
        #expect(loaded == [entry(2, 2), entry(3, 2)])
        #expect(writer.needsSync)
    }
}
