/// L4: no renewal succeeds once a revocation or an expiry is applied.
package enum LeaseNoRenewalAfterEnd {
    package static func check(_ truth: LeaseTruth) -> [CheckViolation] {
        truth.lives.flatMap { life -> [CheckViolation] in
            life.renewals.compactMap { call in
                for revocation in life.revocations where revocation.end < call.start {
                    if !truth.mayLiveAgain(life, after: revocation.start, by: call) {
                        return violation(life, call, goneAt: revocation.end)
                    }
                }
                guard let expiry = life.expiry, expiry.seenAt < call.start,
                    let first = life.renewals.first,
                    !truth.mayLiveAgain(life, after: first.end + 1, by: call)
                else { return nil }
                return violation(life, call, goneAt: expiry.seenAt)
            }
        }
    }

    private static func violation(
        _ life: LeaseTruth.Life, _ call: LeaseTruth.Call, goneAt end: Int64
    ) -> CheckViolation {
        CheckViolation(
            "L4", life.name,
            "operation \(call.operation) renewed it at \(call.start) ns; it was gone at \(end) ns")
    }
}
