package import Primitives
package import RaftCore
package import StateMachine
package import Storage

/// Where a node keeps its state, and as whom.
package struct NodePlace: Sendable {
    package var path: String
    package var identity: NodeIdentity
    package var logOptions: LogOptions
    /// Drawn at random for each start; a directory that is initialised keeps it for ever, so that
    /// peers tell an emptied directory from the one that they knew.
    package var freshDisk: UInt32
    /// Drawn at random for each start.
    package var nonce: UInt64
    /// The highest feature level that the build knows.
    package var known: FeatureLevel
    /// What is kept for a checkpoint at least, in bytes.
    package var reserveBytesMin = SpaceReserve.bytesMin

    package init(
        path: String, identity: NodeIdentity, freshDisk: UInt32, nonce: UInt64,
        logOptions: LogOptions = NodePlace.defaultLogOptions, known: FeatureLevel = .newest
    ) {
        self.known = known
        self.freshDisk = freshDisk
        self.nonce = nonce
        self.path = path
        self.identity = identity
        self.logOptions = logOptions
    }

    package static let defaultLogOptions = LogOptions(spareSegments: 2)
}

/// Everything of one node that is on disk, opened and checked.
package struct NodeStorage {
    package var directory: DataDirectory
    package var clusterID: ClusterID
    package var memberID: NodeID
    package var start: NodeStart
    /// The log with the files that are written in its order.
    package var writer: LogWriter
    package var checkpoints: CheckpointStore
    package var memory: PeerRecollection
    /// What the replica starts from.
    package var restored: RestoredLog
    package var store: Store
    /// The members as they are when all that the log holds is committed: where a node that has just
    /// started looks for its peers, which tell it what is.
    package var foreseen: MemberTable

    package var log: SegmentedLog { writer.log }
    package var boot: BootNumber { start.boot }
    /// Holes that peers can fill in, where what the replica starts from ends before the first.
    package var fillable: [LogHole] {
        restored.lastIndex == log.intactThrough ? log.fillable : []
    }

    /// Who may speak to the node, and whether it may take part, as the start finds it.
    package func gate(_ identity: PeerIdentity, _ raft: RaftCore) -> PeerGate {
        PeerGate(
            identity: identity, memory: memory,
            admission: Admission(
                members: raft.configuration.voters, self: memberID, at: raft.configurationIndex,
                isFresh: !memory.wasAdmitted,
                hasHoles: !log.rotten.isEmpty))
    }

    /// Recent entries that are kept in memory at start; older ones are read when they are needed.
    static let recentBytesMax = 32 << 20

    /// Opens the data directory, or makes it where there is none, draws the boot number, loads the
    /// newest checkpoint that is whole, and reads the log behind it.
    ///
    /// - Throws: ``StorageError``; its exit status says whether the data or the disk is at fault.
    ///   ``NewerData`` where only a newer build knows what is there.
    package static func open(
        _ place: NodePlace, fileSystem: any FileSystem, progress: (String) -> Void
    ) throws -> NodeStorage {
        let identity = place.identity
        let found = try DataDirectory.open(place.path, fileSystem: fileSystem)
        try found.check(clusterID: identity.clusterID, memberID: identity.memberID)
        let directory =
            found.identity == nil
            ? try found.initialize(as: identity, disk: place.freshDisk) : found
        let reserve = SpaceReserve(
            fileSystem: fileSystem, directory: directory.path, bytesMin: place.reserveBytesMin)
        do {
            return try open(place, directory, reserve, progress: progress)
        } catch let error as StorageError {
            // What is kept for a checkpoint may be all that a start lacks.
            guard error.isOutOfSpace, try reserve.giveUp() else { throw error }
        }
        return try open(place, directory, reserve, progress: progress)
    }

    private static func open(
        _ place: NodePlace, _ directory: DataDirectory, _ reserve: SpaceReserve,
        progress: (String) -> Void
    ) throws -> NodeStorage {
        let fileSystem = directory.fileSystem
        var identity = place.identity
        if let known = directory.identity?.initialVoters, !known.isEmpty {
            identity.initialVoters = known
        }
        let start = try BootFile.draw(
            fileSystem: fileSystem, directory: directory.path, nonce: place.nonce)
        let hardState = try HardStateFile.open(fileSystem: fileSystem, directory: directory.path)
        let peers = try PeerMemoryFile.open(fileSystem: fileSystem, directory: directory.path)
        let checkpoints = try CheckpointStore.open(
            fileSystem, directory: directory.checkpointPath, clusterID: identity.clusterID,
            memberID: identity.memberID, reserve: reserve)
        let loaded = try loadCheckpoint(
            checkpoints, identity.initialVoters, known: place.known, progress: progress)
        let log = try SegmentedLog.open(
            fileSystem: fileSystem, directory: directory.logPath, identity: identity,
            options: place.logOptions, boot: start.boot)
        var foreseen = loaded.store.members
        let restored = try restore(
            log, loaded, hardState: try raise(hardState, to: loaded.term), &foreseen,
            progress: progress)
        return NodeStorage(
            directory: directory, clusterID: identity.clusterID, memberID: identity.memberID,
            start: start,
            writer: LogWriter(
                log: log, hardState: hardState, peers: peers,
                checkpoint: restored.endsAtSnapshot),
            checkpoints: checkpoints,
            memory: PeerRecollection(peers.loaded, self: identity.memberID), restored: restored,
            store: loaded.store, foreseen: foreseen)
    }

    /// A snapshot can come faster than any message of its sender's term, and its checkpoint be
    /// durable before that term is. This node never spoke in that term, so it has no vote there.
    private static func raise(
        _ file: HardStateFile, to term: Term
    ) throws(StorageError) -> HardState {
        guard file.loaded.term < term else { return file.loaded }
        let state = HardState(term: term, votedFor: nil)
        try file.store(state)
        return state
    }

    private struct Loaded {
        var store: Store
        var term: Term
        var configuration: ClusterConfiguration
    }

    /// What rows make of themselves is not what their header says.
    private struct Misplaced: Error, CustomStringConvertible {
        var index: LogIndex
        var term: Term

        var description: String { "they are the state at index \(index), term \(term)" }
    }

    private static func loadCheckpoint(
        _ checkpoints: CheckpointStore, _ initialVoters: [NodeID], known: FeatureLevel,
        progress: (String) -> Void
    ) throws -> Loaded {
        while let header = checkpoints.newest {
            do {
                progress("loading the checkpoint at index \(header.index)")
                var loader = StoreLoader(known: known)
                // What a row throws counts as damage, and this is none.
                var unknown: UInt32?
                var loaded: Loaded?
                try checkpoints.load(header) { row in
                    if unknown != nil { return }
                    do {
                        try loader.add(row)
                    } catch StoreLoadError.unknownFormat(let format) {
                        unknown = format
                    }
                } whole: {
                    if unknown != nil { return }
                    let store = try loader.finish()
                    guard store.appliedIndex == header.index, store.appliedTerm == header.term
                    else { throw Misplaced(index: store.appliedIndex, term: store.appliedTerm) }
                    loaded = Loaded(
                        store: store, term: header.term,
                        configuration: try ClusterConfiguration.decode(header.configuration))
                }
                if let loaded { return loaded }
                if let unknown {
                    throw NewerData.checkpoint(header.index, format: unknown, known: known)
                }
            } catch StorageError.rottenCheckpoint(let path, let reason) {
                progress("checkpoint \(path) is damaged (\(reason)): using the one before it")
            }
        }
        return Loaded(
            store: Store(known: known), term: .zero,
            configuration: ClusterConfiguration(voters: initialVoters))
    }

    /// Puts log and checkpoint together.
    ///
    /// - A log that ends below the checkpoint, or holds another term at its index, lost its race
    ///   with a snapshot that was installed: it goes on behind the checkpoint. Not so while damage
    ///   reaches, or may reach, past the checkpoint: there this node acknowledged what is lost now,
    ///   and must not forget that.
    /// - Damage that ends at or before the checkpoint does not matter.
    /// - A log that starts behind the checkpoint (the newest one rotted) has a gap, which counts as
    ///   damage.
    ///
    /// While damage is left in ``SegmentedLog/rotten`` the node does not vote.
    private static func restore(
        _ log: SegmentedLog, _ loaded: Loaded, hardState: HardState,
        _ foreseen: inout MemberTable, progress: (String) -> Void
    ) throws -> RestoredLog {
        let index = loaded.store.appliedIndex
        var restored = RestoredLog(
            hardState: hardState, snapshotIndex: index, snapshotTerm: loaded.term,
            configuration: loaded.configuration, configurationIndex: index, lastIndex: index,
            committed: index)
        if log.baseIndex > index {
            log.noteGap(behind: index)
            return restored
        }
        if log.lastIndex < index || conflicts(log, with: loaded, at: index) {
            #if KEELSON_MUTANTS
                if planted(.forgetsRotBehindCheckpoint) {
                    try log.reset(to: index, term: loaded.term)
                }
            #endif
            if log.rotten.allSatisfy({ $0.isKnown(through: index) }) {
                try log.reset(to: index, term: loaded.term)
            }
            return restored
        }
        try log.disown(through: index, term: loaded.term)
        progress("reading the log from \(index.next) to \(log.intactThrough)")
        try readTail(
            log, behind: index, known: loaded.store.known, into: &restored, &foreseen)
        return restored
    }

    /// Whether what the log holds at the checkpoint's index, or behind it, is not what follows the
    /// checkpoint: another term there, or a lower one behind it, since terms never fall.
    private static func conflicts(
        _ log: SegmentedLog, with loaded: Loaded, at index: LogIndex
    ) -> Bool {
        func heldTerm(_ index: LogIndex) -> Term? {
            guard let term = log.term(at: index), term > .zero else { return nil }
            return log.rotten.contains { $0.mayHold(index) } ? nil : term
        }
        if index > .zero, let held = heldTerm(index), held != loaded.term { return true }
        if let next = heldTerm(index.next), next < loaded.term { return true }
        return false
    }

    private static func readTail(
        _ log: SegmentedLog, behind index: LogIndex, known: FeatureLevel,
        into restored: inout RestoredLog, _ foreseen: inout MemberTable
    ) throws {
        var bytes = 0
        var recent: [LogEntry] = []
        var dropped = 0
        var next = index.next
        while next <= log.intactThrough {
            let entries = try log.read(from: next, through: log.intactThrough, bytesMax: 4 << 20)
            next = next + entries.count
            for entry in entries {
                if let error = Command.refusal(of: entry, known: known) {
                    throw NewerData.entry(entry.index, error, known: known)
                }
                try note(entry, in: &restored)
                foreseen.foresee(entry)
                recent.append(entry)
                bytes += entry.weightBytes
            }
            while bytes > recentBytesMax, dropped < recent.count {
                bytes -= recent[dropped].weightBytes
                recent[dropped].payload = []
                dropped += 1
            }
        }
        restored.recentEntries = Array(recent.dropFirst(dropped))
    }

    private static func note(_ entry: LogEntry, in restored: inout RestoredLog) throws {
        if restored.termRuns.last?.term != entry.term {
            restored.termRuns.append(TermRun(first: entry.index, term: entry.term))
        }
        restored.lastIndex = entry.index
        if entry.kind == .configuration {
            restored.laterConfigurations.append(
                PlacedConfiguration(
                    index: entry.index,
                    configuration: try ClusterConfiguration.decode(entry.payload)))
        }
    }
}

extension RestoredLog {
    /// The snapshot's position, where the log holds nothing behind it.
    fileprivate var endsAtSnapshot: LogPosition? {
        lastIndex == snapshotIndex
            ? LogPosition(index: snapshotIndex, term: snapshotTerm) : nil
    }
}
