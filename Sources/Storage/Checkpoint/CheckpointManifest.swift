import Primitives

/// Which file holds which checkpoint, so that a file that silently went back in time is not
/// believed.
///
/// The value of a ``TwoSlotFile``, little-endian:
///
///     0   u64  cluster    8  u64  member
///     16  entry of file a    48  entry of file b
///
/// An entry: u64 sequence of the checkpoint (0: none), u64 index, u64 term, u32 CRC-32C of its
/// stored header, u32 change counter of the SQLite file.
struct CheckpointManifest: Equatable {
    struct Entry: Equatable {
        var sequence: UInt64
        var index: LogIndex
        var term: Term
        var headerCRC: UInt32
        /// Counts the file's transactions: it shows a first page that went back in time, which
        /// holds nothing else that the rows' digest covers.
        var changeCounter: UInt32
    }

    var clusterID: ClusterID
    var memberID: NodeID
    /// Of file a and of file b.
    var entries: [Entry?]

    /// The highest checkpoint that it knows of; zero when there is none.
    var newestSequence: UInt64 { entries.compactMap { $0?.sequence }.max() ?? 0 }

    func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 80)
        writer.write(clusterID.rawValue)
        writer.write(memberID.rawValue)
        for entry in entries {
            writer.write(entry?.sequence ?? 0)
            writer.write(entry?.index.rawValue ?? 0)
            writer.write(entry?.term.rawValue ?? 0)
            writer.write(entry?.headerCRC ?? 0)
            writer.write(entry?.changeCounter ?? 0)
        }
        return writer.bytes
    }

    /// The inverse of ``encode()``, or nil.
    static func decode(_ value: [UInt8]) -> CheckpointManifest? {
        var reader = ByteReader(value)
        do {
            let clusterID = ClusterID(try reader.read())
            let memberID = NodeID(try reader.read())
            var entries: [Entry?] = []
            for _ in 0..<2 {
                let entry = Entry(
                    sequence: try reader.read(), index: LogIndex(try reader.read()),
                    term: Term(try reader.read()), headerCRC: try reader.read(),
                    changeCounter: try reader.read())
                entries.append(entry.sequence == 0 ? nil : entry)
            }
            guard reader.isAtEnd else { return nil }
            return CheckpointManifest(clusterID: clusterID, memberID: memberID, entries: entries)
        } catch {
            return nil
        }
    }
}
