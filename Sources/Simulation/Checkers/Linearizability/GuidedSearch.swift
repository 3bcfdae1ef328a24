internal import Primitives

/// The search where answers carry revisions, which leaves almost nothing to search.
///
/// Answered writes are in the order of their revisions; between two of them stands whatever was
/// answered the first one's revision. Operations that change nothing are placed as soon as they
/// may be: that takes no other order away. What is left to try is who made a revision that no
/// answer names (an unanswered call, an expiry, a revocation), and in which order leases and floor
/// changed at one revision. Unanswered calls that change no key are brought in only when something
/// that stands in the way needs them.
///
/// Cost: about linear while each such revision is settled by what was seen of it.
struct GuidedSearch {
    enum Advance { case moved, done, stuck }

    struct Choice {
        var depth: Int
        var moves: [SearchState.Move]
        var next: Int
    }

    /// The deepest dead end so far.
    struct DeadEnd {
        var depth = -1
        var revision: Int64 = 0
        var items: [Int] = []
        var reason = ""
        var lastSteps: [LinearizationStep] = []
    }

    var state: SearchState
    var levels: RevisionLevels
    let evidence: GapEvidence
    let index: UnansweredIndex
    let floorLimits: FloorLimits
    let options: LinearizabilityOptions
    /// Everything up to here has to be explained.
    let lastRevision: Int64
    private var choices: [Choice] = []
    private var visited: Set<VisitedState> = []
    /// By start.
    let floats: [Int]
    var floatPlace = 0
    private let floatPlaces: [Int]
    /// Required items that name a lease, by lease and then by start.
    let itemsOfLease: [Int64: [Int]]
    var deadEnd = DeadEnd()
    private let stepsMax: Int
    private var attempt = 0
    /// In this attempt.
    private var hasGoneBack = false
    private var attemptEnd: Int
    private var random = SplitMix64(seed: 1)

    init(
        _ history: RecordedHistory, _ items: [SearchItem], _ model: ModelStore,
        _ options: LinearizabilityOptions, explainsEveryRevision: Bool = true
    ) {
        evidence = GapEvidence(
            history, items: items, model: model, usesWatches: options.usesWatches)
        index = UnansweredIndex(items, model)
        floorLimits = FloorLimits(items)
        levels = RevisionLevels(items)
        state = SearchState(items: items, model: model, leaseSlack: options.leaseSlack)
        self.options = options
        let lastWritten = explainsEveryRevision ? history.writes?.lastRevision ?? 0 : 0
        lastRevision = max(levels.highestRevision, lastWritten)
        let byStart = items.indices.sorted { (items[$0].start, $0) < (items[$1].start, $1) }
        floats = byStart.filter { items[$0].role == .float }
        var places = Array(repeating: 0, count: items.count)
        for (place, item) in floats.enumerated() { places[item] = place }
        floatPlaces = places
        var ofLease: [Int64: [Int]] = [:]
        for item in byStart where items[item].isRequired {
            for lease in items[item].leases { ofLease[lease, default: []].append(item) }
        }
        itemsOfLease = ofLease
        attemptEnd = items.count * Self.stepsOfAttempt + 1000
        stepsMax =
            options.stepsMax < LinearizabilityOptions.stepsMaxDefault
            ? options.stepsMax
            : max(options.stepsMax, items.count * options.stepsMaxOfOperation)
    }

    /// For each operation, in the first attempt.
    private static let stepsOfAttempt = 16

    mutating func run() -> LinearizabilityVerdict {
        if let impossible = checkRevisions() { return .violation(impossible) }
        while true {
            if state.steps > attemptEnd, hasGoneBack, state.steps <= stepsMax { startAgain() }
            if state.steps > stepsMax {
                return .unknown(
                    "given up after \(state.steps) steps; deepest dead end: \(deadEnd.reason)")
            }
            switch advance() {
            case .done: return .linearizable(state.linearization())
            case .moved: continue
            case .stuck: if !goBack() { return .violation(violation) }
            }
        }
    }

    /// A wrong guess early on can cost more than all the rest of the search; another attempt in
    /// another order hardly ever makes the same one. Attempts grow, so that a search that has to
    /// try everything does so in the end.
    ///
    /// Source: Gomes, Selman, Kautz, "Boosting combinatorial search through randomization", 1998.
    private mutating func startAgain() {
        takeBack(to: 0)
        choices = []
        visited = []
        hasGoneBack = false
        attempt += 1
        attemptEnd = state.steps + state.items.count * Self.stepsOfAttempt << attempt
    }

    /// The moves by rank; in later attempts, now and then in another order.
    mutating func ordered(_ found: [(rank: Int64, move: SearchState.Move)]) -> [SearchState.Move] {
        var order = found.indices.sorted { (found[$0].rank, $0) < (found[$1].rank, $1) }
        if attempt > 0, order.count > 1, random.next(below: 4) == 0 {
            for place in order.indices.dropFirst() {
                order.swapAt(place, Int(random.next(below: UInt64(place + 1))))
            }
        }
        return order.map { found[$0].move }
    }

    /// What no search can mend.
    private func checkRevisions() -> LinearizabilityViolation? {
        if let (one, other) = levels.clash {
            return LinearizabilityViolation(
                summary: "two operations were answered that they made revision "
                    + "\(state.items[one].revision)",
                operations: [state.items[one].operation, state.items[other].operation],
                revision: state.items[one].revision, lastSteps: [])
        }
        guard let lowest = levels.lowest, lowest.revision < state.model.revision else {
            return nil
        }
        let items = [lowest.writer].filter { $0 >= 0 } + lowest.pure + lowest.silent
        return LinearizabilityViolation(
            summary: "answered revision \(lowest.revision), before the history's first",
            operations: items.map { state.items[$0].operation }, revision: lowest.revision,
            lastSteps: [])
    }

    var violation: LinearizabilityViolation {
        LinearizabilityViolation(
            summary: deadEnd.reason, operations: deadEnd.items.map { state.items[$0].operation },
            revision: deadEnd.revision, lastSteps: deadEnd.lastSteps)
    }

    // MARK: - Moving

    mutating func place(_ item: Int) -> ModelResult? {
        if let refused = state.place(item) { return refused }
        levels.notePlaced(state.items[item])
        return nil
    }

    mutating func takeBack(to depth: Int) {
        var taken: [Int] = []
        state.unwind(to: depth) { move in
            if case .item(let item) = move { taken.append(item) }
        }
        for item in taken {
            levels.noteTaken(state.items[item], at: item)
            if state.items[item].role == .float {
                floatPlace = min(floatPlace, floatPlaces[item])
            }
        }
    }

    /// Makes the first of the moves that can be made, and remembers the others.
    mutating func choose(_ moves: [SearchState.Move]) -> Bool {
        guard moves.count > 1 else { return moves.first.map { make($0) } ?? false }
        let here = VisitedState(placed: state.setHash, model: state.model.hash)
        guard visited.insert(here).inserted else { return false }
        choices.append(Choice(depth: state.depth, moves: moves, next: 0))
        return takeNext()
    }

    /// Takes back moves until one is reached that has another way to go, and goes it.
    private mutating func goBack() -> Bool {
        hasGoneBack = true
        while !choices.isEmpty {
            takeBack(to: choices[choices.count - 1].depth)
            if takeNext() { return true }
            choices.removeLast()
        }
        return false
    }

    private mutating func takeNext() -> Bool {
        let top = choices.count - 1
        while choices[top].next < choices[top].moves.count {
            let move = choices[top].moves[choices[top].next]
            choices[top].next += 1
            if make(move) { return true }
        }
        return false
    }

    private mutating func make(_ move: SearchState.Move) -> Bool {
        let before = state.model.revision
        let depth = state.depth
        switch move {
        case .item(let item):
            if let refused = place(item) {
                noteDeadEnd([item]) { search in
                    "\(search.name(item)) got what the store would not say: \(refused)"
                }
                return false
            }
        case .expiry(let lease): state.expire(lease)
        }
        let revision = state.model.revision
        if revision > before, !evidence.allows(state.model.changedEvents, at: revision) {
            let events = state.model.changedEvents
            takeBack(to: depth)
            if case .item(let item) = move {
                noteDeadEnd([item]) { search in
                    "revision \(revision) was seen to be otherwise: "
                        + "\(search.evidence.events(at: revision) ?? []), not \(events)"
                }
            }
            return false
        }
        return true
    }

    func name(_ item: Int) -> String { "operation \(state.items[item].operation)" }

    mutating func noteDeadEnd(_ items: [Int], _ reason: (GuidedSearch) -> String) {
        guard state.depth > deadEnd.depth else { return }
        let text = reason(self)
        deadEnd = DeadEnd(
            depth: state.depth, revision: state.model.revision, items: items, reason: text,
            lastSteps: state.linearization(last: 12))
    }
}
