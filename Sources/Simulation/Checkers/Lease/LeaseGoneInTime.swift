/// L2: with a live leader, the keys of a lease that nobody renews are gone soon after its time.
package enum LeaseGoneInTime {
    package static func check(
        _ truth: LeaseTruth, _ options: LeaseOptions
    ) -> [CheckViolation] {
        guard let healthyFrom = options.healthyFrom else { return [] }
        // By lease: the last life, when it has to be gone, and where it began.
        var due: [Int64: (time: Int64, from: Int64)] = [:]
        for life in truth.lives {
            let last = (life.renewals + life.openRenewals).map { $0.end }.max() ?? .max
            let (end, overflow) = last.addingReportingOverflow(life.nanoseconds)
            let from = life.renewals.first?.start ?? 0
            due[life.lease] = (
                overflow ? .max : max(end, healthyFrom) &+ options.lateness, from
            )
        }
        var found: [CheckViolation] = []
        for operation in truth.operations {
            switch (operation.request, operation.answer) {
            case (.range(let range), .range(let pairs, _, _)):
                guard !range.isSerializable, range.revision == 0 else { continue }
                for pair in pairs where pair.lease != 0 {
                    guard let limit = due[pair.lease], operation.start > limit.time else {
                        continue
                    }
                    found.append(late(pair.lease, limit.time, operation, "saw \(pair)"))
                }
            case (.leaseTimeToLive(let lease, _), .leaseTimeToLive(let remaining, _, _)):
                guard remaining > 0, let limit = due[lease], operation.start > limit.time else {
                    continue
                }
                found.append(late(lease, limit.time, operation, "saw it live"))
            default: continue
            }
        }
        return found
    }

    private static func late(
        _ lease: Int64, _ limit: Int64, _ operation: RecordedOperation, _ what: String
    ) -> CheckViolation {
        CheckViolation(
            "L2", "lease \(lease)",
            "operation \(operation.id) \(what) at \(operation.start) ns; it had to be gone at"
                + " \(limit) ns")
    }
}
