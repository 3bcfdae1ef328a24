/// L5: whatever the leaders do, what is left of a lease is never less than the last acknowledged
/// grant or renewal left it; nor is less granted than was asked for.
package enum LeaseNeverShortened {
    package static func check(
        _ truth: LeaseTruth, _ options: LeaseOptions
    ) -> [CheckViolation] {
        truth.lives.flatMap { life -> [CheckViolation] in
            var found: [CheckViolation] = []
            if life.seconds < life.requestedSeconds {
                found.append(
                    CheckViolation(
                        "L5", life.name,
                        "\(life.requestedSeconds) s were asked for, \(life.seconds) s granted"))
            }
            for question in life.questions where question.remaining >= 0 {
                if question.granted != life.seconds {
                    found.append(
                        CheckViolation(
                            "L5", life.name,
                            "operation \(question.call.operation) was told of"
                                + " \(question.granted) s, \(life.seconds) s were granted"))
                }
                guard
                    let last = life.renewals.last(where: { $0.end < question.call.start })
                else { continue }
                // Seconds are rounded down, on the way and here.
                let left = last.start + life.nanoseconds - options.slack - question.call.end
                let least = left / 1_000_000_000 - 1
                if question.remaining < least {
                    found.append(
                        CheckViolation(
                            "L5", life.name,
                            "operation \(question.call.operation) was told of"
                                + " \(question.remaining) s; at least \(least) s were left"))
                }
            }
            return found
        }
    }
}
