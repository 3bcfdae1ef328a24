package import Primitives

/// What a member says of itself. Not revisioned: a fresh cluster is at revision 1.
package struct MemberAttributes: Equatable, Sendable {
    package var member: NodeID
    package var name: String
    package var clientURLs: [String]
    package var peerURLs: [String]
    package var version: String
    /// The start in which it says so, which took part: peers that joined later, and never heard of
    /// it, know from here which disk is the right one (DESIGN §5, amnesia). Zero: it never started.
    package var boot = BootNumber.zero
    package var nonce: UInt64 = 0
    /// The highest that the member's build knows.
    package var level: FeatureLevel

    package init(
        member: NodeID, name: String, clientURLs: [String], peerURLs: [String], version: String,
        boot: BootNumber = .zero, nonce: UInt64 = 0, level: FeatureLevel = .unannounced
    ) {
        self.level = level
        self.boot = boot
        self.nonce = nonce
        self.member = member
        self.name = name
        self.clientURLs = clientURLs
        self.peerURLs = peerURLs
        self.version = version
    }

    /// u64 member, then name, client URLs, peer URLs and version, each length-prefixed; a list is
    /// preceded by a u32 count; then u64 boot number and nonce, and u16 feature level.
    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 128)
        encode(into: &writer)
        return writer.bytes
    }

    func encode(into writer: inout ByteWriter) {
        writer.write(member.rawValue)
        writer.writeLengthPrefixed(name)
        for urls in [clientURLs, peerURLs] { Self.encode(urls, into: &writer) }
        writer.writeLengthPrefixed(version)
        writer.write(boot.rawValue)
        writer.write(nonce)
        writer.write(level.rawValue)
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
            version: version, boot: BootNumber(try reader.read()), nonce: try reader.read(),
            level: FeatureLevel(try reader.read()))
    }

    static func encode(_ urls: [String], into writer: inout ByteWriter) {
        writer.write(UInt32(urls.count))
        for url in urls { writer.writeLengthPrefixed(url) }
    }

    static func decodeURLs(_ reader: inout ByteReader) throws(DecodingError) -> [String] {
        let start = reader.offset
        let count = Int(try reader.read(UInt32.self))
        guard count <= MemberTable.urlsMax else { throw .invalid(field: "urls", offset: start) }
        var urls: [String] = []
        for _ in 0..<count { urls.append(try reader.readString(limit: MemberTable.textBytesMax)) }
        return urls
    }
}

/// One member as the cluster has agreed on it. Consensus follows: the leader changes the
/// configuration until every member has its role there.
package struct MemberRecord: Equatable, Sendable {
    package var id: NodeID
    /// What the member is to be.
    package var role: MemberRole
    /// Empty until the member has started once, unless it is one of the first.
    package var name = ""
    package var peerURLs: [String]
    /// What the member itself published: empty until it has started once.
    package var clientURLs: [String] = []
    package var version = ""
    /// The last start that took part: ``MemberAttributes/boot``.
    package var boot = BootNumber.zero
    package var nonce: UInt64 = 0
    package var level = FeatureLevel.unannounced

    package init(id: NodeID, role: MemberRole, peerURLs: [String]) {
        self.id = id
        self.role = role
        self.peerURLs = peerURLs
    }

    /// Whether the member has ever taken part.
    package var hasStarted: Bool { !version.isEmpty }

    /// Whether this is what the member said of itself. Where its peers find it is the cluster's to
    /// say.
    package func hasPublished(_ attributes: MemberAttributes) -> Bool {
        name == attributes.name && clientURLs == attributes.clientURLs
            && version == attributes.version && boot == attributes.boot
            && nonce == attributes.nonce && level == attributes.level
    }

    /// As a ``MemberAttributes``, with the role before it.
    func encode(into writer: inout ByteWriter) {
        writer.write(role.rawValue)
        MemberAttributes(
            member: id, name: name, clientURLs: clientURLs, peerURLs: peerURLs, version: version,
            boot: boot, nonce: nonce, level: level
        ).encode(into: &writer)
    }

    static func decode(_ reader: inout ByteReader) throws(DecodingError) -> MemberRecord {
        let start = reader.offset
        guard let role = MemberRole(rawValue: try reader.read()) else {
            throw .invalid(field: "member role", offset: start)
        }
        let attributes = try MemberAttributes.decode(&reader)
        var record = MemberRecord(id: attributes.member, role: role, peerURLs: attributes.peerURLs)
        record.publish(attributes)
        return record
    }

    /// What an earlier start said does not count any more.
    mutating func publish(_ attributes: MemberAttributes) {
        guard attributes.boot >= boot else { return }
        boot = attributes.boot
        nonce = attributes.nonce
        name = attributes.name
        clientURLs = attributes.clientURLs
        version = attributes.version
        level = attributes.level
    }
}

/// The members by id, the ids that were removed and are never used again, and the cluster's level,
/// which gates new kinds of entries and fields (DESIGN §6).
package struct MemberTable: Equatable, Sendable {
    static let textBytesMax = 4096
    static let urlsMax = 64
    package static let membersMax = 1024

    /// Sorted by id.
    package internal(set) var records: [MemberRecord] = []
    package internal(set) var removed: [NodeID] = []
    /// What may be written: every member knows it. It never falls.
    package internal(set) var clusterLevel = FeatureLevel.first

    package init() {}

    package subscript(id: NodeID) -> MemberRecord? {
        let place = firstPlace(id)
        return place < records.count && records[place].id == id ? records[place] : nil
    }

    /// Whether the member is neither on record nor was removed.
    package func lacks(_ member: NodeID) -> Bool {
        let place = firstPlace(member)
        let isThere = place < records.count && records[place].id == member
        return !isThere && !isRemoved(member)
    }

    package func isRemoved(_ member: NodeID) -> Bool { removed.contains(member) }

    /// What all members, whatever their role, have said that they know; none is the least there is.
    package var levelOfAll: FeatureLevel { records.map(\.level).min() ?? .unannounced }

    /// The members that are to vote, sorted.
    package var voters: [NodeID] { records.filter { $0.role == .voter }.map(\.id) }

    mutating func set(_ record: MemberRecord) {
        guard !isRemoved(record.id) else { return }
        let place = firstPlace(record.id)
        if place < records.count, records[place].id == record.id {
            records[place] = record
        } else {
            records.insert(record, at: place)
        }
    }

    mutating func remove(_ member: NodeID) {
        records.removeAll { $0.id == member }
        #if KEELSON_MUTANTS
            if planted(.forgetsRemovedIDs) { return }
        #endif
        if !isRemoved(member) {
            removed.append(member)
            removed.sort()
        }
    }

    /// Whether another member than `id` is found at one of these URLs.
    func isTaken(_ peerURLs: [String], byOtherThan id: NodeID) -> Bool {
        records.contains { $0.id != id && $0.peerURLs.contains(where: peerURLs.contains) }
    }

    private func firstPlace(_ member: NodeID) -> Int {
        // Without a copy of any record.
        for place in records.indices where records[place].id >= member { return place }
        return records.count
    }
}
