internal import DequeModule
package import Primitives

/// What consensus knows of its log: the term of every entry behind the snapshot, as runs, and the
/// newest entries themselves. Older entries are on disk only.
package struct LogWindow: Sendable {
    /// The entry before the log's first. Its term is known although it is gone.
    package private(set) var snapshotIndex: LogIndex
    package private(set) var snapshotTerm: Term
    package private(set) var lastIndex: LogIndex
    package private(set) var lastTerm: Term
    /// Of the entries after `snapshotIndex`; indexes and terms strictly increase.
    private var runs: Deque<TermRun>
    /// The entries `firstRecentIndex ... lastIndex`.
    private var recent: Deque<LogEntry>
    package private(set) var recentBytes: Int

    package init(_ restored: RestoredLog) {
        snapshotIndex = restored.snapshotIndex
        snapshotTerm = restored.snapshotTerm
        lastIndex = restored.lastIndex
        runs = Deque(restored.termRuns)
        lastTerm = runs.last?.term ?? snapshotTerm
        recent = Deque(restored.recentEntries)
        recentBytes = restored.recentEntries.reduce(0) { $0 + $1.weightBytes }
        checkRestored()
    }

    package var firstRecentIndex: LogIndex {
        LogIndex(lastIndex.rawValue + 1 - UInt64(recent.count))
    }

    // MARK: Looking

    /// The entry's term, or nil outside `snapshotIndex ... lastIndex`. Cost: O(1) in the newest
    /// run, else O(log runs).
    package func term(at index: LogIndex) -> Term? {
        if index > lastIndex || index < snapshotIndex { return nil }
        if index == snapshotIndex { return snapshotTerm }
        return runs[runPosition(of: index)].term
    }

    /// The last position at or before `index` whose term is at most `term`: where two logs can
    /// agree when one has `term` at `index`. Below the snapshot nothing is known, so what lies
    /// there is taken to agree.
    package func lastPosition(at index: LogIndex, termAtMost term: Term) -> LogPosition {
        let bounded = min(index, lastIndex)
        if bounded < snapshotIndex { return LogPosition(index: bounded, term: .zero) }
        if bounded > snapshotIndex {
            var position = runPosition(of: bounded)
            var last = bounded
            while true {
                if runs[position].term <= term {
                    return LogPosition(index: last, term: runs[position].term)
                }
                last = runs[position].first.previous
                if position == 0 { break }
                position -= 1
            }
        }
        if snapshotTerm <= term { return LogPosition(index: snapshotIndex, term: snapshotTerm) }
        return LogPosition(index: snapshotIndex.previous, term: .zero)
    }

    /// The entries from `first`, at least one and as many as weigh no more than `bytesMax`, or nil
    /// when
    /// `first` is not in memory. Cost: O(entries returned).
    package func batch(from first: LogIndex, through last: LogIndex, bytesMax: Int) -> [LogEntry]? {
        if first < firstRecentIndex || first > last || last > lastIndex { return nil }
        let start = first.distance(from: firstRecentIndex)
        let limit = last.distance(from: firstRecentIndex) + 1
        var bytes = recent[start].weightBytes
        var end = start + 1
        while end < limit {
            bytes += recent[end].weightBytes
            if bytes > bytesMax { break }
            end += 1
        }
        return Array(recent[start..<end])
    }

    /// The weight of the entries behind `index` that are in memory. Cost: O(entries).
    package func bytes(after index: LogIndex) -> Int {
        let start = max(0, index.next.distance(from: firstRecentIndex))
        if start >= recent.count { return 0 }
        return recent[start...].reduce(0) { $0 + $1.weightBytes }
    }

    // MARK: Changing

    /// Appends entries of consecutive indexes. Cost: O(entries).
    package mutating func append(_ entries: [LogEntry]) {
        guard let first = entries.first, let last = entries.last else { return }
        invariant(
            first.index == lastIndex.next,
            "entry \(first.index) appended to a log that ends at \(lastIndex)")
        // Behind a snapshot the first run may go on with the snapshot's term.
        if runs.isEmpty, first.term == lastTerm {
            runs.append(TermRun(first: first.index, term: lastTerm))
        }
        for entry in entries where entry.term != lastTerm {
            invariant(
                entry.term > lastTerm, "term \(entry.term) appended behind term \(lastTerm)")
            runs.append(TermRun(first: entry.index, term: entry.term))
            lastTerm = entry.term
        }
        for entry in entries { recentBytes += entry.weightBytes }
        recent.append(contentsOf: entries)
        lastIndex = last.index
    }

    /// Forgets the entries from `first` on. Cost: O(entries forgotten).
    package mutating func truncate(from first: LogIndex) {
        invariant(
            first > snapshotIndex && first <= lastIndex,
            "truncation from \(first) of a log \(snapshotIndex)...\(lastIndex)")
        while let entry = recent.last, entry.index >= first {
            recentBytes -= entry.weightBytes
            recent.removeLast()
        }
        while let run = runs.last, run.first >= first { runs.removeLast() }
        lastIndex = first.previous
        lastTerm = runs.last?.term ?? snapshotTerm
    }

    /// Forgets the entries through `index` for good. Cost: O(entries and runs forgotten).
    package mutating func compact(through index: LogIndex) {
        guard index > snapshotIndex, let term = term(at: index) else { return }
        while let entry = recent.first, entry.index <= index { dropFirst(entry) }
        while runs.count > 1, runs[1].first <= index.next { runs.removeFirst() }
        if index == lastIndex { runs.removeAll() }
        if let run = runs.first, run.first <= index {
            runs[0] = TermRun(first: index.next, term: run.term)
        }
        snapshotIndex = index
        snapshotTerm = term
    }

    /// Empties the log: it starts behind a snapshot.
    package mutating func reset(to position: LogPosition) {
        snapshotIndex = position.index
        snapshotTerm = position.term
        lastIndex = position.index
        lastTerm = position.term
        runs.removeAll()
        recent.removeAll()
        recentBytes = 0
    }

    /// Drops the oldest entries from memory, through `index` at most, until `bytes` or less remain.
    package mutating func trim(toBytes bytes: Int, through index: LogIndex) {
        while recentBytes > bytes, let entry = recent.first, entry.index <= index {
            dropFirst(entry)
        }
    }

    private mutating func dropFirst(_ entry: LogEntry) {
        recentBytes -= entry.weightBytes
        recent.removeFirst()
    }

    /// The position in `runs` of the run that holds `index`, which must be behind the snapshot.
    private func runPosition(of index: LogIndex) -> Int {
        if let run = runs.last, run.first <= index { return runs.count - 1 }
        var low = 0
        var high = runs.count - 1
        while low < high {
            let middle = (low + high + 1) / 2
            if runs[middle].first <= index { low = middle } else { high = middle - 1 }
        }
        return low
    }

    // MARK: Checks

    /// The facts that hold after every step. Cost: O(1).
    package func checkInvariants() {
        invariant(
            snapshotIndex <= lastIndex, "snapshot at \(snapshotIndex), last entry \(lastIndex)")
        invariant(
            runs.isEmpty == (snapshotIndex == lastIndex),
            "\(runs.count) term runs for \(snapshotIndex)...\(lastIndex)")
        if let run = runs.first {
            invariant(
                run.first == snapshotIndex.next && run.term >= snapshotTerm,
                "first run \(run) behind snapshot \(snapshotIndex) of term \(snapshotTerm)")
        }
        invariant(
            lastTerm == (runs.last?.term ?? snapshotTerm),
            "last term \(lastTerm), last run \(String(describing: runs.last))")
        if let first = recent.first, let last = recent.last {
            invariant(
                first.index == firstRecentIndex && last.index == lastIndex
                    && last.term == lastTerm,
                "window \(first.index)...\(last.index) term \(last.term), last entry \(lastIndex)")
        }
        invariant(
            firstRecentIndex > snapshotIndex,
            "window from \(firstRecentIndex), snapshot at \(snapshotIndex)")
    }

    /// What a restored log must be. Cost: O(runs and entries).
    private func checkRestored() {
        for (left, right) in zip(runs, runs.dropFirst()) {
            invariant(
                left.first < right.first && left.term < right.term,
                "term runs \(left) and \(right) do not increase")
        }
        invariant(
            runs.last.map { $0.first <= lastIndex } ?? true,
            "the last run starts behind the last entry \(lastIndex)")
        for (offset, entry) in recent.enumerated() {
            invariant(
                entry.index == firstRecentIndex + offset && term(at: entry.index) == entry.term,
                "restored entry \(entry.index) of term \(entry.term) does not fit its run")
        }
        checkInvariants()
    }
}
