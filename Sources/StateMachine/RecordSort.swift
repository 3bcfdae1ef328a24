internal import Primitives

/// Sorts many records by key, then by their order in the input.
///
/// Eight bytes of the keys at a time, as integers behind the prefix that all keys of a run share,
/// so that it hardly ever compares whole keys. Source of the idea: Bentley and Sedgewick, "Fast
/// Algorithms for Sorting and Searching Strings", SODA 1997.
package enum RecordSort {
    private struct Item {
        var word: UInt64
        var index: Int32
    }

    /// Runs up to this long are sorted by whole keys.
    private static let shortRun = 12

    /// Positions of `records` in order of their keys.
    package static func byKey(_ records: ContiguousArray<Record>) -> [Int] {
        var items = [Item](unsafeUninitializedCapacity: records.count) { buffer, count in
            for index in 0..<records.count {
                buffer.initializeElement(at: index, to: Item(word: 0, index: Int32(index)))
            }
            count = records.count
        }
        records.withUnsafeBufferPointer { records in
            items.withUnsafeMutableBufferPointer { items in
                var runs: [(range: Range<Int>, offset: Int)] = [(0..<items.count, 0)]
                while let (range, offset) = runs.popLast() {
                    sortRun(
                        UnsafeMutableBufferPointer(rebasing: items[range]), records, offset,
                        start: range.lowerBound, &runs)
                }
            }
        }
        return items.map { Int($0.index) }
    }

    private static func sortRun(
        _ items: UnsafeMutableBufferPointer<Item>, _ records: UnsafeBufferPointer<Record>,
        _ offset: Int, start: Int, _ runs: inout [(range: Range<Int>, offset: Int)]
    ) {
        guard items.count > 1 else { return }
        var items = items
        if items.count <= shortRun {
            items.sort { a, b in
                let order = Bytes.compare(
                    records[Int(a.index)].keyView, records[Int(b.index)].keyView)
                return order != 0 ? order < 0 : a.index < b.index
            }
            return
        }
        let shared = sharedPrefix(items, records, from: offset)
        var isOneKey = true
        for position in 0..<items.count {
            let key = records[Int(items[position].index)].keyView
            items[position].word = TreeNode.word(key, shared)
            isOneKey = isOneKey && key.count == shared
        }
        if isOneKey {
            items.sort { $0.index < $1.index }
            return
        }
        items.sort { a, b in a.word != b.word ? a.word < b.word : a.index < b.index }
        var first = 0
        while first < items.count {
            var end = first + 1
            while end < items.count, items[end].word == items[first].word { end += 1 }
            if end - first > 1 {
                settleEnds(items, records, first..<end, shared, start: start, &runs)
            }
            first = end
        }
    }

    /// Keys whose next eight bytes are equal: those that end within them sort by length, which zero
    /// padding hides; those that go on are a run of their own.
    private static func settleEnds(
        _ items: UnsafeMutableBufferPointer<Item>, _ records: UnsafeBufferPointer<Record>,
        _ range: Range<Int>, _ shared: Int, start: Int,
        _ runs: inout [(range: Range<Int>, offset: Int)]
    ) {
        var run = UnsafeMutableBufferPointer(rebasing: items[range])
        func length(_ item: Item) -> Int {
            min(records[Int(item.index)].keyByteCount, shared + 8)
        }
        let lengths = run.map(length)
        if lengths.contains(where: { $0 < shared + 8 }) {
            run.sort { a, b in
                let (left, right) = (length(a), length(b))
                return left != right ? left < right : a.index < b.index
            }
        }
        let going = run.firstIndex { length($0) == shared + 8 } ?? run.count
        if run.count - going > 1 {
            let lower = start + range.lowerBound + going
            runs.append((lower..<(start + range.upperBound), shared + 8))
        }
    }

    private static func sharedPrefix(
        _ items: UnsafeMutableBufferPointer<Item>, _ records: UnsafeBufferPointer<Record>,
        from offset: Int
    ) -> Int {
        let first = records[Int(items[0].index)].keyView
        var shared = first.count
        for item in items {
            let key = records[Int(item.index)].keyView
            var position = offset
            let limit = min(shared, key.count)
            while position < limit, key[position] == first[position] { position += 1 }
            shared = position
            if shared == offset { break }
        }
        return shared
    }
}
