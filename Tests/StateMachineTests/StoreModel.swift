import Primitives
import StateMachine

/// The dumbest thing that could be right: every version ever written, in order. Oracle for the
/// store.
struct StoreModel {
    struct Version: Equatable {
        var key: [UInt8]
        var value: [UInt8]
        var create: Int64
        var mod: Int64
        var version: Int64
        var lease: Int64
        var isDeleted: Bool
    }

    var versions: [Version] = []
    var revision: Int64 = 1
    var floor: Int64 = -1
    var leases: [Int64] = []

    func live(at revision: Int64) -> [Version] {
        var newest: [[UInt8]: Version] = [:]
        for version in versions where version.mod <= revision { newest[version.key] = version }
        return newest.values.filter { !$0.isDeleted }
            .sorted { $0.key.lexicographicallyPrecedes($1.key) }
    }

    func live(in range: KeyRange, at revision: Int64) -> [Version] {
        live(at: revision).filter { version in
            version.key.withUnsafeBytes { range.contains($0) }
        }
    }

    func get(_ key: [UInt8]) -> Version? {
        versions.last { $0.key == key }.flatMap { $0.isDeleted ? nil : $0 }
    }

    mutating func put(_ request: PutRequest, at next: Int64) {
        let old = get(request.key)
        versions.append(
            Version(
                key: request.key,
                value: request.ignoreValue ? old?.value ?? [] : request.value,
                create: old?.create ?? next, mod: next, version: (old?.version ?? 0) + 1,
                lease: request.ignoreLease ? old?.lease ?? 0 : request.lease, isDeleted: false))
    }

    mutating func delete(_ key: [UInt8], at next: Int64) {
        versions.append(
            Version(
                key: key, value: [], create: 0, mod: next, version: 0, lease: 0, isDeleted: true))
    }

    func refuses(_ request: PutRequest) -> StoreError? {
        if request.key.isEmpty { return .emptyKey }
        if request.ignoreValue, !request.value.isEmpty { return .valueProvided }
        if request.ignoreLease, request.lease != 0 { return .leaseProvided }
        if request.lease != 0, !leases.contains(request.lease) { return .leaseNotFound }
        if request.ignoreValue || request.ignoreLease, get(request.key) == nil {
            return .keyNotFound
        }
        return nil
    }

    /// Flat transactions: puts and deletions after a list of compares of create revisions.
    mutating func txn(_ request: TxnRequest) -> (succeeded: Bool, error: StoreError?) {
        let succeeded = request.compares.allSatisfy { compare in
            guard case .createRevision(let operand) = compare.operand else { return false }
            return (get(compare.key)?.create ?? 0) == operand
        }
        let ops = succeeded ? request.success : request.failure
        for case .put(let put) in ops {
            if let error = refuses(put) { return (succeeded, error) }
        }
        let before = versions.count
        for op in ops {
            switch op {
            case .put(let put): self.put(put, at: revision + 1)
            case .deleteRange(let delete):
                for doomed in live(in: delete.range, at: .max) {
                    self.delete(doomed.key, at: revision + 1)
                }
            case .range, .txn, .empty: break
            }
        }
        if versions.count > before { revision += 1 }
        return (succeeded, nil)
    }

    mutating func revoke(_ lease: Int64) -> Bool {
        guard leases.contains(lease) else { return false }
        leases.removeAll { $0 == lease }
        let doomed = live(at: .max).filter { $0.lease == lease }
        for version in doomed { delete(version.key, at: revision + 1) }
        if !doomed.isEmpty { revision += 1 }
        return true
    }

    mutating func compact(_ target: Int64) -> StoreError? {
        if target <= floor { return .compacted }
        if target > revision { return .futureRevision }
        floor = target
        return nil
    }
}

extension StoreModel.Version {
    init(_ record: Record) {
        self.init(
            key: record.key.storage, value: record.value, create: record.createRevision,
            mod: record.modRevision, version: record.version, lease: record.lease,
            isDeleted: record.isTombstone)
    }
}
