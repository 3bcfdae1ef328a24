package import Primitives

/// Entries of a log that are damaged and can be filled in: what follows them is whole.
package struct LogHole: Equatable, Sendable {
    package var first: LogIndex
    package var last: LogIndex
    /// The term of the entry behind the hole. Who holds an entry of this term there holds the
    /// hole's entries too, as they were (Raft §5.3, Log Matching).
    package var nextTerm: Term

    package init(first: LogIndex, last: LogIndex, nextTerm: Term) {
        self.first = first
        self.last = last
        self.nextTerm = nextTerm
    }
}

/// Holes are filled by writing everything from the first of them on anew. A crash in the middle
/// must not look like a torn tail, for what is lost then was acknowledged: a mark says so, which is
/// durable before and removed after. A start that finds it counts everything from there on as lost.
extension SegmentedLog {
    static let markName = "filling"
    private static let markBytes = 12

    /// The holes, where all of them can be filled in, in order; empty otherwise.
    package var fillable: [LogHole] {
        var holes: [LogHole] = []
        for range in rotten {
            guard let end = range.last, range.first > baseIndex, end < lastIndex,
                let term = term(at: end.next)
            else { return [] }
            if let before = holes.last, before.last.next >= range.first {
                holes[holes.count - 1].last = max(before.last, end)
                holes[holes.count - 1].nextTerm = term
            } else {
                holes.append(LogHole(first: range.first, last: end, nextTerm: term))
            }
        }
        return holes
    }

    /// Puts `found` into the holes: their entries and no others, in order. Returns every entry from
    /// the first hole on, durable now; nil, with nothing changed, where they do not fit.
    ///
    /// Cost: reads and writes the log from the first hole on; memory for as much.
    package func fill(_ found: [LogEntry]) throws(StorageError) -> [LogEntry]? {
        try checkUsable()
        guard let entries = try merged(found), let first = entries.first else { return nil }
        #if KEELSON_MUTANTS
            if !planted(.fillsWithoutMark) { try writeMark(first.index) }
        #else
            try writeMark(first.index)
        #endif
        do throws(StorageError) {
            try append(entries, truncatingFrom: first.index)
            try sync()
        } catch {
            // What was there is superseded, and what takes its place is not whole: as after a start
            // that finds the mark.
            if rotten.isEmpty {
                rotten.append(
                    RottenRange(
                        path: directory + "/" + Self.markName, offset: 0, first: first.index,
                        last: nil))
            }
            throw error
        }
        try removeMark()
        return entries
    }

    private func merged(_ found: [LogEntry]) throws(StorageError) -> [LogEntry]? {
        let holes = fillable
        guard let first = holes.first?.first else { return nil }
        var entries: [LogEntry] = []
        var rest = found[...]
        var next = first
        for hole in holes {
            try readOn(from: &next, before: hole.first, into: &entries)
            while next <= hole.last {
                guard let entry = rest.popFirst(), entry.index == next else { return nil }
                entries.append(entry)
                next = next.next
            }
        }
        try readOn(from: &next, before: lastIndex.next, into: &entries)
        guard rest.isEmpty else { return nil }
        var term = term(at: first.previous) ?? .zero
        for entry in entries {
            if entry.term < term { return nil }
            term = entry.term
        }
        return entries
    }

    private func readOn(
        from next: inout LogIndex, before end: LogIndex, into entries: inout [LogEntry]
    ) throws(StorageError) {
        while next < end {
            let read = try read(from: next, through: end.previous, bytesMax: 4 << 20)
            entries += read
            next = next + read.count
        }
    }

    // MARK: The mark

    private func writeMark(_ first: LogIndex) throws(StorageError) {
        var writer = ByteWriter(capacity: Self.markBytes)
        writer.write(first.rawValue)
        writer.write(Checksum.crc32c(writer.bytes))
        let path = directory + "/" + Self.markName
        let temporary = path + ".tmp"
        if try fileSystem.exists(temporary) { try fileSystem.remove(temporary) }
        let file = try fileSystem.open(temporary, .createNew)
        try file.write(writer.bytes, at: 0)
        try file.sync()
        try fileSystem.rename(temporary, to: path)
        try fileSystem.syncDirectory(directory)
    }

    /// After what the mark was for is durable.
    func removeMark() throws(StorageError) {
        let path = directory + "/" + Self.markName
        guard try fileSystem.exists(path) else { return }
        try fileSystem.remove(path)
        try fileSystem.syncDirectory(directory)
    }

    /// A filling was cut short: what it wrote anew is lost as far as anybody can tell, from its
    /// first entry on; all of it where the mark is damaged.
    func heedMark() throws(StorageError) {
        let path = directory + "/" + Self.markName
        guard try fileSystem.exists(path) else { return }
        let raw = try fileSystem.open(path, .read).read(Self.markBytes, at: 0)
        var reader = ByteReader(raw)
        var first = firstIndex
        if let index = try? reader.read(UInt64.self), let sum = try? reader.read(UInt32.self),
            sum == Checksum.crc32c(Array(raw[..<8]))
        {
            first = max(first, LogIndex(index))
        }
        first = min(first, lastIndex.next)
        truncateMemory(from: first)
        rotten.append(RottenRange(path: path, offset: 0, first: first, last: nil))
    }
}
