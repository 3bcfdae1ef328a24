internal import Primitives

extension Store {
    /// About how many records applying a command would change, from the state as it is now. A
    /// driver can tell a large deletion from a put before it applies either. O(log n) an operation.
    package func costHint(_ payload: [UInt8]) -> Int {
        payload.withUnsafeBytes { raw in
            // The most common command costs nothing to tell.
            if raw.count > 1, raw[1] == CommandKind.put.rawValue { return 1 }
            guard let (header, bodyOffset) = try? Command.decodeHeader(raw) else { return 1 }
            let body = UnsafeRawBufferPointer(rebasing: raw[bodyOffset...])
            switch header.kind {
            case .deleteRange:
                guard let request = try? DeleteRangeRequest.decode(body) else { return 1 }
                return max(1, liveCount(request.range))
            case .txn: return (try? TxnRequest.decode(body)).map { costHint($0) } ?? 1
            case .leaseRevoke:
                return (try? LeaseRequest.decode(body)).map { 1 + leases.keyCount(of: $0.id) } ?? 1
            case .leaseExpire:
                let items = (try? LeaseBatch.decode(body))?.items ?? []
                return items.reduce(1) { $0 + 1 + leases.keyCount(of: $1.id) }
            case .leaseCheckpoint:
                return 1 + ((try? LeaseBatch.decode(body))?.items.count ?? 0)
            case .put, .compact, .leaseGrant, .alarm, .clusterLevel, .downgrade, .memberAttributes,
                .memberRemoval, .memberFoundation, .memberAddition, .memberUpdate, .memberPromotion,
                .memberRejoin, .memberSuccession, .auth:
                return 1
            case .datacenter:
                return (try? DatacenterCommand.decode(body)).map { datacenterTable.cost($0) } ?? 1
            }
        }
    }

    private func costHint(_ txn: TxnRequest) -> Int {
        let then = txn.success.reduce(1) { $0 + costHint($1) }
        return max(then, txn.failure.reduce(1) { $0 + costHint($1) })
    }

    private func costHint(_ op: RequestOp) -> Int {
        switch op {
        case .range, .put, .empty: 1
        case .deleteRange(let delete): max(1, liveCount(delete.range))
        case .txn(let nested): costHint(nested)
        }
    }
}
