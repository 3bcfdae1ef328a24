package import Primitives
internal import RaftCore
package import Replication
internal import StateMachine
package import Storage

/// The data directory of a server that does not run, read without changing anything.
package struct MemberDirectory {
    package let path: String
    package let report: DirectoryReport
    private let fileSystem: any FileSystem

    /// Reads and checks everything in it.
    /// - Throws: ``StorageError/locked(path:)`` while its server runs.
    package init(
        _ path: String, fileSystem: any FileSystem, progress: @escaping (String) -> Void = { _ in }
    ) throws(BackupError) {
        let path = Paths.plain(path)
        self.path = path
        self.fileSystem = fileSystem
        report = try storing { () throws(StorageError) in
            try DirectoryCheck.run(
                path, fileSystem: OverlayFileSystem(over: fileSystem), progress: progress)
        }
        guard report.identity != nil else {
            throw .noMember(
                path: path, reason: report.findings.first?.what ?? "it has no identity")
        }
    }

    /// The newest state that can be made of it: its checkpoint, and every entry that its log holds
    /// behind that, committed or not: which of them a majority had is known to nobody any more, and
    /// what was acknowledged must not be lost.
    ///
    /// - Parameter acceptingLoss: as far as it goes, where the directory is damaged.
    /// - Throws: ``BackupError/noMember(path:reason:)`` where it is damaged, or where the member
    ///   was removed from its cluster.
    package func newestState(
        acceptingLoss: Bool, progress: (String) -> Void = { _ in }
    ) throws(BackupError) -> BackupState {
        guard let identity = report.identity else {
            throw .noMember(path: path, reason: "it has no identity")
        }
        let damage = report.findings.filter { $0.weight != .mended }
        if let first = damage.first, !acceptingLoss {
            throw .noMember(
                path: path,
                reason: "it is damaged: \(first.path): \(first.what)"
                    + (damage.count > 1 ? ", and \(damage.count - 1) findings more" : "")
                    + Self.advice)
        }
        let opened = try open(identity, progress)
        let store = try replay(opened)
        if store.members.isRemoved(identity.memberID), !acceptingLoss {
            throw .noMember(
                path: path,
                reason: "member \(identity.memberID) was removed from its cluster, which went on"
                    + " without it" + Self.advice)
        }
        var state = BackupState(
            path: path, store: store,
            origin: .member(
                identity, through: store.appliedIndex, term: store.appliedTerm))
        state.notices = damage.map { "\($0.path): \($0.what)" }
        state.notices += store.alarms.raised.map { "alarm \($0.kind) was raised" }
        return state
    }

    private func open(
        _ identity: NodeIdentity, _ progress: (String) -> Void
    ) throws(BackupError) -> NodeStorage {
        do {
            return try NodeStorage.open(
                NodePlace(path: path, identity: identity, freshDisk: 1, nonce: 1),
                fileSystem: OverlayFileSystem(over: fileSystem), progress: progress)
        } catch let error as StorageError {
            throw .storage(error)
        } catch let error as StoreLoadError {
            throw .notAState(path: path, error)
        } catch {
            throw .noMember(path: path, reason: "\(error)")
        }
    }

    private func replay(_ opened: NodeStorage) throws(BackupError) -> Store {
        let store = opened.store
        let last = opened.restored.lastIndex
        while store.appliedIndex < last {
            let first = store.appliedIndex.next
            let entries = try storing { () throws(StorageError) in
                try opened.log.read(from: first, through: last, bytesMax: Self.readBytesMax)
            }
            guard !entries.isEmpty else { break }
            for entry in entries {
                guard !store.apply(entry, evaluate: false).mustStop else {
                    throw .newerEntry(path: path, index: entry.index)
                }
            }
            while store.purge(budget: 65_536) {}
        }
        return store
    }

    private static let readBytesMax = 4 << 20
    private static let advice =
        ". Use another member's directory, or a backup; --accept-loss takes what this one has"

    /// Calls `body` with every entry of its log that can be read, in order, until it says false.
    package func forEachEntry(
        _ body: (LogEntry) -> Bool
    ) throws(BackupError) {
        guard let identity = report.identity else { return }
        let overlay = OverlayFileSystem(over: fileSystem)
        try storing { () throws(StorageError) in
            // Locked as long as it is read.
            let directory = try DataDirectory.open(path, fileSystem: overlay)
            let log = try SegmentedLog.open(
                fileSystem: overlay, directory: directory.logPath, identity: identity,
                options: NodePlace.defaultLogOptions, boot: report.boot ?? .zero)
            var next = log.firstIndex
            while next <= log.lastIndex {
                guard let readable = Self.readable(log, from: &next) else { return }
                for entry in readable { if !body(entry) { return } }
                next = next + readable.count
            }
        }
    }

    /// The next entries; those that are damaged are passed over.
    private static func readable(
        _ log: SegmentedLog, from next: inout LogIndex
    ) -> [LogEntry]? {
        while next <= log.lastIndex {
            let rest = try? log.read(from: next, through: log.lastIndex, bytesMax: readBytesMax)
            if let rest, !rest.isEmpty { return rest }
            next = next.next
        }
        return nil
    }

    /// The state of its newest checkpoint, or of the one before that.
    package func checkpoint(previous: Bool) throws(BackupError) -> BackupState {
        guard let identity = report.identity else {
            throw .noMember(path: path, reason: "it has no identity")
        }
        let overlay = OverlayFileSystem(over: fileSystem)
        var loader = StoreLoader()
        let isThere = try storing { () throws(StorageError) -> Bool in
            let directory = try DataDirectory.open(path, fileSystem: overlay)
            let store = try CheckpointStore.open(
                overlay, directory: directory.checkpointPath, clusterID: identity.clusterID,
                memberID: identity.memberID)
            guard let header = previous ? store.previous : store.newest else { return false }
            try store.load(header) { try loader.add($0) }
            return true
        }
        guard isThere else {
            throw .noMember(
                path: path,
                reason: previous ? "it has one checkpoint only" : "it has no checkpoint yet")
        }
        do throws(StoreLoadError) {
            let store = try loader.finish()
            return BackupState(
                path: path, store: store,
                origin: .member(
                    identity, through: store.appliedIndex, term: store.appliedTerm))
        } catch { throw .notAState(path: path, error) }
    }
}
