package import Primitives

/// What an entry asks the state machine to do. Numbers are part of the log's format: never reused.
package enum CommandKind: UInt8, Sendable, CaseIterable {
    case put = 1
    case deleteRange = 2
    case txn = 3
    case compact = 4
    case leaseGrant = 5
    case leaseRevoke = 6
    /// The leader's own: a ``LeaseBatch`` of leases whose time is up, fenced.
    case leaseExpire = 7
    /// The leader's own: a ``LeaseBatch`` of remaining times; zero clears one.
    case leaseCheckpoint = 8
    case alarm = 9
    /// The leader's own: raises the cluster's ``FeatureLevel``, which the body has as a u16.
    case clusterLevel = 10
    case memberAttributes = 11
    case memberRemoval = 12
    /// The leader's own: the members with which the cluster began.
    case memberFoundation = 13
    case memberAddition = 14
    case memberUpdate = 15
    case memberPromotion = 16
    /// An ``AuthCommand``.
    case auth = 17
    /// A ``DowngradeRequest``.
    case downgrade = 18
    /// A member that has lost its disk goes, and a new one is found at its peer URLs instead.
    case memberRejoin = 19
    /// The leader's own: a dead voter goes, and a learner votes in its stead.
    case memberSuccession = 20
    /// The leader's own: a ``DatacenterCommand``, fenced.
    case datacenter = 21

    /// What a node must know to apply it.
    package var level: FeatureLevel {
        switch self {
        case .downgrade: .downgradeJob
        case .memberRejoin, .memberSuccession: .replacement
        case .datacenter: .datacenter
        case .put, .deleteRange, .txn, .compact, .leaseGrant, .leaseRevoke, .leaseExpire,
            .leaseCheckpoint, .alarm, .clusterLevel, .memberAttributes, .memberRemoval,
            .memberFoundation, .memberAddition, .memberUpdate, .memberPromotion, .auth:
            .first
        }
    }
}

/// Names a request for ever: the member that took it, that member's boot, and a number.
package struct RequestID: Hashable, Sendable {
    package var origin: NodeID
    package var boot: BootNumber
    package var sequence: UInt64

    package init(origin: NodeID, boot: BootNumber, sequence: UInt64) {
        self.origin = origin
        self.boot = boot
        self.sequence = sequence
    }
}

/// What stands before the client's own bytes in an entry.
///
/// ```
///  0  u8   version, 1 or 2     24  u64  origin member
///  1  u8   kind                32  u64  origin's boot number
///  2  u16  flags               40  u64  request's sequence number
///  4  u32  least lease TTL, s  48  u64  auth revision
///  8  u64  leader's clock, ms  56  i64  id chosen by the proposer
/// 16  u64  fence term, 0 none  64  u16  bytes of the user's name, which follow
/// ```
/// All little-endian; the body is the rest. Of the flags, bit 0 says that no client asks but a node
/// for its duty. In version 2, which the cluster's level allows (``FeatureLevel/clusterTime``), a
/// u64 stands before the user's name: the cluster's time in milliseconds.
package struct CommandHeader: Equatable, Sendable {
    package static let fixedByteCount = 66
    static let timedVersion: UInt8 = 2
    static let timedByteCount = 74
    static let clockOffset = 8
    static let fenceOffset = 16
    static let clusterTimeOffset = 66

    package var kind: CommandKind
    package var flags: UInt16 = 0
    /// The least time to live that the proposer grants a lease, in seconds.
    package var leaseSecondsMin: UInt32 = 0
    /// The leader's clock in milliseconds; apply makes it non-decreasing.
    package var clock: UInt64 = 0
    /// Apply refuses the command when it was committed in another term. Zero: no fence.
    package var fenceTerm: Term = .zero
    package var request: RequestID
    package var authRevision: UInt64 = 0
    /// The id of the lease to grant where the client named none.
    package var proposedID: Int64 = 0
    package var user: [UInt8] = []
    /// The cluster's time in milliseconds (``Store/clusterTime``); apply makes it non-decreasing.
    /// Zero where the leader does not know it yet, nil in version 1.
    package var clusterTime: UInt64?

    package var version: UInt8 { clusterTime == nil ? 1 : Self.timedVersion }
    var byteCount: Int { clusterTime == nil ? Self.fixedByteCount : Self.timedByteCount }

    /// The bytes before the user's name in a header of this version; nil where a node of level
    /// `known` cannot read it.
    static func byteCount(ofVersion version: UInt8, known: FeatureLevel) -> Int? {
        switch version {
        case 1: fixedByteCount
        case timedVersion where known >= .clusterTime: timedByteCount
        default: nil
        }
    }

    package init(kind: CommandKind, request: RequestID) {
        self.kind = kind
        self.request = request
    }
}

/// An entry's payload: a ``CommandHeader`` and the client's own bytes.
package enum Command {
    package static func encode(_ header: CommandHeader, body: UnsafeRawBufferPointer) -> [UInt8] {
        invariant(header.user.count <= Int(UInt16.max), "a user name of \(header.user.count) bytes")
        let fixed = header.byteCount
        let total = fixed + header.user.count + body.count
        return [UInt8](unsafeUninitializedCapacity: total) { buffer, count in
            let raw = UnsafeMutableRawBufferPointer(buffer)
            raw[0] = header.version
            raw[1] = header.kind.rawValue
            store(header.flags, raw, 2)
            store(header.leaseSecondsMin, raw, 4)
            store(header.clock, raw, 8)
            store(header.fenceTerm.rawValue, raw, 16)
            store(header.request.origin.rawValue, raw, 24)
            store(header.request.boot.rawValue, raw, 32)
            store(header.request.sequence, raw, 40)
            store(header.authRevision, raw, 48)
            store(header.proposedID, raw, 56)
            store(UInt16(header.user.count), raw, 64)
            if let time = header.clusterTime { store(time, raw, CommandHeader.clusterTimeOffset) }
            header.user.withUnsafeBytes { user in
                UnsafeMutableRawBufferPointer(rebasing: raw[fixed...]).copyMemory(from: user)
            }
            let bodyStart = fixed + header.user.count
            UnsafeMutableRawBufferPointer(rebasing: raw[bodyStart...]).copyMemory(from: body)
            count = total
        }
    }

    package static func encode(_ header: CommandHeader, body: [UInt8]) -> [UInt8] {
        body.withUnsafeBytes { encode(header, body: $0) }
    }

    /// Sets the leader's clock, the cluster's time where the header has room for it, and the fence
    /// where there is to be one, in an encoded command.
    package static func stamp(
        _ payload: inout [UInt8], clock: UInt64, clusterTime: UInt64, fenceTerm: Term? = nil
    ) {
        invariant(
            payload.count >= CommandHeader.fixedByteCount, "a command of \(payload.count) bytes")
        payload.withUnsafeMutableBytes { raw in
            store(clock, raw, CommandHeader.clockOffset)
            if raw[0] == CommandHeader.timedVersion, raw.count >= CommandHeader.timedByteCount {
                store(clusterTime, raw, CommandHeader.clusterTimeOffset)
            }
            if let fenceTerm { store(fenceTerm.rawValue, raw, CommandHeader.fenceOffset) }
        }
    }

    /// The header and where the body begins. Total: any bytes give a header or an error.
    /// - Parameter known: what the node knows that reads it.
    package static func decodeHeader(
        _ payload: UnsafeRawBufferPointer, known: FeatureLevel = .newest
    ) throws(StoreError) -> (header: CommandHeader, bodyOffset: Int) {
        guard payload.count >= 2 else { throw .malformed(offset: payload.count) }
        guard let fixed = CommandHeader.byteCount(ofVersion: payload[0], known: known),
            let kind = CommandKind(rawValue: payload[1]), kind.level <= known
        else { throw .unknownCommand(version: payload[0], kind: payload[1]) }
        guard payload.count >= fixed else { throw .malformed(offset: payload.count) }
        let request = RequestID(
            origin: NodeID(load(payload, 24)), boot: BootNumber(load(payload, 32)),
            sequence: load(payload, 40))
        var header = CommandHeader(kind: kind, request: request)
        header.flags = load(payload, 2)
        header.leaseSecondsMin = load(payload, 4)
        header.clock = load(payload, 8)
        header.fenceTerm = Term(load(payload, 16))
        header.authRevision = load(payload, 48)
        header.proposedID = load(payload, 56)
        if payload[0] == CommandHeader.timedVersion {
            header.clusterTime = load(payload, CommandHeader.clusterTimeOffset)
        }
        let userCount = Int(load(payload, 64) as UInt16)
        let bodyOffset = fixed + userCount
        guard payload.count >= bodyOffset else { throw .malformed(offset: payload.count) }
        if userCount > 0 {
            header.user = Array(payload[fixed..<bodyOffset])
        }
        return (header, bodyOffset)
    }

    /// Why a node that knows so much would stop at the entry, as far as its header and the level
    /// that it announces tell; nil where it would not.
    package static func refusal(of entry: LogEntry, known: FeatureLevel) -> StoreError? {
        guard entry.kind == .command else { return nil }
        return entry.payload.withUnsafeBytes { raw in
            do throws(StoreError) {
                let (header, bodyOffset) = try decodeHeader(raw, known: known)
                guard header.kind == .clusterLevel else { return nil }
                let level = try ClusterLevelCommand.decode(
                    UnsafeRawBufferPointer(rebasing: raw[bodyOffset...]))
                return level > known ? .unknownLevel(level, known: known) : nil
            } catch {
                if case .unknownCommand = error { return error }
                return nil
            }
        }
    }

    private static func load<T: FixedWidthInteger>(
        _ raw: UnsafeRawBufferPointer, _ offset: Int
    ) -> T {
        T(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: T.self))
    }

    private static func store<T: FixedWidthInteger>(
        _ value: T, _ raw: UnsafeMutableRawBufferPointer, _ offset: Int
    ) {
        raw.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
    }
}
