import NIOCore
import Primitives

/// What peers say when a connection opens, and the frames after it (DESIGN §9).
///
///     frame  := length u32 | crc32c(payload) u32 | payload      (little-endian)
///     hello  := "KEELPEER" | protocol min u16 | max u16 | cluster u64 | sender u64 | receiver u64
///               | boot u64 | nonce u64 | last term u64 | last index u64 | channel u8
///     answer := protocol u16 | verdict u8 | sender u64 | boot u64 | nonce u64
///               | remembered boot u64 | term u64 | index u64 | reason (length-prefixed text)
enum PeerProtocol {
    static let magic: [UInt8] = Array("KEELPEER".utf8)
    static let version: UInt16 = 1
    static let frameBytesMax = 80 << 20
    static let handshakeBytesMax = 4096
    static let headerBytes = 8
}

/// What a connection is for.
enum PeerChannelKind: UInt8, Sendable {
    /// Entries, forwards, reads.
    case bulk = 0
    /// Heartbeats and votes.
    case urgent = 1
    /// One snapshot.
    case snapshot = 2
}

/// The dialling side's first frame.
struct PeerHello: Equatable, Sendable {
    var protocolMin: UInt16 = PeerProtocol.version
    var protocolMax: UInt16 = PeerProtocol.version
    var clusterID: ClusterID
    var sender: NodeID
    var receiver: NodeID
    var boot: BootNumber
    /// Drawn at random by each process: tells a process that dials again from a disk that was set
    /// back.
    var nonce: UInt64
    var lastTerm: Term
    var lastIndex: LogIndex
    var channel: PeerChannelKind

    func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 80)
        writer.write(PeerProtocol.magic)
        writer.write(protocolMin)
        writer.write(protocolMax)
        writer.write(clusterID.rawValue)
        writer.write(sender.rawValue)
        writer.write(receiver.rawValue)
        writer.write(boot.rawValue)
        writer.write(nonce)
        writer.write(lastTerm.rawValue)
        writer.write(lastIndex.rawValue)
        writer.write(channel.rawValue)
        return writer.bytes
    }

    static func decode(_ bytes: [UInt8]) throws(DecodingError) -> PeerHello {
        var reader = ByteReader(bytes)
        guard try reader.readBytes(PeerProtocol.magic.count) == PeerProtocol.magic else {
            throw .invalid(field: "peer magic", offset: 0)
        }
        let protocolMin: UInt16 = try reader.read()
        let protocolMax: UInt16 = try reader.read()
        let cluster = ClusterID(try reader.read())
        let sender = NodeID(try reader.read())
        let receiver = NodeID(try reader.read())
        let boot = BootNumber(try reader.read())
        let nonce: UInt64 = try reader.read()
        let term = Term(try reader.read())
        let index = LogIndex(try reader.read())
        let offset = reader.offset
        guard let channel = PeerChannelKind(rawValue: try reader.read()) else {
            throw .invalid(field: "peer channel", offset: offset)
        }
        return PeerHello(
            protocolMin: protocolMin, protocolMax: protocolMax, clusterID: cluster, sender: sender,
            receiver: receiver, boot: boot, nonce: nonce, lastTerm: term, lastIndex: index,
            channel: channel)
    }
}

/// What the accepting side thinks of a hello.
enum PeerVerdict: UInt8, Sendable {
    /// Welcome; the id was never heard of before this connection's process.
    case neverHeard = 0
    /// Welcome back.
    case known = 1
    /// The sender offers less than it once acknowledged: its disk is an older one, or was wiped.
    case behind = 2
    case wrongCluster = 3
    case wrongMember = 4
    case unknownMember = 5
    case unsupportedProtocol = 6
}

/// The accepting side's first frame.
struct PeerWelcome: Equatable, Sendable {
    var verdict: PeerVerdict
    var sender: NodeID
    var boot: BootNumber
    var nonce: UInt64
    var remembered: PeerMark
    var reason: String

    func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 96)
        writer.write(PeerProtocol.version)
        writer.write(verdict.rawValue)
        writer.write(sender.rawValue)
        writer.write(boot.rawValue)
        writer.write(nonce)
        writer.write(remembered.boot.rawValue)
        writer.write(remembered.term.rawValue)
        writer.write(remembered.index.rawValue)
        writer.writeLengthPrefixed(reason)
        return writer.bytes
    }

    static func decode(_ bytes: [UInt8]) throws(DecodingError) -> PeerWelcome {
        var reader = ByteReader(bytes)
        _ = try reader.read(UInt16.self)
        let offset = reader.offset
        guard let verdict = PeerVerdict(rawValue: try reader.read()) else {
            throw .invalid(field: "peer verdict", offset: offset)
        }
        return PeerWelcome(
            verdict: verdict, sender: NodeID(try reader.read()),
            boot: BootNumber(try reader.read()), nonce: try reader.read(),
            remembered: PeerMark(
                boot: BootNumber(try reader.read()), term: Term(try reader.read()),
                index: LogIndex(try reader.read())),
            reason: try reader.readString(limit: PeerProtocol.handshakeBytesMax))
    }
}

/// What a node remembers of a peer: its last start and the highest (term, index) that it
/// acknowledged.
struct PeerMark: Equatable, Sendable {
    var boot: BootNumber
    var term: Term
    var index: LogIndex
}

/// Cuts a byte stream into checked frames. Bounded: a frame above the limit is an error at once.
struct PeerFrameDecoder {
    enum Failure: Error, Equatable {
        case tooLarge(bytes: Int, limit: Int)
        case badChecksum(bytes: Int)
    }

    private var buffer = ByteBuffer()
    /// Until the handshake is done only small frames are taken.
    var limit = PeerProtocol.handshakeBytesMax

    mutating func append(_ bytes: inout ByteBuffer) {
        if buffer.readableBytes == 0 {
            buffer = bytes
        } else {
            buffer.writeBuffer(&bytes)
        }
    }

    /// The next whole frame's payload, or nil when more bytes are needed.
    mutating func next() throws(Failure) -> [UInt8]? {
        guard
            let length = buffer.getInteger(
                at: buffer.readerIndex, endianness: .little, as: UInt32.self)
        else { return nil }
        guard length <= limit else { throw .tooLarge(bytes: Int(length), limit: limit) }
        guard buffer.readableBytes >= PeerProtocol.headerBytes + Int(length) else { return nil }
        buffer.moveReaderIndex(forwardBy: 4)
        let checksum = buffer.readInteger(endianness: .little, as: UInt32.self) ?? 0
        guard let payload = buffer.readBytes(length: Int(length)),
            Checksum.crc32c(payload) == checksum
        else { throw .badChecksum(bytes: Int(length)) }
        if buffer.readerIndex > 1 << 20 { buffer.discardReadBytes() }
        return payload
    }

    static func append(_ payload: [UInt8], to buffer: inout ByteBuffer) {
        buffer.writeInteger(UInt32(payload.count), endianness: .little)
        buffer.writeInteger(Checksum.crc32c(payload), endianness: .little)
        buffer.writeBytes(payload)
    }
}
