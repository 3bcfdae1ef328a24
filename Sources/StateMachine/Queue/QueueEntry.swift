package import Primitives

/// A client's key among those under one prefix, which are a queue in the order of their creation:
/// the owner of the first one has the lock, or leads, that the prefix names. Attached to its
/// owner's lease, so that it goes with it.
package struct QueueEntry: Equatable, Sendable {
    package var prefix: [UInt8]
    package var key: [UInt8]
    package var createRevision: Int64
    package var lease: Int64
    /// The value that is there, which may be of an earlier call with the same lease.
    package var value: [UInt8]
    /// The revision of the transaction that put it there or found it.
    package var revision: Revision
    /// Whether that transaction put it there.
    package var isOwn: Bool

    /// What a lease lives for that is made for a client without one, as in etcd.
    package static let leaseSeconds: Int64 = 60

    /// The prefix of the keys under a name.
    package static func prefix(_ name: [UInt8]) -> [UInt8] { name + [UInt8(ascii: "/")] }

    /// The one key that a lease can have under a name.
    package static func key(_ name: [UInt8], lease: Int64) -> [UInt8] {
        prefix(name) + Array(String(UInt64(bitPattern: lease), radix: 16).utf8)
    }

    /// The transaction that puts a key under `name` for a lease, or finds the one that an earlier
    /// call put there.
    package static func entrance(_ name: [UInt8], lease: Int64, value: [UInt8]) -> [UInt8] {
        let key = key(name, lease: lease)
        var put = ProtobufWriter()
        put.field(1, key)
        put.field(2, value)
        put.field(3, lease)
        var range = ProtobufWriter()
        range.field(1, key)
        return transaction(
            ifCreated: key, at: 0, operation(.put, put.bytes),
            otherwise: operation(.range, range.bytes))
    }

    /// What came of ``entrance(_:lease:value:)``; nil where that is no outcome of it.
    package init?(_ name: [UInt8], lease: Int64, value: [UInt8], _ applied: Applied) {
        guard case .txn(let result) = applied.outcome else { return nil }
        prefix = QueueEntry.prefix(name)
        key = QueueEntry.key(name, lease: lease)
        self.lease = lease
        self.value = value
        revision = applied.revision
        createRevision = applied.revision.rawValue
        isOwn = result.succeeded
        if isOwn { return }
        guard case .range(_, let found?) = result.responses.first,
            let record = found.records.first
        else { return nil }
        createRevision = record.createRevision
        self.value = record.value
    }

    /// The transaction that deletes the key if it is still the one that was created then.
    package static func departure(_ key: [UInt8], created revision: Int64) -> [UInt8] {
        #if KEELSON_MUTANTS
            let revision = planted(.leavesKeysBehind) ? revision - 1 : revision
        #endif
        var delete = ProtobufWriter()
        delete.field(1, key)
        return transaction(ifCreated: key, at: revision, operation(.delete, delete.bytes))
    }

    /// The transaction that writes a value if the key is still the one that was created then.
    package static func proclamation(
        _ key: [UInt8], created revision: Int64, value: [UInt8], lease: Int64
    ) -> [UInt8] {
        write(key, value, lease: lease, while: key, created: revision)
    }

    /// The transaction that writes while another key is still the one that was created then: what
    /// the owner of a lock does under it, so that it does nothing once it is not the owner.
    package static func write(
        _ key: [UInt8], _ value: [UInt8], lease: Int64 = 0, while lock: [UInt8],
        created revision: Int64
    ) -> [UInt8] {
        var put = ProtobufWriter()
        put.field(1, key)
        put.field(2, value)
        put.field(3, lease)
        return transaction(ifCreated: lock, at: revision, operation(.put, put.bytes))
    }

    // MARK: etcdserverpb.TxnRequest

    /// The fields of RequestOp.
    private enum Operation: UInt32 { case range = 1, put, delete }

    private static func operation(_ field: Operation, _ request: [UInt8]) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.field(field.rawValue, request)
        return writer.bytes
    }

    private static func transaction(
        ifCreated key: [UInt8], at revision: Int64, _ operation: [UInt8],
        otherwise other: [UInt8] = []
    ) -> [UInt8] {
        var compare = ProtobufWriter()
        compare.field(2, Int64(Compare.Target.create.rawValue))
        compare.field(3, key)
        // Part of a oneof: zero, "not there", has to be written.
        compare.tag(5, .varint)
        compare.varint(UInt64(bitPattern: revision))
        var writer = ProtobufWriter()
        writer.field(1, compare.bytes)
        writer.field(2, operation)
        writer.field(3, other)
        return writer.bytes
    }
}

// MARK: What a state says of an entry

extension Store {
    /// Whether the entry's key is there, and no later one of the same name.
    package func has(_ entry: QueueEntry) -> Bool {
        #if KEELSON_MUTANTS
            if planted(.keepsPlacesOfEndedLeases) { return true }
        #endif
        let record = entry.key.withUnsafeBytes { get($0) }
        return record?.createRevision == entry.createRevision
    }

    /// Whether an entry whose turn has come counts, for somebody who may have been another when it
    /// was put there: whoever could not put it there now, or may not see the queue, gets nothing.
    package func confirms(
        _ entry: QueueEntry, of principal: Principal
    ) throws(StoreError) -> Bool {
        #if KEELSON_MUTANTS
            if planted(.judgesWaitersOnce) { return has(entry) }
        #endif
        let grants = try grants(of: principal)
        try grants.checkRead(
            KeyRange(key: entry.prefix, rangeEnd: KeyQueue.end(of: entry.prefix)))
        try grants.checkWrite(KeyRange(key: entry.key, rangeEnd: []))
        return has(entry)
    }

    /// The oldest key under a prefix, now or at an earlier revision.
    package func firstKey(
        under prefix: [UInt8], at revision: Int64 = 0
    ) throws(StoreError) -> Record? {
        var request = RangeRequest(key: prefix, rangeEnd: KeyQueue.end(of: prefix))
        request.revision = revision
        request.limit = 1
        request.sortOrder = SortOrder.ascend.rawValue
        request.sortTarget = SortTarget.create.rawValue
        return try range(request).records.first
    }

    /// The key under the entry's prefix that was created last before it.
    func predecessor(of entry: QueueEntry) -> Record? {
        var request = RangeRequest(key: entry.prefix, rangeEnd: KeyQueue.end(of: entry.prefix))
        request.limit = 1
        request.sortOrder = SortOrder.descend.rawValue
        request.sortTarget = SortTarget.create.rawValue
        request.maxCreateRevision = entry.createRevision - 1
        return (try? range(request))?.records.first
    }
}
