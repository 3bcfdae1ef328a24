/// When the positions of a node's log moved: from it follows, for one entry, when it was appended,
/// durable, committed and applied, without anything being kept for each entry.
///
/// What moved within a millisecond, or whatever else is asked for, is one sample, with the time of
/// the last move. It is a ring: what is older than the oldest sample is not known any more.
package struct LogMilestones: Sendable {
    package struct Positions: Equatable, Sendable {
        package var last: UInt64
        package var durable: UInt64
        package var committed: UInt64
        package var applied: UInt64

        package init(
            last: UInt64 = 0, durable: UInt64 = 0, committed: UInt64 = 0, applied: UInt64 = 0
        ) {
            self.last = last
            self.durable = durable
            self.committed = committed
            self.applied = applied
        }
    }

    /// Nanoseconds of the clock that the samples were noted by; nil: not known any more, or not
    /// reached yet.
    package struct Times: Equatable, Sendable {
        package var appended: UInt64?
        package var durable: UInt64?
        package var committed: UInt64?
        package var applied: UInt64?

        package init(
            appended: UInt64? = nil, durable: UInt64? = nil, committed: UInt64? = nil,
            applied: UInt64? = nil
        ) {
            self.appended = appended
            self.durable = durable
            self.committed = committed
            self.applied = applied
        }

        /// What is not known here is taken from there.
        package func or(_ others: Times) -> Times {
            Times(
                appended: appended ?? others.appended, durable: durable ?? others.durable,
                committed: committed ?? others.committed, applied: applied ?? others.applied)
        }
    }

    private struct Sample {
        var began: UInt64
        var time: UInt64
        var positions: Positions
    }

    private let capacity: Int
    private let sampleNanoseconds: UInt64
    private var samples: [Sample] = []
    /// Where the oldest is, once the ring is full.
    private var start = 0
    package private(set) var latest = Positions()

    /// - Parameter capacity: samples, of 48 bytes each: so many milliseconds at least.
    /// - Parameter sampleNanoseconds: within which moves are one sample.
    package init(capacity: Int = 8192, sampleNanoseconds: UInt64 = 1_000_000) {
        self.capacity = max(2, capacity)
        self.sampleNanoseconds = sampleNanoseconds
    }

    /// Positions move forwards, but for ``Positions/last`` and ``Positions/durable`` when a log is
    /// cut: then an entry's time is the last at which they passed it.
    package mutating func note(_ positions: Positions, now: UInt64) {
        guard positions != latest else { return }
        latest = positions
        if !samples.isEmpty {
            let newest = (start + samples.count - 1) % samples.count
            if now < samples[newest].began &+ sampleNanoseconds {
                samples[newest].time = now
                samples[newest].positions = positions
                return
            }
        }
        let sample = Sample(began: now, time: now, positions: positions)
        if samples.count < capacity {
            samples.append(sample)
        } else {
            samples[start] = sample
            start = (start + 1) % capacity
        }
    }

    /// Cost: logarithmic in the samples.
    package func times(of index: UInt64) -> Times {
        Times(
            appended: first { $0.last >= index }, durable: first { $0.durable >= index },
            committed: first { $0.committed >= index }, applied: first { $0.applied >= index })
    }

    /// The time of the first sample from which on `isReached` holds. Nil too where it held from the
    /// oldest on: when it came to be is not known.
    private func first(where isReached: (Positions) -> Bool) -> UInt64? {
        var low = 0
        var high = samples.count
        while low < high {
            let middle = (low + high) / 2
            if isReached(samples[(start + middle) % samples.count].positions) {
                high = middle
            } else {
                low = middle + 1
            }
        }
        guard low > 0, low < samples.count else { return nil }
        return samples[(start + low) % samples.count].time
    }
}
