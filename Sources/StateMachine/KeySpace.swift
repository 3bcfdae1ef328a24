internal import Primitives

/// One space of keys under the store's revision counter: the versions by key and by revision.
struct KeySpace: Sendable {
    private(set) var tree = PersistentTree()
    private(set) var log = RevisionLog()
    /// Revisions below it cannot be read; -1 before the first compaction (as in etcd, where that is
    /// what makes revision 0 compactable once).
    private(set) var floor: Int64 = -1
    /// Weight of all retained records.
    private(set) var weightBytes = 0
    /// Changes before this place need no purge.
    private var purgeCursor = ChunkID(main: 0, sub: 0)
    private(set) var isPurgePending = false

    init() {}

    init(tree: PersistentTree, log: RevisionLog, floor: Int64, weightBytes: Int) {
        self.tree = tree
        self.log = log
        self.floor = floor
        self.weightBytes = weightBytes
        purgeCursor = ChunkID(main: floor, sub: 0)
    }

    /// Writes a new version. `lease` and the value are final; `stamp` is the entry's index.
    mutating func put(
        _ key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, lease: Int64,
        revision: Int64, sub: Int32, stamp: UInt64
    ) -> (record: Record, previous: Record?) {
        var made: Record?
        let previous = tree.put(key) { old in
            let isNew = old?.isTombstone ?? true
            let record = Record.make(
                key: key, value: value,
                createRevision: isNew ? revision : old?.createRevision ?? revision,
                modRevision: revision, sub: sub, version: (old?.version ?? 0) + 1, lease: lease)
            made = record
            return record
        }
        guard let made else { impossible("the tree did not ask for the new version") }
        log.append(made, at: stamp)
        weightBytes += made.weightBytes
        return (made, previous?.isTombstone == true ? nil : previous)
    }

    /// Deletes a live key.
    mutating func delete(_ live: Record, revision: Int64, sub: Int32, stamp: UInt64) -> Record {
        live.withKey { key in
            let tombstone = Record.tombstone(key: key, modRevision: revision, sub: sub)
            tree.put(key) { _ in tombstone }
            log.append(tombstone, at: stamp)
            weightBytes += tombstone.weightBytes
            return tombstone
        }
    }

    /// The live version of `key` at `revision`, or nil.
    func get(_ key: UnsafeRawBufferPointer, at revision: Int64) -> Record? {
        guard let newest = tree.newest(key) else { return nil }
        if newest.modRevision <= revision { return newest.isTombstone ? nil : newest }
        return tree.versions(key).flatMap { KeySpace.visible($0.newest, $0.history, at: revision) }
    }

    /// The version of a key that a reader at `revision` sees, or nil.
    static func visible(_ newest: Record, _ history: History?, at revision: Int64) -> Record? {
        let record =
            newest.modRevision <= revision ? newest : history?.newest(atMost: revision)
        guard let record, !record.isTombstone else { return nil }
        return record
    }

    /// The live version of the key before the revision that made `record`, or nil when there was
    /// none or it is compacted away: what etcd reports as `prev_kv`, also where one revision
    /// changed a key twice.
    func previous(of record: Record) -> Record? {
        // A revision that deleted the key and made it anew shows a creation, which has no previous.
        if !record.isTombstone, record.createRevision == record.modRevision { return nil }
        return record.withKey { key in
            guard let (newest, history) = tree.versions(key) else { return nil }
            let header = record.header
            let found =
                newest.modRevision < header.modRevision
                ? newest : history?.newest(atMost: header.modRevision - 1)
            guard let found, !found.isTombstone else { return nil }
            return found
        }
    }

    /// Visits the live keys of a range at `revision`, in order, until `body` says false.
    func forEachLive(
        _ bounds: KeyRange, at revision: Int64, _ body: (Record) -> Bool
    ) {
        bounds.withBounds { start, end in
            tree.forEach(from: start, to: end) { newest, history in
                guard let record = KeySpace.visible(newest, history, at: revision) else {
                    return true
                }
                return body(record)
            }
        }
    }

    mutating func raiseFloor(to revision: Int64) {
        // A deletion at the old floor had to stay: it is looked at again, also by a purge under
        // way.
        #if KEELSON_MUTANTS
            if planted(.purgesNothingTwice) {
                purgeCursor = ChunkID(main: floor + 1, sub: 0)
                floor = revision
                isPurgePending = true
                return
            }
        #endif
        purgeCursor = min(purgeCursor, ChunkID(main: floor, sub: 0))
        floor = revision
        isPurgePending = true
    }

    mutating func forgetVanished(through index: UInt64) { log.forgetVanished(through: index) }
}

// MARK: - Purging

extension KeySpace {
    /// Whether nobody can see `record` any more, given the version after it and the floor.
    ///
    /// A version at the floor itself stays, deletions too: a watch may begin there.
    static func isGarbage(_ record: Record, next: Record?, floor: Int64) -> Bool {
        let header = record.header
        #if KEELSON_MUTANTS
            if planted(.purgesAtTheFloor), header.modRevision == floor, header.isTombstone {
                return true
            }
        #endif
        guard header.modRevision < floor else { return false }
        return header.isTombstone || next.map { $0.modRevision <= floor } ?? false
    }

    /// Removes what the compaction made unreachable: looks at and removes no more than `budget`
    /// records. Returns whether there is more to do.
    mutating func purge(budget: Int, stamp: UInt64) -> Bool {
        guard isPurgePending else { return false }
        var work: [Record] = []
        let floor = self.floor
        log.forEach(from: purgeCursor.main, purgeCursor.sub) { record in
            guard record.modRevision <= floor, work.count <= budget else { return false }
            work.append(record)
            return true
        }
        var garbage: [Record] = []
        var next: Record? = work.count > budget ? work.removeLast() : nil
        for record in work {
            let isDone = sift(record, limit: budget - garbage.count, into: &garbage)
            if !isDone {
                next = record
                break
            }
        }
        for record in garbage { weightBytes -= record.weightBytes }
        garbage.sort { $0.precedes($1) }
        log.remove(garbage, at: stamp)
        if let next {
            purgeCursor = ChunkID(main: next.modRevision, sub: next.sub)
        } else {
            purgeCursor = ChunkID(main: floor, sub: 0)
            isPurgePending = false
        }
        return isPurgePending
    }

    /// Takes up to `limit` garbage versions of the record's key out of the tree. Returns whether
    /// those were all.
    private mutating func sift(
        _ record: Record, limit: Int, into garbage: inout [Record]
    ) -> Bool {
        var isDone = true
        let floor = self.floor
        record.withKey { key in
            _ = tree.edit(key) { newest, history in
                let sifted = KeySpace.sift(newest, history, floor: floor, limit: limit)
                isDone = sifted.isDone
                garbage += sifted.garbage
                return sifted.edit
            }
        }
        return isDone
    }

    /// Splits a key's versions into garbage, which are its oldest ones, and those that stay.
    static func sift(
        _ newest: Record, _ history: History?, floor: Int64, limit: Int
    ) -> (edit: TreeEdit, garbage: [Record], isDone: Bool) {
        var garbage: [Record] = []
        let count = (history?.count ?? 0) + 1
        func version(_ index: Int) -> Record? {
            index < count - 1 ? history?[index] : index == count - 1 ? newest : nil
        }
        var isDone = true
        while let oldest = version(garbage.count),
            isGarbage(oldest, next: version(garbage.count + 1), floor: floor)
        {
            if garbage.count >= limit {
                isDone = false
                break
            }
            garbage.append(oldest)
        }
        if garbage.isEmpty { return (.keep, [], isDone) }
        if garbage.count == count { return (.remove, garbage, true) }
        return (.history(history?.dropping(first: garbage.count)), garbage, isDone)
    }
}
