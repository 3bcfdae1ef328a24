internal import Crypto
internal import Primitives
internal import StateMachine

/// A member of the new cluster, as the operator names it.
package struct RestoredMember: Equatable, Sendable {
    package var name: String
    package var peerURLs: [String]

    package init(name: String, peerURLs: [String]) {
        self.name = name
        self.peerURLs = peerURLs.sorted()
    }
}

/// What is said alike to every member of a cluster that is restored.
package struct RestoreOrder: Equatable, Sendable {
    /// Sorted by name.
    package private(set) var members: [RestoredMember]
    package var token: String
    /// Given to all members; another one makes another cluster of the same backup.
    package var nonce: String
    /// How far the revision goes up.
    package var revisionStep: Int64

    package static let membersMax = 256

    /// - Throws: ``BackupError/badMembers(reason:)`` where they cannot be a cluster.
    package init(
        members: [RestoredMember], token: String, nonce: String = "",
        revisionStep: Int64 = RestorationStep.revisionsMin
    ) throws(BackupError) {
        guard !members.isEmpty, members.count <= Self.membersMax else {
            throw .badMembers(
                reason: "--initial-cluster names \(members.count) members, 1 to"
                    + " \(Self.membersMax) can be")
        }
        for member in members {
            guard !member.name.isEmpty, !member.peerURLs.isEmpty else {
                throw .badMembers(reason: "--initial-cluster has a member without name or URL")
            }
        }
        let urls = members.flatMap(\.peerURLs)
        for (position, url) in urls.enumerated() where urls[..<position].contains(url) {
            throw .badMembers(reason: "--initial-cluster has \(url) twice")
        }
        self.members = members.sorted { $0.name < $1.name }
        for (one, next) in zip(self.members, self.members.dropFirst()) where one.name == next.name {
            throw .badMembers(reason: "--initial-cluster has two members \(one.name)")
        }
        self.token = token
        self.nonce = nonce
        self.revisionStep = revisionStep
    }
}

/// Hashes that name what is restored: equal for every member, other than anything before.
struct RestoredNames {
    private let clusterBytes: [UInt8]
    let clusterID: ClusterID

    /// - Parameter fingerprint: of the restored state, which says where it was cut.
    init(_ order: RestoreOrder, fingerprint: [UInt8], not old: ClusterID?) {
        var writer = ByteWriter(capacity: 512)
        writer.write(Array("keelson restored cluster 1".utf8))
        writer.writeLengthPrefixed(fingerprint)
        writer.writeLengthPrefixed(order.token)
        writer.writeLengthPrefixed(order.nonce)
        for member in order.members {
            writer.writeLengthPrefixed(member.name)
            writer.write(UInt32(member.peerURLs.count))
            for url in member.peerURLs { writer.writeLengthPrefixed(url) }
        }
        var salt: UInt64 = 0
        while true {
            let found = Self.hash(writer.bytes, salt)
            if found != 0, found != old?.rawValue {
                clusterID = ClusterID(found)
                break
            }
            salt += 1
        }
        clusterBytes = writer.bytes
    }

    /// The member's id, which is none of `taken`.
    func memberID(_ member: RestoredMember, taken: (NodeID) -> Bool) -> NodeID {
        var writer = ByteWriter(capacity: 256)
        writer.write(clusterBytes)
        writer.write(clusterID.rawValue)
        writer.writeLengthPrefixed(member.name)
        var salt: UInt64 = 0
        while true {
            let id = NodeID(Self.hash(writer.bytes, salt))
            if id != .none, !taken(id) { return id }
            salt += 1
        }
    }

    private static func hash(_ bytes: [UInt8], _ salt: UInt64) -> UInt64 {
        var hash = RunningHash()
        hash.update(bytes)
        withUnsafeBytes(of: salt.littleEndian) { hash.update($0) }
        return hash.value.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// SHA-256 over everything that a state says, whichever member's rows it was read from: in what
/// pieces they were, and what of history was still there, makes no difference once the state is
/// compacted.
struct StateFingerprint {
    private static let pieceBytes = 1 << 16

    let bytes: [UInt8]

    init(_ state: FrozenStore) {
        var hash = RunningHash()
        var writer = ByteWriter(capacity: Self.pieceBytes + 4096)
        writer.write(state.revision.rawValue)
        writer.write(state.appliedIndex.rawValue)
        writer.write(state.appliedTerm.rawValue)
        writer.write(state.clock)
        writer.write(state.clusterTime)
        for lease in state.allLeases {
            writer.write(lease.id)
            writer.write(lease.grantedSeconds)
        }
        writer.writeLengthPrefixed(state.auth.encode())
        state.forEachRecord { space, record in
            let header = record.header
            writer.write(space.rawValue)
            writer.write(header.modRevision)
            writer.write(header.sub)
            writer.write(header.createRevision)
            writer.write(header.version)
            writer.write(header.lease)
            writer.write(header.keyByteCount)
            writer.write(header.valueByteCount)
            record.withKey { writer.write($0) }
            record.withValue { writer.write($0) }
            if writer.bytes.count >= Self.pieceBytes {
                hash.update(writer.bytes)
                writer.bytes.removeAll(keepingCapacity: true)
            }
        }
        hash.update(writer.bytes)
        bytes = hash.value
    }
}
