internal import Primitives
internal import RaftCore
internal import StateMachine
package import Storage

/// Everything that a data directory holds, read and checked: every checksum, the chain of the log,
/// both checkpoints whole, and that the parts fit each other.
///
/// Give it an ``OverlayFileSystem``: it runs what a start runs, which mends what it can.
/// Cost: reads the directory once, the log twice. Memory: the larger checkpoint's store.
package struct DirectoryCheck {
    private var report = DirectoryReport()
    private let path: String
    private let fileSystem: any FileSystem
    private let logOptions: LogOptions
    private let progress: (String) -> Void

    /// - Throws: ``StorageError`` where nothing can be said: another process uses the directory, it
    ///   is not there, or the disk does not answer.
    package static func run(
        _ path: String, fileSystem: any FileSystem,
        logOptions: LogOptions = NodePlace.defaultLogOptions,
        progress: @escaping (String) -> Void = { _ in }
    ) throws(StorageError) -> DirectoryReport {
        var check = DirectoryCheck(
            path: path, fileSystem: fileSystem, logOptions: logOptions, progress: progress)
        try check.run()
        return check.report
    }

    private init(
        path: String, fileSystem: any FileSystem, logOptions: LogOptions,
        progress: @escaping (String) -> Void
    ) {
        self.logOptions = logOptions
        self.path = path
        self.fileSystem = fileSystem
        self.progress = progress
    }

    private mutating func note(
        _ weight: DirectoryReport.Finding.Weight, _ path: String, _ what: String
    ) {
        report.findings.append(DirectoryReport.Finding(weight: weight, path: path, what: what))
    }

    /// - Throws: an error that is none of the data's.
    private mutating func note(
        _ error: StorageError, as weight: DirectoryReport.Finding.Weight, at path: String
    ) throws(StorageError) {
        guard error.exitStatus == 65 else { throw error }
        note(weight, path, "\(error)")
    }

    private mutating func run() throws(StorageError) {
        guard case .directory = try fileSystem.kind(of: path) else { throw .notFound(path: path) }
        try checkCopies()
        guard let identity = try readIdentity() else { return }
        report.identity = identity
        try checkSlots()
        try checkCheckpoints(identity)
        try checkLog(identity)
        guard !report.findings.contains(where: { $0.weight == .fatal }) else { return }
        try checkStart(identity)
    }

    /// The directory is let go at once, for a start to take it; another process cannot have it, for
    /// the file system has its lock.
    private mutating func readIdentity() throws(StorageError) -> NodeIdentity? {
        do throws(StorageError) {
            let found = try DataDirectory.open(path, fileSystem: fileSystem).identity
            if found == nil {
                note(.fatal, path, "it is no data directory of keelson: it has no identity")
            }
            return found
        } catch {
            try note(error, as: .fatal, at: path)
            return nil
        }
    }

    /// Files of two slots: one is enough.
    private mutating func checkSlots() throws(StorageError) {
        progress("reading identity, term and vote, boot number and memory of peers")
        do throws(StorageError) {
            report.hardState = try HardStateFile.read(fileSystem: fileSystem, directory: path)
        } catch { try note(error, as: .fatal, at: path + "/" + HardStateFile.name) }
        do throws(StorageError) {
            report.boot = try BootFile.read(fileSystem: fileSystem, directory: path)
        } catch { try note(error, as: .fatal, at: path + "/" + BootFile.name) }
        do throws(StorageError) {
            _ = try PeerMemoryFile.read(fileSystem: fileSystem, directory: path)
        } catch { try note(error, as: .fatal, at: path + "/" + PeerMemoryFile.name) }
    }

    /// Read before anything is opened: that mends them.
    private mutating func checkCopies() throws(StorageError) {
        let found = try DataDirectory.damagedSlots(at: path, fileSystem: fileSystem)
        // Both slots: whoever needs the file says so.
        for (path, slots) in found where slots.count < 2 {
            note(.mended, path, "slot \(slots[0]) of two does not hold what was written last")
        }
    }

    private mutating func checkCheckpoints(
        _ identity: NodeIdentity
    ) throws(StorageError) {
        let store: CheckpointStore
        do throws(StorageError) {
            store = try CheckpointStore.open(
                fileSystem, directory: path + "/checkpoint", clusterID: identity.clusterID,
                memberID: identity.memberID)
        } catch { return try note(error, as: .fatal, at: path + "/checkpoint") }
        if store.hasLostManifest {
            let lost = "nothing in it can be read"
            if store.newest == nil {
                note(.damage, store.manifestPath, lost + ", and no checkpoint says what it held")
            } else {
                note(
                    .mended, store.manifestPath,
                    lost + ": the checkpoints' own headers do in its place, and a start makes it"
                        + " anew where the disk has room")
            }
        }
        for header in [store.newest, store.previous].compactMap({ $0 }) {
            progress("reading the checkpoint at index \(header.index)")
            try checkCheckpoint(header, in: store, path + "/checkpoint")
        }
        for error in store.damage {
            guard case .rottenCheckpoint(let path, let reason) = error else { continue }
            note(.damage, path, reason)
        }
    }

    private mutating func checkCheckpoint(
        _ header: CheckpointHeader, in store: CheckpointStore, _ path: String
    ) throws(StorageError) {
        var loader = StoreLoader()
        do throws(StorageError) {
            try store.load(header) { try loader.add($0) }
            // What the load itself finds is in the store's list of damage.
        } catch {
            guard case .rottenCheckpoint = error else {
                return try note(error, as: .damage, at: path)
            }
            return
        }
        do {
            let loaded = try loader.finish()
            _ = try ClusterConfiguration.decode(header.configuration)
            if loaded.appliedIndex != header.index || loaded.appliedTerm != header.term {
                note(
                    .damage, path,
                    "the checkpoint at \(header.index), term \(header.term), holds the state of"
                        + " \(loaded.appliedIndex), term \(loaded.appliedTerm)")
            }
            report.checkpoints.append(
                DirectoryReport.CheckpointSummary(
                    index: header.index, term: header.term,
                    revision: loaded.revision.rawValue, keys: loaded.keyCount))
        } catch {
            note(.damage, path, "the checkpoint at \(header.index) cannot be loaded: \(error)")
        }
    }

    private mutating func checkLog(
        _ identity: NodeIdentity
    ) throws(StorageError) {
        progress("reading the log")
        let log: SegmentedLog
        do throws(StorageError) {
            log = try SegmentedLog.open(
                fileSystem: fileSystem, directory: path + "/log", identity: identity,
                options: logOptions,
                boot: report.boot ?? .zero)
        } catch { return try note(error, as: .fatal, at: path + "/log") }
        report.log = (log.firstIndex, log.lastIndex, log.segmentCount)
        for range in log.rotten {
            let last = range.last.map { " to \($0)" } ?? " on, as far as can be told"
            note(
                .damage, range.path,
                "entries from \(range.first)\(last) are damaged at offset \(range.offset)")
        }
        for path in log.halfHeaders {
            note(.mended, path, "one of the two copies of its header is damaged")
        }
        if log.tornBytesCut > 0 {
            note(
                .mended, path + "/log",
                "\(log.tornBytesCut) bytes of a write that a crash cut short, known to nobody")
        }
        try checkEntries(log, path + "/log")
    }

    /// Entries say what they are; terms never fall.
    private mutating func checkEntries(
        _ log: SegmentedLog, _ path: String
    ) throws(StorageError) {
        var next = log.firstIndex
        var term = log.baseTerm
        while next <= log.intactThrough {
            let entries: [LogEntry]
            do throws(StorageError) {
                entries = try log.read(from: next, through: log.intactThrough, bytesMax: 4 << 20)
            } catch { return try note(error, as: .damage, at: path) }
            guard !entries.isEmpty else { return }
            for entry in entries {
                if let fault = fault(of: entry, after: term) {
                    note(.fatal, path, "entry \(entry.index) of term \(entry.term): \(fault)")
                }
                term = entry.term
            }
            next = next + entries.count
        }
    }

    private func fault(of entry: LogEntry, after term: Term) -> String? {
        if entry.term < term { return "the one before it is of term \(term)" }
        switch entry.kind {
        case .noop: return nil
        case .configuration:
            do { _ = try ClusterConfiguration.decode(entry.payload) } catch { return "\(error)" }
        case .command:
            do { try entry.payload.withUnsafeBytes { _ = try Command.decodeHeader($0) } } catch {
                return "\(error)"
            }
        }
        return nil
    }

    /// What a start makes of all of it.
    private mutating func checkStart(
        _ identity: NodeIdentity
    ) throws(StorageError) {
        progress("putting log and checkpoint together, as a start does")
        do {
            let storage = try NodeStorage.open(
                NodePlace(
                    path: path, identity: identity, freshDisk: 1, nonce: 1, logOptions: logOptions),
                fileSystem: fileSystem, progress: { _ in })
            let isKnown = report.findings.contains { $0.weight == .damage }
            if !storage.log.rotten.isEmpty, !isKnown {
                note(.damage, path + "/log", "log and checkpoint do not meet")
            }
        } catch let error as StorageError {
            try note(error, as: .fatal, at: path)
        } catch { note(.fatal, path, "\(error)") }
    }
}
