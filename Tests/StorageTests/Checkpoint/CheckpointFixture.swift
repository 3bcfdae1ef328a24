import Primitives
import Storage

/// What the tests of checkpoints share: identity, rows, and short ways to write and to load.
enum CheckpointFixture {
    static let cluster = ClusterID(0xC1)
    static let member = NodeID(0xA)

    static func open(
        _ fileSystem: any FileSystem, _ directory: String
    ) throws(StorageError) -> CheckpointStore {
        try CheckpointStore.open(
            fileSystem, directory: directory, clusterID: cluster, memberID: member)
    }

    static func header(_ index: UInt64) -> CheckpointHeader {
        CheckpointHeader(
            index: LogIndex(index), term: Term(index / 2 + 1),
            configuration: [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: 5))
    }

    /// Bytes that LZ4 cannot shorten, or, when `repeats`, can.
    static func bytes(_ count: Int, seed: UInt64, repeats: Bool = false) -> [UInt8] {
        var random = SplitMix64(seed: seed)
        if repeats {
            let word = [UInt8](repeating: 0, count: 16).map { _ in
                UInt8(truncatingIfNeeded: random.next())
            }
            return (0..<count).map { word[$0 % 16] }
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 8)
        while bytes.count < count {
            withUnsafeBytes(of: random.next()) { bytes.append(contentsOf: $0) }
        }
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    /// Rows over three tables, in order: small, compressible, incompressible and empty values.
    static func rows(_ count: Int, seed: UInt64 = 1, byteCount: Int = 5_000) -> [Row] {
        (0..<count).map { number in
            let size = [0, 20, byteCount, byteCount][number % 4]
            return Row(
                table: UInt8(number * 3 / max(count, 1)), key: key(number),
                value: bytes(size, seed: seed &+ UInt64(number), repeats: number % 4 == 2))
        }
    }

    static func key(_ number: Int) -> [UInt8] {
        [UInt8(number >> 16 & 0xFF), UInt8(number >> 8 & 0xFF), UInt8(number & 0xFF)]
    }

    static func load(_ store: CheckpointStore, _ header: CheckpointHeader) throws -> [Row] {
        var rows: [Row] = []
        try store.load(header) { rows.append($0) }
        return rows
    }

    @discardableResult
    static func writeAll(
        _ store: CheckpointStore, _ index: UInt64, _ rows: [Row]
    ) throws(StorageError) -> CheckpointHeader {
        try store.write(header(index), upserts: rows, deletes: [], replacingAll: true)
    }
}

extension StorageError {
    var isRottenCheckpoint: Bool {
        if case .rottenCheckpoint = self { true } else { false }
    }
}
