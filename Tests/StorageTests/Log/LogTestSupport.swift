import Primitives
import Storage

/// What the log's tests share: one identity, small segments, entries that can be told apart.
enum LogFixture {
    static let identity = NodeIdentity(
        clusterID: ClusterID(0xC1), memberID: NodeID(0x51), name: "n1")
    static let directory = "/log"

    static func options(
        segmentBytes: Int = 20 << 10, compressionMinBytes: Int = .max
    ) -> LogOptions {
        LogOptions(
            segmentBytes: segmentBytes, batchBytesMax: 4096,
            compressionMinBytes: compressionMinBytes, spareSegments: 1)
    }

    static func fileSystem(seed: UInt64 = 1) throws -> MemoryFileSystem {
        let fileSystem = MemoryFileSystem(seed: seed)
        try fileSystem.makeDirectory(directory)
        try fileSystem.syncDirectory("/")
        return fileSystem
    }

    static func open(
        _ fileSystem: any FileSystem, options: LogOptions = options(), boot: UInt64 = 1,
        directory: String = directory
    ) throws(StorageError) -> SegmentedLog {
        try SegmentedLog.open(
            fileSystem: fileSystem, directory: directory, identity: identity, options: options,
            boot: BootNumber(boot))
    }

    /// Bytes that LZ4 cannot shrink and that hold no zero sector, different for each index and
    /// term.
    static func payload(_ index: UInt64, term: UInt64, count: Int) -> [UInt8] {
        var random = SplitMix64(seed: index &* 1_000_003 &+ term)
        return (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) | 1 }
    }

    static func entry(_ index: UInt64, term: UInt64 = 1, count: Int = 100) -> LogEntry {
        LogEntry(
            index: LogIndex(index), term: Term(term), kind: .command,
            payload: payload(index, term: term, count: count))
    }

    static func entries(
        _ range: ClosedRange<UInt64>, term: UInt64 = 1, count: Int = 100
    ) -> [LogEntry] {
        range.map { entry($0, term: term, count: count) }
    }

    static func all(_ log: SegmentedLog) throws(StorageError) -> [LogEntry] {
        var entries: [LogEntry] = []
        try log.scan(from: log.firstIndex) { (entry) throws(StorageError) in entries.append(entry) }
        return entries
    }

    static func segmentPath(_ generation: Int) -> String {
        let text = String(generation, radix: 16)
        return directory + "/" + String(repeating: "0", count: 16 - text.count) + text + ".log"
    }
}
