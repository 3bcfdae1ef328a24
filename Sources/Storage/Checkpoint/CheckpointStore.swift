package import Primitives

/// The checkpoints of a node: two SQLite files written in turn, and a manifest that says which is
/// which.
///
/// At any time the newest checkpoint and the one before it are there, so that one that rots loses
/// nothing as long as the log is released only behind the older one. Steps of a checkpoint, each of
/// which may be the last before a crash:
///
/// 1. One transaction changes the older file, or fills a new one that then takes its name. Until
/// its
///    commit is durable, recovery finds the older checkpoint there.
/// 2. The manifest names the new checkpoint. If it does not get that far, the next
///    ``open(_:directory:clusterID:memberID:)`` finds a whole checkpoint with a higher sequence
///    than the manifest knows, and finishes the step.
///
/// A file that the manifest knows a later state of is stale or misplaced and is not used.
///
/// It has no lock and no thread: at any time one thread uses it, and hands it over with whatever
/// orders memory between the two. That is why it may be marked sendable.
package final class CheckpointStore: @unchecked Sendable {
    /// What was found unusable since the store was opened, for the log and for metrics.
    package private(set) var damage: [StorageError] = []
    /// There was a manifest of which nothing could be read. Where there is a checkpoint, its own
    /// header did in its place.
    package private(set) var hasLostManifest = false

    private let fileSystem: any FileSystem
    private let directory: String
    private let clusterID: ClusterID
    private let memberID: NodeID
    private var manifestFile: CheckpointManifestFile
    /// Files a and b.
    private let files: [CheckpointFile]
    /// What they hold, where it can be used.
    private var usable: [StoredCheckpointHeader?] = [nil, nil]
    /// How many transactions SQLite counted in them.
    private var changeCounters: [UInt32] = [0, 0]
    private var sequenceMax: UInt64 = 0
    /// Checkpoints of which the rows turned out to be damaged: their headers are whole, and say
    /// nothing of that.
    private var rotten: Set<UInt64> = []
    /// Set by a failure behind which nothing on the disk is certain: the process has to stop.
    private var dead: StorageError?
    /// A full disk kept the store from finding out what a failure left: that is tried again.
    private var mustRecover = false
    /// Room that a checkpoint may take when the disk has no other.
    private let reserve: SpaceReserve?

    private init(
        _ fileSystem: any FileSystem, directory: String, clusterID: ClusterID, memberID: NodeID,
        reserve: SpaceReserve?
    ) {
        self.fileSystem = fileSystem
        self.reserve = reserve
        self.directory = directory
        self.clusterID = clusterID
        self.memberID = memberID
        manifestFile = CheckpointManifestFile(fileSystem, directory: directory)
        files = ["a", "b"].map { name in
            CheckpointFile(
                path: "\(directory)/\(name).sqlite", directory: directory,
                fileSystem: fileSystem)
        }
    }

    /// Opens the checkpoints in `directory`, which is made, in a parent that exists, when it is
    /// missing.
    ///
    /// Undoes what a crash cut short and syncs what it finds, because a process that died may have
    /// left it in the page cache only. A file that cannot be used is reported in ``damage`` and
    /// left.
    ///
    /// - Throws: ``StorageError/foreign(path:field:expected:found:)`` and
    ///   ``StorageError/newerFormat(path:found:supported:)``, and what the disk throws.
    package static func open(
        _ fileSystem: any FileSystem, directory: String, clusterID: ClusterID, memberID: NodeID,
        reserve: SpaceReserve? = nil
    ) throws(StorageError) -> CheckpointStore {
        let store = CheckpointStore(
            fileSystem, directory: directory, clusterID: clusterID, memberID: memberID,
            reserve: reserve)
        if try !fileSystem.exists(directory) {
            try fileSystem.makeDirectory(directory)
            let parent = directory.lastIndex(of: "/").map { String(directory[..<$0]) } ?? "."
            try fileSystem.syncDirectory(parent.isEmpty ? "/" : parent)
        }
        if try store.examine() {
            do throws(StorageError) { try store.storeManifest() } catch {
                // What the files hold is known. The manifest is made before they change.
                guard error.isOutOfSpace else { throw error }
                store.mustRecover = true
            }
        }
        return store
    }

    package var manifestPath: String { manifestFile.path }

    /// The checkpoint to start from.
    package var newest: CheckpointHeader? { newestSlot.flatMap { usable[$0]?.header } }

    /// The checkpoint to fall back to, and the one behind which the log may be released.
    package var previous: CheckpointHeader? {
        newestSlot == nil ? nil : usable[nextSlot]?.header
    }

    /// What the file that is written next still holds: only what changed since needs writing. Nil
    /// when everything must be written.
    package var nextBase: CheckpointHeader? { usable[nextSlot]?.header }

    /// Gives the rows of ``newest`` or ``previous``, sorted by table and key.
    ///
    /// The rows are certain only once this returns: the count and the digest of all of them are
    /// checked last. Memory: SQLite's page cache and one row.
    ///
    /// - Parameter whole: told that all rows are there and are what was written.
    /// - Throws: ``StorageError/rottenCheckpoint(path:reason:)`` when a row, a page or the whole is
    ///   damaged, or when `row` or `whole` throws. The checkpoint is then not used any more: what
    ///   was ``previous`` is ``newest``.
    package func load(
        _ header: CheckpointHeader, _ row: (Row) throws -> Void,
        whole: () throws -> Void = {}
    ) throws(StorageError) {
        if let dead { throw dead }
        guard let slot = usable.firstIndex(where: { $0?.header == header }),
            let stored = usable[slot]
        else { throw .notFound(path: "\(directory), checkpoint \(header.sequence)") }
        do {
            try checkChangeCounter(slot)
            try files[slot].load(stored, row)
            try finish(slot, whole)
        } catch {
            note(error, slot: slot)
            throw error
        }
    }

    private func finish(_ slot: Int, _ whole: () throws -> Void) throws(StorageError) {
        do { try whole() } catch {
            throw .rottenCheckpoint(
                path: files[slot].path, reason: "its rows make no state: \(error)")
        }
    }

    /// Makes a checkpoint: what ``nextBase`` holds, less `deletes`, with `upserts` put in, of which
    /// the last one for a row counts. With `replacingAll`, or when ``nextBase`` is nil, `upserts`
    /// are all rows and `deletes` have no effect. When it returns, the checkpoint is durable and
    /// ``newest``.
    ///
    /// Rows are drawn one by one as they are written; giving them in order is fastest. They are
    /// drawn again when the disk is full and the checkpoint takes the reserved room.
    ///
    /// - Parameter rowCount: how many rows there are then. Where it comes to another number, what
    ///   ``nextBase`` holds is not what was changed.
    /// - Returns: the header with the sequence that it was given.
    /// - Throws: ``StorageError/rottenCheckpoint(path:reason:)`` when what ``nextBase`` holds is
    ///   damaged;
    ///   it is nil from then on. ``StorageError/outOfSpace(operation:path:bytesNeeded:)`` when
    ///   the disk
    ///   is full, ``StorageError/tooLarge(path:byteCount:limit:)`` for a row over ``RowLimits``:
    ///   the checkpoints are then what they were. After a failed sync nothing works any more.
    @discardableResult
    package func write(
        _ header: CheckpointHeader, upserts: some Sequence<Row>,
        deletes: some Sequence<(UInt8, [UInt8])>, replacingAll: Bool, rowCount: Int? = nil
    ) throws(StorageError) -> CheckpointHeader {
        // The changes are changes of this one, whatever a failure shows of the files meanwhile.
        let base = replacingAll ? nil : nextBase?.sequence
        do throws(StorageError) {
            return try attempt(header, upserts, deletes, of: base, rowCount)
        } catch {
            guard error.isOutOfSpace, let reserve, try reserve.giveUp() else { throw error }
        }
        return try attempt(header, upserts, deletes, of: base, rowCount)
    }

    /// - Parameter sequence: of the checkpoint that the rows change; nil: they are all.
    private func attempt(
        _ header: CheckpointHeader, _ upserts: some Sequence<Row>,
        _ deletes: some Sequence<(UInt8, [UInt8])>, of sequence: UInt64?, _ rowCount: Int?
    ) throws(StorageError) -> CheckpointHeader {
        if let dead { throw dead }
        if mustRecover {
            try recover()
            mustRecover = false
        }
        let slot = nextSlot
        let base = sequence == nil ? nil : usable[slot]
        #if KEELSON_MUTANTS
            let isSame = base?.header.sequence == sequence || planted(.changesAnotherBase)
        #else
            let isSame = base?.header.sequence == sequence
        #endif
        guard isSame else {
            throw .rottenCheckpoint(
                path: files[slot].path,
                reason: "checkpoint \(sequence ?? 0) was to be changed, and there is"
                    + " \(base?.header.sequence ?? 0)")
        }
        var header = header
        header.sequence = sequenceMax + 1
        sequenceMax += 1
        do {
            let ids = deletes.lazy.map { RowID(table: $0.0, key: $0.1) }
            if let base {
                try checkChangeCounter(slot)
                usable[slot] = try files[slot].write(
                    header, clusterID: clusterID, memberID: memberID, base: base,
                    upserts: upserts, deletes: ids, rowCount: rowCount)
            } else {
                let fresh = freshFile(slot)
                try fresh.remove()
                let stored = try fresh.write(
                    header, clusterID: clusterID, memberID: memberID, base: nil,
                    upserts: upserts, deletes: EmptyCollection(), rowCount: rowCount)
                try fresh.replace(files[slot])
                usable[slot] = stored
            }
            changeCounters[slot] = try files[slot].changeCounter()
            try storeManifest()
        } catch {
            note(error, slot: slot)
            recoverAfterFailure()
            // The header can be whole where what is behind it is not.
            if case .rottenCheckpoint = error { usable[slot] = nil }
            throw error
        }
        return header
    }

    private var newestSlot: Int? {
        let sequences = usable.map { $0?.header.sequence ?? 0 }
        guard let highest = sequences.max(), highest > 0 else { return nil }
        return sequences.firstIndex(of: highest)
    }

    private var nextSlot: Int {
        #if KEELSON_MUTANTS
            if planted(.overwritesTheNewest), let newestSlot { return newestSlot }
        #endif
        return newestSlot == 0 ? 1 : 0
    }

    /// A whole new checkpoint is written beside the file whose place it takes.
    private func freshFile(_ slot: Int) -> CheckpointFile {
        CheckpointFile(
            path: files[slot].path + ".new", directory: directory, fileSystem: fileSystem)
    }

    /// Draws the conclusion of a failure that concerns the file of `slot`.
    private func note(_ error: StorageError, slot: Int) {
        switch error {
        case .rottenCheckpoint:
            damage.append(error)
            #if KEELSON_MUTANTS
                let isRemembered = !planted(.usesRottenAgain)
            #else
                let isRemembered = true
            #endif
            if isRemembered, let sequence = usable[slot]?.header.sequence {
                rotten.insert(sequence)
            }
            usable[slot] = nil
        case .syncFailed:
            dead = error
        default: break
        }
    }

    private func recoverAfterFailure() {
        if dead != nil { return }
        do throws(StorageError) {
            try recover()
            mustRecover = false
        } catch {
            mustRecover = true
            if case .outOfSpace = error { return }
            dead = error
        }
    }

    /// Reserves what the next checkpoint may take beside what is there: a whole new file as large
    /// as the larger one and an eighth more, or as much of a journal.
    /// - Throws: ``StorageError/outOfSpace(operation:path:bytesNeeded:)``; what was reserved before
    ///   still is.
    package func refillReserve() throws(StorageError) {
        var largest = 0
        for file in files where try fileSystem.exists(file.path) {
            largest = max(largest, try fileSystem.open(file.path, .read).size())
        }
        guard let reserve else { return }
        try reserve.ensure(max(reserve.bytesMin, largest + largest / 8))
    }

    private func recover() throws(StorageError) {
        if try examine() { try storeManifest() }
    }

    /// Finds out what the files hold. See the type for the rules.
    /// - Returns: whether the manifest does not say it, and has to be stored.
    private func examine() throws(StorageError) -> Bool {
        for slot in files.indices { try freshFile(slot).remove() }
        try fileSystem.syncDirectory(directory)
        let manifest = try manifestFile.load()
        if manifest == nil, try fileSystem.exists(manifestFile.path) { hasLostManifest = true }
        if let manifest {
            try checkIdentity(manifestFile.path, manifest.clusterID, manifest.memberID)
        }
        var isManifestBehind = manifest == nil
        let known = manifest?.newestSequence ?? 0
        sequenceMax = max(sequenceMax, known)
        for slot in files.indices {
            let damageCount = damage.count
            let found = try readHeader(slot)
            sequenceMax = max(sequenceMax, found?.header.sequence ?? 0)
            let expected = manifest?.entries[slot]
            if let found, rotten.contains(found.header.sequence) {
                usable[slot] = nil
            } else if let found, manifest == nil || found.header.sequence > known {
                usable[slot] = found
                isManifestBehind = true
            } else if found.map({ entry($0, slot) }) == expected {
                usable[slot] = found
            } else {
                usable[slot] = nil
                if damage.count == damageCount {
                    damage.append(
                        .rottenCheckpoint(
                            path: files[slot].path,
                            reason:
                                "it holds checkpoint \(found?.header.sequence ?? 0), the manifest"
                                + " says \(expected?.sequence ?? 0)"))
                }
            }
        }
        return isManifestBehind && newestSlot != nil
    }

    private func readHeader(_ slot: Int) throws(StorageError) -> StoredCheckpointHeader? {
        let file = files[slot]
        do {
            try file.syncWhatIsThere()
            guard let found = try file.readHeader() else { return nil }
            try checkIdentity(file.path, found.clusterID, found.memberID)
            changeCounters[slot] = try file.changeCounter()
            return found
        } catch {
            guard case .rottenCheckpoint = error else { throw error }
            damage.append(error)
            return nil
        }
    }

    private func checkIdentity(
        _ path: String, _ cluster: ClusterID, _ member: NodeID
    ) throws(StorageError) {
        if cluster != clusterID {
            throw .foreign(
                path: path, field: "cluster", expected: clusterID.description,
                found: cluster.description)
        }
        if member != memberID {
            throw .foreign(
                path: path, field: "member", expected: memberID.description,
                found: member.description)
        }
    }

    private func storeManifest() throws(StorageError) {
        let manifest = CheckpointManifest(
            clusterID: clusterID, memberID: memberID,
            entries: files.indices.map { slot in usable[slot].map { entry($0, slot) } })
        try manifestFile.store(manifest)
    }

    private func entry(
        _ stored: StoredCheckpointHeader, _ slot: Int
    ) -> CheckpointManifest.Entry {
        CheckpointManifest.Entry(
            sequence: stored.header.sequence, index: stored.header.index, term: stored.header.term,
            headerCRC: Checksum.crc32c(stored.encode()), changeCounter: changeCounters[slot])
    }

    /// A first page that went back in time would make SQLite allocate pages that are in use.
    private func checkChangeCounter(_ slot: Int) throws(StorageError) {
        let found = try files[slot].changeCounter()
        guard found == changeCounters[slot] else {
            throw .rottenCheckpoint(
                path: files[slot].path,
                reason: "transaction \(changeCounters[slot]) was the last, the file says \(found)")
        }
    }
}
