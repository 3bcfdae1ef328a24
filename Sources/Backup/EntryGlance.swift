package import Primitives
internal import RaftCore
package import StateMachine

/// What an entry of the log says, in words for people.
///
/// Total: any bytes give a glance, those that cannot be decoded too.
package struct EntryGlance: Sendable {
    /// `put`, `txn`, `configuration`, `noop` …
    package private(set) var kind: String
    /// The leader's clock in milliseconds since 1970; nil for an entry that has none.
    package private(set) var clock: UInt64?
    package private(set) var request: RequestID?
    /// As whom it was asked; nil where nobody had to say.
    package private(set) var user: String?
    package private(set) var what = ""
    /// The keys that it reads, compares or changes.
    package private(set) var ranges: [KeyRange] = []

    /// How many operations of a transaction are told.
    private static let operationsShownMax = 8

    package init(_ entry: LogEntry) {
        switch entry.kind {
        case .noop: kind = "noop"
        case .configuration:
            kind = "configuration"
            do throws(DecodingError) {
                what = Self.text(try ClusterConfiguration.decode(entry.payload))
            } catch { what = "cannot be decoded: \(error)" }
        case .command:
            kind = "command"
            let payload = entry.payload
            payload.withUnsafeBytes { read($0) }
        }
    }

    /// Whether the key is among those that it reads, compares or changes.
    package func touches(_ key: [UInt8]) -> Bool {
        key.withUnsafeBytes { key in ranges.contains { $0.contains(key) } }
    }

    private mutating func read(_ payload: UnsafeRawBufferPointer) {
        do throws(StoreError) {
            let (header, bodyOffset) = try Command.decodeHeader(payload)
            kind = "\(header.kind)"
            clock = header.clock
            request = header.request
            if !header.user.isEmpty { user = PrintableBytes.text(header.user) }
            let body = UnsafeRawBufferPointer(rebasing: payload[bodyOffset...])
            what = try describe(header, body)
            if header.fenceTerm > .zero { what += ", fenced to term \(header.fenceTerm)" }
        } catch { what = "cannot be decoded: \(error)" }
    }

    private mutating func describe(
        _ header: CommandHeader, _ body: UnsafeRawBufferPointer
    ) throws(StoreError) -> String {
        switch header.kind {
        case .put: return note(try PutRequest.decode(Array(body)))
        case .deleteRange: return note(try DeleteRangeRequest.decode(Array(body)))
        case .txn: return note(try TxnRequest.decode(Array(body)))
        case .compact: return "to revision \(try CompactionRequest.decode(Array(body)).revision)"
        case .leaseGrant:
            let grant = try LeaseGrantRequest.decode(Array(body))
            let id = grant.id == 0 ? header.proposedID : grant.id
            return "lease \(Self.hex(id)), \(grant.seconds) s"
        case .leaseRevoke: return "lease \(Self.hex(try LeaseRequest.decode(Array(body)).id))"
        case .leaseExpire, .leaseCheckpoint:
            let items = try LeaseBatch.decode(body).items
            let shown = items.prefix(Self.operationsShownMax).map { Self.hex($0.id) }
            return "\(items.count) leases: \(shown.joined(separator: " "))"
                + (shown.count < items.count ? " …" : "")
        case .auth: return Self.text(try AuthCommand.decode(body))
        case .alarm, .clusterLevel, .memberAttributes, .memberRemoval, .memberFoundation,
            .memberAddition, .memberUpdate, .memberPromotion, .downgrade, .memberRejoin,
            .memberSuccession, .datacenter:
            return "\(body.count) bytes"
        }
    }

    private mutating func note(_ put: PutRequest) -> String {
        ranges.append(KeyRange(key: put.key, rangeEnd: []))
        let lease = put.lease == 0 ? "" : ", lease \(Self.hex(put.lease))"
        return "\(PrintableBytes.text(put.key)) (\(put.value.count) bytes\(lease))"
    }

    private mutating func note(_ delete: DeleteRangeRequest) -> String {
        ranges.append(delete.range)
        return Self.text(delete.range)
    }

    private mutating func note(_ txn: TxnRequest) -> String {
        for compare in txn.compares {
            ranges.append(KeyRange(key: compare.key, rangeEnd: compare.rangeEnd))
        }
        var parts: [String] = []
        if !txn.compares.isEmpty { parts.append("\(txn.compares.count) comparisons") }
        parts.append("then \(note(txn.success))")
        if !txn.failure.isEmpty { parts.append("else \(note(txn.failure))") }
        return parts.joined(separator: ", ")
    }

    private mutating func note(_ operations: [RequestOp]) -> String {
        let texts = operations.map { operation -> String in
            switch operation {
            case .range(let request):
                ranges.append(request.range)
                return "get \(Self.text(request.range))"
            case .put(let request): return "put \(note(request))"
            case .deleteRange(let request): return "delete \(note(request))"
            case .txn(let inner): return "txn (\(note(inner)))"
            case .empty: return "nothing"
            }
        }
        let more = texts.count - Self.operationsShownMax
        return "[" + texts.prefix(Self.operationsShownMax).joined(separator: "; ")
            + (more > 0 ? "; \(more) more" : "") + "]"
    }

    private static func text(_ range: KeyRange) -> String {
        let start = PrintableBytes.text(range.start)
        if range.isSingleKey { return start }
        return "\(start) to \(range.end.map { PrintableBytes.text($0) } ?? "the last key")"
    }

    private static func text(_ configuration: ClusterConfiguration) -> String {
        let roles: [(String, [NodeID])] = [
            ("voters", configuration.voters), ("outgoing voters", configuration.outgoingVoters),
            ("learners", configuration.learners), ("joining", configuration.joining),
            ("observers", configuration.observers),
        ]
        return roles.filter { !$0.1.isEmpty }
            .map { "\($0.0) \($0.1.map(\.description).joined(separator: " "))" }
            .joined(separator: ", ")
    }

    /// Without hashes of passwords or tokens.
    private static func text(_ command: AuthCommand) -> String {
        func name(_ bytes: [UInt8]) -> String { PrintableBytes.text(bytes) }
        switch command {
        case .enable: return "enable"
        case .disable: return "disable"
        case .addUser(let user, _): return "add user \(name(user))"
        case .deleteUser(let user): return "delete user \(name(user))"
        case .changePassword(let user, _): return "change the password of \(name(user))"
        case .grantRole(let role, let user): return "grant role \(name(role)) to \(name(user))"
        case .revokeRole(let role, let user): return "revoke role \(name(role)) from \(name(user))"
        case .addRole(let role): return "add role \(name(role))"
        case .deleteRole(let role): return "delete role \(name(role))"
        case .grantPermission(let permission, let role):
            let range = KeyRange(key: permission.key, rangeEnd: permission.rangeEnd)
            return "grant \(permission.kind) on \(text(range)) to role \(name(role))"
        case .revokePermission(let key, let rangeEnd, let role):
            return "revoke \(text(KeyRange(key: key, rangeEnd: rangeEnd))) from role \(name(role))"
        case .issueToken(let token): return "token for \(name(token.user))"
        }
    }

    private static func hex(_ id: Int64) -> String { String(UInt64(bitPattern: id), radix: 16) }
}

/// Bytes on one line: as they are where they are text, else in hexadecimal.
package enum PrintableBytes {
    package static func text(_ bytes: [UInt8]) -> String {
        let isPlain = bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
        if isPlain, let text = String(validating: bytes, as: UTF8.self) { return text }
        return "0x" + HexText.text(bytes)
    }
}
