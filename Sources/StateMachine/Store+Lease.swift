internal import Primitives

extension Store {
    func grantLease(
        _ header: CommandHeader, _ body: UnsafeRawBufferPointer, _ applied: inout Applied
    ) throws(StoreError) -> Outcome {
        let request = try StoreError.decoding { () throws(ProtobufError) in
            try LeaseGrantRequest.decode(body)
        }
        let id = request.id != 0 ? request.id : header.proposedID
        if id == 0 { throw .leaseNotFound }
        if request.seconds > LeaseTable.secondsMax { throw .leaseTimeTooLarge }
        if leases.contains(id) { throw .leaseExists }
        let least = max(1, Int64(header.leaseSecondsMin))
        let lease = Lease(
            id: id, grantedSeconds: max(request.seconds, least), grantIndex: appliedIndex)
        leases.set(lease, stamp: appliedIndex.rawValue)
        fold(lease)
        applied.leaseChanges.append(.granted(id: id, seconds: lease.grantedSeconds))
        return .leaseGrant(id: id, seconds: lease.grantedSeconds)
    }

    func revokeLease(
        _ body: UnsafeRawBufferPointer, _ applied: inout Applied
    ) throws(StoreError) -> Outcome {
        let request = try StoreError.decoding { () throws(ProtobufError) in
            try LeaseRequest.decode(body)
        }
        guard leases.contains(request.id) else { throw .leaseNotFound }
        revoke(request.id, &applied)
        return .leaseRevoke
    }

    /// Leases that are gone already are passed over, and so are those whose id was granted anew
    /// after the expiry was decided: their time has only begun.
    func expireLeases(
        _ body: UnsafeRawBufferPointer, _ applied: inout Applied
    ) throws(StoreError) -> Outcome {
        for item in try LeaseBatch.decode(body).items where lease(of: item) != nil {
            revoke(item.id, &applied)
        }
        return .leaseRevoke
    }

    func checkpointLeases(
        _ body: UnsafeRawBufferPointer, _ applied: inout Applied
    ) throws(StoreError) -> Outcome {
        for item in try LeaseBatch.decode(body).items {
            guard var lease = lease(of: item) else { continue }
            let remaining = min(max(0, item.remainingSeconds), lease.grantedSeconds)
            lease.remainingSeconds = remaining
            leases.set(lease, stamp: appliedIndex.rawValue)
            fold(lease)
            applied.leaseChanges.append(
                .checkpointed(id: item.id, remainingSeconds: remaining))
        }
        return .none
    }

    /// The lease that a leader's decision is about, unless that life of its id is over.
    private func lease(of item: LeaseBatch.Item) -> Lease? {
        #if KEELSON_MUTANTS
            if planted(.endsLaterLives) { return leases.lease(item.id) }
        #endif
        guard let lease = leases.lease(item.id), lease.grantIndex == item.grantIndex else {
            return nil
        }
        return lease
    }

    /// Deletes the lease's keys, in key order and in one revision, and the lease.
    private func revoke(_ id: Int64, _ applied: inout Applied) {
        var batch = beginWrite()
        #if KEELSON_MUTANTS
            if planted(.revokesOneKey), let key = leases.keys(of: id).first {
                key.storage.withUnsafeBytes { key in
                    if let live = client.get(key, at: .max) { delete(live, &batch) }
                }
                leases.remove(id, stamp: appliedIndex.rawValue)
                endWrite(batch, &applied)
                applied.leaseChanges.append(.revoked(id: id))
                return
            }
        #endif
        for key in leases.keys(of: id) {
            key.storage.withUnsafeBytes { key in
                if let live = client.get(key, at: .max) { delete(live, &batch) }
            }
        }
        leases.remove(id, stamp: appliedIndex.rawValue)
        digest.fold(.leaseRemoved, UInt64(bitPattern: id))
        endWrite(batch, &applied)
        applied.leaseChanges.append(.revoked(id: id))
    }

    private func fold(_ lease: Lease) {
        digest.fold(.leaseSet, UInt64(bitPattern: lease.id))
        digest.fold(.leaseSet, UInt64(bitPattern: lease.grantedSeconds))
        digest.fold(.leaseSet, UInt64(bitPattern: lease.remainingSeconds))
    }
}
