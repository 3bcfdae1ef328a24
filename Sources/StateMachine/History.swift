#if KEELSON_MUTANTS
    internal import Primitives
#endif

/// The superseded versions of one key, oldest first.
///
/// Most keys have few: they are in `recent`. Full blocks move to `blocks`, so that a key written a
/// million times between two compactions costs a snapshot one reference a block, not one a version.
/// Blocks are small, so that what puts touch of ten thousand keys stays in the processor's cache.
/// Changed in place only while uniquely referenced, like the node that holds it.
package final class History: @unchecked Sendable {
    package static let blockRecordsMax = 32

    @exclusivity(unchecked) private(set) var blocks: [HistoryBlock]
    @exclusivity(unchecked) private(set) var recent: ContiguousArray<Record>

    package init(_ first: Record) {
        blocks = []
        recent = [first]
    }

    package init(blocks: [HistoryBlock], recent: ContiguousArray<Record>) {
        self.blocks = blocks
        self.recent = recent
    }

    package func copy() -> History { History(blocks: blocks, recent: recent) }

    /// Versions in the first block; it may be thinner than the others, which are all full.
    private var firstBlockCount: Int { blocks.first?.records.count ?? 0 }

    package var count: Int {
        let later = max(0, blocks.count - 1) * History.blockRecordsMax
        return firstBlockCount + later + recent.count
    }

    /// The version at a position, oldest first.
    package subscript(index: Int) -> Record {
        if index < firstBlockCount { return blocks[0].records[index] }
        let rest = index - firstBlockCount
        let block = rest / History.blockRecordsMax + 1
        if block < blocks.count { return blocks[block].records[rest % History.blockRecordsMax] }
        let later = max(0, blocks.count - 1) * History.blockRecordsMax
        return recent[rest - later]
    }

    /// The history without its `dropped` oldest versions, or nil when none is left.
    package func dropping(first dropped: Int) -> History? {
        if dropped >= count { return nil }
        var left = dropped
        var kept = blocks[...]
        while let block = kept.first, block.records.count <= left {
            left -= block.records.count
            kept.removeFirst()
        }
        if kept.isEmpty { return History(blocks: [], recent: ContiguousArray(recent[left...])) }
        var result = Array(kept)
        if left > 0 {
            result[0] = HistoryBlock(records: ContiguousArray(result[0].records[left...]))
        }
        return History(blocks: result, recent: recent)
    }

    package func append(_ record: Record) {
        if recent.count == History.blockRecordsMax {
            blocks.append(HistoryBlock(records: recent))
            recent = []
        }
        recent.append(record)
    }

    /// The newest version at or below `revision`, and at or below `sub` within it.
    package func newest(atMost revision: Int64, sub: Int32 = .max) -> Record? {
        if let first = recent.first, first.isAtMost(revision, sub) {
            return History.newest(in: recent, revision, sub)
        }
        var low = 0
        var high = blocks.count
        while low < high {
            let middle = (low + high) / 2
            if blocks[middle].records[0].isAtMost(revision, sub) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low == 0 ? nil : History.newest(in: blocks[low - 1].records, revision, sub)
    }

    private static func newest(
        in records: ContiguousArray<Record>, _ revision: Int64, _ sub: Int32
    ) -> Record? {
        var low = 0
        var high = records.count
        while low < high {
            let middle = (low + high) / 2
            if records[middle].isAtMost(revision, sub) { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? nil : records[low - 1]
    }

    package func forEach(_ body: (Record) -> Void) {
        for block in blocks { block.records.forEach(body) }
        recent.forEach(body)
    }
}

/// A full block of a ``History``: immutable.
package final class HistoryBlock: @unchecked Sendable {
    package let records: ContiguousArray<Record>
    package init(records: ContiguousArray<Record>) { self.records = records }
}

extension Record {
    /// Whether `(modRevision, sub)` is at or below `(revision, sub)`.
    package func isAtMost(_ revision: Int64, _ sub: Int32) -> Bool {
        #if KEELSON_MUTANTS
            if planted(.readsOneRevisionBack) { return self.header.modRevision < revision }
        #endif
        let header = self.header
        return header.modRevision != revision
            ? header.modRevision < revision : header.sub <= sub
    }
}
