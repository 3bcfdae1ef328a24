package import Primitives
import RaftCore
package import Storage

// What peers say when a connection opens (DESIGN §9). Little-endian:
//
//     hello  := "KEELPEER" | protocol min u16 | max u16 | cluster u64 | sender u64 | receiver u64
//               | boot u64 | nonce u64 | current term u64 | last term u64 | last index u64
//               | channel u8 | count u16 | nonces of the starts before, the last one first u64*
//               | the sender's peer URL (length-prefixed text)
//               | the feature level that it knows u16 | the cluster's, as it knows it u16
//     answer := protocol u16 | verdict u8 | sender u64 | boot u64 | nonce u64
//               | remembered boot u64 | term u64 | index u64 | reason (length-prefixed text)
//               | index of the newest configuration in the sender's log u64 | count u16
//               | its voters u64*, none where they are too many
//               | 1 u8 where the sender takes notes of traces; else nothing

package enum PeerProtocol {
    static let magic: [UInt8] = Array("KEELPEER".utf8)
    package static let version: UInt16 = 5
    /// Bytes of a hello or of its answer.
    package static let handshakeBytesMax = 4096
}

/// What a connection is for.
package enum PeerChannelKind: UInt8, Sendable, CaseIterable {
    /// Entries, forwards, reads.
    case bulk = 0
    /// Heartbeats and votes.
    case urgent = 1
    /// One snapshot.
    case snapshot = 2
}

/// Who this node is to its peers.
package struct PeerIdentity: Sendable {
    package var clusterID: ClusterID
    package var memberID: NodeID
    package var boot: BootNumber
    package var nonce: UInt64
    /// The nonces of the starts before on this disk, the last one first.
    package var earlierNonces: [UInt64]
    /// The highest that its build knows.
    package var level: FeatureLevel

    package init(
        clusterID: ClusterID, memberID: NodeID, boot: BootNumber, nonce: UInt64,
        earlierNonces: [UInt64] = [], level: FeatureLevel = .newest
    ) {
        self.level = level
        self.clusterID = clusterID
        self.memberID = memberID
        self.boot = boot
        self.nonce = nonce
        self.earlierNonces = earlierNonces
    }

    package init(
        clusterID: ClusterID, memberID: NodeID, _ start: NodeStart, level: FeatureLevel
    ) {
        self.init(
            clusterID: clusterID, memberID: memberID, boot: start.boot, nonce: start.nonce,
            earlierNonces: start.earlierNonces, level: level)
    }
}

/// The dialling side's first frame.
package struct PeerHello: Equatable, Sendable {
    package var protocolMin: UInt16 = PeerProtocol.version
    package var protocolMax: UInt16 = PeerProtocol.version
    package var clusterID: ClusterID
    package var sender: NodeID
    package var receiver: NodeID
    package var boot: BootNumber
    /// Drawn at random by each process: tells a process that dials again from a disk that was set
    /// back.
    package var nonce: UInt64
    package var currentTerm: Term
    package var lastTerm: Term
    package var lastIndex: LogIndex
    package var channel: PeerChannelKind
    package var earlierNonces: [UInt64]
    /// Where the sender is found by a node that does not know of it yet.
    package var peerURL: String
    package var level: FeatureLevel
    package var clusterLevel: FeatureLevel

    package static let urlBytesMax = 1024

    package init(
        from identity: PeerIdentity, to receiver: NodeID, currentTerm: Term, lastTerm: Term,
        lastIndex: LogIndex, channel: PeerChannelKind, peerURL: String = "",
        clusterLevel: FeatureLevel = .first
    ) {
        level = identity.level
        self.clusterLevel = clusterLevel
        self.peerURL = peerURL.utf8.count <= Self.urlBytesMax ? peerURL : ""
        self.currentTerm = currentTerm
        clusterID = identity.clusterID
        sender = identity.memberID
        self.receiver = receiver
        boot = identity.boot
        nonce = identity.nonce
        earlierNonces = identity.earlierNonces
        self.lastTerm = lastTerm
        self.lastIndex = lastIndex
        self.channel = channel
    }

    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 88 + 8 * earlierNonces.count)
        writer.write(PeerProtocol.magic)
        writer.write(protocolMin)
        writer.write(protocolMax)
        writer.write(clusterID.rawValue)
        writer.write(sender.rawValue)
        writer.write(receiver.rawValue)
        writer.write(boot.rawValue)
        writer.write(nonce)
        writer.write(currentTerm.rawValue)
        writer.write(lastTerm.rawValue)
        writer.write(lastIndex.rawValue)
        writer.write(channel.rawValue)
        writer.write(UInt16(earlierNonces.count))
        for nonce in earlierNonces { writer.write(nonce) }
        writer.writeLengthPrefixed(peerURL)
        writer.write(level.rawValue)
        writer.write(clusterLevel.rawValue)
        return writer.bytes
    }

    package static func decode(_ bytes: [UInt8]) throws(DecodingError) -> PeerHello {
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
        let start = reader.offset
        let currentTerm = Term(try reader.read())
        let term = Term(try reader.read())
        let index = LogIndex(try reader.read())
        guard max(currentTerm.rawValue, term.rawValue, index.rawValue) < Message.numberMax else {
            throw .invalid(field: "peer position", offset: start)
        }
        let offset = reader.offset
        guard let channel = PeerChannelKind(rawValue: try reader.read()) else {
            throw .invalid(field: "peer channel", offset: offset)
        }
        var earlier: [UInt64] = []
        var peerURL = ""
        var level = FeatureLevel.first
        var clusterLevel = FeatureLevel.first
        // An older version says hello without them; its protocol is refused by name.
        if protocolMax >= PeerProtocol.version {
            let count = Int(try reader.read(UInt16.self))
            guard count <= BootFile.earlierMax else {
                throw .invalid(field: "peer starts", offset: offset + 1)
            }
            for _ in 0..<count { earlier.append(try reader.read()) }
            peerURL = try reader.readString(limit: urlBytesMax)
            level = FeatureLevel(try reader.read())
            clusterLevel = FeatureLevel(try reader.read())
        }
        var hello = PeerHello(
            from: PeerIdentity(
                clusterID: cluster, memberID: sender, boot: boot, nonce: nonce,
                earlierNonces: earlier, level: level),
            to: receiver, currentTerm: currentTerm, lastTerm: term, lastIndex: index,
            channel: channel, peerURL: peerURL, clusterLevel: clusterLevel)
        hello.protocolMin = protocolMin
        hello.protocolMax = protocolMax
        return hello
    }
}

/// What the accepting side thinks of a hello.
package enum PeerVerdict: UInt8, Sendable {
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
    /// The sender was a member once.
    case removedMember = 7
    /// The sender does not know the cluster's feature level: it must not go on.
    case levelTooLow = 8
    /// The sender's cluster has a feature level that this node does not know: this node learns it
    /// as a sender, too.
    case levelTooHigh = 9

    /// Whether the connection may be used. One whose disk is behind is listened to; it does not
    /// vote.
    package var isWelcome: Bool {
        switch self {
        case .neverHeard, .known, .behind: true
        case .wrongCluster, .wrongMember, .unknownMember, .unsupportedProtocol, .removedMember,
            .levelTooLow, .levelTooHigh:
            false
        }
    }
}

/// The accepting side's first frame.
package struct PeerWelcome: Equatable, Sendable {
    package var verdict: PeerVerdict
    package var sender: NodeID
    package var boot: BootNumber
    package var nonce: UInt64
    package var remembered: PeerMark
    package var reason: String
    /// Who votes by the newest configuration in the sender's log, which is there.
    package var configurationIndex = LogIndex.zero
    package var voters: [NodeID] = []
    /// Whether frames with notes of traces may be sent on this connection: builds that do not know
    /// them would close it.
    package var takesTraces = false

    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 128)
        writer.write(PeerProtocol.version)
        writer.write(verdict.rawValue)
        writer.write(sender.rawValue)
        writer.write(boot.rawValue)
        writer.write(nonce)
        writer.write(remembered.boot.rawValue)
        writer.write(remembered.term.rawValue)
        writer.write(remembered.index.rawValue)
        writer.writeLengthPrefixed(reason)
        writer.write(configurationIndex.rawValue)
        let room = (PeerProtocol.handshakeBytesMax - writer.bytes.count - 2) / 8
        let named = voters.count <= room ? voters : []
        writer.write(UInt16(named.count))
        for voter in named { writer.write(voter.rawValue) }
        if takesTraces, writer.bytes.count < PeerProtocol.handshakeBytesMax {
            writer.write(UInt8(1))
        }
        return writer.bytes
    }

    package static func decode(_ bytes: [UInt8]) throws(DecodingError) -> PeerWelcome {
        var reader = ByteReader(bytes)
        _ = try reader.read(UInt16.self)
        let offset = reader.offset
        guard let verdict = PeerVerdict(rawValue: try reader.read()) else {
            throw .invalid(field: "peer verdict", offset: offset)
        }
        var welcome = PeerWelcome(
            verdict: verdict, sender: NodeID(try reader.read()),
            boot: BootNumber(try reader.read()), nonce: try reader.read(),
            remembered: PeerMark(
                boot: BootNumber(try reader.read()), term: Term(try reader.read()),
                index: LogIndex(try reader.read())),
            reason: try reader.readString(limit: PeerProtocol.handshakeBytesMax))
        // Earlier builds name no voters.
        if reader.isAtEnd { return welcome }
        welcome.configurationIndex = LogIndex(try reader.read())
        for _ in 0..<(try reader.read(UInt16.self)) {
            welcome.voters.append(NodeID(try reader.read()))
        }
        // Other numbers are for builds to come.
        if !reader.isAtEnd { welcome.takesTraces = try reader.read(UInt8.self) == 1 }
        return welcome
    }
}

/// What a node remembers of a peer: its last start and the highest (term, index) that it
/// acknowledged.
package struct PeerMark: Equatable, Sendable {
    package var boot: BootNumber
    package var term: Term
    package var index: LogIndex

    package init(boot: BootNumber, term: Term, index: LogIndex) {
        self.boot = boot
        self.term = term
        self.index = index
    }
}
