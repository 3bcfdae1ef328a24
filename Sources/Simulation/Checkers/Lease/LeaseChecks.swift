package struct LeaseOptions: Sendable {
    /// What the servers' clocks may gain on the histories' clock during a lease, in nanoseconds.
    package var slack: Int64
    /// How long after its time an unrenewed lease may still have keys, in nanoseconds: an election
    /// timeout and a second where a leader is alive (L2).
    package var lateness: Int64
    /// From when on the cluster was whole: before, nothing is late. Nil: L2 is not checked.
    package var healthyFrom: Int64?

    package init(slack: Int64 = 0, lateness: Int64 = 2_000_000_000, healthyFrom: Int64? = nil) {
        self.slack = slack
        self.lateness = lateness
        self.healthyFrom = healthyFrom
    }
}

/// All promises about leases that histories can show (RELIABILITY, section 3).
package enum LeaseChecks {
    package static func check(
        _ truth: LeaseTruth, _ options: LeaseOptions = LeaseOptions()
    ) -> [CheckViolation] {
        LeaseNeverEarly.check(truth, options) + LeaseGoneInTime.check(truth, options)
            + LeaseWholeRevocation.check(truth) + LeaseNoRenewalAfterEnd.check(truth)
            + LeaseNeverShortened.check(truth, options)
    }
}
