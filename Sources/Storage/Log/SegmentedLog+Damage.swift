package import Primitives

/// What a node's checkpoint says about the log's damage.
extension SegmentedLog {
    /// A checkpoint holds everything through `index`, with `term` there: damage that ends at or
    /// before it does not matter any more, and entries through it are not read again. What lies
    /// behind stays as it is. In memory only: the next ``open`` finds the damage again.
    ///
    /// Cost: where that was all the damage, one copy of the last segment.
    package func disown(through index: LogIndex, term: Term) throws(StorageError) {
        try checkUsable()
        invariant(
            index >= baseIndex && index <= lastIndex,
            "a checkpoint at \(index) beside a log from \(firstIndex) to \(lastIndex)")
        guard rotten.contains(where: { $0.isKnown(through: index) }) else { return }
        rotten.removeAll { $0.isKnown(through: index) }
        baseIndex = index
        baseTerm = term
        dropRuns(before: index.next)
        if rotten.isEmpty { try copyLate() }
        checkInvariants()
    }

    /// What lies behind `index` and before this log was released, and the checkpoint that had it is
    /// gone: it counts as damage.
    package func noteGap(behind index: LogIndex) {
        invariant(index < baseIndex, "no gap from \(index) to a log from \(firstIndex)")
        rotten.append(
            RottenRange(path: directory, offset: 0, first: index.next, last: baseIndex))
        rotten.sort { $0.first < $1.first }
    }
}
