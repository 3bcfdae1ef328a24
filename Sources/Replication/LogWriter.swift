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
}

/// Writes and syncs the log and the hard state: one write and one sync for all jobs that gathered
/// meanwhile.
///
/// One round is ``take(_:_:)``, then ``sync()`` where ``needsSync`` says so, then ``complete()``.
/// After a throw nothing more is done: a failed sync is final.
package struct LogWriter {
    package let log: SegmentedLog
    private let hardState: HardStateFile
    private let peers: PeerMemoryFile
    private var isRotten: Bool
    /// Entries were not taken, because the log has holes.
    private var hasTurnedAway = false
    private var failed = false
    private var gathered: [LogEntry] = []
    private var gatheredTruncation: LogIndex?
    private var writes: [Write] = []
    /// Whether something was appended since the last sync.
    package private(set) var needsSync = false

    package init(log: SegmentedLog, hardState: HardStateFile, peers: PeerMemoryFile) {
        self.log = log
        self.hardState = hardState
        self.peers = peers
        isRotten = !log.rotten.isEmpty
    }

    /// Does all jobs but the sync. What is read is reported at once, writes by ``complete()``.
    package mutating func take(
        _ jobs: [LogJob], _ report: (LogReport) -> Void
    ) throws(StorageError) {
        guard !failed else { return }
        do throws(StorageError) {
            for job in jobs { try take(job, report) }
            try appendGathered()
        } catch { throw fail(error) }
    }

    /// Makes durable what ``take(_:_:)`` appended.
    package mutating func sync() throws(StorageError) {
        guard !failed, needsSync else { return }
        do throws(StorageError) { try log.sync() } catch { throw fail(error) }
        needsSync = false
    }

    /// The writes of this round, all of them durable now.
    package mutating func complete() -> LogReport? {
        guard !failed, !writes.isEmpty else { return nil }
        invariant(!needsSync, "\(writes.count) writes complete before their sync")
        defer { writes = [] }
        return .persisted(writes)
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
            case (.replication, .rot), (.replication, .io), (.replication, .notInLog): return []
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
        guard write.entries.isEmpty, write.truncateFrom == nil, write.startAfter == nil,
            !hasTurnedAway
        else {
            hasTurnedAway = true
            return
        }
        var kept = write
        kept.thenSend.removeAll { !$0.message.promisesNothing }
        writes.append(kept)
    }

    /// Whether the write puts a snapshot in the place of all that this log ever held: every hole is
    /// known to end at or before it, and so is what was acknowledged behind the holes.
    private func heals(_ write: Write) -> Bool {
        guard let position = write.startAfter else { return false }
        return position.index >= log.lastIndex
            && log.rotten.allSatisfy { $0.isKnown(through: position.index) }
    }

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
        try log.append(gathered, truncatingFrom: gatheredTruncation)
        gathered = []
        gatheredTruncation = nil
        needsSync = true
    }

    private mutating func fail(_ error: StorageError) -> StorageError {
        failed = true
        return error
    }
}
