internal import Primitives
internal import Replication
internal import StateMachine
internal import Storage

/// Picks out of a state's rows what a line about it says, without keeping the rest.
struct StateGlance {
    private(set) var found: (revision: Revision, clock: UInt64)?

    mutating func look(at row: Row) {
        guard found == nil, row.table == StoreTable.state.rawValue else { return }
        var loader = StoreLoader()
        guard (try? loader.add(row)) != nil else { return }
        found = loader.position
    }
}
