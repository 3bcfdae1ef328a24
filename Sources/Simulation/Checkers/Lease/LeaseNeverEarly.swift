/// L1: a lease never expires before its time has passed since the last grant or renewal that was
/// acknowledged.
package enum LeaseNeverEarly {
    package static func check(
        _ truth: LeaseTruth, _ options: LeaseOptions
    ) -> [CheckViolation] {
        truth.lives.flatMap { life -> [CheckViolation] in
            var found: [CheckViolation] = []
            if let expiry = life.expiry, let first = life.renewals.first,
                let last = life.renewals.last(where: { call in
                    call.start < expiry.seenAt
                        && !truth.mayLiveAgain(life, after: first.end + 1, by: call)
                })
            {
                let due = last.start + life.nanoseconds - options.slack
                if expiry.seenAt < due {
                    found.append(
                        CheckViolation(
                            "L1", life.name,
                            "its keys were gone in revision \(expiry.revision) at "
                                + "\(expiry.seenAt) ns; operation \(last.operation) had it live"
                                + " until \(due) ns"))
                }
            }
            let gone =
                life.refusals
                + life.questions.filter { $0.remaining < 0 }.map { $0.call }
            for call in gone {
                if let early = earlyEnd(call, life, truth, options) { found.append(early) }
            }
            return found
        }
    }

    /// Somebody was told that it is gone.
    private static func earlyEnd(
        _ call: LeaseTruth.Call, _ life: LeaseTruth.Life, _ truth: LeaseTruth,
        _ options: LeaseOptions
    ) -> CheckViolation? {
        guard let last = life.renewals.last(where: { $0.end < call.start }),
            !truth.mayBeRevoked(life.lease, from: last.start, until: call.end)
        else { return nil }
        let due = last.start + life.nanoseconds - options.slack
        guard call.end < due else { return nil }
        return CheckViolation(
            "L1", life.name,
            "operation \(call.operation) was told at \(call.end) ns that it is gone; operation"
                + " \(last.operation) had it live until \(due) ns")
    }
}
