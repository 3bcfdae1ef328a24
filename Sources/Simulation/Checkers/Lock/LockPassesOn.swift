internal import Primitives

/// Q4: while nothing goes wrong, whoever waits is told of its turn within a time.
package enum LockPassesOn {
    package static func check(
        _ truth: QueueTruth, _ options: LockOptions
    ) -> [CheckViolation] {
        guard let healthyFrom = options.healthyFrom else { return [] }
        return truth.calls.compactMap { call in
            guard call.kind.waits, let end = call.end,
                let place = place(of: call, until: end, truth), let turn = place.turn
            else { return nil }
            let due = max(call.start, truth.latest(turn), healthyFrom)
                .advanced(saturating: options.lateness)
            guard end > due else { return nil }
            return CheckViolation(
                "Q4", call.summary,
                "its turn was revision \(turn), to be told until \(due) ns; it waited until"
                    + " \(end) ns")
        }
    }

    /// Where it stood while it waited; nil where that is not certain.
    private static func place(
        of call: RecordedQueueCall, until end: Int64, _ truth: QueueTruth
    ) -> QueueTruth.Place? {
        let key = RecordedQueueCall.key(call.name, lease: call.lease)
        switch call.outcome {
        case .ok(let revision):
            return call.kind == .lock
                ? truth.place(call.name, key, at: revision)
                : truth.place(call.name, key, created: call.created)
        case .unknown:
            // One that nobody can have deleted before the call was given up.
            return truth.places(call.name).last { place in
                place.key == key && truth.latest(place.created) <= end
                    && place.deleted.map { truth.earliest($0) >= end } ?? true
            }
        case .failed: return nil
        }
    }
}

extension Int64 {
    fileprivate func advanced(saturating step: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(step)
        return overflow ? .max : sum
    }
}
