package import Primitives

/// What a checkpoint or a snapshot is made of: a table, a key and a value, all opaque outside this
/// module.
package struct StoreRow: Equatable, Sendable {
    package var table: UInt8
    package var key: [UInt8]
    package var value: [UInt8]

    package init(table: UInt8, key: [UInt8], value: [UInt8]) {
        self.table = table
        self.key = key
        self.value = value
    }
}

/// The tables, in the order in which a load wants them.
///
/// ```
/// state       key empty        versions of format and digest, revision, floors, applied index and
///                              term, clock, digest; from level 2 on the cluster's time and the
///                              downgrade job's target, empty where there is none
/// members     key empty        cluster level, members, removed ids, alarms
/// leases      u8 bucket        the leases of the bucket: count, then of each its id, granted and
///                              remaining seconds and the index of its grant
/// auth        key empty        as AuthTable.encode() has it
/// client,     u64 main, u32    a chunk of the revision log: count, then the records; the key
/// datacenter  sub, big-endian  is the place of the first record that the chunk ever held
/// ```
package enum StoreTable: UInt8, Sendable {
    case state = 1
    case members = 2
    case leases = 3
    case client = 4
    case datacenter = 5
    case auth = 6

    static func of(_ space: SpaceID) -> StoreTable {
        switch space {
        case .client: .client
        case .datacenter: .datacenter
        }
    }
}

/// Version of the rows' format. It follows the cluster's level, so that a build which does not know
/// the level cannot take the rows for ones that it knows.
package enum RowFormat {
    private static let first: UInt32 = 5

    /// Those that a node reads which knows so much, in words.
    package static func versions(at known: FeatureLevel) -> String {
        known == .first ? "format \(first)" : "formats \(first) to \(version(at: known))"
    }

    static func version(at level: FeatureLevel) -> UInt32 {
        first + UInt32(level.rawValue - FeatureLevel.first.rawValue)
    }

    /// Nil where a node that knows so much cannot read the version.
    static func level(ofVersion version: UInt32, known: FeatureLevel) -> FeatureLevel? {
        guard version >= first, version <= Self.version(at: known) else { return nil }
        return FeatureLevel(UInt16(version - first) + FeatureLevel.first.rawValue)
    }
}

/// How a checkpoint differs from an older one.
package struct RowChanges: Sendable {
    /// The older one is of no use: everything in it goes, ``upserts`` are all rows there are.
    package var replacesAll: Bool
    /// Sorted by table and key.
    package var upserts: StoreRows
    /// Rows that went since; some may never have been there.
    package var deletes: [(table: UInt8, key: [UInt8])]
}

/// Rows that are encoded one by one as they are asked for.
package struct StoreRows: Sequence, Sendable {
    enum Source: Sendable {
        case state
        case members
        case leases(bucket: Int)
        case auth
        case chunk(SpaceID, LogChunk)
    }

    let frozen: FrozenStore
    let sources: [Source]

    /// Rows to come.
    package var count: Int { sources.count }

    package func makeIterator() -> Iterator { Iterator(rows: self) }

    package struct Iterator: IteratorProtocol {
        let rows: StoreRows
        var position = 0

        package mutating func next() -> StoreRow? {
            guard position < rows.sources.count else { return nil }
            defer { position += 1 }
            return rows.frozen.row(rows.sources[position])
        }
    }
}

// MARK: - Records in chunks

/// A record in a chunk's row: flags (1: a deletion), then varints of the main revision less the one
/// before, sub, main less create revision, version, lease, the lengths of key and value; then both.
enum RecordCoding {
    /// Every revision, version, index and term is below; what is added to one does not overflow.
    static let countMax: Int64 = 1 << 62

    static func encode(_ chunk: LogChunk) -> [UInt8] {
        var writer = ProtobufWriter(capacity: chunk.bytes + chunk.records.count * 24 + 8)
        writer.varint(UInt64(chunk.records.count))
        var previous: Int64 = 0
        for record in chunk.records {
            let header = record.header
            writer.bytes.append(header.isTombstone ? 1 : 0)
            writer.varint(UInt64(bitPattern: header.modRevision &- previous))
            writer.varint(UInt64(UInt32(bitPattern: header.sub)))
            writer.varint(UInt64(bitPattern: header.modRevision &- header.createRevision))
            writer.varint(UInt64(bitPattern: header.version))
            writer.varint(UInt64(bitPattern: header.lease))
            writer.varint(UInt64(header.keyByteCount))
            writer.varint(UInt64(header.valueByteCount))
            record.withKey { writer.bytes.append(contentsOf: $0) }
            record.withValue { writer.bytes.append(contentsOf: $0) }
            previous = header.modRevision
        }
        return writer.bytes
    }

    static func decode(
        _ bytes: UnsafeRawBufferPointer, _ body: (Record) throws(StoreLoadError) -> Void
    ) throws(StoreLoadError) {
        var reader = ChunkReader(bytes: bytes)
        let count = try reader.varint()
        var previous: Int64 = 0
        for _ in 0..<count {
            let flags = try reader.byte()
            let main = previous &+ Int64(bitPattern: try reader.varint())
            let sub = Int32(truncatingIfNeeded: try reader.varint())
            let create = main &- Int64(bitPattern: try reader.varint())
            let version = Int64(bitPattern: try reader.varint())
            let lease = Int64(bitPattern: try reader.varint())
            let keyCount = try reader.varint()
            let valueCount = try reader.varint()
            let key = try reader.bytes(keyCount)
            let value = try reader.bytes(valueCount)
            let isSound =
                flags <= 1 && main > previous - 1 && main > 0 && sub >= 0 && keyCount > 0
                && (flags == 1 ? lease == 0 : create > 0 && create <= main && version > 0)
                && version < countMax
            guard isSound else { throw .malformed(offset: reader.offset) }
            try body(
                Record.make(
                    key: key, value: value, createRevision: flags == 1 ? 0 : create,
                    modRevision: main, sub: sub, version: flags == 1 ? 0 : version, lease: lease,
                    isTombstone: flags == 1))
            previous = main
        }
        guard reader.offset == bytes.count else { throw .malformed(offset: reader.offset) }
    }
}

/// Reads a row's bytes; never traps.
struct ChunkReader {
    let bytes: UnsafeRawBufferPointer
    private(set) var offset = 0

    init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    mutating func byte() throws(StoreLoadError) -> UInt8 {
        guard offset < bytes.count else { throw .malformed(offset: offset) }
        defer { offset += 1 }
        return bytes[offset]
    }

    mutating func varint() throws(StoreLoadError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while shift < 64 {
            let byte = try byte()
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw .malformed(offset: offset)
    }

    mutating func bytes(_ count: UInt64) throws(StoreLoadError) -> UnsafeRawBufferPointer {
        guard count <= UInt64(bytes.count - offset), count <= UInt64(UInt32.max) else {
            throw .malformed(offset: offset)
        }
        defer { offset += Int(count) }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + Int(count))])
    }
}

/// Why rows are not a store. `offset` is within the row's value.
package enum StoreLoadError: Error, Equatable, Sendable {
    case unknownTable(UInt8)
    case unknownFormat(UInt32)
    case malformed(offset: Int)
    case malformedKey(table: UInt8)
    case outOfOrder(revision: Int64)
    case missingState
    case unknownLease(Int64)
}

/// The key of a chunk's row: big-endian, so that rows sort as revisions do.
extension ChunkID {
    var rowKey: [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 12) { buffer, count in
            let raw = UnsafeMutableRawBufferPointer(buffer)
            raw.storeBytes(of: UInt64(bitPattern: main).bigEndian, as: UInt64.self)
            raw.storeBytes(
                of: UInt32(bitPattern: sub).bigEndian, toByteOffset: 8, as: UInt32.self)
            count = 12
        }
    }

    init?(rowKey: [UInt8]) {
        guard rowKey.count == 12 else { return nil }
        let (main, sub) = rowKey.withUnsafeBytes { raw in
            (
                UInt64(bigEndian: raw.loadUnaligned(as: UInt64.self)),
                UInt32(bigEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
            )
        }
        self.init(main: Int64(bitPattern: main), sub: Int32(bitPattern: sub))
    }
}
