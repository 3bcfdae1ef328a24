internal import Primitives

/// Names a chunk of the ``RevisionLog``: the place of the first record that it ever held.
package struct ChunkID: Hashable, Comparable, Sendable {
    package let main: Int64
    package let sub: Int32

    package static func < (a: ChunkID, b: ChunkID) -> Bool {
        a.main != b.main ? a.main < b.main : a.sub < b.sub
    }
}

extension Record {
    package var place: ChunkID { ChunkID(main: modRevision, sub: sub) }
}

/// A run of records in revision order. Changed in place only while uniquely referenced.
package final class LogChunk: @unchecked Sendable {
    package let id: ChunkID
    @exclusivity(unchecked) var records: ContiguousArray<Record>
    /// Key and value bytes of `records`.
    @exclusivity(unchecked) var bytes: Int
    /// Index of the entry that changed it last. What a purge changes counts for the entry after.
    @exclusivity(unchecked) var modifiedAt: UInt64

    package init(id: ChunkID, records: ContiguousArray<Record>, bytes: Int, modifiedAt: UInt64) {
        self.id = id
        self.records = records
        self.bytes = bytes
        self.modifiedAt = modifiedAt
    }

    package func copy() -> LogChunk {
        LogChunk(id: id, records: records, bytes: bytes, modifiedAt: modifiedAt)
    }

    /// Position of the first record at or after `(main, sub)`.
    package func position(_ main: Int64, _ sub: Int32) -> Int {
        var low = 0
        var high = records.count
        while low < high {
            let middle = (low + high) / 2
            let header = records[middle].header
            let isBefore =
                header.modRevision != main ? header.modRevision < main : header.sub < sub
            if isBefore { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// All retained records in the order of their revisions: what watches catch up from, and what
/// checkpoints are made of. Copying the value is taking a snapshot.
package struct RevisionLog: Sendable {
    package static let chunkRecordsMax = 512
    package static let chunkBytesMax = 256 << 10
    /// Neighbours that together are this thin are joined.
    package static let chunkRecordsJoined = chunkRecordsMax / 2

    private(set) var chunks: [LogChunk] = []
    private(set) var recordCount = 0
    /// Chunks that are gone, with the index at which they went, in order of that index.
    private(set) var vanished: [(id: ChunkID, at: UInt64)] = []
    /// What changed at or before this index is not known any more.
    private(set) var changesKnownSince: UInt64 = 0

    /// Appends a record that comes after all others. Amortised O(1); a chunk that a snapshot shares
    /// is copied first.
    package mutating func append(_ record: Record, at index: UInt64) {
        let header = record.header
        let bytes = Int(header.keyByteCount) + Int(header.valueByteCount)
        recordCount += 1
        if let last = chunks.indices.last {
            let full =
                chunks[last].records.count >= RevisionLog.chunkRecordsMax
                || chunks[last].bytes + bytes > RevisionLog.chunkBytesMax
            if !full {
                makeUnique(last)
                if let newest = chunks[last].records.last {
                    invariant(
                        newest.precedes(record),
                        "\(record.place) is recorded behind \(newest.place)")
                }
                chunks[last].records.append(record)
                chunks[last].bytes += bytes
                chunks[last].modifiedAt = index
                return
            }
        }
        var records = ContiguousArray<Record>()
        records.reserveCapacity(bytes > 4096 ? 8 : RevisionLog.chunkRecordsMax)
        records.append(record)
        let id = ChunkID(main: header.modRevision, sub: header.sub)
        chunks.append(LogChunk(id: id, records: records, bytes: bytes, modifiedAt: index))
    }

    /// Removes records that are in the log, given in order. O(chunks + records).
    package mutating func remove(_ garbage: [Record], at index: UInt64) {
        guard let first = garbage.first else { return }
        var place = max(0, chunkIndex(first.modRevision, first.sub))
        let firstPlace = place
        var taken = 0
        while taken < garbage.count, place < chunks.count {
            let end = place + 1 < chunks.count ? chunks[place + 1].id : nil
            let start = taken
            while taken < garbage.count, end.map({ garbage[taken].place < $0 }) ?? true {
                taken += 1
            }
            if taken > start { filter(place, without: garbage[start..<taken], at: index) }
            place += 1
        }
        recordCount -= garbage.count
        shrink(from: max(0, firstPlace - 1), to: min(chunks.count, place + 1), at: index)
    }

    private mutating func filter(
        _ place: Int, without garbage: ArraySlice<Record>, at index: UInt64
    ) {
        makeUnique(place)
        let chunk = chunks[place]
        var next = garbage.startIndex
        chunk.records.removeAll { record in
            guard next < garbage.endIndex, record.isSame(as: garbage[next]) else { return false }
            next += 1
            return true
        }
        if next != garbage.endIndex {
            let (lost, count) = (garbage[next].place, next - garbage.startIndex)
            impossible(
                "the superseded record at \(lost) is not in the log, of \(garbage.count) in chunk "
                    + "\(chunk.id) of \(chunk.records.count) records \(count) were")
        }
        for record in garbage { chunk.bytes -= record.keyByteCount + record.valueByteCount }
        chunk.modifiedAt = index
    }

    /// Drops empty chunks and joins thin neighbours in a range of places.
    private mutating func shrink(from first: Int, to end: Int, at index: UInt64) {
        var kept: [LogChunk] = []
        for place in first..<end {
            let chunk = chunks[place]
            if chunk.records.isEmpty {
                vanished.append((chunk.id, index))
            } else if let last = kept.last, RevisionLog.areThin(last, chunk) {
                var left = kept.removeLast()
                // Always a copy: `chunks` still holds it too.
                left = left.copy()
                left.records += chunk.records
                left.bytes += chunk.bytes
                left.modifiedAt = index
                kept.append(left)
                vanished.append((chunk.id, index))
            } else {
                kept.append(chunk)
            }
        }
        chunks.replaceSubrange(first..<end, with: kept)
    }

    private static func areThin(_ left: LogChunk, _ right: LogChunk) -> Bool {
        left.records.count + right.records.count <= chunkRecordsJoined
            && left.bytes + right.bytes <= chunkBytesMax
    }

    private mutating func makeUnique(_ place: Int) {
        if !isKnownUniquelyReferenced(&chunks[place]) { chunks[place] = chunks[place].copy() }
    }

    /// The last chunk that begins at or before `(main, sub)`; -1 when there is none.
    private func chunkIndex(_ main: Int64, _ sub: Int32) -> Int {
        let target = ChunkID(main: main, sub: sub)
        var low = 0
        var high = chunks.count
        while low < high {
            let middle = (low + high) / 2
            if chunks[middle].id <= target { low = middle + 1 } else { high = middle }
        }
        return low - 1
    }

    /// Visits the records from `(main, sub)` on, until `body` says false.
    package func forEach(from main: Int64, _ sub: Int32 = 0, _ body: (Record) -> Bool) {
        var place = max(0, chunkIndex(main, sub))
        var position = place < chunks.count ? chunks[place].position(main, sub) : 0
        while place < chunks.count {
            let chunk = chunks[place]
            while position < chunk.records.count {
                if !body(chunk.records[position]) { return }
                position += 1
            }
            place += 1
            position = 0
        }
    }

    /// Where the chunk in the middle of those behind `floor` begins; nil where there are few.
    func middle(behind floor: Int64) -> Revision? {
        let first = chunkIndex(floor + 1, 0) + 1
        let count = chunks.count - first
        guard count >= 3 else { return nil }
        return Revision(chunks[first + count / 2].id.main)
    }

    /// Forgets which chunks vanished at or before `index`: no checkpoint builds on an older one.
    package mutating func forgetVanished(through index: UInt64) {
        guard index > changesKnownSince else { return }
        changesKnownSince = index
        vanished.removeAll { $0.at <= index }
    }

    /// The log of a checkpoint at `index`; `vanished` are chunks of its rows that held only
    /// garbage.
    package init(chunks: [LogChunk], vanished: [ChunkID], loadedAt index: UInt64) {
        self.chunks = chunks
        self.vanished = vanished.map { ($0, index + 1) }
        recordCount = chunks.reduce(0) { $0 + $1.records.count }
        changesKnownSince = index
    }

    package init() {}

    package func checkInvariants() {
        var previous: Record?
        var end: ChunkID?
        var count = 0
        for chunk in chunks {
            invariant(!chunk.records.isEmpty, "an empty chunk")
            var bytes = 0
            for record in chunk.records {
                if let previous { invariant(previous.precedes(record), "revisions out of order") }
                bytes += record.keyByteCount + record.valueByteCount
                previous = record
                count += 1
            }
            invariant(bytes == chunk.bytes, "a chunk miscounts its bytes")
            if let end { invariant(end < chunk.id, "\(end) stands before \(chunk.id)") }
            end = previous?.place
            let first = chunk.records[0].header
            invariant(
                chunk.id <= ChunkID(main: first.modRevision, sub: first.sub), "a chunk's id")
        }
        invariant(count == recordCount, "the log counts \(recordCount) records and holds \(count)")
    }
}
