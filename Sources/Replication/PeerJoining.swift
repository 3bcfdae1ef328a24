package import Primitives
import Storage

// What a server asks that was told to join a cluster and has no data directory yet. Little-endian,
// in frames as the handshake:
//
//     question := "KEELJOIN" | protocol min u16 | max u16 | count u16 | own peer URLs (texts)*
//                 | the highest feature level that it knows u16
//                 | the member whose place it asks for u64, 0: none | its own name (text)
//     answer   := protocol u16 | verdict u8 | cluster u64 | member u64 | reason (text)
//                 | count u16 | voters: (id u64, peer URL (text))*
//
// A text is length-prefixed. A build before level 3 says and reads nothing behind its level.

/// Which member is to be found at these URLs?
package struct JoinQuestion: Equatable, Sendable {
    package static let magic: [UInt8] = Array("KEELJOIN".utf8)
    package static let urlsMax = 16

    package var protocolMin = PeerProtocol.version
    package var protocolMax = PeerProtocol.version
    package var peerURLs: [String]
    package var level: FeatureLevel
    /// The member at these URLs whose disk the server has lost: it asks for its place under another
    /// id.
    package var replaces = NodeID.none
    package var name = ""

    package init(
        peerURLs: [String], level: FeatureLevel, replaces: NodeID = .none, name: String = ""
    ) {
        self.peerURLs = peerURLs
        self.level = level
        self.replaces = replaces
        self.name = name
    }

    package static func isOne(_ frame: [UInt8]) -> Bool { frame.starts(with: magic) }

    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 128)
        writer.write(Self.magic)
        writer.write(protocolMin)
        writer.write(protocolMax)
        writer.write(UInt16(peerURLs.count))
        for url in peerURLs { writer.writeLengthPrefixed(url) }
        writer.write(level.rawValue)
        writer.write(replaces.rawValue)
        writer.writeLengthPrefixed(name)
        return writer.bytes
    }

    package static func decode(_ bytes: [UInt8]) throws(DecodingError) -> JoinQuestion {
        var reader = ByteReader(bytes)
        guard try reader.readBytes(magic.count) == magic else {
            throw .invalid(field: "join magic", offset: 0)
        }
        var question = JoinQuestion(peerURLs: [], level: .first)
        question.protocolMin = try reader.read()
        question.protocolMax = try reader.read()
        let count = Int(try reader.read(UInt16.self))
        guard count <= urlsMax else { throw .invalid(field: "join urls", offset: reader.offset) }
        for _ in 0..<count {
            question.peerURLs.append(
                try reader.readString(limit: PeerProtocol.handshakeBytesMax))
        }
        // An older version asks without it; its protocol is refused by name.
        if question.protocolMax >= PeerProtocol.version {
            question.level = FeatureLevel(try reader.read())
            if reader.isAtEnd { return question }
            question.replaces = NodeID(try reader.read())
            question.name = try reader.readString(limit: PeerProtocol.handshakeBytesMax)
        }
        return question
    }
}

/// What a member of the cluster knows about it.
package struct JoinAnswer: Equatable, Sendable {
    package enum Verdict: UInt8, Sendable {
        /// The cluster has this member, and it has not started yet.
        case welcome = 0
        /// No member is to be found at these URLs.
        case unknown = 1
        /// The member there has started before: its data directory is elsewhere, or is lost.
        case startedBefore = 2
        case unsupportedProtocol = 3
        /// The node that asks does not know the cluster's feature level.
        case levelTooLow = 4
        /// Not now, as far as the one knows that was asked; it may be another time.
        case notNow = 5
    }

    package struct Voter: Equatable, Sendable {
        package var id: NodeID
        package var peerURL: String

        package init(id: NodeID, peerURL: String) {
            self.id = id
            self.peerURL = peerURL
        }
    }

    package var verdict: Verdict
    package var clusterID: ClusterID
    package var memberID: NodeID
    package var reason: String
    /// Who votes now; as many as fit.
    package var voters: [Voter] = []

    package init(_ verdict: Verdict, clusterID: ClusterID, memberID: NodeID, reason: String = "") {
        self.verdict = verdict
        self.clusterID = clusterID
        self.memberID = memberID
        self.reason = reason
    }

    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 512)
        writer.write(PeerProtocol.version)
        writer.write(verdict.rawValue)
        writer.write(clusterID.rawValue)
        writer.write(memberID.rawValue)
        writer.writeLengthPrefixed(reason)
        var listed: [Voter] = []
        var room = PeerProtocol.handshakeBytesMax - writer.bytes.count - 2
        for voter in voters {
            room -= 12 + voter.peerURL.utf8.count
            if room < 0 { break }
            listed.append(voter)
        }
        writer.write(UInt16(listed.count))
        for voter in listed {
            writer.write(voter.id.rawValue)
            writer.writeLengthPrefixed(voter.peerURL)
        }
        return writer.bytes
    }

    package static func decode(_ bytes: [UInt8]) throws(DecodingError) -> JoinAnswer {
        var reader = ByteReader(bytes)
        _ = try reader.read(UInt16.self)
        let offset = reader.offset
        guard let verdict = Verdict(rawValue: try reader.read()) else {
            throw .invalid(field: "join verdict", offset: offset)
        }
        var answer = JoinAnswer(
            verdict, clusterID: ClusterID(try reader.read()),
            memberID: NodeID(try reader.read()),
            reason: try reader.readString(limit: PeerProtocol.handshakeBytesMax))
        let count = Int(try reader.read(UInt16.self))
        guard count <= NodeIdentity.initialVotersMax else {
            throw .invalid(field: "join voters", offset: reader.offset)
        }
        for _ in 0..<count {
            answer.voters.append(
                Voter(
                    id: NodeID(try reader.read()),
                    peerURL: try reader.readString(limit: PeerProtocol.handshakeBytesMax)))
        }
        return answer
    }
}
