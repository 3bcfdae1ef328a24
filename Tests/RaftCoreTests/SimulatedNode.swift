import Primitives
import RaftCore

/// A replicated state that stands for a real one: a digest over everything applied, in order.
struct SimulatedState: Equatable {
    var index = LogIndex.zero
    var term = Term.zero
    var digest: UInt64 = 0

    mutating func apply(_ entry: LogEntry) {
        index = entry.index
        term = entry.term
        digest = SimulatedState.mix(digest, entry)
    }

    static func mix(_ digest: UInt64, _ entry: LogEntry) -> UInt64 {
        var value = (digest ^ entry.term.rawValue) &* 0x0000_0100_0000_01B3
        value = (value ^ UInt64(entry.kind.rawValue)) &* 0x0000_0100_0000_01B3
        for byte in entry.payload { value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return value
    }
}

/// What a checkpoint or a snapshot on its way holds.
struct SimulatedSnapshot: Equatable {
    var state: SimulatedState
    var configuration: PlacedConfiguration
}

/// The part of a node that survives a crash. It loses nothing that was completed, and everything
/// else.
struct SimulatedDisk {
    var hardState = HardState.initial
    /// The entry before `entries`.
    var base = LogPosition(index: .zero, term: .zero)
    var entries: [LogEntry] = []
    var checkpoint: SimulatedSnapshot

    var lastIndex: LogIndex { base.index + entries.count }

    func entry(_ index: LogIndex) -> LogEntry? {
        if index <= base.index || index > lastIndex { return nil }
        return entries[index.distance(from: base.index) - 1]
    }

    func term(_ index: LogIndex) -> Term? { index == base.index ? base.term : entry(index)?.term }

    /// Whether the entry is durable here: in the log, or in the checkpoint's past.
    func holds(_ entry: LogEntry) -> Bool {
        self.entry(entry.index)?.term == entry.term || checkpoint.state.index >= entry.index
    }

    mutating func perform(_ write: Write) {
        if let hardState = write.hardState { self.hardState = hardState }
        if let start = write.startAfter {
            base = start
            entries = []
        }
        if let first = write.truncateFrom {
            entries.removeLast(max(0, lastIndex.distance(from: first) + 1))
        }
        for entry in write.entries {
            precondition(entry.index == lastIndex.next, "\(entry.index) behind \(lastIndex)")
            entries.append(entry)
        }
    }

    mutating func release(through index: LogIndex) {
        guard index > base.index, let term = term(index) else { return }
        entries.removeFirst(index.distance(from: base.index))
        base = LogPosition(index: index, term: term)
    }

    /// What a start finds: a log that does not hold the checkpoint's last entry is set aside.
    mutating func restore(recent: Int) -> RestoredLog {
        let mark = checkpoint.state
        if term(mark.index) != mark.term {
            base = LogPosition(index: mark.index, term: mark.term)
            entries = []
        }
        var runs: [TermRun] = []
        for entry in entries where runs.last?.term != entry.term {
            runs.append(TermRun(first: entry.index, term: entry.term))
        }
        let later = entries.filter {
            $0.kind == .configuration && $0.index > checkpoint.configuration.index
        }.map { entry in
            PlacedConfiguration(
                index: entry.index, configuration: RaftCoreTests.configuration(in: entry))
        }
        return RestoredLog(
            hardState: hardState, snapshotIndex: base.index, snapshotTerm: base.term,
            configuration: checkpoint.configuration.configuration,
            configurationIndex: checkpoint.configuration.index, laterConfigurations: later,
            termRuns: runs, lastIndex: lastIndex,
            recentEntries: Array(entries.suffix(recent)), committed: mark.index)
    }
}

/// One member: the core under test, its disk, and a driver that is slow at random.
struct SimulatedNode {
    let id: NodeID
    var settings: RaftSettings
    var disk: SimulatedDisk
    var core: RaftCore
    var isUp = true
    var state: SimulatedState
    /// Not durable yet, oldest first.
    var writes: [Write] = []
    /// Asked of the disk, not answered yet.
    var loads: [(first: LogIndex, last: LogIndex, bytesMax: Int)] = []
    /// Committed, as the core says; applying may lag.
    var committed: LogIndex
    /// The highest term that any message of this member was sent in.
    var spokenTerm = Term.zero
    /// Reads requested and the index that their answer must reach.
    var reads: [ReadID: LogIndex] = [:]

    init(settings: RaftSettings, configuration: ClusterConfiguration) {
        id = settings.id
        self.settings = settings
        let placed = PlacedConfiguration(index: .zero, configuration: configuration)
        disk = SimulatedDisk(
            checkpoint: SimulatedSnapshot(state: SimulatedState(), configuration: placed))
        state = SimulatedState()
        committed = .zero
        core = RaftCore(settings: settings, restored: disk.restore(recent: 0))
    }

    /// Forgets everything that was not completed, but for the first writes that made it in time.
    mutating func crash(completing count: Int) {
        for write in writes.prefix(count) { disk.perform(write) }
        writes = []
        loads = []
        reads = [:]
        isUp = false
    }

    mutating func restart(recent: Int, seed: UInt64) {
        settings.seed = seed
        core = RaftCore(settings: settings, restored: disk.restore(recent: recent))
        state = disk.checkpoint.state
        committed = state.index
        isUp = true
    }
}
