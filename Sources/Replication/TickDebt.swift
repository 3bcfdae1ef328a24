/// Ticks that a node owes itself because its loop was held up.
///
/// They are made up for a few at a time, with what the sockets brought in between: else a node that
/// slept would think that everybody else was silent.
package struct TickDebt: Sendable {
    /// Ticks that have passed and are not stepped yet.
    package private(set) var owed = 0

    package static let atOnceMax = 3
    /// A longer sleep is not made up for: the others have moved on by then.
    package static let owedMax = 100

    package init() {}

    /// How many ticks to step now that `elapsed` more have passed.
    package mutating func due(_ elapsed: Int) -> Int {
        owed = min(Self.owedMax, owed + elapsed)
        let due = min(Self.atOnceMax, owed)
        owed -= due
        return due
    }
}
