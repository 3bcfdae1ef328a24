package import Primitives

/// What a checkpoint is: the state after applying exactly the entry at `index`.
package struct CheckpointHeader: Equatable, Sendable {
    package var index: LogIndex
    package var term: Term
    /// The cluster's configuration as of `index`, opaque here.
    package var configuration: [UInt8]
    /// Which checkpoint of this node: each has a higher one than those before it. The store sets
    /// it.
    package var sequence: UInt64

    package init(index: LogIndex, term: Term, configuration: [UInt8], sequence: UInt64 = 0) {
        self.index = index
        self.term = term
        self.configuration = configuration
        self.sequence = sequence
    }
}

/// The header as a checkpoint's file keeps it, in one blob:
///
///     0   u32  CRC-32C of everything behind it
///     4   u32  format
///     8   u64  cluster    16 u64 member
///     24  u64  sequence   32 u64 index   40 u64 term
///     48  u64  rows       56 u64 sum of the rows' shares (RowDigest.share), modulo 2^64
///     64  u32  length of the configuration, and its bytes
struct StoredCheckpointHeader: Equatable {
    static let format: UInt32 = 1

    var header: CheckpointHeader
    var clusterID: ClusterID
    var memberID: NodeID
    var rowCount: UInt64
    var digest: UInt64

    func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 68 + header.configuration.count)
        writer.write(UInt32(0))
        writer.write(Self.format)
        writer.write(clusterID.rawValue)
        writer.write(memberID.rawValue)
        writer.write(header.sequence)
        writer.write(header.index.rawValue)
        writer.write(header.term.rawValue)
        writer.write(rowCount)
        writer.write(digest)
        writer.writeLengthPrefixed(header.configuration)
        writer.patch(checksum(of: writer.bytes), at: 0)
        return writer.bytes
    }

    /// The header in `bytes`, or nil when they are not one. A header of a later format is one: its
    /// format is then all that counts.
    static func decode(_ bytes: [UInt8]) -> (format: UInt32, header: StoredCheckpointHeader?)? {
        var reader = ByteReader(bytes)
        do {
            let stored = try reader.read(UInt32.self)
            guard bytes.count > 8, stored == checksum(of: bytes) else { return nil }
            let format = try reader.read(UInt32.self)
            guard format == Self.format else { return (format, nil) }
            let clusterID = ClusterID(try reader.read())
            let memberID = NodeID(try reader.read())
            let sequence = try reader.read(UInt64.self)
            let index = LogIndex(try reader.read())
            let term = Term(try reader.read())
            let rowCount = try reader.read(UInt64.self)
            let digest = try reader.read(UInt64.self)
            let configuration = try reader.readLengthPrefixed()
            guard reader.isAtEnd else { return nil }
            let header = CheckpointHeader(
                index: index, term: term, configuration: configuration, sequence: sequence)
            return (
                format,
                StoredCheckpointHeader(
                    header: header, clusterID: clusterID, memberID: memberID, rowCount: rowCount,
                    digest: digest)
            )
        } catch {
            return nil
        }
    }

    private func checksum(of bytes: [UInt8]) -> UInt32 { Self.checksum(of: bytes) }

    private static func checksum(of bytes: [UInt8]) -> UInt32 {
        bytes.withUnsafeBytes { Checksum.crc32c(UnsafeRawBufferPointer(rebasing: $0[4...])) }
    }
}
