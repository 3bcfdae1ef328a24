import Primitives
import StateMachine
import Testing

/// A store and the log that feeds it.
final class StoreDriver {
    var store = Store()
    var term = Term(1)
    var clock: UInt64 = 0
    /// Nil: entries have the first version of the header.
    var clusterTime: UInt64?
    var sequence: UInt64 = 0
    /// Every entry that was applied.
    var log: [LogEntry] = []

    @discardableResult
    func apply(
        _ kind: CommandKind, _ body: [UInt8], proposedID: Int64 = 0, leaseSecondsMin: UInt32 = 0,
        fence: Term = .zero, evaluate: Bool = true
    ) -> Applied {
        sequence += 1
        let request = RequestID(origin: NodeID(1), boot: BootNumber(1), sequence: sequence)
        var header = CommandHeader(kind: kind, request: request)
        header.proposedID = proposedID
        header.leaseSecondsMin = leaseSecondsMin
        header.fenceTerm = fence
        header.clock = clock
        header.clusterTime = clusterTime
        return apply(payload: Command.encode(header, body: body), evaluate: evaluate)
    }

    @discardableResult
    func apply(
        payload: [UInt8], kind: EntryKind = .command, evaluate: Bool = true
    ) -> Applied {
        let entry = LogEntry(
            index: store.appliedIndex.next, term: term, kind: kind, payload: payload)
        log.append(entry)
        return store.apply(entry, evaluate: evaluate)
    }

    @discardableResult
    func put(_ key: String, _ value: String, lease: Int64 = 0) -> Applied {
        apply(.put, PutRequest(key, value, lease: lease).encoded)
    }

    @discardableResult
    func put(_ request: PutRequest) -> Applied { apply(.put, request.encoded) }

    @discardableResult
    func delete(_ key: String, to end: String = "", prevKV: Bool = false) -> Applied {
        apply(.deleteRange, DeleteRangeRequest(key, to: end, prevKV: prevKV).encoded)
    }

    @discardableResult
    func txn(_ request: TxnRequest, evaluate: Bool = true) -> Applied {
        apply(.txn, request.encoded, evaluate: evaluate)
    }

    @discardableResult
    func compact(_ revision: Int64) -> Applied {
        apply(.compact, encodedNumbers((1, revision)))
    }

    @discardableResult
    func grant(_ id: Int64, seconds: Int64 = 60) -> Applied {
        apply(.leaseGrant, encodedNumbers((1, seconds), (2, id)))
    }

    @discardableResult
    func revoke(_ id: Int64) -> Applied { apply(.leaseRevoke, encodedNumbers((1, id))) }

    func get(_ key: String, at revision: Int64 = 0) -> String? {
        let result = try? store.range(RangeRequest(key, revision: revision))
        return result?.records.first.map { String(decoding: $0.value, as: UTF8.self) }
    }

    func keys(_ request: RangeRequest) -> [String] {
        ((try? store.range(request))?.records ?? []).map { $0.key.description }
    }

    /// The one member says what it knows, and the cluster's level rises to that.
    func publishLevel() {
        let attributes = MemberAttributes(
            member: NodeID(1), name: "n1", clientURLs: [], peerURLs: ["http://n1:2"],
            version: "3.7.0", boot: BootNumber(1), nonce: 1, level: .newest)
        apply(.memberAttributes, attributes.encode())
        apply(.clusterLevel, ClusterLevelCommand.encode(.newest))
    }

    func purgeAll(budget: Int = 1000) { while store.purge(budget: budget) {} }

    /// What the rows of the store load as.
    func reloaded() throws -> Store {
        var loader = StoreLoader()
        for row in store.freeze().rows() { try loader.add(row) }
        return try loader.finish()
    }
}

extension Applied {
    var error: StoreError? {
        if case .failed(let error) = outcome { error } else { nil }
    }
}

extension Record {
    /// `key=value create/mod/version lease`, or `key deleted mod`.
    var line: String {
        if isTombstone { return "\(key) deleted \(modRevision).\(sub)" }
        let text = String(decoding: value, as: UTF8.self)
        let attached = lease == 0 ? "" : " lease \(lease)"
        return "\(key)=\(text) \(createRevision)/\(modRevision).\(sub)/\(version)\(attached)"
    }
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
