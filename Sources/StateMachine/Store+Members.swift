package import Primitives

/// What a client asks of the cluster's members. Little-endian; URLs are a u32 count and
/// length-prefixed texts.
package enum MemberCommand {
    /// `u8 role | peer URLs`
    package static func addition(as role: MemberRole, peerURLs: [String]) -> [UInt8] {
        var writer = ByteWriter(capacity: 64)
        writer.write(role.rawValue)
        MemberAttributes.encode(peerURLs, into: &writer)
        return writer.bytes
    }

    /// `u64 member`
    package static func removal(_ member: NodeID) -> [UInt8] {
        var writer = ByteWriter(capacity: 8)
        writer.write(member.rawValue)
        return writer.bytes
    }

    /// `u64 member | peer URLs`
    package static func update(_ member: NodeID, peerURLs: [String]) -> [UInt8] {
        var writer = ByteWriter(capacity: 64)
        writer.write(member.rawValue)
        MemberAttributes.encode(peerURLs, into: &writer)
        return writer.bytes
    }

    /// `u64 member | u8 role that it has`
    package static func promotion(_ member: NodeID, from role: MemberRole) -> [UInt8] {
        var writer = ByteWriter(capacity: 9)
        writer.write(member.rawValue)
        writer.write(role.rawValue)
        return writer.bytes
    }

    /// `u32 count | attributes*`
    package static func foundation(_ members: [MemberAttributes]) -> [UInt8] {
        var writer = ByteWriter(capacity: 256)
        writer.write(UInt32(members.count))
        for member in members { member.encode(into: &writer) }
        return writer.bytes
    }

    /// Whom a removal, an update, a promotion or a replacement concerns; nil for other bytes.
    package static func member(in body: some Collection<UInt8>) -> NodeID? {
        var reader = ByteReader(Array(body.prefix(8)))
        return (try? reader.read() as UInt64).map { NodeID($0) }
    }
}

extension Store {
    /// Who the members are to be, by the rules that hold on every node. Whether the cluster can
    /// afford a change is for the leader to see before it proposes it.
    func changeMembers(
        _ kind: CommandKind, _ body: UnsafeRawBufferPointer, _ applied: inout Applied
    ) throws(StoreError) -> Outcome {
        var reader = ByteReader(Array(body))
        var next = members
        let outcome: Outcome
        do {
            switch kind {
            case .memberAttributes: outcome = try next.publish(&reader)
            case .memberFoundation: outcome = try next.found(&reader)
            case .memberAddition: outcome = try next.add(&reader, at: appliedIndex)
            case .memberRemoval: outcome = try next.takeOut(&reader)
            case .memberUpdate: outcome = try next.move(&reader)
            case .memberPromotion: outcome = try next.promote(&reader)
            case .memberRejoin: outcome = try next.rejoin(&reader, at: appliedIndex)
            case .memberSuccession: outcome = try next.succeed(&reader)
            case .put, .deleteRange, .txn, .compact, .leaseGrant, .leaseRevoke, .leaseExpire,
                .leaseCheckpoint, .alarm, .clusterLevel, .downgrade, .auth, .datacenter:
                invariant(false, "\(kind) changes no member")
                outcome = .none
            }
        } catch let error as StoreError {
            throw error
        } catch {
            throw .malformed(offset: reader.offset)
        }
        guard reader.isAtEnd else { throw .malformed(offset: reader.offset) }
        members = next
        applied.membershipChanged = true
        digest.fold(.member, Array(body))
        return outcome
    }
}

extension MemberTable {
    /// Takes from an entry that is perhaps never committed where members are to be found. Total:
    /// what it does not understand it leaves alone.
    package mutating func foresee(_ entry: LogEntry) {
        guard entry.kind == .command, let kind = Command.kind(of: entry.payload),
            kind.concernsMembers,
            let header = entry.payload.withUnsafeBytes({ try? Command.decodeHeader($0) })
        else { return }
        var reader = ByteReader(Array(entry.payload[header.bodyOffset...]))
        var next = self
        switch header.header.kind {
        case .memberAttributes: _ = try? next.publish(&reader)
        case .memberFoundation: _ = try? next.found(&reader)
        case .memberAddition: _ = try? next.add(&reader, at: entry.index)
        case .memberUpdate: _ = try? next.move(&reader)
        case .memberRejoin: next.foreseeRejoin(&reader, at: entry.index)
        case .put, .deleteRange, .txn, .compact, .leaseGrant, .leaseRevoke, .leaseExpire,
            .leaseCheckpoint, .alarm, .clusterLevel, .downgrade, .memberRemoval, .memberPromotion,
            .memberSuccession, .auth, .datacenter:
            return
        }
        self = next
    }

    /// What a member says of itself. Where its peers find it is the cluster's to say.
    fileprivate mutating func publish(_ reader: inout ByteReader) throws -> Outcome {
        let attributes = try MemberAttributes.decode(&reader)
        if isRemoved(attributes.member) { throw StoreError.memberNotFound }
        var record =
            self[attributes.member]
            ?? MemberRecord(id: attributes.member, role: .voter, peerURLs: attributes.peerURLs)
        record.publish(attributes)
        set(record)
        return .none
    }

    fileprivate mutating func found(_ reader: inout ByteReader) throws -> Outcome {
        let count: UInt32 = try reader.read()
        for _ in 0..<count {
            let attributes = try MemberAttributes.decode(&reader)
            guard self[attributes.member] == nil, records.count < Self.membersMax else { continue }
            var record = MemberRecord(
                id: attributes.member, role: .voter, peerURLs: attributes.peerURLs)
            record.publish(attributes)
            set(record)
        }
        return .none
    }

    /// The new member's id comes from the index of the entry that adds it (DESIGN §9).
    fileprivate mutating func add(
        _ reader: inout ByteReader, at index: LogIndex
    ) throws -> Outcome {
        let start = reader.offset
        guard let role = MemberRole(rawValue: try reader.read()), role != .voter else {
            throw DecodingError.invalid(field: "member role", offset: start)
        }
        let peerURLs = try MemberAttributes.decodeURLs(&reader)
        if records.count >= Self.membersMax { throw StoreError.tooManyMembers }
        if isTaken(peerURLs, byOtherThan: .none) { throw StoreError.peerURLExists }
        let id = newID(at: index)
        set(MemberRecord(id: id, role: role, peerURLs: peerURLs))
        return .member(id)
    }

    func newID(at index: LogIndex) -> NodeID {
        var ids = SplitMix64(seed: index.rawValue ^ 0x6D65_6D62_6572)
        var id = NodeID(ids.next())
        while id == .none || self[id] != nil || isRemoved(id) { id = NodeID(ids.next()) }
        return id
    }

    fileprivate mutating func takeOut(_ reader: inout ByteReader) throws -> Outcome {
        let id = NodeID(try reader.read())
        guard let record = self[id] else { throw StoreError.memberNotFound }
        if record.role == .voter, voters.count == 1 { throw StoreError.noVoterLeft }
        remove(id)
        return .member(id)
    }

    fileprivate mutating func move(_ reader: inout ByteReader) throws -> Outcome {
        let id = NodeID(try reader.read())
        let peerURLs = try MemberAttributes.decodeURLs(&reader)
        guard var record = self[id] else { throw StoreError.memberNotFound }
        if isTaken(peerURLs, byOtherThan: id) { throw StoreError.peerURLExists }
        record.peerURLs = peerURLs
        set(record)
        return .member(id)
    }

    fileprivate mutating func promote(_ reader: inout ByteReader) throws -> Outcome {
        let id = NodeID(try reader.read())
        let start = reader.offset
        guard let role = MemberRole(rawValue: try reader.read()), role != .voter else {
            throw DecodingError.invalid(field: "member role", offset: start)
        }
        guard var record = self[id] else { throw StoreError.memberNotFound }
        guard record.role == role else { throw StoreError.memberNotLearner }
        record.role = .voter
        set(record)
        return .member(id)
    }
}
