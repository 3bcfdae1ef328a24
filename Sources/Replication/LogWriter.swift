package import Primitives
package import RaftCore
package import Storage

/// What is to be done to this node's log and hard state, in the order in which it was asked.
package enum LogJob: Sendable {
    case write(Write)
    case load(first: LogIndex, last: LogIndex, bytesMax: Int, LoadPurpose)
    case release(through: LogIndex)
    /// What is remembered of peers, to be made durable between the writes.
    case remember([PeerMemory], PeerMemoryTicket)
    /// Tries once more what found no room on the disk.
    case retry
    /// A snapshot at this index or later makes up for holes, however far they go.
    case heals(from: LogIndex)
    /// The entries of all holes, in order.
    case fill([LogEntry])
}

/// What a ``LogWriter`` has to tell.
package enum LogReport: Sendable {
    /// These are durable. What rides inside may be sent, and the last id be stepped.
    case persisted([Write])
    case loaded(first: LogIndex, [LogEntry], LoadPurpose)
    case remembered(PeerMemoryTicket)
    /// A snapshot took the place of a log with holes: the node may take part again once its peers
    /// have judged what it holds now.
    case healed
    /// The holes are filled: the entries from the first hole on, all durable. Before ``healed``.
    case recovered([LogEntry])
    /// The disk is full. What was asked from here on waits, in its order: nothing of it is durable,
    /// and so nothing of it acknowledged, until ``roomAgain``. The node must take no part in votes
    /// and acknowledgements, and have ``LogJob/retry`` done now and then.
    case outOfSpace(StorageError)
    case roomAgain
}

/// Writes and syncs the log and the hard state: one write and one sync for all jobs that gathered
/// meanwhile.
///
/// One round is ``take(_:_:)``, then ``sync()`` where ``needsSync`` says so, then ``complete()``
/// and
/// ``spaceChange()``. After a throw nothing more is done: a failed sync is final. A full disk is no
/// failure: jobs wait until a retry finds room, and only reading, and releasing what makes room,
/// goes on meanwhile.
package struct LogWriter {
    package let log: SegmentedLog
    private let hardState: HardStateFile
    private let peers: PeerMemoryFile
    private var isRotten: Bool
    /// Holes do not reach, as far as it matters, behind this index.
    private var healsFrom: LogIndex?
    /// Writes were not taken, because the log has holes.
    private var hasTurnedAway = false
    /// Of these, the newest snapshot and what came after it: the replica goes on from there, takes
    /// no other snapshot at that index, and may hear only later that this one heals. Without hard
    /// states, which were stored, and without messages that promise something.
    private var turnedAway: [Write] = []
    private var turnedAwayBytes = 0
    /// Where the replica goes on from, where that is a checkpoint and nothing of the log behind it.
    private let checkpoint: LogPosition?
    private var failed = false
    private var gathered: [LogEntry] = []
    private var gatheredTruncation: LogIndex?
    private var writes: [Write] = []
    private var isUnsynced = false
    /// Why jobs wait: the disk is full.
    package private(set) var shortage: StorageError?
    private var reportedShortage = false
    private var waiting: [LogJob] = []
    private var waitingBytes = 0
    /// What is remembered of peers must reach its file in order.
    private var remembersWaiting = 0
    /// From where on what waits supersedes what is in the log.
    private var waitingTruncation: LogIndex?

    /// Weight of the entries that may wait for room. Consensus bounds them (what a leader accepts
    /// before it is committed, what is in flight to a follower), so more than this is an operator's
    /// matter: the node stops.
    package static let waitingBytesMax = 1 << 30
    /// Weight of what is kept of the writes that were not taken. What is in flight to a follower is
    /// far below it; past it they are forgotten, and the next snapshot heals.
    package static let turnedAwayBytesMax = 64 << 20
    /// What a job without entries counts for.
    private static let jobBytes = 256

    package init(
        log: SegmentedLog, hardState: HardStateFile, peers: PeerMemoryFile,
        checkpoint: LogPosition? = nil
    ) {
        self.checkpoint = checkpoint
        self.log = log
        self.hardState = hardState
        self.peers = peers
        isRotten = !log.rotten.isEmpty
    }

    /// Whether something was appended since the last sync.
    package var needsSync: Bool { isUnsynced && shortage == nil }

    /// Does all jobs but the sync. What is read is reported at once, writes by ``complete()``.
    package mutating func take(
        _ jobs: [LogJob], _ report: (LogReport) -> Void
    ) throws(StorageError) {
        guard !failed else { return }
        do throws(StorageError) {
            if shortage == nil {
                try carryOut(jobs, report)
            } else {
                try takeShort(jobs, report)
            }
        } catch { throw fail(error) }
    }

    /// Makes durable what ``take(_:_:)`` appended.
    package mutating func sync() throws(StorageError) {
        guard !failed, needsSync else { return }
        do throws(StorageError) { try log.sync() } catch {
            guard error.isOutOfSpace else { throw fail(error) }
            shortage = error
            return
        }
        isUnsynced = false
    }

    /// The writes of this round, all of them durable now.
    package mutating func complete() -> LogReport? {
        guard !failed, shortage == nil, !writes.isEmpty else { return nil }
        invariant(!isUnsynced, "\(writes.count) writes complete before their sync")
        defer { writes = [] }
        return .persisted(writes)
    }

    /// What this round changed about the room on the disk. After ``complete()``.
    package mutating func spaceChange() -> LogReport? {
        guard !failed, reportedShortage != (shortage != nil) else { return nil }
        reportedShortage.toggle()
        return shortage.map { .outOfSpace($0) } ?? .roomAgain
    }

    private var supersededFrom: LogIndex? {
        guard let gathered = gatheredTruncation else { return waitingTruncation }
        return min(gathered, waitingTruncation ?? gathered)
    }

    // MARK: Jobs

    private mutating func carryOut(
        _ jobs: [LogJob], _ report: (LogReport) -> Void
    ) throws(StorageError) {
        var done = 0
        do throws(StorageError) {
            for job in jobs {
                try take(job, report)
                done += 1
            }
            try appendGathered()
        } catch {
            guard error.isOutOfSpace else { throw error }
            shortage = error
            try takeShort(jobs[done...], report)
        }
    }

    /// While the disk is full: what needs no room is done, the rest waits, and is tried when asked
    /// for or when something was released.
    private mutating func takeShort(
        _ jobs: some Sequence<LogJob>, _ report: (LogReport) -> Void
    ) throws(StorageError) {
        var isWorthTrying = false
        for job in jobs {
            switch job {
            #if KEELSON_MUTANTS
                case .write where planted(.dropsWritesOnFullDisk): break
            #endif
            case .write, .fill: try wait(job)
            case .remember where remembersWaiting > 0: try wait(job)
            case .remember: _ = try takeOrWait(job, report)
            case .load(let first, let last, let bytesMax, let purpose):
                // What waits is in memory; only what it supersedes must not be read any more.
                if last < supersededFrom ?? last.next {
                    let entries = try read(from: first, through: last, bytesMax: bytesMax, purpose)
                    report(.loaded(first: first, entries, purpose))
                } else {
                    try wait(job)
                }
            case .release: if try takeOrWait(job, report) { isWorthTrying = true }
            case .retry: isWorthTrying = true
            case .heals(let index): healsFrom = index
            }
        }
        guard isWorthTrying else { return }
        var jobs = waiting
        if let healsFrom, isRotten { jobs.append(.heals(from: healsFrom)) }
        waiting = []
        waitingBytes = 0
        remembersWaiting = 0
        waitingTruncation = nil
        shortage = nil
        try carryOut(jobs, report)
    }

    /// False when there was no room for it either.
    private mutating func takeOrWait(
        _ job: LogJob, _ report: (LogReport) -> Void
    ) throws(StorageError) -> Bool {
        do throws(StorageError) { try take(job, report) } catch {
            guard error.isOutOfSpace else { throw error }
            try wait(job)
            return false
        }
        return true
    }

    private mutating func wait(_ job: LogJob) throws(StorageError) {
        waitingBytes += Self.jobBytes
        switch job {
        case .write(let write):
            for entry in write.entries { waitingBytes += entry.weightBytes }
            let start = write.startAfter == nil ? write.truncateFrom : .zero
            if let start { waitingTruncation = min(waitingTruncation ?? start, start) }
        case .fill(let entries):
            for entry in entries { waitingBytes += entry.weightBytes }
        case .remember: remembersWaiting += 1
        case .load, .release, .retry, .heals: break
        }
        if let shortage, waitingBytes > Self.waitingBytesMax { throw shortage }
        waiting.append(job)
    }

    private mutating func take(
        _ job: LogJob, _ report: (LogReport) -> Void
    ) throws(StorageError) {
        switch job {
        case .write(let write):
            if isRotten, !heals(write) { return try keepHardState(of: write) }
            try gather(write)
            writes.append(write)
            if isRotten {
                isRotten = false
                turnedAway = []
                report(.healed)
            }
        case .load(let first, let last, let bytesMax, let purpose):
            // What was gathered may supersede what is to be read.
            try appendGathered()
            let entries = try read(from: first, through: last, bytesMax: bytesMax, purpose)
            report(.loaded(first: first, entries, purpose))
        case .release(let index): try log.release(through: index)
        case .remember(let records, let ticket):
            try peers.store(records)
            report(.remembered(ticket))
        case .retry: break
        case .heals(let index): try heal(from: index, report)
        case .fill(let entries):
            // A snapshot that was turned away is what the replica goes on from.
            guard isRotten, !hasTurnedAway, let recovered = try log.fill(entries) else { return }
            isRotten = false
            report(.recovered(recovered))
            report(.healed)
        }
    }

    /// What cannot be read for a follower, a snapshot can give it. This node's own state has no
    /// other source.
    private func read(
        from first: LogIndex, through last: LogIndex, bytesMax: Int, _ purpose: LoadPurpose
    ) throws(StorageError) -> [LogEntry] {
        do throws(StorageError) {
            return try log.read(from: first, through: last, bytesMax: bytesMax)
        } catch {
            switch (purpose, error) {
            case (.replication, .rot), (.replication, .io), (.replication, .notInLog),
                (.filling, .rot), (.filling, .io), (.filling, .notInLog),
                (.archiving, .rot), (.archiving, .io), (.archiving, .notInLog):
                return []
            case (_, _): throw error
            }
        }
    }

    /// A log with holes takes no entries, so that nothing is acknowledged. A term is kept all the
    /// same: a later start must not be behind it.
    ///
    /// A write of nothing but a term completes, as long as no entries were turned away before it,
    /// whose completion it would be too; of what rides in it only what promises nothing may leave.
    private mutating func keepHardState(of write: Write) throws(StorageError) {
        if let state = write.hardState { try hardState.store(state) }
        var kept = write
        kept.thenSend.removeAll { !$0.message.promisesNothing }
        guard write.entries.isEmpty, write.truncateFrom == nil, write.startAfter == nil,
            !hasTurnedAway
        else {
            hasTurnedAway = true
            kept.hardState = nil
            return keepTurnedAway(kept)
        }
        writes.append(kept)
    }

    private mutating func keepTurnedAway(_ write: Write) {
        if write.startAfter != nil {
            turnedAway = []
            turnedAwayBytes = 0
        } else if turnedAway.isEmpty {
            return
        }
        turnedAwayBytes += write.entries.reduce(Self.jobBytes) { $0 + $1.weightBytes }
        if turnedAwayBytes > Self.turnedAwayBytesMax {
            turnedAway = []
        } else {
            turnedAway.append(write)
        }
    }

    /// The index that a snapshot has to reach may become known when one that reaches it has come,
    /// now or before this start.
    private mutating func heal(
        from index: LogIndex, _ report: (LogReport) -> Void
    ) throws(StorageError) {
        healsFrom = index
        guard isRotten else { return }
        if let snapshot = turnedAway.first, heals(snapshot) {
            for write in turnedAway { try gather(write) }
            writes.append(contentsOf: turnedAway)
            turnedAway = []
        } else if let checkpoint, index <= checkpoint.index, !hasTurnedAway {
            try log.reset(to: checkpoint.index, term: checkpoint.term)
        } else {
            return
        }
        isRotten = false
        report(.healed)
    }

    /// Whether the write puts a snapshot in the place of all that this log ever held and that
    /// matters: a leader says so, or every hole is known to end at or before it, and so is what was
    /// acknowledged behind the holes.
    private func heals(_ write: Write) -> Bool {
        guard let position = write.startAfter else { return false }
        #if KEELSON_MUTANTS
            if planted(.healsFromAnySnapshot) { return true }
        #endif
        if let healsFrom, healsFrom <= position.index { return true }
        return position.index >= log.lastIndex
            && log.rotten.allSatisfy { $0.isKnown(through: position.index) }
    }

    /// May be repeated where it found no room.
    private mutating func gather(_ write: Write) throws(StorageError) {
        if let state = write.hardState {
            try appendGathered()
            try hardState.store(state)
        }
        if let position = write.startAfter {
            try appendGathered()
            try log.reset(to: position.index, term: position.term)
        }
        if write.truncateFrom != nil { try appendGathered() }
        if let truncation = write.truncateFrom { gatheredTruncation = truncation }
        if gathered.isEmpty {
            gathered = write.entries
        } else {
            gathered.append(contentsOf: write.entries)
        }
    }

    private mutating func appendGathered() throws(StorageError) {
        guard !gathered.isEmpty || gatheredTruncation != nil else { return }
        isUnsynced = true
        do throws(StorageError) {
            try log.append(gathered, truncatingFrom: gatheredTruncation)
        } catch {
            // With a truncation all of it is appended once more: that supersedes itself.
            if error.isOutOfSpace, gatheredTruncation == nil {
                let end = log.lastIndex
                gathered.removeAll { $0.index <= end }
            }
            throw error
        }
        gathered = []
        gatheredTruncation = nil
    }

    private mutating func fail(_ error: StorageError) -> StorageError {
        failed = true
        return error
    }
}
