package import Primitives

/// Half-open ranges of keys, each with the numbers that were filed under it, that finds the ranges
/// around a key in logarithmic time plus one step for each of them.
///
/// A treap ordered by (start, end), where each node knows the node with the farthest end below it.
/// The priorities come from a seeded generator, so two runs build the same tree.
/// Source: Seidel and Aragon, "Randomized Search Trees", 1996; Cormen et al., chapter 17.3.
package struct IntervalTree: Sendable {
    private struct Node: Sendable {
        var start: Bytes
        /// Exclusive; nil lies behind every key.
        var end: Bytes?
        var priority: UInt64
        var values: [Int]
        var left = IntervalTree.none
        var right = IntervalTree.none
        var farthest = IntervalTree.none
    }

    private static let none = -1
    private var nodes: [Node] = []
    private var freeNodes: [Int] = []
    private var root = IntervalTree.none
    private var random = SplitMix64(seed: 0x6B65_656C_736F_6E00)

    package init() {}

    package var isEmpty: Bool { root == Self.none }

    package mutating func insert(_ value: Int, start: Bytes, end: Bytes?) {
        var at = root
        while at != Self.none {
            let order = compare(start, end, with: at)
            if order == 0 {
                nodes[at].values.append(value)
                return
            }
            at = order < 0 ? nodes[at].left : nodes[at].right
        }
        let node = Node(start: start, end: end, priority: random.next(), values: [value])
        let index: Int
        if let free = freeNodes.popLast() {
            nodes[free] = node
            index = free
        } else {
            nodes.append(node)
            index = nodes.count - 1
        }
        update(index)
        root = place(index, under: root)
    }

    /// Removes what was inserted with the same arguments.
    package mutating func remove(_ value: Int, start: Bytes, end: Bytes?) {
        root = removing(value, start, end, under: root)
    }

    /// Calls `visit` with every value whose range holds `key`, in the order of the ranges.
    package func forEach(around key: UnsafeRawBufferPointer, _ visit: (Int) -> Void) {
        descend(root, key, visit)
    }

    private func descend(_ at: Int, _ key: UnsafeRawBufferPointer, _ visit: (Int) -> Void) {
        guard at != Self.none, isBehind(nodes[nodes[at].farthest].end, key) else { return }
        descend(nodes[at].left, key, visit)
        let startsBefore = nodes[at].start.storage.withUnsafeBytes { Bytes.compare($0, key) <= 0 }
        guard startsBefore else { return }
        if isBehind(nodes[at].end, key) {
            for value in nodes[at].values { visit(value) }
        }
        descend(nodes[at].right, key, visit)
    }

    private func isBehind(_ end: Bytes?, _ key: UnsafeRawBufferPointer) -> Bool {
        guard let end else { return true }
        return end.storage.withUnsafeBytes { Bytes.compare($0, key) > 0 }
    }

    private func compare(_ start: Bytes, _ end: Bytes?, with at: Int) -> Int {
        let order = Bytes.compare(start.storage, nodes[at].start.storage)
        return order != 0 ? order : compareEnds(end, nodes[at].end)
    }

    private func compareEnds(_ a: Bytes?, _ b: Bytes?) -> Int {
        switch (a, b) {
        case (nil, nil): 0
        case (nil, .some): 1
        case (.some, nil): -1
        case (.some(let a), .some(let b)): Bytes.compare(a.storage, b.storage)
        }
    }

    private mutating func update(_ at: Int) {
        var best = at
        for child in [nodes[at].left, nodes[at].right] where child != Self.none {
            let candidate = nodes[child].farthest
            if compareEnds(nodes[candidate].end, nodes[best].end) > 0 { best = candidate }
        }
        nodes[at].farthest = best
    }

    private mutating func place(_ index: Int, under at: Int) -> Int {
        guard at != Self.none else { return index }
        let isLeft = compare(nodes[index].start, nodes[index].end, with: at) < 0
        if nodes[index].priority > nodes[at].priority {
            let (left, right) = split(at, before: index)
            nodes[index].left = left
            nodes[index].right = right
            update(index)
            return index
        }
        if isLeft {
            nodes[at].left = place(index, under: nodes[at].left)
        } else {
            nodes[at].right = place(index, under: nodes[at].right)
        }
        update(at)
        return at
    }

    /// The parts of the tree under `at` that sort before and behind the node `pivot`.
    private mutating func split(_ at: Int, before pivot: Int) -> (left: Int, right: Int) {
        guard at != Self.none else { return (Self.none, Self.none) }
        if compare(nodes[pivot].start, nodes[pivot].end, with: at) < 0 {
            let (left, right) = split(nodes[at].left, before: pivot)
            nodes[at].left = right
            update(at)
            return (left, at)
        }
        let (left, right) = split(nodes[at].right, before: pivot)
        nodes[at].right = left
        update(at)
        return (at, right)
    }

    private mutating func removing(_ value: Int, _ start: Bytes, _ end: Bytes?, under at: Int)
        -> Int
    {
        invariant(at != Self.none, "what is removed from an interval tree was inserted before")
        let order = compare(start, end, with: at)
        if order < 0 {
            nodes[at].left = removing(value, start, end, under: nodes[at].left)
        } else if order > 0 {
            nodes[at].right = removing(value, start, end, under: nodes[at].right)
        } else {
            nodes[at].values.removeAll { $0 == value }
            guard nodes[at].values.isEmpty else { return at }
            freeNodes.append(at)
            return merge(nodes[at].left, nodes[at].right)
        }
        update(at)
        return at
    }

    private mutating func merge(_ left: Int, _ right: Int) -> Int {
        guard left != Self.none else { return right }
        guard right != Self.none else { return left }
        if nodes[left].priority > nodes[right].priority {
            nodes[left].right = merge(nodes[left].right, right)
            update(left)
            return left
        }
        nodes[right].left = merge(left, nodes[right].left)
        update(right)
        return right
    }
}
