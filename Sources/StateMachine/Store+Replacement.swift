package import Primitives

extension MemberCommand {
    /// Asks for the place of a member whose disk is lost: `u64 member | name | peer URLs`, the
    /// last two as they are on record.
    package static func rejoin(
        _ member: NodeID, name: String, peerURLs: [String]
    ) -> [UInt8] {
        var writer = ByteWriter(capacity: 96)
        writer.write(member.rawValue)
        writer.writeLengthPrefixed(name)
        MemberAttributes.encode(peerURLs, into: &writer)
        return writer.bytes
    }

    /// `u64 dead voter | u64 learner`
    package static func succession(of dead: NodeID, by learner: NodeID) -> [UInt8] {
        var writer = ByteWriter(capacity: 16)
        writer.write(dead.rawValue)
        writer.write(learner.rawValue)
        return writer.bytes
    }
}

extension MemberRecord {
    /// Whether a server of this name at these URLs is the member as it is on record.
    package func isFound(as name: String, at urls: [String]) -> Bool {
        peerURLs.sorted() == urls.sorted() && (self.name.isEmpty || self.name == name)
    }
}

/// A member's place goes to another one in one entry, so that no crash lies between its two halves
/// (docs/decisions/0010-a-lost-disk-rejoins-under-a-new-id.md).
extension MemberTable {
    /// Another one than `id` has still to become what it is to be.
    package func isJoining(besides id: NodeID) -> Bool {
        records.contains { $0.id != id && $0.role == .joining }
    }

    /// The old id is removed for good; who comes has to keep up with the log before it votes.
    /// Asked a second time, it changes nothing and names the place that was given.
    mutating func rejoin(_ reader: inout ByteReader, at index: LogIndex) throws -> Outcome {
        let id = NodeID(try reader.read())
        let name = try reader.readString(limit: Self.textBytesMax)
        let peerURLs = try MemberAttributes.decodeURLs(&reader)
        guard let old = self[id] else {
            let successor = records.first { $0.isFound(as: name, at: peerURLs) }
            guard isRemoved(id), let successor else { throw StoreError.memberNotFound }
            return .member(successor.id)
        }
        guard old.isFound(as: name, at: peerURLs) else { throw StoreError.memberDiffers }
        #if KEELSON_MUTANTS
            let isOneAtATime = !planted(.replacesSeveralAtOnce)
        #else
            let isOneAtATime = true
        #endif
        if isOneAtATime, isJoining(besides: id) { throw StoreError.memberJoining }
        if old.role == .voter, voters.count == 1 { throw StoreError.noVoterLeft }
        let place = old.place(under: newID(at: index))
        remove(id)
        set(place)
        return .member(place.id)
    }

    /// Whether the old one goes is not known yet: both may be found there.
    mutating func foreseeRejoin(_ reader: inout ByteReader, at index: LogIndex) {
        guard let id = try? reader.read() as UInt64, let old = self[NodeID(id)] else { return }
        set(old.place(under: newID(at: index)))
    }

    /// As many vote as before. The learner has shown to the leader that it keeps up.
    mutating func succeed(_ reader: inout ByteReader) throws -> Outcome {
        let dead = NodeID(try reader.read())
        let learner = NodeID(try reader.read())
        guard let old = self[dead], var next = self[learner] else {
            throw StoreError.memberNotFound
        }
        guard old.role == .voter, next.role == .learner, next.hasStarted else {
            throw StoreError.memberNotLearner
        }
        if isJoining(besides: dead) { throw StoreError.memberJoining }
        remove(dead)
        next.role = .voter
        set(next)
        return .member(learner)
    }
}

extension MemberRecord {
    /// What is found where this member was, and has not started yet.
    fileprivate func place(under id: NodeID) -> MemberRecord {
        var place = MemberRecord(
            id: id, role: role == .voter ? .joining : role, peerURLs: peerURLs)
        place.name = name
        return place
    }
}
