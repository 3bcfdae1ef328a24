import Primitives
import Storage

/// The log as a dumb array, with every state that a crash may leave it in.
struct LogModel {
    struct State: Equatable {
        var base = LogIndex.zero
        var baseTerm = Term.zero
        var entries: [LogEntry] = []

        var lastIndex: LogIndex { entries.last?.index ?? base }

        mutating func truncate(from index: LogIndex) {
            while let last = entries.last, last.index >= index { entries.removeLast() }
        }
    }

    var state = State()
    /// What may be found after a crash now: the last synced state and what came since, in order.
    var candidates = [State()]
    /// Up to here entries may be gone, because they were released.
    var released = LogIndex.zero

    /// An append begins: any prefix of its entries may become durable.
    mutating func appending(_ entries: [LogEntry], truncatingFrom: LogIndex?) {
        if let truncatingFrom { state.truncate(from: truncatingFrom) }
        candidates.append(state)
        for entry in entries {
            state.entries.append(entry)
            candidates.append(state)
        }
    }

    mutating func synced() { candidates = [state] }

    mutating func resetting(to index: LogIndex, term: Term) {
        state = State(base: index, baseTerm: term)
        candidates.append(state)
    }

    /// Why `log` is none of the states it may be in; nil when it is.
    mutating func mismatch(of log: SegmentedLog) throws -> String? {
        if let damage = log.rotten.first { return "rot where there is none: \(damage)" }
        let found = try LogFixture.all(log)
        for candidate in candidates.reversed() {
            guard candidate.base <= log.baseIndex else { continue }
            guard log.baseIndex == candidate.base || log.baseIndex <= released else { continue }
            let expected = candidate.entries.filter { $0.index > log.baseIndex }
            guard expected == found, log.lastIndex == max(candidate.lastIndex, log.baseIndex) else {
                continue
            }
            let before = candidate.entries.last { $0.index <= log.baseIndex }
            guard log.baseTerm == before?.term ?? candidate.baseTerm else {
                return "term \(log.baseTerm) before \(log.firstIndex)"
            }
            guard log.termRuns == Self.runs(found) else { return "runs \(log.termRuns)" }
            state = candidate
            candidates = [candidate]
            return nil
        }
        return "found \(log.firstIndex) to \(log.lastIndex) (\(found.count) entries), synced was"
            + " \(candidates[0].base.next) to \(candidates[0].lastIndex),"
            + " written \(state.base.next) to \(state.lastIndex), released \(released)"
    }

    static func runs(_ entries: [LogEntry]) -> [TermRun] {
        var runs: [TermRun] = []
        for entry in entries where entry.term != runs.last?.term {
            runs.append(TermRun(first: entry.index, term: entry.term))
        }
        return runs
    }
}

/// The log is in no state that the model allows. Ends the test: what follows would mean nothing.
struct Mismatch: Error, CustomStringConvertible {
    let description: String
}

/// A log beside its model: every step is done on both.
struct ModelledLog {
    let fileSystem: MemoryFileSystem
    let options: LogOptions
    var model = LogModel()
    var log: SegmentedLog?
    var boot: UInt64 = 0

    init(fileSystem: MemoryFileSystem, options: LogOptions = LogFixture.options()) {
        self.fileSystem = fileSystem
        self.options = options
    }

    /// Opens the log and compares it with the model. What open read counts as durable from then on.
    mutating func open(_ place: String = "") throws {
        log = nil
        boot += 1
        let log = try LogFixture.open(fileSystem, options: options, boot: boot)
        self.log = log
        if let text = try model.mismatch(of: log) {
            throw Mismatch(description: place + ": " + text)
        }
    }

    mutating func append(
        _ range: ClosedRange<UInt64>, term: UInt64, count: Int = 100, truncating: Bool = false
    ) throws {
        let entries = LogFixture.entries(range, term: term, count: count)
        let from = truncating ? LogIndex(range.lowerBound) : nil
        model.appending(entries, truncatingFrom: from)
        try log?.append(entries, truncatingFrom: from)
    }

    mutating func truncate(from index: UInt64) throws {
        model.appending([], truncatingFrom: LogIndex(index))
        try log?.append([], truncatingFrom: LogIndex(index))
    }

    mutating func sync() throws {
        try log?.sync()
        model.synced()
    }

    mutating func release(through index: UInt64) throws {
        model.released = max(model.released, LogIndex(index))
        try log?.release(through: LogIndex(index))
    }

    mutating func reset(to index: UInt64, term: UInt64) throws {
        model.resetting(to: LogIndex(index), term: Term(term))
        try log?.reset(to: LogIndex(index), term: Term(term))
        model.synced()
    }

    mutating func prepareSpare() throws { _ = try log?.prepareSpare() }
}
