internal import Primitives

/// Q2: a write that names the creation of a lock's key, and was acknowledged, was made while that
/// key was there and the first: whatever two clients believe, one of them writes.
package enum LockFencesWrites {
    package static func check(_ truth: QueueTruth) -> [CheckViolation] {
        truth.operations.flatMap { operation -> [CheckViolation] in
            guard case .txn(let txn) = operation.request,
                case .txn(true, _)? = operation.answer, let revision = operation.writtenRevision
            else { return [] }
            return txn.compares.compactMap { compare in
                guard let what = problem(compare, revision, truth) else { return nil }
                return CheckViolation("Q2", "operation \(operation.id)", what)
            }
        }
    }

    private static func problem(
        _ compare: RecordedCompare, _ revision: Int64, _ truth: QueueTruth
    ) -> String? {
        guard case .create(let created) = compare.target, created > 0, compare.relation == .equal,
            compare.interval.isSingleKey, let name = truth.name(of: compare.interval.key)
        else { return nil }
        let key = compare.interval.key
        guard let place = truth.place(name, key, created: created), created < revision,
            place.deleted ?? .max >= revision
        else { return "revision \(revision) was made while \(key) of \(created) was not there" }
        if let turn = place.turn, turn < revision { return nil }
        return "revision \(revision) was made while \(key) of \(created) was not the first"
    }
}
