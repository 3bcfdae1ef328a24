package import Primitives

/// Which keys a watcher follows, in etcd's terms (`key`, `range_end`).
package enum WatchRange: Hashable, Sendable {
    /// Exactly this key.
    case key(Bytes)
    /// Every key in `from ..< to`.
    case range(from: Bytes, to: Bytes)
    /// Every key at or behind this one.
    case from(Bytes)

    /// What a request says: an empty `end` means one key, a single zero byte means no end, and an
    /// empty key is the smallest one. Nil where no key can lie in the range.
    package init?(key: [UInt8], end: [UInt8]) {
        let start = Bytes(key.isEmpty ? [0] : key)
        if end.isEmpty {
            self = .key(start)
        } else if end == [0] {
            self = .from(start)
        } else {
            guard start < Bytes(end) else { return nil }
            self = .range(from: start, to: Bytes(end))
        }
    }

    package func contains(_ key: Bytes) -> Bool {
        switch self {
        case .key(let only): key == only
        case .range(let from, let to): from <= key && key < to
        case .from(let from): from <= key
        }
    }
}

/// What a watcher wants to see. Watchers with equal specs share their encoded events.
package struct WatchSpec: Hashable, Sendable {
    package var range: WatchRange
    package var withoutPuts: Bool
    package var withoutDeletes: Bool
    /// Whether each event carries the pair as it was before.
    package var withPrevious: Bool

    package init(
        range: WatchRange, withoutPuts: Bool = false, withoutDeletes: Bool = false,
        withPrevious: Bool = false
    ) {
        self.range = range
        self.withoutPuts = withoutPuts
        self.withoutDeletes = withoutDeletes
        self.withPrevious = withPrevious
    }

    /// The keys that it can see: those of the space that its range begins in, as a read of that
    /// range does.
    var space: SpaceID {
        switch range {
        case .key(let start), .range(let start, _), .from(let start): .of(start.storage)
        }
    }

    func wants(tombstone: Bool) -> Bool { tombstone ? !withoutDeletes : !withoutPuts }
}

/// A watcher in its hub. Never used twice.
package struct WatcherID: Hashable, Comparable, Sendable {
    package let slot: Int
    let generation: UInt32

    package static func < (a: WatcherID, b: WatcherID) -> Bool {
        (a.slot, a.generation) < (b.slot, b.generation)
    }
}

/// One change of one key.
package struct WatchEvent: Sendable {
    /// What the key became; a tombstone where it was deleted.
    package var record: Record
    /// What it was before: only where the spec asks for it, there was one, and compaction has
    /// spared it.
    package var previous: Record?

    package init(record: Record, previous: Record?) {
        self.record = record
        self.previous = previous
    }
}

/// Events for the watchers of one spec: whole revisions, in order, each key once in a revision.
package struct WatchDelivery: Sendable {
    package var spec: WatchSpec
    /// The revision from which a watcher has to be held that does not take this delivery.
    package var from: Revision
    /// The hub's revision when this was made; no event here is behind it.
    package var headerRevision: Revision
    package var events: [WatchEvent]
}

/// What the hub wants told.
package enum WatchOutput: Sendable {
    case events(WatchDelivery, to: [WatcherID])
    /// Compaction has taken revisions that the watcher was to see. It is removed already.
    case overtaken(WatcherID, compacted: Revision)
}

/// The store's history as the hub reads it.
package protocol WatchHistory {
    /// Everything of the space below is gone; what changed at it is still there.
    func compactedRevision(of space: SpaceID) -> Revision

    /// Visits what changed of a space in `from ... through`, by revision and then by order inside
    /// it, until `visit` returns false. Cost: logarithmic to find the start, then constant a
    /// record.
    func forEachRecord(
        of space: SpaceID, from: Revision, through: Revision, _ visit: (Record) -> Bool)

    /// The live version that `record` replaced; nil where there was none or compaction took it.
    func previousVersion(of record: Record) -> Record?
}
