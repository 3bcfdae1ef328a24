package import Primitives
internal import Replication
internal import StateMachine
internal import Storage

/// A moment in an archive.
package enum ArchiveCut: Equatable, Sendable {
    /// All that was archived.
    case end
    /// The last state at this revision.
    case revision(Revision)
    /// The last state up to this moment, in milliseconds since 1970, by the leaders' clocks.
    case time(UInt64)
}

/// Makes the state of a moment: of the newest base before it, and the log from there.
struct ArchiveReplay {
    private let archive: Archive
    private let cut: ArchiveCut
    private var notices: [String] = []
    /// Why the log cannot be followed to its end.
    private var obstacle: String?
    /// How far entries may take the revision at once: one revision for each lease that ends.
    private static let leapMax = Int64(LeaseBatch.leasesMax)
    /// Entries between two slices of purging what replayed compactions made unreachable.
    private static let purgeInterval: UInt64 = 1024

    init(_ archive: Archive, _ cut: ArchiveCut) {
        self.archive = archive
        self.cut = cut
    }

    /// - Throws: ``BackupError/outsideArchive(path:reason:)`` for a moment that it does not cover.
    mutating func run(_ progress: (Double) -> Void) throws(BackupError) -> BackupState {
        var lastFault: BackupError?
        for base in archive.bases.reversed() {
            do throws(BackupError) {
                if try isBehind(base) { continue }
                return try replay(from: base, progress)
            } catch {
                // An older base, and more of the log, may make up for one that is damaged.
                guard error.isDamage, base != archive.bases.first else { throw error }
                lastFault = lastFault ?? error
                notices.append("\(error): an older base is used")
            }
        }
        if let lastFault { throw lastFault }
        throw try beforeFirst()
    }

    /// Whether the base holds what is behind the moment.
    private func isBehind(_ base: Archive.Base) throws(BackupError) -> Bool {
        switch cut {
        case .end: return false
        case .revision(let revision): return try archive.position(of: base).revision > revision
        case .time(let time): return try archive.position(of: base).clock > time
        }
    }

    private func beforeFirst() throws(BackupError) -> BackupError {
        guard let first = archive.bases.first else { return .noArchive(path: archive.directory) }
        let position = try archive.position(of: first)
        return .outsideArchive(
            path: archive.directory,
            reason: "it begins at revision \(position.revision), clock \(position.clock)")
    }

    private mutating func replay(
        from base: Archive.Base, _ progress: (Double) -> Void
    ) throws(BackupError) -> BackupState {
        let start = try BackupState.load(base.path, fileSystem: archive.fileSystem)
        guard case .backup(let summary) = start.origin else {
            throw .foreign(path: base.path)
        }
        var store = start.store
        var isDone = false
        obstacle = nil
        let total = archive.logs.reduce(0) { $0 + $1.byteCount }
        var read = 0
        for (position, log) in archive.logs.enumerated() where !isDone {
            defer { read += log.byteCount }
            let follower = archive.logs.dropFirst(position + 1).first
            if let follower, follower.first <= store.appliedIndex.next { continue }
            if log.first > store.appliedIndex.next {
                obstacle =
                    obstacle
                    ?? "entries \(store.appliedIndex.next) to \(log.first.previous) are missing"
                break
            }
            try replay(log, before: follower, summary.clusterID, &store, &isDone)
            progress(Double(read) / Double(max(1, total)))
        }
        try checkReached(store, isDone)
        var state = BackupState(
            path: archive.directory, store: store,
            origin: .archive(base: summary, through: store.appliedIndex))
        state.notices = notices
        return state
    }

    private mutating func replay(
        _ log: Archive.LogFile, before follower: Archive.LogFile?, _ cluster: ClusterID,
        _ store: inout Store, _ isDone: inout Bool
    ) throws(BackupError) {
        var reader: ArchiveLogReader
        do throws(BackupError) {
            reader = try ArchiveLogReader(log.path, fileSystem: archive.fileSystem)
        } catch {
            // The newest file may have been made and not written when the power failed.
            if case .truncated = error, follower == nil { return }
            guard error.isDamage else { throw error }
            obstacle = "\(error)"
            return
        }
        guard reader.clusterID == cluster else {
            throw .otherCluster(path: log.path, expected: cluster, found: reader.clusterID)
        }
        while !isDone {
            let batch: ArchiveLogReader.Batch?
            do throws(BackupError) { batch = try reader.nextBatch() } catch {
                guard error.isDamage else { throw error }
                // What could not be read was fetched again, and the next file begins with it.
                if let follower, follower.first <= reader.next { return }
                // A crash cuts the newest batch short, and nothing else.
                if case .truncated = error, follower == nil {
                    notices.append("\(error): the log is used up to entry \(reader.next.previous)")
                } else {
                    obstacle = "\(error)"
                }
                return
            }
            guard let batch else { return }
            for entry in batch.entries where !isDone {
                if entry.index <= store.appliedIndex { continue }
                try apply(entry, log.path, &store, &isDone)
            }
        }
    }

    private func apply(
        _ entry: LogEntry, _ path: String, _ store: inout Store, _ isDone: inout Bool
    ) throws(BackupError) {
        guard entry.index == store.appliedIndex.next, entry.term >= store.appliedTerm else {
            throw .damaged(
                path: path, block: -1, offset: 0,
                reason: "entry \(entry.index) of term \(entry.term) does not follow"
                    + " \(store.appliedIndex) of term \(store.appliedTerm)")
        }
        var before: FrozenStore?
        switch cut {
        case .end: break
        case .time(let time):
            if let clock = ArchiveClock.clock(of: entry), clock > time {
                isDone = true
                return
            }
        case .revision(let revision):
            if store.revision.rawValue > revision.rawValue - Self.leapMax {
                before = store.freeze()
            }
        }
        let applied = store.apply(entry, evaluate: false)
        guard !applied.mustStop else {
            throw .newerEntry(path: path, index: entry.index)
        }
        if case .revision(let revision) = cut, store.revision > revision, let before {
            store = try Self.thawed(before, path)
            isDone = true
        }
        if entry.index.rawValue % Self.purgeInterval == 0 { _ = store.purge(budget: 65_536) }
    }

    /// The state as it was.
    private static func thawed(
        _ frozen: FrozenStore, _ path: String
    ) throws(BackupError) -> Store {
        var loader = StoreLoader()
        do throws(StoreLoadError) {
            for row in frozen.rows() { try loader.add(row) }
            return try loader.finish()
        } catch { throw .notAState(path: path, error) }
    }

    private mutating func checkReached(_ store: Store, _ isDone: Bool) throws(BackupError) {
        let position = "at revision \(store.revision), clock \(store.clock)"
        let end =
            obstacle.map { "\($0); what is before that ends \(position)" } ?? "it ends \(position)"
        switch cut {
        case .end:
            guard let obstacle else { return }
            throw .brokenArchive(
                path: archive.directory, reason: obstacle, revision: store.revision)
        case .revision(let revision):
            guard isDone || store.revision == revision else {
                throw .outsideArchive(path: archive.directory, reason: end)
            }
            if !isDone, let obstacle {
                notices.append(
                    "\(obstacle): leases and users that changed behind the last write are missing")
            }
        case .time(let time):
            guard isDone || store.clock >= time else {
                throw .outsideArchive(path: archive.directory, reason: end)
            }
        }
    }
}

/// What an entry says of the time.
package enum ArchiveClock {
    /// The leader's clock when it proposed the entry, in milliseconds since 1970; nil for an entry
    /// that has none.
    package static func clock(of entry: LogEntry) -> UInt64? {
        guard entry.kind == .command else { return nil }
        return entry.payload.withUnsafeBytes { (try? Command.decodeHeader($0))?.header.clock }
    }
}
