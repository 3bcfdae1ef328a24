internal import Primitives

/// What a change of a tree found and did.
package struct TreeChange {
    /// The key's newest version before the change.
    package var previous: Record?
    package var liveDelta = 0
    package var isNewKey = false
    /// Whether the superseded version is kept as history.
    package let keepsHistory: Bool
}

/// A node that overflowed: `right` follows the node, and begins at `separator`.
package struct TreeSplit {
    package let separator: Record
    package let right: TreeNode
}

// MARK: - Putting

extension TreeNode {
    /// Makes `make(previous)` the newest version of `key`. The node must be uniquely referenced.
    package func put(
        _ key: UnsafeRawBufferPointer, change: inout TreeChange, make: (Record?) -> Record
    ) -> TreeSplit? {
        if isLeaf { return putInLeaf(key, change: &change, make: make) }
        let index = childIndex(key)
        makeChildUnique(index)
        let split = children[index].put(key, change: &change, make: make)
        liveCount += change.liveDelta
        guard let split else { return nil }
        insertChild(split.right, separator: split.separator, at: index)
        return count > TreeNode.entriesMax ? splitInner() : nil
    }

    private func putInLeaf(
        _ key: UnsafeRawBufferPointer, change: inout TreeChange, make: (Record?) -> Record
    ) -> TreeSplit? {
        let place = search(key)
        if place.found {
            replace(at: place.index, change: &change, make: make)
            return nil
        }
        let record = make(nil)
        change.isNewKey = true
        change.liveDelta = record.isTombstone ? 0 : 1
        liveCount += change.liveDelta
        openGap(at: place.index)
        words[place.index] = TreeNode.word(key, prefixByteCount)
        (records + place.index).initialize(to: record)
        (histories + place.index).initialize(to: nil)
        count += 1
        guard count > TreeNode.entriesMax else { return nil }
        let isAppend = place.index == count - 1
        return splitLeaf(keeping: isAppend ? count - 1 : count / 2)
    }

    private func replace(at index: Int, change: inout TreeChange, make: (Record?) -> Record) {
        let old = records[index]
        let new = make(old)
        change.previous = old
        change.liveDelta = (new.isTombstone ? 0 : 1) - (old.isTombstone ? 0 : 1)
        liveCount += change.liveDelta
        records[index] = new
        guard change.keepsHistory else { return }
        if histories[index] == nil {
            histories[index] = History(old)
        } else {
            if !isKnownUniquelyReferenced(&histories[index]) {
                histories[index] = histories[index]?.copy()
            }
            histories[index]?.append(old)
        }
    }

    package func makeChildUnique(_ index: Int) {
        if !isKnownUniquelyReferenced(&children[index]) {
            children[index] = children[index].copy()
        }
    }

    private func openGap(at index: Int) {
        let tail = count - index
        guard tail > 0 else { return }
        (words + index + 1).update(from: words + index, count: tail)
        (records + index + 1).moveInitialize(from: records + index, count: tail)
        if isLeaf {
            (histories + index + 1).moveInitialize(from: histories + index, count: tail)
        }
    }

    private func insertChild(_ child: TreeNode, separator: Record, at index: Int) {
        let sharesPrefix =
            count > 0 && prefixByteCount <= separator.keyByteCount
            && TreeNode.sharedPrefix(separator.keyView, records[0].keyView) >= prefixByteCount
        openGap(at: index)
        (records + index).initialize(to: separator)
        let tail = childCount - (index + 1)
        (children + index + 2).moveInitialize(from: children + index + 1, count: tail)
        (children + index + 1).initialize(to: child)
        count += 1
        childCount += 1
        if sharesPrefix {
            words[index] = TreeNode.word(separator.keyView, prefixByteCount)
        } else {
            setBounds(lower, upper)
        }
    }
}

// MARK: - Splitting

extension TreeNode {
    private func splitLeaf(keeping kept: Int) -> TreeSplit {
        let right = TreeNode(isLeaf: true)
        let moved = count - kept
        let separator = TreeNode.separator(records[kept - 1], records[kept])
        right.records.moveInitialize(from: records + kept, count: moved)
        right.histories.moveInitialize(from: histories + kept, count: moved)
        right.count = moved
        count = kept
        right.liveCount = right.countLive()
        liveCount -= right.liveCount
        right.setBounds(separator, upper)
        setBounds(lower, separator)
        return TreeSplit(separator: separator, right: right)
    }

    private func splitInner() -> TreeSplit {
        let right = TreeNode(isLeaf: false)
        let middle = count / 2
        let moved = count - middle - 1
        right.records.moveInitialize(from: records + middle + 1, count: moved)
        right.children.moveInitialize(from: children + middle + 1, count: moved + 1)
        right.count = moved
        right.childCount = moved + 1
        let separator = (records + middle).move()
        count = middle
        childCount = middle + 1
        right.liveCount = right.countLive()
        liveCount -= right.liveCount
        right.setBounds(separator, upper)
        setBounds(lower, separator)
        return TreeSplit(separator: separator, right: right)
    }

    /// The shortest key after `left`'s and at or before `right`'s.
    package static func separator(_ left: Record, _ right: Record) -> Record {
        let key = right.keyView
        let shared = sharedPrefix(left.keyView, key)
        defer { withExtendedLifetime((left, right)) {} }
        return Record.separator(UnsafeRawBufferPointer(rebasing: key[..<(shared + 1)]))
    }

    package func countLive() -> Int {
        var live = 0
        if isLeaf {
            for index in 0..<count where !records[index].isTombstone { live += 1 }
        } else {
            for index in 0..<childCount { live += children[index].liveCount }
        }
        return live
    }
}

// MARK: - Editing and removing

/// What to do with a key's versions.
package enum TreeEdit {
    case keep
    /// The newest version stays, the older ones become these.
    case history(History?)
    case remove
}

extension TreeNode {
    /// Edits the versions of `key`. Returns whether the key was removed. The node must be uniquely
    /// referenced.
    package func edit(
        _ key: UnsafeRawBufferPointer, change: inout TreeChange,
        decide: (Record, History?) -> TreeEdit
    ) -> Bool {
        if isLeaf {
            let place = search(key)
            return place.found && editLeaf(at: place.index, change: &change, decide: decide)
        }
        let index = childIndex(key)
        makeChildUnique(index)
        let removed = children[index].edit(key, change: &change, decide: decide)
        guard removed else { return false }
        liveCount += change.liveDelta
        if children[index].count < TreeNode.entriesMin {
            rebalance(index)
        }
        return true
    }

    private func editLeaf(
        at index: Int, change: inout TreeChange, decide: (Record, History?) -> TreeEdit
    ) -> Bool {
        let record = records[index]
        switch decide(record, histories[index]) {
        case .keep: return false
        case .history(let history):
            histories[index] = history
            return false
        case .remove:
            change.previous = record
            change.liveDelta = record.isTombstone ? 0 : -1
            liveCount += change.liveDelta
            closeGap(at: index)
            return true
        }
    }

    private func closeGap(at index: Int) {
        let tail = count - index - 1
        (records + index).deinitialize(count: 1)
        (words + index).update(from: words + index + 1, count: tail)
        (records + index).moveInitialize(from: records + index + 1, count: tail)
        if isLeaf {
            (histories + index).deinitialize(count: 1)
            (histories + index).moveInitialize(from: histories + index + 1, count: tail)
        }
        count -= 1
    }

    /// Joins the thin child `index` with a neighbour, or shares the neighbour's entries with it.
    private func rebalance(_ index: Int) {
        guard childCount > 1 else { return }
        let first = index == 0 ? 0 : index - 1
        makeChildUnique(first)
        makeChildUnique(first + 1)
        let left = children[first]
        let right = children[first + 1]
        let bound = records[first]
        let lowest = left.lower
        let highest = right.upper
        let extra = left.isLeaf ? 0 : 1
        if left.count + right.count + extra <= TreeNode.entriesMax {
            left.append(all: right, separator: bound)
            left.setBounds(lowest, highest)
            closeGap(at: first)
            let tail = childCount - (first + 2)
            (children + first + 1).deinitialize(count: 1)
            (children + first + 1).moveInitialize(from: children + first + 2, count: tail)
            childCount -= 1
            return
        }
        let moved = TreeNode.share(left, right, separator: bound)
        records[first] = moved
        setBounds(self.lower, self.upper)
        left.setBounds(lowest, moved)
        right.setBounds(moved, highest)
    }

    /// Takes over all entries of `other`, which follows this node and is left empty.
    private func append(all other: TreeNode, separator: Record) {
        if !isLeaf {
            (records + count).initialize(to: separator)
            count += 1
            (children + childCount).moveInitialize(from: other.children, count: other.childCount)
            childCount += other.childCount
        } else {
            (histories + count).moveInitialize(from: other.histories, count: other.count)
        }
        (records + count).moveInitialize(from: other.records, count: other.count)
        count += other.count
        liveCount += other.liveCount
        other.count = 0
        other.childCount = 0
        other.liveCount = 0
    }

    /// Spreads the entries of two neighbours evenly. Returns the new separator.
    private static func share(_ left: TreeNode, _ right: TreeNode, separator: Record) -> Record {
        let isLeaf = left.isLeaf
        var records = left.recordArray
        if !isLeaf { records.append(separator) }
        records += right.recordArray
        let histories = left.historyArray + right.historyArray
        let children = left.childArray + right.childArray
        let kept = records.count / 2
        if isLeaf {
            left.refill(records[..<kept], histories[..<kept], [])
            right.refill(records[kept...], histories[kept...], [])
            return TreeNode.separator(records[kept - 1], records[kept])
        }
        left.refill(records[..<kept], [], children[...kept])
        right.refill(records[(kept + 1)...], [], children[(kept + 1)...])
        return records[kept]
    }

    private var recordArray: [Record] {
        Array(UnsafeBufferPointer(start: records, count: count))
    }
    private var historyArray: [History?] {
        isLeaf ? Array(UnsafeBufferPointer(start: histories, count: count)) : []
    }
    private var childArray: [TreeNode] {
        Array(UnsafeBufferPointer(start: children, count: childCount))
    }

    /// Replaces all entries; the words are stale until ``setBounds(_:_:)``.
    private func refill(
        _ newRecords: ArraySlice<Record>, _ newHistories: ArraySlice<History?>,
        _ newChildren: ArraySlice<TreeNode>
    ) {
        records.deinitialize(count: count)
        if isLeaf {
            histories.deinitialize(count: count)
        } else {
            children.deinitialize(count: childCount)
        }
        count = newRecords.count
        childCount = newChildren.count
        for (index, record) in newRecords.enumerated() {
            (records + index).initialize(to: record)
        }
        for (index, history) in newHistories.enumerated() {
            (histories + index).initialize(to: history)
        }
        for (index, child) in newChildren.enumerated() {
            (children + index).initialize(to: child)
        }
        liveCount = countLive()
    }
}
