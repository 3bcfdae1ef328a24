package import Primitives

/// Makes a store of what another store of etcd's kind holds: versions of keys in the order of
/// their revisions, leases, users and roles. Checks as ``StoreLoader`` does.
package struct StoreImport {
    private static let chunkRecordsMax = RevisionLog.chunkRecordsMax

    /// What stands before the keys.
    package struct Head: Sendable {
        package var revision: Int64
        /// The highest compacted revision; -1 where nothing was.
        package var floor: Int64
        package var index: LogIndex
        package var term: Term
        package var leases: [Lease] = []
        package var users: [(name: [UInt8], roles: [[UInt8]])] = []
        package var roles: [AuthRole] = []

        package init(revision: Int64, floor: Int64, index: LogIndex, term: Term) {
            self.revision = revision
            self.floor = floor
            self.index = index
            self.term = term
        }
    }

    private let head: Head
    private var loader = StoreLoader()
    private var pending = ContiguousArray<Record>()
    private var pendingBytes = 0

    /// - Throws: ``StoreLoadError`` where the head is none.
    package init(_ head: Head) throws(StoreLoadError) {
        self.head = head
        let empty = Store()
        empty.mainRevision = head.revision
        empty.appliedIndex = head.index
        empty.appliedTerm = head.term
        for lease in head.leases { empty.leases.set(lease, stamp: 1) }
        for role in head.roles { empty.auth.set(role) }
        for user in head.users {
            var known = AuthUser(
                name: user.name, passwordHash: [], identityRevision: empty.auth.revision)
            known.roles = user.roles.sorted { Bytes.compare($0, $1) < 0 }
            empty.auth.set(known)
        }
        if !head.users.isEmpty || !head.roles.isEmpty { empty.auth.modifiedAt = 1 }
        empty.client.setFloor(head.floor)
        var auth: StoreRow?
        for row in empty.freeze().rows() {
            // Behind the keys, as in every order of rows.
            if row.table == StoreTable.auth.rawValue { auth = row } else { try loader.add(row) }
        }
        authRow = auth
    }

    private let authRow: StoreRow?

    /// Adds the next version. Those of one key that the compaction made unreachable may be there.
    package mutating func add(_ record: Record) throws(StoreLoadError) {
        let bytes = record.keyByteCount + record.valueByteCount
        if pending.count >= Self.chunkRecordsMax
            || (!pending.isEmpty && pendingBytes + bytes > RevisionLog.chunkBytesMax)
        {
            try flush()
        }
        pending.append(record)
        pendingBytes += bytes
    }

    private mutating func flush() throws(StoreLoadError) {
        guard let first = pending.first else { return }
        let chunk = LogChunk(id: first.place, records: pending, bytes: pendingBytes, modifiedAt: 1)
        try loader.add(
            table: StoreTable.client.rawValue, key: chunk.id.rowKey,
            value: RecordCoding.encode(chunk))
        pending.removeAll(keepingCapacity: true)
        pendingBytes = 0
    }

    package mutating func finish() throws(StoreLoadError) -> Store {
        try flush()
        if let authRow { try loader.add(authRow) }
        return try loader.finish()
    }
}

extension KeySpace {
    /// The floor of a space that holds nothing yet.
    fileprivate mutating func setFloor(_ floor: Int64) {
        invariant(log.recordCount == 0, "a floor is set below \(log.recordCount) records")
        self = KeySpace(tree: tree, log: log, floor: floor, weightBytes: 0)
    }
}
