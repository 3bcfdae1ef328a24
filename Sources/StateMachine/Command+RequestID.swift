package import Primitives

extension CommandKind {
    /// Decided by a leader for its own term, and never for anybody else.
    package var isLeadersOwn: Bool {
        switch self {
        case .leaseExpire, .leaseCheckpoint, .memberFoundation, .clusterLevel, .memberSuccession,
            .datacenter:
            true
        case .put, .deleteRange, .txn, .compact, .leaseGrant, .leaseRevoke, .alarm,
            .memberAttributes, .memberRemoval, .memberAddition, .memberUpdate, .memberPromotion,
            .memberRejoin, .auth, .downgrade:
            false
        }
    }

    package var concernsMembers: Bool {
        changesMembers || self == .memberAttributes || self == .memberFoundation
    }

    /// Changes who is a member, or as what: the leader looks at the cluster's health first.
    package var changesMembers: Bool {
        switch self {
        case .memberRemoval, .memberAddition, .memberUpdate, .memberPromotion, .memberRejoin,
            .memberSuccession:
            true
        case .put, .deleteRange, .txn, .compact, .leaseGrant, .leaseRevoke, .leaseExpire,
            .leaseCheckpoint, .alarm, .clusterLevel, .memberAttributes, .memberFoundation, .auth,
            .downgrade, .datacenter:
            false
        }
    }
}

extension Command {
    /// What an encoded command asks for; nil where a node that knows so much does not know it.
    package static func kind(
        of payload: [UInt8], known: FeatureLevel = .newest
    ) -> CommandKind? {
        guard let version = payload.first,
            let fixed = CommandHeader.byteCount(ofVersion: version, known: known),
            payload.count >= fixed, let kind = CommandKind(rawValue: payload[1]),
            kind.level <= known
        else { return nil }
        return kind
    }

    /// The client's own bytes in an encoded command; none where it is no command of a version that
    /// this code knows.
    package static func body(of payload: [UInt8]) -> ArraySlice<UInt8> {
        let offset = payload.withUnsafeBytes { raw in
            (try? decodeHeader(raw))?.bodyOffset ?? raw.count
        }
        return payload[offset...]
    }

    /// Whose request an encoded command is, without decoding the rest; nil where it is no command
    /// of a version that this code knows.
    package static func requestID(of payload: [UInt8]) -> RequestID? {
        guard let version = payload.first,
            let fixed = CommandHeader.byteCount(ofVersion: version, known: .newest),
            payload.count >= fixed
        else { return nil }
        return payload.withUnsafeBytes { raw in
            func load(_ offset: Int) -> UInt64 {
                UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            }
            return RequestID(
                origin: NodeID(load(24)), boot: BootNumber(load(32)), sequence: load(40))
        }
    }
}
