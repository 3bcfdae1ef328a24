package import Primitives

extension SegmentedLog {
    /// The term of an entry, or of the one before the first; nil outside the log.
    package func term(at index: LogIndex) -> Term? {
        if index == baseIndex { return baseTerm }
        guard index > baseIndex, index <= lastIndex else { return nil }
        var low = 0
        var high = termRuns.count
        while low < high {
            let middle = (low + high) / 2
            if termRuns[middle].first <= index { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? nil : termRuns[low - 1].term
    }

    /// Entries from `from` on, up to `through` or until `bytesMax` (``LogEntry/weightBytes``) is
    /// reached, at least one. Checks what it reads.
    ///
    /// Cost: one read for batches that lie behind each other, up to 1 MiB of them.
    /// - Throws: ``StorageError/notInLog(index:first:last:)``, and
    ///   ``StorageError/rot(path:offset:first:last:)`` where `from` itself is damaged; damage
    ///   further on ends what is returned.
    package func read(
        from: LogIndex, through: LogIndex, bytesMax: Int
    ) throws(StorageError) -> [LogEntry] {
        try checkUsable()
        guard from >= firstIndex, from <= lastIndex, from <= through else {
            throw .notInLog(index: from, first: firstIndex, last: lastIndex)
        }
        var end = min(through, lastIndex)
        for range in rotten where range.last.map({ $0 >= from }) ?? true {
            if range.first <= from {
                throw .rot(
                    path: range.path, offset: range.offset, first: range.first,
                    last: range.last ?? lastIndex)
            }
            end = min(end, range.first.previous)
        }
        var entries: [LogEntry] = []
        var bytes = 0
        var next = from
        var position =
            segments.lastIndex { $0.batches.first.map { $0.first <= from } ?? false } ?? 0
        while next <= end, bytes < bytesMax, position < segments.count {
            let segment = segments[position]
            position += 1
            while next <= end, bytes < bytesMax, let batch = segment.batchPosition(of: next) {
                try read(
                    segment, from: batch, next, through: end, bytesMax: bytesMax, bytes: &bytes,
                    into: &entries)
                guard let last = entries.last, last.index >= next else {
                    throw segment.rot(at: batch)
                }
                next = last.index.next
            }
        }
        return entries
    }

    /// Calls `body` with every entry from `from` on, in order.
    package func scan(
        from: LogIndex, _ body: (LogEntry) throws(StorageError) -> Void
    ) throws(StorageError) {
        var next = max(from, firstIndex)
        while next <= lastIndex {
            let entries = try read(from: next, through: lastIndex, bytesMax: 4 << 20)
            for entry in entries { try body(entry) }
            next = next + entries.count
        }
    }

    /// Reads the batch at position `start` and those that lie directly behind it.
    private func read(
        _ segment: Segment, from start: Int, _ from: LogIndex, through: LogIndex, bytesMax: Int,
        bytes: inout Int, into entries: inout [LogEntry]
    ) throws(StorageError) {
        let stop = segment.contiguousEnd(
            from: start, through: through, bytesMax: min(max(0, bytesMax - bytes), 1 << 20))
        let base = Int(segment.batches[start].offset)
        let last = segment.batches[stop - 1]
        let count = Int(last.offset) + Int(last.totalBytes) - base
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 8)
        defer { room.deallocate() }
        let filled = try segment.file.read(into: room, at: base)
        let raw = UnsafeRawBufferPointer(rebasing: room[0..<filled])
        var next = from
        for position in start..<stop where bytes < bytesMax {
            let reference = segment.batches[position]
            let offset = Int(reference.offset) - base
            let live = min(through, reference.end.previous)
            guard
                let header = BatchHeader.decode(
                    raw, at: offset, in: Int(reference.offset), of: segment.header),
                header.first == reference.first, header.totalBytes == reference.totalBytes,
                BatchDecoder.condition(raw, at: offset, header, seed: segment.header.chainSeed)
                    == .good,
                BatchDecoder.entries(
                    UnsafeRawBufferPointer(
                        rebasing: raw[offset..<(offset + header.totalBytes)]), header, from: next,
                    through: live, bytesMax: bytesMax, bytes: &bytes, into: &entries)
            else { throw segment.rot(at: position) }
            next = reference.end
        }
    }
}

extension Segment {
    /// The position of the batch that holds `index`, or nil.
    func batchPosition(of index: LogIndex) -> Int? {
        var low = 0
        var high = batches.count
        while low < high {
            let middle = (low + high) / 2
            if batches[middle].first <= index { low = middle + 1 } else { high = middle }
        }
        return low > 0 && batches[low - 1].end > index ? low - 1 : nil
    }

    /// Behind the last batch that one read together with the one at `start` should fetch.
    func contiguousEnd(from start: Int, through: LogIndex, bytesMax: Int) -> Int {
        var stop = start + 1
        var bytes = Int(batches[start].totalBytes)
        while stop < batches.count, batches[stop].first <= through, bytes < bytesMax,
            batches[stop].offset == batches[stop - 1].offset + batches[stop - 1].totalBytes
        {
            bytes += Int(batches[stop].totalBytes)
            stop += 1
        }
        return stop
    }

    func rot(at position: Int) -> StorageError {
        let batch = batches[position]
        return .rot(
            path: path, offset: Int(batch.offset), first: batch.first, last: batch.end.previous)
    }
}
