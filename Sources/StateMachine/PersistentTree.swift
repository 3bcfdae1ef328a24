internal import Primitives

/// An ordered map from keys to their versions: a B+tree whose nodes are shared between snapshots
/// and copied when changed. Copying the value is taking a snapshot: O(1), and what the copy holds
/// never changes, on whatever thread it is read.
package struct PersistentTree: Sendable {
    private var root: TreeNode
    /// Keys, those whose newest version is a tombstone included.
    package private(set) var count: Int

    package init() {
        root = TreeNode(isLeaf: true)
        count = 0
    }

    /// Keys whose newest version is not a tombstone. O(1).
    package var liveCount: Int { root.liveCount }

    /// Makes `make(previous)` the newest version of `key` and returns what it superseded.
    /// Cost: O(log n); a node that a snapshot shares is copied first.
    @discardableResult
    package mutating func put(
        _ key: UnsafeRawBufferPointer, keepsHistory: Bool = true, make: (Record?) -> Record
    ) -> Record? {
        if !isKnownUniquelyReferenced(&root) { root = root.copy() }
        var change = TreeChange(keepsHistory: keepsHistory)
        let split = root.put(key, change: &change, make: make)
        if let split { root = TreeNode.root(left: root, split: split) }
        if change.isNewKey { count += 1 }
        return change.previous
    }

    /// Edits or removes the versions of `key`. Returns the newest version if the key was removed.
    @discardableResult
    package mutating func edit(
        _ key: UnsafeRawBufferPointer, decide: (Record, History?) -> TreeEdit
    ) -> Record? {
        if !isKnownUniquelyReferenced(&root) { root = root.copy() }
        var change = TreeChange(keepsHistory: true)
        guard root.edit(key, change: &change, decide: decide) else {
            return nil
        }
        count -= 1
        if !root.isLeaf, root.childCount == 1 { root = root.children[0] }
        return change.previous
    }

    @discardableResult
    package mutating func remove(_ key: UnsafeRawBufferPointer) -> Record? {
        edit(key) { _, _ in .remove }
    }

    /// The newest version of `key`, a tombstone included.
    package func newest(_ key: UnsafeRawBufferPointer) -> Record? {
        var node = root
        while !node.isLeaf { node = node.children[node.childIndex(key)] }
        let place = node.search(key)
        return place.found ? node.records[place.index] : nil
    }

    package func versions(_ key: UnsafeRawBufferPointer) -> (newest: Record, history: History?)? {
        var node = root
        while !node.isLeaf { node = node.children[node.childIndex(key)] }
        let place = node.search(key)
        return place.found ? (node.records[place.index], node.histories[place.index]) : nil
    }

    /// Visits the keys at or after `start` and before `end` (nil: to the last one) in order, until
    /// `body` says false.
    package func forEach(
        from start: UnsafeRawBufferPointer, to end: UnsafeRawBufferPointer?,
        _ body: (Record, History?) -> Bool
    ) {
        _ = root.visit(from: start, to: end, body)
    }

    /// How many keys at or after `start` and before `end` have a newest version that is not a
    /// tombstone. O(log n).
    package func countLive(from start: UnsafeRawBufferPointer, to end: UnsafeRawBufferPointer?)
        -> Int
    {
        let below = start.isEmpty ? 0 : root.countLive(before: start)
        let through = end.map { root.countLive(before: $0) } ?? root.liveCount
        return max(0, through - below)
    }

    /// Checks the whole structure; O(n), for tests.
    package func checkInvariants() {
        let (keys, live, _) = root.checkInvariants(lower: nil, upper: nil)
        invariant(keys == count, "the tree counts \(count) keys and holds \(keys)")
        invariant(live == liveCount, "the tree counts \(liveCount) live keys and holds \(live)")
    }

    /// Builds a tree from keys in ascending order. O(n).
    package init(sorted entries: ContiguousArray<(Record, History?)>) {
        count = entries.count
        var level = TreeNode.leaves(entries)
        while level.count > 1 { level = TreeNode.parents(level) }
        root = level.first?.node ?? TreeNode(isLeaf: true)
        root.setAllBounds(lower: nil, upper: nil)
    }
}

extension TreeNode {
    package static func root(left: TreeNode, split: TreeSplit) -> TreeNode {
        let root = TreeNode(isLeaf: false)
        root.records.initialize(to: split.separator)
        root.children.initialize(to: left)
        (root.children + 1).initialize(to: split.right)
        root.count = 1
        root.childCount = 2
        root.liveCount = left.liveCount + split.right.liveCount
        root.setBounds(nil, nil)
        return root
    }

    package func visit(
        from start: UnsafeRawBufferPointer?, to end: UnsafeRawBufferPointer?,
        _ body: (Record, History?) -> Bool
    ) -> Bool {
        if isLeaf {
            var index = start.map { search($0).index } ?? 0
            let stop = end.map { search($0).index } ?? count
            while index < stop {
                if !body(records[index], histories[index]) { return false }
                index += 1
            }
            return true
        }
        let first = start.map { childIndex($0) } ?? 0
        let last = end.map { childIndex($0) } ?? count
        guard first <= last else { return true }
        for index in first...last {
            let goesOn = children[index].visit(
                from: index == first ? start : nil, to: index == last ? end : nil, body)
            if !goesOn { return false }
        }
        return true
    }

    package func countLive(before key: UnsafeRawBufferPointer) -> Int {
        if isLeaf {
            var live = 0
            for index in 0..<search(key).index where !records[index].isTombstone { live += 1 }
            return live
        }
        let last = childIndex(key)
        var live = 0
        for index in 0..<last { live += children[index].liveCount }
        return live + children[last].countLive(before: key)
    }

    package func checkInvariants(lower: Record?, upper: Record?) -> (
        keys: Int, live: Int, depth: Int
    ) {
        invariant(count <= TreeNode.entriesMax, "a node has \(count) entries")
        invariant(self.lower?.key == lower?.key, "a node does not know its lower bound")
        invariant(self.upper?.key == upper?.key, "a node does not know its upper bound")
        for index in 0..<count {
            let key = records[index].keyView
            if let lower { invariant(Bytes.compare(lower.keyView, key) <= 0, "below the bound") }
            if let upper { invariant(Bytes.compare(key, upper.keyView) < 0, "beyond the bound") }
            if index > 0 {
                invariant(
                    Bytes.compare(records[index - 1].keyView, key) < 0, "entries out of order")
            }
            invariant(words[index] == TreeNode.word(key, prefixByteCount), "a stale word")
        }
        if isLeaf {
            invariant(countLive() == liveCount, "a leaf miscounts its live keys")
            return (count, liveCount, 1)
        }
        invariant(childCount == count + 1, "\(count) separators for \(childCount) children")
        var sum = (keys: 0, live: 0, depth: 0)
        for index in 0..<childCount {
            let found = children[index].checkInvariants(
                lower: index == 0 ? lower : records[index - 1],
                upper: index == count ? upper : records[index])
            invariant(index == 0 || found.depth == sum.depth - 1, "leaves at two depths")
            sum = (sum.keys + found.keys, sum.live + found.live, found.depth + 1)
        }
        invariant(sum.live == liveCount, "an inner node miscounts its live keys")
        return sum
    }
}

// MARK: - Building from sorted entries

extension TreeNode {
    /// A finished node and the separator before it.
    typealias Built = (node: TreeNode, separator: Record?)

    /// Three quarters full, so that the first puts after a start do not split every node.
    private static let entriesBuilt = entriesMax * 3 / 4

    static func leaves(_ entries: ContiguousArray<(Record, History?)>) -> [Built] {
        var built: [Built] = []
        built.reserveCapacity(entries.count / entriesBuilt + 1)
        var start = 0
        while start < entries.count {
            let node = TreeNode(isLeaf: true)
            let end = min(entries.count, start + entriesBuilt)
            for index in start..<end {
                (node.records + (index - start)).initialize(to: entries[index].0)
                (node.histories + (index - start)).initialize(to: entries[index].1)
            }
            node.count = end - start
            node.liveCount = node.countLive()
            let separator =
                start == 0
                ? nil : TreeNode.separator(entries[start - 1].0, entries[start].0)
            built.append((node, separator))
            start = end
        }
        return built
    }

    static func parents(_ level: [Built]) -> [Built] {
        var built: [Built] = []
        var start = 0
        while start < level.count {
            var end = min(level.count, start + entriesBuilt)
            // No parent of a single child.
            if level.count - end == 1 { end -= 1 }
            let node = TreeNode(isLeaf: false)
            for index in start..<end {
                (node.children + (index - start)).initialize(to: level[index].node)
                if index > start, let separator = level[index].separator {
                    (node.records + (index - start - 1)).initialize(to: separator)
                }
            }
            node.count = end - start - 1
            node.childCount = end - start
            node.liveCount = node.countLive()
            built.append((node, level[start].separator))
            start = end
        }
        return built
    }

    package func setAllBounds(lower: Record?, upper: Record?) {
        setBounds(lower, upper)
        for index in 0..<childCount {
            children[index].setAllBounds(
                lower: index == 0 ? lower : records[index - 1],
                upper: index == count ? upper : records[index])
        }
    }
}
