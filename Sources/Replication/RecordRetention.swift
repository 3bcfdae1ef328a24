package import Primitives

/// How long the past of the datacenter's records is kept (`--record-history-retention`), as a
/// value.
///
/// Every node notes which revision was the newest at which time, so that a new leader goes on where
/// the last one stopped. What a node does not know from before it started is kept for longer.
package struct RecordRetention: Sendable {
    /// Milliseconds; nil: for ever.
    package let window: UInt64?
    /// Bytes of records, their past included, above which the older half of the past goes early.
    package let bytesMax: Int
    /// By the clock that entries are stamped with, oldest first; the first is the newest that
    /// window has passed.
    private var samples: [(clock: UInt64, revision: Revision)] = []

    package var sampleCount: Int { samples.count }

    package static let samplesPerWindow: UInt64 = 64
    /// Of them, at least: what went early is not worth an entry for less.
    package static let revisionsMin: Int64 = 1000

    package init(window: UInt64?, bytesMax: Int) {
        self.window = window
        self.bytesMax = bytesMax
    }

    /// - Parameter clock: as of the last entry, in milliseconds; it never goes back.
    package mutating func note(_ revision: Revision, clock: UInt64) {
        guard let window else { return }
        if let last = samples.last {
            let step = max(1000, window / Self.samplesPerWindow)
            guard clock >= last.clock, clock - last.clock >= step else { return }
        }
        samples.append((clock, revision))
        let passed = samples.lastIndex { clock - $0.clock >= window } ?? 0
        samples.removeFirst(passed)
    }

    /// The revision to compact the records at now, or nil.
    /// - Parameters:
    ///   - floor: where they are compacted.
    ///   - newest: the store's revision.
    ///   - bytes: what they take.
    package func due(
        clock: UInt64, floor: Revision, newest: Revision, bytes: Int
    ) -> Revision? {
        guard let window else { return nil }
        if let first = samples.first, clock >= first.clock, clock - first.clock >= window,
            first.revision > floor
        {
            return first.revision
        }
        let past = newest.rawValue - floor.rawValue
        guard bytes > bytesMax, past >= 2 * Self.revisionsMin else { return nil }
        return Revision(floor.rawValue + past / 2)
    }
}
