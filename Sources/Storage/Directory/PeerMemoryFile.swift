package import Primitives

/// What a member is known to have offered at least: less from it means that its disk forgot.
package struct PeerMemory: Equatable, Sendable {
    package var member: NodeID
    package var boot: BootNumber
    /// What that start drew at random: tells it from a start of an older disk with the same number.
    package var nonce: UInt64
    /// Term and index of the highest entry that it acknowledged.
    package var term: Term
    package var index: LogIndex
    /// The highest term that it spoke in.
    package var spokenTerm: Term

    package init(
        member: NodeID, boot: BootNumber, nonce: UInt64 = 0, term: Term, index: LogIndex,
        spokenTerm: Term = .zero
    ) {
        self.spokenTerm = spokenTerm
        self.member = member
        self.boot = boot
        self.nonce = nonce
        self.term = term
        self.index = index
    }
}

/// What this node remembers of its peers, for the amnesia check (DESIGN §5). Boot numbers, which
/// name the disk too, are stored when they change; the rest is a lower bound and may be stored
/// late.
///
/// The value of a ``TwoSlotFile``, little-endian, a record for each member by rising id:
///
///     0   u64  member    8  u64  boot    16  u64  nonce
///     24  u64  term and   32  u64  index of the highest entry acknowledged
///     40  u64  the highest term spoken in
///
/// The record of the node itself says that this disk was admitted once; nothing else in it counts.
///
/// One thread at a time uses it.
package final class PeerMemoryFile: Sendable {
    package static let name = "peers"
    package static let membersMax = 1024
    private static let entryBytes = 48
    static let kind = TwoSlotFile.Kind(
        magic: TwoSlotFile.magic("KEELPEER"), version: 2, slotBytes: 53248)

    private let file: TwoSlotFile
    /// What the file held when it was opened, by rising member id.
    package let loaded: [PeerMemory]

    private init(file: TwoSlotFile, loaded: [PeerMemory]) {
        self.file = file
        self.loaded = loaded
    }

    package static func create(
        fileSystem: any FileSystem, directory: String
    ) throws(StorageError) -> PeerMemoryFile {
        let file = try TwoSlotFile.create(
            kind, fileSystem: fileSystem, directory: directory, name: name, value: [])
        return PeerMemoryFile(file: file, loaded: [])
    }

    package static func open(
        fileSystem: any FileSystem, directory: String
    ) throws(StorageError) -> PeerMemoryFile {
        let (file, value) = try TwoSlotFile.open(
            kind, fileSystem: fileSystem, directory: directory, name: name)
        return PeerMemoryFile(file: file, loaded: try decode(value, directory + "/" + name))
    }

    /// What was stored last; changes nothing.
    package static func read(
        fileSystem: any FileSystem, directory: String
    ) throws(StorageError) -> [PeerMemory] {
        let path = directory + "/" + name
        return try decode(
            try TwoSlotFile.read(kind, fileSystem: fileSystem, path: path).value, path)
    }

    /// Durable when it returns. `peers` may be in any order; each member once.
    /// - Throws: ``StorageError/tooLarge(path:byteCount:limit:)`` above ``membersMax``.
    package func store(_ peers: [PeerMemory]) throws(StorageError) {
        guard peers.count <= Self.membersMax else {
            throw .tooLarge(
                path: Self.name, byteCount: peers.count * Self.entryBytes,
                limit: Self.membersMax * Self.entryBytes)
        }
        var writer = ByteWriter(capacity: peers.count * Self.entryBytes)
        for peer in peers.sorted(by: { $0.member < $1.member }) {
            writer.write(peer.member.rawValue)
            writer.write(peer.boot.rawValue)
            writer.write(peer.nonce)
            writer.write(peer.term.rawValue)
            writer.write(peer.index.rawValue)
            writer.write(peer.spokenTerm.rawValue)
        }
        try file.store(writer.bytes)
    }

    private static func decode(
        _ value: [UInt8], _ path: String
    ) throws(StorageError) -> [PeerMemory] {
        var reader = ByteReader(value)
        var peers: [PeerMemory] = []
        do throws(DecodingError) {
            while !reader.isAtEnd {
                peers.append(
                    PeerMemory(
                        member: NodeID(try reader.read()), boot: BootNumber(try reader.read()),
                        nonce: try reader.read(), term: Term(try reader.read()),
                        index: LogIndex(try reader.read()), spokenTerm: Term(try reader.read())))
            }
        } catch {
            throw .corrupt(
                path: path, offset: reader.offset, reason: "a peer's record is cut short")
        }
        return peers
    }
}
