internal import Primitives

/// K1: every acknowledged write is in the store's changes at the revision that it was answered, and
/// the final state is what the changes make.
package enum AcknowledgedWrites {
    /// `writes` is read from a store, in the end or after recovery.
    package static func check(
        _ operations: [RecordedOperation], _ writes: WriteHistory,
        finalState: [RecordedPair]? = nil
    ) -> [CheckViolation] {
        var found: [CheckViolation] = []
        for operation in operations {
            guard let revision = operation.writtenRevision, let answer = operation.answer else {
                continue
            }
            guard let events = writes[revision] else {
                found.append(violation(operation, "revision \(revision) is not there"))
                continue
            }
            var expected = Expected()
            expected.note(operation.request, answer)
            let puts = events.filter { $0.kind == .put }
            let isSame =
                Int64(events.count - puts.count) == expected.deleted
                && puts.count == expected.puts.count
                && zip(puts, expected.puts).allSatisfy { event, put in
                    event.key == put.key && (put.ignoresValue || event.pair.value == put.value)
                        && (put.ignoresLease || event.pair.lease == put.lease)
                }
            if !isSame {
                found.append(violation(operation, "revision \(revision) is \(events)"))
            }
        }
        if let finalState { found += check(finalState, writes) }
        return found
    }

    private static func check(
        _ finalState: [RecordedPair], _ writes: WriteHistory
    ) -> [CheckViolation] {
        let expected = writes.finalState
        let found = finalState.sorted { $0.key < $1.key }
        if found == expected { return [] }
        let difference = Set(found).symmetricDifference(expected).min { $0.key < $1.key }
        return [
            CheckViolation(
                "K1", "the final state",
                "it is not what the changes make; first difference: "
                    + (difference.map { "\($0)" } ?? "none"))
        ]
    }

    private static func violation(
        _ operation: RecordedOperation, _ what: String
    ) -> CheckViolation {
        CheckViolation("K1", "operation \(operation.id)", "\(what); \(operation.summary)")
    }

    private struct Expected {
        var puts: [RecordedPut] = []
        var deleted: Int64 = 0

        mutating func note(_ request: RecordedRequest, _ answer: RecordedAnswer) {
            switch (request, answer) {
            case (.put(let put), _): puts.append(put)
            case (.deleteRange, .deleteRange(let count, _)): deleted += count
            case (.txn(let txn), .txn(let succeeded, let answers)):
                for (op, answer) in zip(succeeded ? txn.success : txn.failure, answers) {
                    note(op, answer)
                }
            default: break
            }
        }
    }
}
