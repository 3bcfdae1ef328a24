package struct LockOptions: Sendable {
    /// How long a turn may take to be told while nothing goes wrong, in nanoseconds.
    package var lateness: Int64 = 5_000_000_000
    /// How long a leader may lead without being told of on a stream, likewise.
    package var tellingLateness: Int64 = 2_000_000_000
    /// From when on nothing went wrong; nil where that is not known.
    package var healthyFrom: Int64?

    package init(healthyFrom: Int64? = nil) { self.healthyFrom = healthyFrom }
}

/// All promises about locks and elections.
package enum LockChecks {
    package static func check(
        _ truth: QueueTruth, _ options: LockOptions = LockOptions()
    ) -> [CheckViolation] {
        LockHeldByFirst.check(truth) + LockFencesWrites.check(truth) + LockReleased.check(truth)
            + LockPassesOn.check(truth, options) + LockLostWithItsKey.check(truth)
            + ElectionObserved.check(truth, options)
    }
}
