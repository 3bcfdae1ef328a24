internal import Primitives

/// A node of ``PersistentTree``: a leaf holds each key's newest record and its older versions, an
/// inner node holds separators and children. Entry `i` of an inner node's `records` is the smallest
/// key that may be in child `i + 1`.
///
/// All keys that can be routed to a node share `boundByteCount` bytes with its bounds. `words`
/// holds the eight bytes after the first `prefixByteCount`, as integers that sort like the keys, so
/// that a search reads one short array and hardly a record. Words that tie are settled by the whole
/// keys. In a leaf both counts are the same; an inner node skips what its separators share too, and
/// a search checks it.
///
/// A node is changed in place only while it is uniquely referenced along the whole path from its
/// root.
/// `@unchecked Sendable`: that rule makes whatever a snapshot can reach immutable.
package final class TreeNode: @unchecked Sendable {
    package static let entriesMax = 64
    package static let entriesMin = entriesMax / 4

    package let isLeaf: Bool
    /// Leaf: keys. Inner: separators, one fewer than children.
    @exclusivity(unchecked) var count = 0
    /// Inner: one more than `count`. Leaf: zero.
    @exclusivity(unchecked) var childCount = 0
    /// Keys below this node whose newest version is not a tombstone.
    @exclusivity(unchecked) var liveCount = 0
    @exclusivity(unchecked) private(set) var boundByteCount = 0
    @exclusivity(unchecked) private(set) var prefixByteCount = 0
    /// No key of this node is below `lower` or at or above `upper`; nil at the edges of the tree.
    @exclusivity(unchecked) private(set) var lower: Record?
    @exclusivity(unchecked) private(set) var upper: Record?
    package let words: UnsafeMutablePointer<UInt64>
    package let records: UnsafeMutablePointer<Record>
    /// Leaf only.
    package let histories: UnsafeMutablePointer<History?>
    /// Inner only.
    package let children: UnsafeMutablePointer<TreeNode>

    package init(isLeaf: Bool) {
        self.isLeaf = isLeaf
        let capacity = TreeNode.entriesMax + 1
        words = .allocate(capacity: capacity)
        records = .allocate(capacity: capacity)
        histories = .allocate(capacity: isLeaf ? capacity : 0)
        children = .allocate(capacity: isLeaf ? 0 : capacity + 1)
    }

    deinit {
        records.deinitialize(count: count)
        if isLeaf {
            histories.deinitialize(count: count)
        } else {
            children.deinitialize(count: childCount)
        }
        words.deallocate()
        records.deallocate()
        histories.deallocate()
        children.deallocate()
    }

    package func copy() -> TreeNode {
        let node = TreeNode(isLeaf: isLeaf)
        node.count = count
        node.liveCount = liveCount
        node.boundByteCount = boundByteCount
        node.prefixByteCount = prefixByteCount
        node.lower = lower
        node.upper = upper
        node.childCount = childCount
        node.words.update(from: words, count: count)
        node.records.initialize(from: records, count: count)
        if isLeaf {
            node.histories.initialize(from: histories, count: count)
        } else {
            node.children.initialize(from: children, count: childCount)
        }
        return node
    }
}

// MARK: - Search

extension TreeNode {
    /// The eight bytes of `key` after `offset`, padded with zeros, as an integer that sorts like
    /// them.
    @inline(__always)
    package static func word(_ key: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
        let left = key.count - offset
        if left >= 8 {
            return UInt64(bigEndian: key.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        }
        var word: UInt64 = 0
        var position = 0
        while position < left {
            word |= UInt64(key[offset + position]) << UInt64(56 - 8 * position)
            position += 1
        }
        return word
    }

    /// How many leading bytes two keys share.
    package static func sharedPrefix(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer)
        -> Int
    {
        let limit = min(a.count, b.count)
        var position = 0
        while position < limit, a[position] == b[position] { position += 1 }
        return position
    }

    /// The first entry whose key is at or after `key`, and whether it is `key`.
    @inline(__always)
    package func search(_ key: UnsafeRawBufferPointer) -> (index: Int, found: Bool) {
        if prefixByteCount > boundByteCount {
            let order = orderToPrefix(key)
            if order != 0 { return (order < 0 ? 0 : count, false) }
        }
        let word = TreeNode.word(key, prefixByteCount)
        var low = 0
        var length = count
        while length > 0 {
            let half = length >> 1
            if words[low + half] < word {
                low += half + 1
                length -= half + 1
            } else {
                length = half
            }
        }
        if low == count || words[low] != word { return (low, false) }
        if low + 1 < count, words[low + 1] == word { return settleTie(key, word, from: low) }
        let order = Bytes.compare(records[low].keyView, key)
        return order < 0 ? (low + 1, false) : (low, order == 0)
    }

    /// How `key` sorts against what all separators begin with; zero when it begins with it too.
    private func orderToPrefix(_ key: UnsafeRawBufferPointer) -> Int {
        let first = records[0].keyView
        let end = min(key.count, prefixByteCount)
        let order = Bytes.compare(
            UnsafeRawBufferPointer(rebasing: key[boundByteCount..<end]),
            UnsafeRawBufferPointer(rebasing: first[boundByteCount..<prefixByteCount]))
        return order
    }

    private func settleTie(
        _ key: UnsafeRawBufferPointer, _ word: UInt64, from first: Int
    ) -> (index: Int, found: Bool) {
        var high = first + 1
        var step = 1
        while high < count, words[high] == word {
            step <<= 1
            high = min(high + step, count)
        }
        var low = first
        while low < high {
            let middle = (low + high) >> 1
            let order =
                words[middle] > word
                ? 1 : Bytes.compare(records[middle].keyView, key)
            if order == 0 { return (middle, true) }
            if order < 0 { low = middle + 1 } else { high = middle }
        }
        return (low, false)
    }

    /// Sets the bounds of the node's keys, the prefix that they share, and the words after it.
    package func setBounds(_ lower: Record?, _ upper: Record?) {
        self.lower = lower
        self.upper = upper
        if let lower, let upper {
            boundByteCount = TreeNode.sharedPrefix(lower.keyView, upper.keyView)
        } else {
            boundByteCount = 0
        }
        prefixByteCount = boundByteCount
        if !isLeaf, count > 0 {
            prefixByteCount = TreeNode.sharedPrefix(
                records[0].keyView, records[count - 1].keyView)
        }
        for index in 0..<count {
            words[index] = TreeNode.word(records[index].keyView, prefixByteCount)
        }
    }

    /// The child that `key` belongs to.
    @inline(__always)
    package func childIndex(_ key: UnsafeRawBufferPointer) -> Int {
        let place = search(key)
        return place.found ? place.index + 1 : place.index
    }
}
