internal import Primitives

extension Grants {
    package func check(_ range: RangeRequest) throws(StoreError) { try checkRead(range.range) }

    package func check(_ view: PutView, in store: Store) throws(StoreError) {
        if isUnlimited { return }
        var leases: Set<Int64> = []
        try checkPut(
            Array(view.key), lease: view.lease, prevKV: view.prevKV, in: store, &leases)
    }

    package func check(_ delete: DeleteRangeRequest) throws(StoreError) {
        try checkWrite(delete.range)
        if delete.prevKV { try checkRead(delete.range) }
    }

    /// Every branch is judged, whichever is taken: a compare tells about keys as well as a range.
    package func check(_ txn: TxnRequest, in store: Store) throws(StoreError) {
        if isUnlimited { return }
        var leases: Set<Int64> = []
        try check(txn, in: store, &leases)
    }

    /// - Parameter leases: those whose keys were looked at, for thousands of puts may name one with
    ///   thousands of keys.
    private func check(
        _ txn: TxnRequest, in store: Store, _ leases: inout Set<Int64>
    ) throws(StoreError) {
        for compare in txn.compares {
            try checkRead(KeyRange(key: compare.key, rangeEnd: compare.rangeEnd))
        }
        for op in txn.success { try check(op, in: store, &leases) }
        for op in txn.failure { try check(op, in: store, &leases) }
    }

    private func check(
        _ op: RequestOp, in store: Store, _ leases: inout Set<Int64>
    ) throws(StoreError) {
        switch op {
        case .range(let range): try check(range)
        case .put(let put):
            try checkPut(put.key, lease: put.lease, prevKV: put.prevKV, in: store, &leases)
        case .deleteRange(let delete): try check(delete)
        case .txn(let nested): try check(nested, in: store, &leases)
        case .empty: break
        }
    }

    private func checkPut(
        _ key: [UInt8], lease: Int64, prevKV: Bool, in store: Store,
        _ leases: inout Set<Int64>
    ) throws(StoreError) {
        let range = KeyRange(key: key, rangeEnd: [])
        try checkWrite(range)
        if lease != 0, leases.insert(lease).inserted {
            try checkWrite(ofLease: lease, in: store)
        }
        if prevKV { try checkRead(range) }
    }
}

extension Store {
    /// Judges a committed command by the state that it is applied to: what its proposer knew may be
    /// out of date, and all nodes must judge alike.
    func authorize(
        _ header: CommandHeader, _ body: UnsafeRawBufferPointer
    ) throws(StoreError) {
        let principal = header.principal
        if principal == .node { return }
        #if KEELSON_MUTANTS
            if planted(.authorizesOnlyAtAdmission) { return }
        #endif
        switch header.kind {
        case .put:
            let grants = try grants(of: principal)
            let view = try StoreError.decoding { () throws(ProtobufError) in
                try PutView.decode(body)
            }
            try grants.check(view, in: self)
        case .deleteRange:
            let grants = try grants(of: principal)
            try grants.check(
                try StoreError.decoding { () throws(ProtobufError) in
                    try DeleteRangeRequest.decode(body)
                })
        case .txn:
            let grants = try grants(of: principal)
            let request = try StoreError.decoding { () throws(ProtobufError) in
                try TxnRequest.decode(body)
            }
            try grants.check(request, in: self)
        case .leaseGrant: try requireUser(principal)
        case .leaseRevoke:
            let grants = try grants(of: principal)
            let request = try StoreError.decoding { () throws(ProtobufError) in
                try LeaseRequest.decode(body)
            }
            try grants.checkWrite(ofLease: request.id, in: self)
        case .compact, .alarm, .memberAddition, .memberRemoval, .memberUpdate,
            .memberPromotion, .downgrade:
            try requireAdmin(principal)
        case .auth: break  // Judged with the command: a token is issued to anybody.
        case .leaseExpire, .leaseCheckpoint, .clusterLevel, .memberAttributes,
            .memberFoundation, .memberRejoin, .memberSuccession, .datacenter:
            throw .permissionDenied
        }
    }
}
