package import Primitives

/// How long the past of the datacenter's records is kept (`--record-history-retention`), as a
/// value.
///
/// Every node notes which revision was the newest at which time, so that a new leader goes on where
/// the last one stopped. What a node does not know from before it started is kept for longer.
package struct RecordRetention: Sendable {
    /// Milliseconds; nil: for ever.
    package let window: UInt64?
    /// Bytes of the past above which its older half goes early.
    package let bytesMax: Int
    /// By the cluster's time, oldest first; the first is the newest that the window has passed.
    private var samples: [(time: UInt64, revision: Revision)] = []

    package var sampleCount: Int { samples.count }

    package static let samplesPerWindow: UInt64 = 64

    package init(window: UInt64?, bytesMax: Int) {
        self.window = window
        self.bytesMax = bytesMax
    }

    /// - Parameter time: the cluster's as of the last entry, in milliseconds. It goes on while
    ///   somebody leads, whatever the time of day is set to, and never goes back.
    package mutating func note(_ revision: Revision, time: UInt64) {
        guard let window else { return }
        if let last = samples.last {
            let step = max(1000, window / Self.samplesPerWindow)
            guard time >= last.time, time - last.time >= step else { return }
        }
        samples.append((time, revision))
        let passed = samples.lastIndex { time - $0.time >= window } ?? 0
        samples.removeFirst(passed)
    }

    /// The revision to compact the records at now, or nil.
    /// - Parameters:
    ///   - floor: where they are compacted.
    ///   - pastBytes: what the versions take that are not the newest of their keys.
    ///   - middle: of what was recorded behind the floor; nil where that is little.
    package func due(
        time: UInt64, floor: Revision, pastBytes: Int, middle: @autoclosure () -> Revision?
    ) -> Revision? {
        guard let window else { return nil }
        #if KEELSON_MUTANTS
            if planted(.compactsTheWindow), let last = samples.last, last.revision > floor {
                return last.revision
            }
        #endif
        if let first = samples.first, time >= first.time, time - first.time >= window,
            first.revision > floor
        {
            return first.revision
        }
        guard pastBytes > bytesMax, let middle = middle(), middle > floor else { return nil }
        return middle
    }
}
