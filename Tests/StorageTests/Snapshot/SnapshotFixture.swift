import Primitives
import Storage

/// What the tests of snapshot streams share.
enum SnapshotFixture {
    static let cluster = ClusterID(0xC1)
    static let header = SnapshotHeader(
        index: LogIndex(9_000), term: Term(12), configuration: [1, 2, 3], clusterID: cluster,
        sender: NodeID(0xB), boot: BootNumber(4), snapshotID: 77)

    static func limits(chunk: Int) -> SnapshotLimits {
        var limits = SnapshotLimits()
        limits.chunkBytesMax = chunk
        return limits
    }

    /// All chunks of a stream.
    static func chunks(
        _ rows: [Row], header: SnapshotHeader = header, chunk: Int = 1 << 20
    ) throws(StorageError) -> [[UInt8]] {
        var writer = SnapshotWriter(
            header: header, rows: rows.makeIterator(), limits: limits(chunk: chunk))
        var chunks: [[UInt8]] = []
        while let chunk = try writer.nextChunk() { chunks.append(chunk) }
        return chunks
    }

    /// The rows of a complete stream, or nil when it did not end.
    static func rows(
        _ chunks: [[UInt8]], limits: SnapshotLimits = SnapshotLimits()
    ) throws(StorageError) -> [Row]? {
        var reader = SnapshotReader(clusterID: cluster, limits: limits)
        var rows: [Row] = []
        for chunk in chunks { rows += try reader.accept(chunk) }
        return reader.isComplete ? rows : nil
    }

    /// The chunk with its checksum made right again after bytes were changed.
    static func resealed(_ chunk: [UInt8]) -> [UInt8] {
        var sealed = chunk
        let sum = Checksum.crc32c(Array(chunk[8...]), seed: Checksum.crc32c(Array(chunk[..<4])))
        for position in 0..<4 {
            sealed[4 + position] = UInt8(truncatingIfNeeded: sum >> (8 * position))
        }
        return sealed
    }

    /// What `body` throws, as a fault of a snapshot.
    static func fault(_ body: () throws -> Void) -> SnapshotFault? {
        do {
            try body()
            return nil
        } catch StorageError.invalidSnapshot(let fault) {
            return fault
        } catch {
            return nil
        }
    }
}
