package import Primitives

/// What a member says of itself. Not revisioned: a fresh cluster is at revision 1.
package struct MemberAttributes: Equatable, Sendable {
    package var member: NodeID
    package var name: String
    package var clientURLs: [String]
    package var peerURLs: [String]
    package var version: String

    package init(
        member: NodeID, name: String, clientURLs: [String], peerURLs: [String], version: String
    ) {
        self.member = member
        self.name = name
        self.clientURLs = clientURLs
        self.peerURLs = peerURLs
        self.version = version
    }

    /// u64 member, then name, client URLs, peer URLs and version, each length-prefixed; a list is
    /// preceded by a u32 count.
    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 128)
        encode(into: &writer)
        return writer.bytes
    }

    func encode(into writer: inout ByteWriter) {
        writer.write(member.rawValue)
        writer.writeLengthPrefixed(name)
        for urls in [clientURLs, peerURLs] {
            writer.write(UInt32(urls.count))
            for url in urls { writer.writeLengthPrefixed(url) }
        }
        writer.writeLengthPrefixed(version)
    }

    package static func decode(
        _ reader: inout ByteReader
    ) throws(DecodingError) -> MemberAttributes {
        let member = NodeID(try reader.read())
        let name = try reader.readString(limit: MemberTable.textBytesMax)
        let clientURLs = try decodeURLs(&reader)
        let peerURLs = try decodeURLs(&reader)
        let version = try reader.readString(limit: MemberTable.textBytesMax)
        return MemberAttributes(
            member: member, name: name, clientURLs: clientURLs, peerURLs: peerURLs,
            version: version)
    }

    private static func decodeURLs(_ reader: inout ByteReader) throws(DecodingError) -> [String] {
        let start = reader.offset
        let count = Int(try reader.read(UInt32.self))
        guard count <= MemberTable.urlsMax else { throw .invalid(field: "urls", offset: start) }
        var urls: [String] = []
        for _ in 0..<count { urls.append(try reader.readString(limit: MemberTable.textBytesMax)) }
        return urls
    }
}

/// The members' attributes by id, the ids that were removed and are never used again, and the
/// cluster version that gates new kinds of entries (DESIGN §6).
package struct MemberTable: Equatable, Sendable {
    static let textBytesMax = 4096
    static let urlsMax = 64

    package internal(set) var attributes: [MemberAttributes] = []
    package internal(set) var removed: [NodeID] = []
    /// `major.minor.patch`; empty until one was committed.
    package internal(set) var clusterVersion = ""

    package init() {}

    package func attributes(of member: NodeID) -> MemberAttributes? {
        let place = firstPlace(attributes, member)
        guard place < attributes.count, attributes[place].member == member else { return nil }
        return attributes[place]
    }

    package func isRemoved(_ member: NodeID) -> Bool { removed.contains(member) }

    mutating func set(_ new: MemberAttributes) {
        guard !isRemoved(new.member) else { return }
        let place = firstPlace(attributes, new.member)
        if place < attributes.count, attributes[place].member == new.member {
            attributes[place] = new
        } else {
            attributes.insert(new, at: place)
        }
    }

    mutating func remove(_ member: NodeID) {
        attributes.removeAll { $0.member == member }
        if !isRemoved(member) {
            removed.append(member)
            removed.sort()
        }
    }

    private func firstPlace(_ attributes: [MemberAttributes], _ member: NodeID) -> Int {
        attributes.firstIndex { $0.member >= member } ?? attributes.count
    }
}
