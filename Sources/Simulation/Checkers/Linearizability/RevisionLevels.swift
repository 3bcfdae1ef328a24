/// The answered operations by the revision that they were answered, with a cursor for those of each
/// that are not placed yet.
struct RevisionLevels {
    struct Level {
        var revision: Int64
        /// The operation that was answered that it made this revision; -1 if there is none.
        var writer = -1
        /// By start.
        var pure: [Int] = []
        /// By start: what changes leases and the floor, revocations among them.
        var silent: [Int] = []
        /// Pure and silent ones that are not placed.
        var open = 0
        var purePlace = 0
        var silentPlace = 0
    }

    private(set) var levels: [Level] = []
    private var placeOfRevision: [Int64: Int] = [:]
    /// Position in its level's list.
    private var places: [Int]
    /// Two operations that were answered that they made one revision.
    private(set) var clash: (Int, Int)?

    init(_ items: [SearchItem]) {
        places = Array(repeating: 0, count: items.count)
        let byStart = items.indices.filter { items[$0].revision > 0 }
            .sorted { (items[$0].start, $0) < (items[$1].start, $1) }
        for item in byStart {
            let revision = items[item].revision
            let place = placeOfRevision[revision] ?? levels.count
            if place == levels.count {
                placeOfRevision[revision] = place
                levels.append(Level(revision: revision))
            }
            switch items[item].role {
            case .write:
                if levels[place].writer >= 0 { clash = (levels[place].writer, item) }
                levels[place].writer = item
            case .pure:
                places[item] = levels[place].pure.count
                levels[place].pure.append(item)
                levels[place].open += 1
            case .silent, .revoke:
                places[item] = levels[place].silent.count
                levels[place].silent.append(item)
                levels[place].open += 1
            case .float, .optional: break
            }
        }
    }

    var lowest: Level? { levels.min { $0.revision < $1.revision } }
    var highestRevision: Int64 { levels.map { $0.revision }.max() ?? 0 }

    func index(_ revision: Int64) -> Int? { placeOfRevision[revision] }

    func writer(of revision: Int64) -> Int? {
        guard let place = placeOfRevision[revision], levels[place].writer >= 0 else { return nil }
        return levels[place].writer
    }

    mutating func advancePure(_ level: Int, to place: Int) { levels[level].purePlace = place }
    mutating func advanceSilent(_ level: Int, to place: Int) { levels[level].silentPlace = place }

    mutating func notePlaced(_ item: SearchItem) {
        if let level = openLevel(of: item) { levels[level].open -= 1 }
    }

    mutating func noteTaken(_ item: SearchItem, at index: Int) {
        guard let level = openLevel(of: item) else { return }
        levels[level].open += 1
        if item.role == .pure {
            levels[level].purePlace = min(levels[level].purePlace, places[index])
        } else {
            levels[level].silentPlace = min(levels[level].silentPlace, places[index])
        }
    }

    private func openLevel(of item: SearchItem) -> Int? {
        switch item.role {
        case .pure, .silent, .revoke: placeOfRevision[item.revision]
        case .write, .float, .optional: nil
        }
    }
}
