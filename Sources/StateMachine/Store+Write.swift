internal import Primitives

/// The changes of one main revision, while they are made.
struct WriteBatch {
    let revision: Int64
    let stamp: UInt64
    var events: [Record] = []

    /// Position of the next change.
    var sub: Int32 { Int32(truncatingIfNeeded: events.count) }
}

extension Store {
    func beginWrite() -> WriteBatch {
        WriteBatch(revision: mainRevision + 1, stamp: appliedIndex.rawValue)
    }

    /// Makes the changes the store's newest revision; without changes, nothing happened.
    func endWrite(_ batch: WriteBatch, _ applied: inout Applied) {
        #if KEELSON_MUTANTS
            if planted(.countsEmptyRevisions) { mainRevision = batch.revision }
        #endif
        guard !batch.events.isEmpty else { return }
        mainRevision = batch.revision
        applied.events += batch.events
    }

    // MARK: - Put

    func put(
        _ body: UnsafeRawBufferPointer, _ applied: inout Applied
    ) throws(StoreError) -> Outcome {
        let view: PutView
        do throws(ProtobufError) {
            view = try PutView.decode(body)
        } catch {
            throw StoreError(error)
        }
        try check(view)
        let revision = mainRevision + 1
        let (record, previous) = write(
            view, revision: revision, sub: 0, stamp: appliedIndex.rawValue)
        mainRevision = revision
        applied.events = [record]
        return .put(previous: view.prevKV ? previous : nil)
    }

    /// What must hold for a put, checked before anything is changed.
    func check(_ view: PutView) throws(StoreError) {
        try view.check()
        if view.lease != 0, !leases.contains(view.lease) { throw .leaseNotFound }
        if view.ignoreValue || view.ignoreLease, client.get(view.key, at: .max) == nil {
            throw .keyNotFound
        }
    }

    /// Puts a checked view. Returns the live version that it replaced.
    func put(_ view: PutView, _ batch: inout WriteBatch) -> Record? {
        let (record, previous) = write(
            view, revision: batch.revision, sub: batch.sub, stamp: batch.stamp)
        batch.events.append(record)
        return previous
    }

    private func write(
        _ view: PutView, revision: Int64, sub: Int32, stamp: UInt64
    ) -> (record: Record, previous: Record?) {
        var value = view.value
        var lease = view.lease
        var current: Record?
        if view.ignoreValue || view.ignoreLease {
            current = client.get(view.key, at: .max)
            // Gone since the check only where one transaction deletes and puts the key.
            if view.ignoreValue { value = current?.valueView ?? .empty }
            if view.ignoreLease { lease = current?.lease ?? 0 }
        }
        let (record, previous) = client.put(
            view.key, value: value, lease: lease, revision: revision, sub: sub, stamp: stamp)
        withExtendedLifetime(current) {}
        digest.fold(record, .client)
        let oldLease = previous?.lease ?? 0
        if oldLease != lease {
            #if KEELSON_MUTANTS
                if planted(.keepsOldAttachments), lease != 0 {
                    leases.attach(view.key, to: lease)
                    return (record, previous)
                }
            #endif
            if oldLease != 0 { leases.detach(view.key, from: oldLease) }
            if lease != 0 { leases.attach(view.key, to: lease) }
        }
        return (record, previous)
    }

    // MARK: - Delete

    func deleteRange(
        _ body: UnsafeRawBufferPointer, _ applied: inout Applied
    ) throws(StoreError) -> Outcome {
        let request = try StoreError.decoding { () throws(ProtobufError) in
            try DeleteRangeRequest.decode(body)
        }
        try request.check()
        var batch = beginWrite()
        let (deleted, previous) = delete(request, &batch)
        endWrite(batch, &applied)
        return .deleteRange(deleted: deleted, previous: previous)
    }

    /// Deletes the live keys of a range, in key order.
    func delete(
        _ request: DeleteRangeRequest, _ batch: inout WriteBatch
    ) -> (deleted: Int64, previous: [Record]) {
        var doomed: [Record] = []
        client.forEachLive(request.range, at: .max) { record in
            doomed.append(record)
            return true
        }
        for record in doomed { delete(record, &batch) }
        return (Int64(doomed.count), request.prevKV ? doomed : [])
    }

    func delete(_ live: Record, _ batch: inout WriteBatch) {
        let tombstone = client.delete(
            live, revision: batch.revision, sub: batch.sub, stamp: batch.stamp)
        batch.events.append(tombstone)
        digest.fold(tombstone, .client)
        let lease = live.lease
        if lease != 0 { live.withKey { leases.detach($0, from: lease) } }
    }

    // MARK: - Compact

    func compact(_ body: UnsafeRawBufferPointer) throws(StoreError) -> Outcome {
        let request = try StoreError.decoding { () throws(ProtobufError) in
            try CompactionRequest.decode(body)
        }
        if request.revision <= client.floor { throw .compacted }
        if request.revision > mainRevision { throw .futureRevision }
        client.raiseFloor(to: request.revision)
        digest.fold(.floor, UInt64(bitPattern: request.revision))
        return .compact
    }
}
