internal import Primitives

/// The configurations of the log: the newest one appended is in force, committed or not
/// (dissertation §4.1), so a truncation brings back the one before.
struct ConfigurationHistory: Sendable {
    /// The newest at or below what can no longer be truncated.
    private(set) var base: PlacedConfiguration
    private(set) var later: [PlacedConfiguration]

    init(base: PlacedConfiguration, later: [PlacedConfiguration]) {
        self.base = base
        self.later = later
        for (left, right) in zip([base] + later, later) {
            invariant(
                left.index < right.index,
                "configurations at \(left.index) and \(right.index) are out of order")
        }
    }

    var current: PlacedConfiguration { later.last ?? base }
    /// Without a copy of the members.
    var currentIndex: LogIndex { later.isEmpty ? base.index : later[later.count - 1].index }

    /// Whether the member votes in the newest configuration through `commitIndex` or in any behind
    /// it: until its removal is committed it may still be needed (§4.2.2).
    func mayVoteMatter(of id: NodeID, commitIndex: LogIndex) -> Bool {
        for placed in later.reversed() {
            if placed.configuration.isVoter(id) { return true }
            if placed.index <= commitIndex { return false }
        }
        return base.configuration.isVoter(id)
    }

    mutating func append(_ placed: PlacedConfiguration) {
        invariant(
            placed.index > current.index,
            "a configuration at \(placed.index) behind one at \(current.index)")
        later.append(placed)
    }

    /// Whether a configuration was taken back.
    mutating func truncate(from first: LogIndex) -> Bool {
        let count = later.count
        while let last = later.last, last.index >= first { later.removeLast() }
        return later.count != count
    }

    /// Entries through `index` are committed and may be forgotten.
    mutating func compact(through index: LogIndex) {
        while let first = later.first, first.index <= index {
            base = first
            later.removeFirst()
        }
    }

    /// A snapshot has taken the log's place.
    mutating func reset(to placed: PlacedConfiguration) {
        base = placed
        later = []
    }
}
