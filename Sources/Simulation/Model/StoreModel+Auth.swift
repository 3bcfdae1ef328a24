import Primitives
import StateMachine

/// Which commands and reads are allowed to whom, request by request as etcd's documents have it.
extension StoreModel {
    /// Judged with the state that a command is applied to.
    func authorize(_ header: CommandHeader, _ body: [UInt8]) throws(StoreError) {
        let principal = header.principal
        if !auth.isEnabled || principal == .node { return }
        switch header.kind {
        case .put:
            try check(try decode(body, PutRequest.decode), try auth.rights(of: principal))
        case .deleteRange:
            try check(
                try decode(body, DeleteRangeRequest.decode), try auth.rights(of: principal))
        case .txn:
            try check(try decode(body, TxnRequest.decode), try auth.rights(of: principal))
        case .leaseGrant: _ = try auth.rights(of: principal)
        case .leaseRevoke:
            let rights = try auth.rights(of: principal)
            try checkLease(try decode(body, LeaseRequest.decode).id, rights)
        case .compact, .alarm, .memberAddition, .memberRemoval, .memberUpdate, .memberPromotion,
            .downgrade:
            try auth.requireRoot(principal)
        case .auth: return
        case .leaseExpire, .leaseCheckpoint, .clusterLevel, .memberAttributes,
            .memberFoundation, .memberRejoin, .memberSuccession, .datacenter:
            throw .permissionDenied
        }
    }

    /// A read by somebody, in the state as of an index.
    func authorize(
        _ range: RangeRequest, by principal: Principal, at index: LogIndex
    ) throws(StoreError) {
        try check(range, try auth(at: index).rights(of: principal))
    }

    /// A transaction of ranges only.
    func authorize(
        _ txn: TxnRequest, by principal: Principal, at index: LogIndex
    ) throws(StoreError) {
        try check(txn, try auth(at: index).rights(of: principal))
    }

    private func check(_ range: RangeRequest, _ rights: ModelAuth.Rights) throws(StoreError) {
        if !rights.mayRead(range.key, range.rangeEnd) { throw .permissionDenied }
    }

    private func check(_ put: PutRequest, _ rights: ModelAuth.Rights) throws(StoreError) {
        if !rights.mayWrite(put.key) { throw .permissionDenied }
        try checkLease(put.lease, rights)
        if put.prevKV, !rights.mayRead(put.key, []) { throw .permissionDenied }
    }

    private func check(
        _ delete: DeleteRangeRequest, _ rights: ModelAuth.Rights
    ) throws(StoreError) {
        if !rights.mayWrite(delete.key, delete.rangeEnd) { throw .permissionDenied }
        if delete.prevKV, !rights.mayRead(delete.key, delete.rangeEnd) { throw .permissionDenied }
    }

    private func check(_ txn: TxnRequest, _ rights: ModelAuth.Rights) throws(StoreError) {
        for compare in txn.compares where !rights.mayRead(compare.key, compare.rangeEnd) {
            throw .permissionDenied
        }
        for operation in txn.success + txn.failure {
            switch operation {
            case .range(let range): try check(range, rights)
            case .put(let put): try check(put, rights)
            case .deleteRange(let delete): try check(delete, rights)
            case .txn(let nested): try check(nested, rights)
            case .empty: break
            }
        }
    }

    private func checkLease(_ id: Int64, _ rights: ModelAuth.Rights) throws(StoreError) {
        guard let lease = liveLease(id) else { return }
        for key in leases[lease].keys where !rights.mayWrite(key) { throw .permissionDenied }
    }
}
