internal import Primitives

/// What every search keeps: the model, what is placed, and how to go back.
///
/// Just-in-time linearization (Lowe, "Testing for linearizability", 2017, after Wing and Gong): an
/// operation may come next if it began before the earliest end among those that are not placed. It
/// is then the same to say that its effect lies at that moment.
struct SearchState {
    enum Move: Equatable {
        case item(Int)
        case expiry(Int64)
    }

    private struct Placed {
        var move: Move
        var mark: ModelStore.Mark
    }

    let items: [SearchItem]
    var model: ModelStore
    let leaseSlack: Int64
    private(set) var isPlaced: [Bool]
    /// Required items that are not placed.
    private(set) var remaining: Int
    private var trail: [Placed] = []
    /// Required items, by end.
    private let byEnd: [Int]
    private var endPlace = 0
    private let placeByEnd: [Int]
    /// Of the set of what is placed.
    private(set) var setHash: UInt64 = 0
    private(set) var steps = 0

    init(items: [SearchItem], model: ModelStore, leaseSlack: Int64) {
        self.items = items
        self.model = model
        self.leaseSlack = leaseSlack
        isPlaced = Array(repeating: false, count: items.count)
        byEnd = items.indices.filter { items[$0].isRequired }
            .sorted { (items[$0].end, $0) < (items[$1].end, $1) }
        var places = Array(repeating: Int.max, count: items.count)
        for (place, item) in byEnd.enumerated() { places[item] = place }
        placeByEnd = places
        remaining = byEnd.count
    }

    /// How many moves were made and not taken back.
    var depth: Int { trail.count }

    /// The required item that must come first of all: nothing that began after its end may come
    /// before it.
    var mostUrgent: Int? {
        mutating get {
            while endPlace < byEnd.count, isPlaced[byEnd[endPlace]] { endPlace += 1 }
            return endPlace < byEnd.count ? byEnd[endPlace] : nil
        }
    }

    /// The latest moment that the next effect may be at.
    var horizon: Int64 {
        mutating get { mostUrgent.map { items[$0].end } ?? .max }
    }

    /// When a lease may run out, on the histories' clock.
    func deadline(of lease: ModelStore.Lease) -> Int64 {
        let (nanoseconds, overflow) = lease.seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return .max }
        let (end, late) = lease.renewedAt.addingReportingOverflow(nanoseconds)
        return late ? .max : end - leaseSlack
    }

    /// Places the item if the model agrees; else the model's own result, and nothing changed.
    mutating func place(_ item: Int) -> ModelResult? {
        let mark = model.mark
        let result = evaluate(item)
        guard items[item].accepts(result) || isOverdueLease(item) else {
            model.undo(to: mark)
            return result
        }
        if items[item].role == .write || items[item].role == .revoke {
            guard items[item].revision == 0 || model.revision == items[item].revision else {
                model.undo(to: mark)
                return result
            }
        }
        record(.item(item), mark)
        return nil
    }

    /// The model's result. It has changed the model.
    mutating func evaluate(_ item: Int) -> ModelResult {
        steps += 1
        if case .range(let range) = items[item].request, range.isSerializable,
            case .answer = items[item].expected
        {
            // The member's own floor may be an older one.
            model.clearChanges()
            return .answer(model.range(range))
        }
        return model.apply(items[item].request, at: items[item].start)
    }

    /// etcd says of a lease that has run out, and is not revoked yet, that it is not there.
    private mutating func isOverdueLease(_ item: Int) -> Bool {
        guard case .leaseTimeToLive(let id, _) = items[item].request,
            case .answer(.leaseTimeToLive(let remaining, _, _)) = items[item].expected,
            remaining < 0, let lease = model.leases[id]
        else { return false }
        return deadline(of: lease) <= horizon
    }

    mutating func expire(_ lease: Int64) {
        steps += 1
        let mark = model.mark
        model.endLease(lease)
        record(.expiry(lease), mark)
    }

    private mutating func record(_ move: Move, _ mark: ModelStore.Mark) {
        trail.append(Placed(move: move, mark: mark))
        if case .item(let item) = move {
            isPlaced[item] = true
            if items[item].isRequired { remaining -= 1 }
            setHash ^= Mix.one(UInt64(item))
        }
    }

    /// Takes back the last moves until `depth` are left, telling which.
    mutating func unwind(to depth: Int, _ taken: (Move) -> Void) {
        while trail.count > depth, let last = trail.popLast() {
            model.undo(to: last.mark)
            if case .item(let item) = last.move {
                isPlaced[item] = false
                if items[item].isRequired {
                    remaining += 1
                    endPlace = min(endPlace, placeByEnd[item])
                }
                setHash ^= Mix.one(UInt64(item))
            }
            taken(last.move)
        }
    }

    func linearization(last count: Int = .max) -> [LinearizationStep] {
        trail.suffix(count).map { placed in
            switch placed.move {
            case .item(let item): .operation(items[item].operation)
            case .expiry(let lease): .expiry(lease: lease)
            }
        }
    }
}

/// A state that was tried and led nowhere.
struct VisitedState: Hashable {
    var placed: UInt64
    var model: UInt64
}
