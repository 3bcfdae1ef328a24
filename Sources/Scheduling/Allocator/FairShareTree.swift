internal import Primitives
internal import StateMachine

/// Roles and the frameworks in them, ordered by fairness at each level: hierarchical DRF.
///
/// Inner nodes are roles. A role's own frameworks hang under a node of their own beside its
/// sub-roles, so that a role is fair between "itself" and each of those (Mesos: the virtual leaf
/// of `drf/sorter.cpp`). Siblings are ordered by share, then by offers made, then by name.
///
/// Whoever cannot be offered anything is not in an order. A change costs O(log n) comparisons at
/// each of its levels; a change of the cluster's total, O(n) at the next ``refresh()``.
struct FairShareTree: Sendable {
    enum Kind: Sendable, Equatable {
        case role
        /// The frameworks of the role above it.
        case own
        case client(Int)
    }

    struct Node: ArenaElement {
        static var vacant: Node { Node(kind: .own, name: "", path: "", parent: -1, ledger: -1) }

        var kind: Kind
        /// Among its siblings; a role's last part, "." for its own, a framework's id.
        var name: ByteText
        /// Of the role.
        var path: ByteText
        /// -1 for the root.
        var parent: Int
        /// Of the role at the top, as the allocator counts them; -1 for the root.
        var ledger: Int
        var weight = AllocatorLimits.weightDefault
        var held = ScalarQuantities.none
        var offerCount: UInt64 = 0
        var share: UInt64 = 0
        /// In the subtree. Invariant: in its parent's order exactly if this is not zero.
        var activeCount = 0
        /// All children, active or not.
        var childCount = 0
        var ownNode = -1
        var order: [Int] = []
    }

    private(set) var nodes = Arena<Node>()
    let root: Int
    /// For look-ups.
    private var roleNodes: [ByteText: Int] = [:]
    private var weights: [ByteText: Int64] = [:]
    private var total = ScalarQuantities.none
    private var isStale = false

    init() {
        root = nodes.insert(Node(kind: .role, name: "", path: "", parent: -1, ledger: -1))
    }

    var isEveryoneInactive: Bool { nodes[root].activeCount == 0 }
    var weightCount: Int { weights.count }
    func weight(of role: ByteText) -> Int64 { weights[role] ?? AllocatorLimits.weightDefault }
    func hasWeight(_ role: ByteText) -> Bool { weights[role] != nil }

    // MARK: - Clients

    /// An inactive client that holds nothing. Returns its node.
    mutating func addClient(
        _ client: Int, framework: ByteText, role: ByteText, ledger: Int
    ) -> Int {
        let parent = ownNode(of: roleNode(role, ledger: ledger), ledger: ledger)
        return addNode(
            Node(
                kind: .client(client), name: framework, path: role, parent: parent, ledger: ledger))
    }

    /// - Precondition: it is inactive and holds nothing.
    mutating func removeClient(_ node: Int) {
        invariant(nodes[node].activeCount == 0, "an active client cannot be removed")
        invariant(nodes[node].held.isEmpty, "a client that holds something cannot be removed")
        var next = node
        while next != root, nodes[next].childCount == 0 {
            let parent = nodes[next].parent
            switch nodes[next].kind {
            case .role: roleNodes[nodes[next].path] = nil
            case .own: nodes[parent].ownNode = -1
            case .client: break
            }
            nodes.remove(next)
            nodes[parent].childCount -= 1
            next = parent
        }
    }

    mutating func setActive(_ node: Int, _ isActive: Bool) {
        guard (nodes[node].activeCount > 0) != isActive else { return }
        var next = node
        while next >= 0 {
            let parent = nodes[next].parent
            let before = nodes[next].activeCount
            if before == 1, !isActive, parent >= 0 { leaveOrder(next, of: parent) }
            nodes[next].activeCount += isActive ? 1 : -1
            if before == 0, parent >= 0 { enterOrder(next, of: parent) }
            next = parent
        }
    }

    // MARK: - What decides the order

    /// Adds `more` and takes away `less` at the client and at all above it.
    mutating func change(
        _ node: Int, adding more: ScalarQuantities, removing less: ScalarQuantities,
        countsOffer: Bool = false
    ) {
        var next = node
        while next >= 0 {
            changeNode(next) { changed in
                changed.held.add(more)
                changed.held.subtract(less)
                if countsOffer { changed.offerCount += 1 }
            }
            next = nodes[next].parent
        }
    }

    /// In thousandths; nil for the default.
    mutating func setWeight(_ weight: Int64?, of role: ByteText) {
        weights[role] = weight
        guard let node = roleNodes[role] else { return }
        changeNode(node) { $0.weight = weight ?? AllocatorLimits.weightDefault }
    }

    mutating func setTotal(_ newTotal: ScalarQuantities) {
        if total == newTotal { return }
        total = newTotal
        isStale = true
    }

    /// Takes a changed total into account. O(n log n) if there is one.
    mutating func refresh() {
        guard isStale else { return }
        isStale = false
        for place in nodes.indices where nodes.isUsed(place) {
            nodes[place].share = FairShare.share(
                of: nodes[place].held, in: total, weight: nodes[place].weight)
        }
        for place in nodes.indices where nodes.isUsed(place) && nodes[place].order.count > 1 {
            let sorted = nodes[place].order.sorted { isBefore($0, $1) }
            nodes[place].order = sorted
        }
    }

    // MARK: - Order

    /// Of two siblings.
    private func isBefore(_ one: Int, _ other: Int) -> Bool {
        if nodes[one].share != nodes[other].share { return nodes[one].share < nodes[other].share }
        if nodes[one].offerCount != nodes[other].offerCount {
            return nodes[one].offerCount < nodes[other].offerCount
        }
        return nodes[one].name < nodes[other].name
    }

    /// Of two clients anywhere.
    func precedes(_ one: Int, _ other: Int) -> Bool {
        let left = pathFromRoot(one)
        let right = pathFromRoot(other)
        for (a, b) in zip(left, right) where a != b { return isBefore(a, b) }
        return false
    }

    private func pathFromRoot(_ node: Int) -> [Int] {
        var path: [Int] = []
        var next = node
        while next >= 0 {
            path.append(next)
            next = nodes[next].parent
        }
        return path.reversed()
    }

    private mutating func changeNode(_ node: Int, _ body: (inout Node) -> Void) {
        let parent = nodes[node].parent
        let isOrdered = parent >= 0 && nodes[node].activeCount > 0
        if isOrdered { leaveOrder(node, of: parent) }
        body(&nodes[node])
        nodes[node].share = FairShare.share(
            of: nodes[node].held, in: total, weight: nodes[node].weight)
        if isOrdered { enterOrder(node, of: parent) }
    }

    private mutating func leaveOrder(_ node: Int, of parent: Int) {
        let place = place(of: node, in: parent)
        invariant(
            place < nodes[parent].order.count && nodes[parent].order[place] == node,
            "\(nodes[node].name) is not where its share puts it")
        nodes[parent].order.remove(at: place)
    }

    private mutating func enterOrder(_ node: Int, of parent: Int) {
        let place = place(of: node, in: parent)
        nodes[parent].order.insert(node, at: place)
    }

    private func place(of node: Int, in parent: Int) -> Int {
        var low = 0
        var high = nodes[parent].order.count
        while low < high {
            let middle = (low + high) / 2
            let comesFirst = isBefore(nodes[parent].order[middle], node)
            if comesFirst { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: - Nodes

    private mutating func addNode(_ node: Node) -> Int {
        nodes[node.parent].childCount += 1
        return nodes.insert(node)
    }

    private mutating func roleNode(_ role: ByteText, ledger: Int) -> Int {
        if let known = roleNodes[role] { return known }
        let parent = role.parentRole.map { roleNode($0, ledger: ledger) } ?? root
        let name = role.text.utf8.split(separator: UInt8(ascii: "/")).last
        var node = Node(
            kind: .role, name: ByteText(name.map { String(Substring($0)) } ?? ""), path: role,
            parent: parent, ledger: ledger)
        node.weight = weight(of: role)
        let place = addNode(node)
        roleNodes[role] = place
        return place
    }

    private mutating func ownNode(of role: Int, ledger: Int) -> Int {
        if nodes[role].ownNode >= 0 { return nodes[role].ownNode }
        let own = addNode(
            Node(kind: .own, name: ".", path: nodes[role].path, parent: role, ledger: ledger))
        nodes[role].ownNode = own
        return own
    }
}

extension FairShareTree {
    /// O(n²), for tests.
    func checkInvariants() {
        for place in nodes.indices where nodes.isUsed(place) {
            var held = ScalarQuantities.none
            var active = 0
            var children = 0
            for child in nodes.indices where nodes.isUsed(child) && nodes[child].parent == place {
                held.add(nodes[child].held)
                active += nodes[child].activeCount
                children += 1
            }
            let node = nodes[place]
            node.held.checkInvariants()
            invariant(node.childCount == children, "\(node.path) miscounts its children")
            for (one, next) in zip(node.order, node.order.dropFirst()) {
                invariant(isBefore(one, next), "children of \(node.path) are out of order")
            }
            for child in node.order {
                invariant(nodes[child].parent == place, "\(node.path) orders others' children")
                invariant(nodes[child].activeCount > 0, "\(node.path) orders an inactive child")
            }
            switch node.kind {
            case .client:
                invariant(node.activeCount <= 1 && children == 0, "a client is no leaf")
            case .role, .own:
                invariant(node.held == held, "\(node.path) holds other than its children")
                invariant(node.activeCount == active, "\(node.path) miscounts the active ones")
                invariant(place == root || children > 0, "\(node.path) is there for nobody")
            }
        }
    }
}
