package import Primitives

/// The replicated log on disk: segments of batches, appended and synced in groups (DESIGN §5).
///
/// One thread at a time uses it, the log thread once the node runs; only ``prepareSpare()`` may be
/// called beside it, from one other thread. That is why it can be `@unchecked Sendable`.
///
/// After a failed write or sync nothing more is written: every call throws the first failure again.
/// A full disk is no such failure: ``lastIndex`` says how far the append got, it can be repeated
/// from there, and bytes that found no room are written by the next ``append(_:truncatingFrom:)``
/// or
/// ``sync()``.
package final class SegmentedLog: @unchecked Sendable {
    let fileSystem: any FileSystem
    let directory: String
    let identity: NodeIdentity
    let options: LogOptions
    let boot: BootNumber
    let pool: SparePool
    private let encoder: BatchEncoder

    var segments: [Segment]
    /// Segments whose header rotted, by generation; they go when what surrounds them goes.
    private var unreadable: [UInt64]
    private var newestGeneration: UInt64
    /// Whether the last segment must not be written to, because its end is not known.
    private var mustRoll: Bool
    /// The last segment is the file that the process before left, because it holds rot: the copy
    /// waits until the rot does not matter any more, for a sector may be readable again later.
    private var isCopyDue = false
    private var failure: StorageError?
    /// The entry before the first; zero and zero when the log starts at the beginning.
    package internal(set) var baseIndex: LogIndex
    package internal(set) var baseTerm: Term
    package private(set) var lastIndex: LogIndex
    /// The terms of all entries, as runs.
    package private(set) var termRuns: [TermRun]
    /// What recovery found damaged and nothing has superseded since, by rising index. While there
    /// is any, the node neither votes nor acknowledges, and ``append(_:truncatingFrom:)`` takes
    /// only what supersedes all of it.
    package internal(set) var rotten: [RottenRange]
    /// How many bytes of unfinished writes recovery cut off.
    package let tornBytesCut: Int
    /// The segments, by path, of which one of the header's two copies was damaged.
    package let halfHeaders: [String]

    package var firstIndex: LogIndex { baseIndex.next }
    package var isEmpty: Bool { lastIndex == baseIndex }
    /// The last entry before any damage: what a node without voting can stand on.
    package var intactThrough: LogIndex { rotten.first.map { $0.first.previous } ?? lastIndex }
    package var segmentCount: Int { segments.count }
    package var spareCount: Int { pool.spareCount }
    /// Whether ``prepareSpare()`` has something to do.
    package var isPreparingDue: Bool { pool.isPreparingDue }
    /// How many spares ``prepareSpare()`` keeps ready.
    package var sparesWanted: Int { options.spareSegments }
    /// Whether an append has not been synced yet.
    package var hasUnsynced: Bool {
        segments.last.map { $0.syncedThrough < $0.writeOffset } ?? false
    }

    /// Opens the log in `directory`, which exists, or starts one there.
    ///
    /// Reads and checks every segment. A torn tail is cut: the last segment is copied into a fresh
    /// file without it, and file and directory are synced, because a restart trusts nothing that
    /// only the page cache knows. Rot is named in ``rotten`` and left in place; a last segment that
    /// holds some is copied once it does not matter any more.
    ///
    /// Cost: reads the log once, writes and syncs the last segment once.
    /// - Throws: ``StorageError/foreign(path:field:expected:found:)`` and
    ///   ``StorageError/newerFormat(path:found:supported:)`` before anything is changed.
    package static func open(
        fileSystem: any FileSystem, directory: String, identity: NodeIdentity,
        options: LogOptions = LogOptions(), boot: BootNumber
    ) throws(StorageError) -> SegmentedLog {
        options.checkInvariants()
        let recovered = try LogRecovery.run(
            fileSystem: fileSystem, directory: directory, identity: identity)
        for path in recovered.temporaries { try fileSystem.remove(path) }
        let log = SegmentedLog(
            fileSystem: fileSystem, directory: directory, identity: identity, options: options,
            boot: boot, recovered: recovered)
        // The last segment is written anew in any case.
        for half in recovered.halfHeaders where half.path != log.segments.last?.path {
            _ = try half.mend(fileSystem)
        }
        if log.newestGeneration == 0 {
            try log.addSegment(startsLog: true, fillingWithZeros: true)
        } else {
            try log.copyActiveSegment(recovered)
        }
        for path in recovered.obsolete { try log.pool.add(recycled: path) }
        try log.heedMark()
        log.checkInvariants()
        return log
    }

    private init(
        fileSystem: any FileSystem, directory: String, identity: NodeIdentity, options: LogOptions,
        boot: BootNumber, recovered: RecoveredLog
    ) {
        self.fileSystem = fileSystem
        self.directory = directory
        self.identity = identity
        self.options = options
        self.boot = boot
        pool = SparePool(
            fileSystem: fileSystem, directory: directory, options: options,
            spares: recovered.spares, recycled: recovered.recycled)
        encoder = BatchEncoder(compressionMinBytes: options.compressionMinBytes)
        segments = recovered.segments
        unreadable = recovered.unreadable
        newestGeneration = recovered.newestGeneration
        mustRoll = recovered.isTailLost
        baseIndex = recovered.baseIndex
        baseTerm = recovered.baseTerm
        lastIndex = recovered.lastIndex
        termRuns = recovered.termRuns
        rotten = recovered.rotten.sorted { $0.first < $1.first }
        tornBytesCut = recovered.tornBytes
        halfHeaders = recovered.halfHeaders.map(\.path)
    }

    // MARK: - Writing

    /// Appends entries behind each other, after superseding everything from `truncatingFrom` on.
    ///
    /// One write into the segment, no sync: durable after ``sync()``. Where the segment is full,
    /// what was written before is synced and a new segment begins.
    /// - Throws: ``StorageError/outOfSpace(operation:path:bytesNeeded:)`` with ``lastIndex``
    ///   telling how far it got; ``StorageError/rot(path:offset:first:last:)`` while there is
    ///   damage before `truncatingFrom`.
    package func append(
        _ entries: [LogEntry], truncatingFrom: LogIndex? = nil
    ) throws(StorageError) {
        try checkUsable()
        try flush()
        let start = truncatingFrom ?? lastIndex.next
        invariant(
            start > baseIndex && start <= lastIndex.next,
            "append from \(start) to a log of \(firstIndex) to \(lastIndex)")
        if let damage = rotten.first, start > damage.first {
            throw .rot(
                path: damage.path, offset: damage.offset, first: damage.first,
                last: damage.last ?? lastIndex)
        }
        if entries.isEmpty, truncatingFrom == nil || (start > lastIndex && rotten.isEmpty) {
            return
        }
        try copyLate()
        if mustRoll { try addSegment(startsLog: false, fillingWithZeros: false) }
        if start <= lastIndex || !rotten.isEmpty {
            try appendTruncation(from: start, entries)
        } else {
            try appendBatches(entries[...])
        }
        try flush()
    }

    /// The first batch carries the truncation; a batch without entries where there are none.
    private func appendTruncation(
        from start: LogIndex, _ entries: [LogEntry]
    ) throws(StorageError) {
        let plan = try plan(entries[...], from: start)
        let batch = entries[..<plan.count]
        try makeRoom(plan)
        let segment = segments[segments.count - 1]
        let previousTerm = term(at: start.previous) ?? .zero
        truncateMemory(from: start)
        encode(batch, plan, first: start, previousTerm: previousTerm, truncates: true)
        segment.truncationFloor = min(segment.truncationFloor, start.rawValue)
        try appendBatches(entries[plan.count...])
    }

    private func appendBatches(_ entries: ArraySlice<LogEntry>) throws(StorageError) {
        var rest = entries
        while let first = rest.first {
            invariant(
                first.index == lastIndex.next, "entry \(first.index) behind \(lastIndex)")
            let plan = try plan(rest, from: first.index)
            try makeRoom(plan)
            let previousTerm = termRuns.last?.term ?? baseTerm
            encode(
                rest.prefix(plan.count), plan, first: first.index, previousTerm: previousTerm,
                truncates: false)
            rest = rest.dropFirst(plan.count)
        }
    }

    private struct Plan {
        var count = 0
        var plainBytes = 0
        var runCount = 0
        var totalBytes: Int {
            BatchHeader.roundedToSector(
                BatchHeader.headBytes(runCount: runCount, storedBytes: plainBytes) + plainBytes)
        }
    }

    /// How many of the entries make the next batch: as many as reach the batch's limit or fill the
    /// segment, at least one.
    private func plan(
        _ entries: ArraySlice<LogEntry>, from start: LogIndex
    ) throws(StorageError) -> Plan {
        let capacity = options.segmentBytes - SegmentHeader.areaBytes
        var plan = Plan()
        var term: Term?
        for entry in entries {
            invariant(
                entry.index == start + plan.count, "entry \(entry.index) at \(start + plan.count)")
            var larger = plan
            larger.count += 1
            larger.plainBytes += BatchHeader.recordBytes(payload: entry.payload.count)
            if entry.term != term {
                invariant(term.map { $0 < entry.term } ?? true, "terms fall at \(entry.index)")
                larger.runCount += 1
                term = entry.term
            }
            if larger.totalBytes > capacity {
                if plan.count > 0 { break }
                throw .entryTooLarge(
                    index: entry.index, byteCount: entry.payload.count, limit: capacity)
            }
            plan = larger
            if plan.plainBytes >= options.batchBytesMax { break }
        }
        return plan
    }

    private func makeRoom(_ plan: Plan) throws(StorageError) {
        let segment = segments[segments.count - 1]
        if plan.totalBytes <= segment.room - encoder.count { return }
        try flush()
        try addSegment(startsLog: false, fillingWithZeros: false)
    }

    private func encode(
        _ entries: ArraySlice<LogEntry>, _ plan: Plan, first: LogIndex, previousTerm: Term,
        truncates: Bool
    ) {
        let segment = segments[segments.count - 1]
        let start = BatchHeader(
            previousChecksum: segment.chain, generation: segment.header.generation,
            offset: segment.writeOffset + encoder.count, syncedThrough: segment.syncedThrough,
            first: first, entryCount: 0, runCount: 0, storedBytes: 0, plainBytes: 0,
            truncates: truncates, isCompressed: false, previousTerm: previousTerm,
            truncationFloor: segment.truncationFloor)
        let header = encoder.encode(
            entries, plainBytes: plan.plainBytes, runCount: plan.runCount, header: start,
            seed: segment.header.chainSeed)
        segment.chain = header.checksum
        guard plan.count > 0 else { return }
        segment.batches.append(
            BatchReference(
                first: first, count: UInt32(plan.count), offset: UInt32(header.offset),
                totalBytes: UInt32(header.totalBytes)))
        lastIndex = header.end.previous
        for entry in entries where entry.term != termRuns.last?.term {
            termRuns.append(TermRun(first: entry.index, term: entry.term))
        }
    }

    /// Hands what was encoded to the file in one write. Where the disk is full although the file's
    /// room was reserved (file systems that never overwrite in place), the bytes stay, to be
    /// written at the same place again.
    private func flush() throws(StorageError) {
        guard encoder.count > 0 else { return }
        let segment = segments[segments.count - 1]
        do throws(StorageError) {
            try segment.file.write(encoder.bytes, at: segment.writeOffset)
        } catch { throw error.isOutOfSpace ? error : fail(error) }
        segment.writeOffset += encoder.count
        encoder.clear()
    }

    /// Blocks until everything appended so far survives power loss. One `fdatasync`.
    /// - Throws: ``StorageError/syncFailed(path:errno:)``, which is final, and
    ///   ``StorageError/outOfSpace(operation:path:bytesNeeded:)``, which is not.
    package func sync() throws(StorageError) {
        try checkUsable()
        try flush()
        guard let segment = segments.last, segment.syncedThrough < segment.writeOffset else {
            return
        }
        #if KEELSON_MUTANTS
            if planted(.skipsSyncsOfTheLog) {
                segment.syncedThrough = segment.writeOffset
                return
            }
        #endif
        do throws(StorageError) { try segment.file.sync() } catch { throw fail(error) }
        segment.syncedThrough = segment.writeOffset
    }

    // MARK: - Segments

    /// Begins a segment: everything before is durable, then its header, then its name.
    private func addSegment(
        startsLog: Bool, fillingWithZeros: Bool, index: LogIndex? = nil, term: Term? = nil
    ) throws(StorageError) {
        try sync()
        let generation = newestGeneration + 1
        let previous = segments.last
        let previousChain = previous?.chain ?? 0
        let header = SegmentHeader(
            startsLog: startsLog, clusterID: identity.clusterID, memberID: identity.memberID,
            generation: generation, boot: boot, previousIndex: index ?? lastIndex,
            previousTerm: term ?? self.term(at: lastIndex) ?? .zero,
            previousTruncationFloor: previous?.truncationFloor ?? BatchHeader.noFloor,
            segmentBytes: options.segmentBytes,
            chainSeed: SegmentHeader.makeChainSeed(
                identity: identity, generation: generation, boot: boot,
                previousChain: previousChain), previousChain: previousChain)
        let source = try pool.take(fillingWithZeros: fillingWithZeros)
        do throws(StorageError) {
            let segment = try install(source, header, contents: header.encode())
            newestGeneration = generation
            segments.append(segment)
            mustRoll = false
        } catch { throw error.isOutOfSpace ? error : fail(error) }
    }

    /// Turns a file of zeros into the segment of `header`: contents and name, both durable. On a
    /// full disk it goes, before it has a segment's name.
    private func install(
        _ source: String, _ header: SegmentHeader, contents: [UInt8]
    ) throws(StorageError) -> Segment {
        let path = pool.path(.segment(header.generation))
        do throws(StorageError) {
            let file = try fileSystem.open(source, .readWrite)
            if try file.size() < header.segmentBytes { try file.allocate(header.segmentBytes) }
            try file.write(contents, at: 0)
            try file.sync()
            try fileSystem.rename(source, to: path)
        } catch {
            if error.isOutOfSpace { try? fileSystem.remove(source) }
            throw error
        }
        try fileSystem.syncDirectory(directory)
        let file = try fileSystem.open(path, .readWrite)
        // A leader has in memory what its followers still need.
        file.bypassCache()
        return Segment(path: path, header: header, file: file)
    }

    /// The copy by which a restart stops trusting the page cache, and by which a torn tail goes.
    private func copyActiveSegment(_ recovered: RecoveredLog) throws(StorageError) {
        guard let old = segments.last, old.header.generation == newestGeneration else {
            return try fileSystem.syncDirectory(directory)
        }
        if rotten.contains(where: { $0.path == old.path }) {
            isCopyDue = true
        } else {
            do throws(StorageError) { try copy(old, recovered.activeContents) } catch {
                guard error.isOutOfSpace else { throw error }
                try rewrite(old, recovered.activeContents)
            }
        }
    }

    private func copy(_ old: Segment, _ contents: [UInt8]) throws(StorageError) {
        let source = try pool.take(fillingWithZeros: true)
        let fresh = try install(source, old.header, contents: contents)
        fresh.batches = old.batches
        fresh.writeOffset = old.writeOffset
        fresh.syncedThrough = old.writeOffset
        fresh.chain = old.chain
        fresh.truncationFloor = old.truncationFloor
        segments[segments.count - 1] = fresh
    }

    /// The copy that waited, before anything is built on what the segment holds.
    func copyLate() throws(StorageError) {
        guard isCopyDue, let old = segments.last else { return }
        try copy(old, try LogRecovery.contents(of: old.file, byteCount: old.writeOffset))
        isCopyDue = false
    }

    /// In place of a copy that finds no room: writes the same bytes to the same places, so that the
    /// page cache has to hand all of them to the disk, and zeros behind them.
    ///
    /// A crash on the way leaves each sector as the disk had it or as it should be, so the log is
    /// not worse for it. Only for a segment without damage: a sector that could not be read, and
    /// might be another time, must not be written over.
    private func rewrite(_ segment: Segment, _ contents: [UInt8]) throws(StorageError) {
        try segment.file.write(contents, at: 0)
        try segment.file.fillWithZeros(from: contents.count, to: segment.header.segmentBytes)
        try segment.file.sync()
        try fileSystem.syncDirectory(directory)
        segment.syncedThrough = segment.writeOffset
    }

    /// Forgets entries up to `through`, as far as whole segments hold nothing newer; their files
    /// wait to be used again. The last segment stays.
    package func release(through: LogIndex) throws(StorageError) {
        try checkUsable()
        var hasChanged = false
        while segments.count > 1, segments[0].batches.last.map({ $0.end <= through.next }) ?? true {
            do throws(StorageError) {
                let next = segments[1].header.generation
                for generation in unreadable where generation < next {
                    let path = pool.path(.segment(generation))
                    if try fileSystem.exists(path) { try pool.add(recycled: path) }
                }
                unreadable.removeAll { $0 < next }
                try pool.add(recycled: segments[0].path)
            } catch { throw error.isOutOfSpace ? error : fail(error) }
            segments.removeFirst()
            hasChanged = true
        }
        if hasChanged { moveBase() }
        checkInvariants()
    }

    private func moveBase() {
        let live = segments.first { !$0.batches.isEmpty }?.batches.first?.first ?? lastIndex.next
        guard live > baseIndex else { return }
        baseTerm = term(at: live.previous) ?? baseTerm
        baseIndex = live.previous
        dropRuns(before: live)
        rotten.removeAll { $0.last.map { $0 <= baseIndex } ?? false }
    }

    func dropRuns(before first: LogIndex) {
        while termRuns.count > 1, termRuns[1].first <= first { termRuns.removeFirst() }
        guard let run = termRuns.first, run.first < first else { return }
        if first > lastIndex { termRuns.removeFirst() } else { termRuns[0].first = first }
    }

    /// Starts the log anew behind a snapshot: every entry goes, the next has index `index + 1`.
    ///
    /// One atomic step: a crash leaves either the old log or the new one.
    package func reset(to index: LogIndex, term: Term) throws(StorageError) {
        try checkUsable()
        let old = segments
        try addSegment(startsLog: true, fillingWithZeros: false, index: index, term: term)
        segments.removeFirst(old.count)
        baseIndex = index
        baseTerm = term
        lastIndex = index
        termRuns = []
        rotten = []
        isCopyDue = false
        do throws(StorageError) {
            for generation in unreadable {
                let path = pool.path(.segment(generation))
                if try fileSystem.exists(path) { try pool.add(recycled: path) }
            }
            unreadable = []
            for segment in old { try pool.add(recycled: segment.path) }
            try removeMark()
        } catch { throw fail(error) }
        checkInvariants()
    }

    /// Makes the next segment ready, so that the log thread need not wait for it: call it at start
    /// and then now and then, from a thread that may wait. False when there was nothing to do.
    ///
    /// Cost: writes and syncs one segment of zeros.
    package func prepareSpare() throws(StorageError) -> Bool { try pool.prepare() }

    // MARK: - State

    func truncateMemory(from index: LogIndex) {
        for segment in segments.reversed() {
            guard let last = segment.batches.last else { continue }
            if last.end <= index { break }
            segment.truncate(from: index)
        }
        while let last = termRuns.last, last.first >= index { termRuns.removeLast() }
        rotten.truncate(from: index)
        lastIndex = index.previous
    }

    func checkUsable() throws(StorageError) {
        if let failure { throw failure }
    }

    /// Notes the first failure; nothing is written after it.
    private func fail(_ error: StorageError) -> StorageError {
        if failure == nil { failure = error }
        return error
    }

    func checkInvariants() {
        invariant(baseIndex <= lastIndex, "log from \(baseIndex) to \(lastIndex)")
        invariant(!segments.isEmpty || mustRoll, "a log has a segment")
        if let run = termRuns.first {
            invariant(run.first > baseIndex, "runs begin behind the base")
        }
        if let run = termRuns.last {
            invariant(run.first <= lastIndex, "run at \(run.first) behind \(lastIndex)")
        }
    }
}
