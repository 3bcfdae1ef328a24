internal import Primitives

/// The search for histories whose answers carry no revisions: every order is tried until one fits,
/// and no state is entered twice with the same operations done (Lowe's memoisation).
///
/// Exponential in the number of operations that run at the same time in the worst case, so the
/// caller splits a history by key where it can.
struct GeneralSearch {
    private struct Choice {
        var depth: Int
        var moves: [SearchState.Move]
        var next: Int
    }

    private var state: SearchState
    private let byStart: [Int]
    private var firstPlace = 0
    private let placeByStart: [Int]
    private let twin: [Int: Int]
    private let stepsMax: Int
    private var choices: [Choice] = []
    private var visited: Set<VisitedState> = []
    private var deepest = -1
    private var violation = LinearizabilityViolation(
        summary: "", operations: [], revision: 0, lastSteps: [])

    init(_ items: [SearchItem], _ model: ModelStore, _ options: LinearizabilityOptions) {
        state = SearchState(items: items, model: model, leaseSlack: options.leaseSlack)
        twin = UnansweredIndex(items, model).twin
        stepsMax = options.stepsMax
        byStart = items.indices.sorted { (items[$0].start, $0) < (items[$1].start, $1) }
        var places = Array(repeating: 0, count: items.count)
        for (place, item) in byStart.enumerated() { places[item] = place }
        placeByStart = places
    }

    mutating func run() -> LinearizabilityVerdict {
        while true {
            if state.steps > stepsMax {
                return .unknown(
                    "given up after \(state.steps) steps; \(violation.summary)")
            }
            if state.remaining == 0 { return .linearizable(state.linearization()) }
            guard let moves = candidates() else { continue }
            if moves.isEmpty { noteStuck() }
            let here = VisitedState(placed: state.setHash, model: state.model.hash)
            if !moves.isEmpty, visited.insert(here).inserted {
                choices.append(Choice(depth: state.depth, moves: moves, next: 0))
            }
            guard goOn() else { return .violation(violation) }
        }
    }

    /// Takes the next way of the last choice that has one.
    private mutating func goOn() -> Bool {
        while let top = choices.last {
            takeBack(to: top.depth)
            guard top.next < top.moves.count else {
                choices.removeLast()
                continue
            }
            choices[choices.count - 1].next += 1
            switch top.moves[top.next] {
            case .item(let item): if state.place(item) == nil { return true }
            case .expiry(let lease):
                state.expire(lease)
                return true
            }
        }
        return false
    }

    private mutating func takeBack(to depth: Int) {
        var first = firstPlace
        let places = placeByStart
        state.unwind(to: depth) { move in
            if case .item(let item) = move { first = min(first, places[item]) }
        }
        firstPlace = first
    }

    /// What may come next and changes something, the most urgent first; nil if something that
    /// changes nothing was placed at once, which takes no order away.
    private mutating func candidates() -> [SearchState.Move]? {
        let horizon = state.horizon
        var moves: [SearchState.Move] = []
        var twins: Set<Int> = []
        while firstPlace < byStart.count, state.isPlaced[byStart[firstPlace]] { firstPlace += 1 }
        var hasMoved = false
        for item in byStart[firstPlace...] {
            if state.items[item].start > horizon { break }
            if state.isPlaced[item] { continue }
            if let same = twin[item], !twins.insert(same).inserted { continue }
            let before = state.model.hash
            let depth = state.depth
            guard state.place(item) == nil else { continue }
            let isUnchanged = state.model.hash == before
            if state.items[item].isRequired, isUnchanged || state.items[item].role == .float {
                hasMoved = true
                continue
            }
            takeBack(to: depth)
            if !isUnchanged { moves.append(.item(item)) }
        }
        if hasMoved { return nil }
        moves.sort { a, b in
            guard case .item(let one) = a, case .item(let other) = b else { return false }
            return (state.items[one].end, one) < (state.items[other].end, other)
        }
        for lease in state.model.leases.keys.sorted() {
            guard let held = state.model.leases[lease] else { continue }
            if state.deadline(of: held) <= horizon { moves.append(.expiry(lease)) }
        }
        return moves
    }

    private mutating func noteStuck() {
        guard state.depth > deepest, let urgent = state.mostUrgent else { return }
        deepest = state.depth
        let item = state.items[urgent]
        let mark = state.model.mark
        let result = state.evaluate(urgent)
        state.model.undo(to: mark)
        violation = LinearizabilityViolation(
            summary: "operation \(item.operation) ended at \(item.end) ns and cannot take effect"
                + " before then: the store would say \(result)",
            operations: [item.operation], revision: state.model.revision,
            lastSteps: state.linearization(last: 12))
    }
}
