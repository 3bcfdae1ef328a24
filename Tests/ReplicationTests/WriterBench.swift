import Primitives
import RaftCore
import Replication
import Storage
import Testing

/// A ``LogWriter`` on a disk in memory, driven as the log's thread drives it, with a model of what
/// it was asked.
struct WriterBench {
    static let identity = NodeIdentity(
        clusterID: ClusterID(0xC1), memberID: NodeID(0x51), name: "n1")
    static let options = LogOptions(segmentBytes: 16 << 10, batchBytesMax: 4096, spareSegments: 1)

    let disk: MemoryFileSystem
    private var writer: LogWriter
    /// Ids of the writes that were reported, in order, and what else was.
    var persisted: [UInt64] = []
    var loaded: [Int] = []
    var rememberedCount = 0
    var shortageReports = 0
    var roomReports = 0
    var failure: StorageError?
    /// Whether the last report on it was a shortage.
    var isShort = false
    /// The log and the term after each write, by its id.
    private var states: [(entries: [LogEntry], term: UInt64)] = [([], 0)]
    private var peersByTicket: [[PeerMemory]] = []

    init(seed: UInt64 = 1) throws {
        disk = MemoryFileSystem(seed: seed)
        try disk.makeDirectory("/log")
        try disk.syncDirectory("/")
        writer = LogWriter(
            log: try SegmentedLog.open(
                fileSystem: disk, directory: "/log", identity: Self.identity,
                options: Self.options, boot: BootNumber(1)),
            hardState: try HardStateFile.create(fileSystem: disk, directory: "/"),
            peers: try PeerMemoryFile.create(fileSystem: disk, directory: "/"))
    }

    var term: UInt64 { states[states.count - 1].term }
    private var entries: [LogEntry] { states[states.count - 1].entries }

    // MARK: Jobs

    /// The next write: `count` entries behind the last, and term and vote where a term is given.
    mutating func write(term: UInt64? = nil, entries count: Int) -> Write {
        add(term: term, truncateFrom: nil, count)
    }

    /// Supersedes a part of the log.
    mutating func truncation(_ random: inout SplitMix64) -> Write {
        guard !entries.isEmpty else { return write(entries: 1) }
        let from = 1 + random.next(below: UInt64(entries.count))
        return add(term: term + 1, truncateFrom: LogIndex(from), Int(random.next(below: 100)))
    }

    private mutating func add(term: UInt64?, truncateFrom: LogIndex?, _ count: Int) -> Write {
        var log = entries
        if let truncateFrom { log.removeAll { $0.index >= truncateFrom } }
        let start = UInt64(log.count) + 1
        let fresh = (0..<UInt64(count)).map { offset in
            LogEntry(
                index: LogIndex(start + offset), term: Term(term ?? self.term), kind: .command,
                payload: Array(repeating: UInt8(truncatingIfNeeded: start + offset), count: 100))
        }
        let state = term.map { HardState(term: Term($0), votedFor: NodeID(1)) }
        states.append((log + fresh, term ?? self.term))
        return Write(
            id: WriteID(UInt64(states.count - 1)), hardState: state, truncateFrom: truncateFrom,
            entries: fresh)
    }

    mutating func remember(member: UInt64) -> LogJob {
        var records = peersByTicket.last ?? []
        records.removeAll { $0.member == NodeID(member) }
        let number = UInt64(peersByTicket.count) + 1
        records.append(
            PeerMemory(
                member: NodeID(member), boot: BootNumber(1), term: Term(1), index: LogIndex(number))
        )
        peersByTicket.append(records)
        return .remember(records, PeerMemoryTicket(number))
    }

    // MARK: Driving

    /// No file can grow, and no new one be filled.
    func fill() {
        var used = 0
        for folder in ["/log", ""] {
            for name in (try? disk.list(folder.isEmpty ? "/" : folder)) ?? [] {
                used += disk.contents(of: "\(folder)/\(name)")?.count ?? 0
            }
        }
        disk.setCapacity(used)
    }

    func empty() { disk.setCapacity(.max) }

    mutating func round(_ jobs: [LogJob]) {
        var reports: [LogReport] = []
        do throws(StorageError) {
            try writer.take(jobs) { reports.append($0) }
            if writer.needsSync { try writer.sync() }
            if let report = writer.complete() { reports.append(report) }
            if let report = writer.spaceChange() { reports.append(report) }
        } catch { failure = error }
        for report in reports { note(report) }
    }

    private mutating func note(_ report: LogReport) {
        switch report {
        case .persisted(let writes): persisted += writes.map(\.id.rawValue)
        case .loaded(_, let entries, _): loaded.append(entries.count)
        case .remembered: rememberedCount += 1
        case .healed, .recovered: break
        case .outOfSpace:
            shortageReports += 1
            isShort = true
        case .roomAgain:
            roomReports += 1
            isShort = false
        }
    }

    // MARK: Judging

    func expectDurable(entries count: Int, term: UInt64) throws {
        disk.crash(.drop)
        empty()
        let found = try reopen()
        #expect(found.entries.count == count && found.entries == entries)
        #expect(found.term == term)
    }

    /// What is there after a crash is what some write left that is not older than the last one that
    /// was reported.
    func expectWhatWasReported(afterCrash kind: CrashKind) throws {
        #expect(persisted == Array(1..<UInt64(persisted.count + 1)))
        disk.crash(kind)
        empty()
        let found = try reopen()
        let last = states[persisted.count]
        #expect(found.term >= last.term)
        // Later writes, of which nothing was said, may have reached the disk in part.
        let kept = last.entries.prefix { entry in
            !states[(persisted.count + 1)...].contains {
                $0.entries.count < Int(entry.index.rawValue)
                    || $0.entries[Int(entry.index.rawValue) - 1] != entry
            }
        }
        #expect(found.entries.starts(with: kept))
        let peers = try PeerMemoryFile.open(fileSystem: disk, directory: "/").loaded
        let acknowledged = rememberedCount == 0 ? [] : peersByTicket[rememberedCount - 1]
        #expect(
            acknowledged.allSatisfy { record in
                peers.contains { $0.member == record.member && $0.index >= record.index }
            })
    }

    private func reopen() throws -> (entries: [LogEntry], term: UInt64) {
        let log = try SegmentedLog.open(
            fileSystem: disk, directory: "/log", identity: Self.identity, options: Self.options,
            boot: BootNumber(2))
        var found: [LogEntry] = []
        try log.scan(from: log.firstIndex) { (entry) throws(StorageError) in found.append(entry) }
        let state = try HardStateFile.open(fileSystem: disk, directory: "/").loaded
        return (found, state.term.rawValue)
    }
}
