/// K3: a call that changes a key takes exactly one new revision, all others none; the revision of
/// answers never falls, neither across linearizable calls nor on one member between restarts.
package enum RevisionRules {
    /// `restarts` are the times, in nanoseconds, at which members started again.
    package static func check(
        _ operations: [RecordedOperation], _ writes: WriteHistory? = nil,
        restarts: [Int: [Int64]] = [:]
    ) -> [CheckViolation] {
        checkWriters(operations) + checkGaps(writes)
            + checkMonotonic(operations.filter { !isLoose($0) }, restarts: nil)
            + checkMembers(operations, restarts)
    }

    /// A serializable answer may be old, and a renewal's is taken before it takes effect.
    private static func isLoose(_ operation: RecordedOperation) -> Bool {
        if operation.request.isSerializable { return true }
        switch operation.request {
        case .leaseKeepAlive, .leaseTimeToLive: return true
        case .put, .range, .deleteRange, .txn, .compact, .leaseGrant, .leaseRevoke: return false
        }
    }

    private static func checkWriters(_ operations: [RecordedOperation]) -> [CheckViolation] {
        var writer: [Int64: Int] = [:]
        var found: [CheckViolation] = []
        for operation in operations {
            guard let revision = operation.writtenRevision else { continue }
            if let other = writer.updateValue(operation.id, forKey: revision) {
                found.append(
                    CheckViolation(
                        "K3", "operation \(operation.id)",
                        "it and operation \(other) both made revision \(revision)"))
            }
        }
        return found
    }

    private static func checkGaps(_ writes: WriteHistory?) -> [CheckViolation] {
        var last: Int64 = 1
        for change in writes?.revisions ?? [] {
            if change.revision != last + 1 {
                return [
                    CheckViolation(
                        "K3", "revision \(change.revision)", "it follows revision \(last)")
                ]
            }
            if change.events.isEmpty {
                return [
                    CheckViolation("K3", "revision \(change.revision)", "it changed nothing")
                ]
            }
            last = change.revision
        }
        return []
    }

    private static func checkMembers(
        _ operations: [RecordedOperation], _ restarts: [Int: [Int64]]
    ) -> [CheckViolation] {
        let byMember = Dictionary(grouping: operations.filter { $0.member != nil }) {
            $0.member ?? 0
        }
        return byMember.keys.sorted().flatMap { member in
            checkMonotonic(byMember[member] ?? [], restarts: restarts[member] ?? [])
        }
    }

    /// Whoever began after another had ended must not have an older revision.
    private static func checkMonotonic(
        _ operations: [RecordedOperation], restarts: [Int64]?
    ) -> [CheckViolation] {
        let answered = operations.filter { $0.revision != nil && $0.end != nil }
        let byStart = answered.sorted { ($0.start, $0.id) < ($1.start, $1.id) }
        let byEnd = answered.sorted { ($0.end ?? 0, $0.id) < ($1.end ?? 0, $1.id) }
        let restarts = (restarts ?? []).sorted()
        var found: [CheckViolation] = []
        var highest: RecordedOperation?
        var next = 0
        var restart = 0
        for operation in byStart {
            while next < byEnd.count, byEnd[next].end ?? .max < operation.start {
                if byEnd[next].revision ?? 0 >= highest?.revision ?? 0 { highest = byEnd[next] }
                next += 1
            }
            while restart < restarts.count, restarts[restart] <= operation.start {
                // What the member said before it went down does not bind it.
                if let seen = highest, seen.end ?? 0 <= restarts[restart] { highest = nil }
                restart += 1
            }
            guard let highest, let revision = operation.revision,
                revision < highest.revision ?? 0
            else { continue }
            found.append(
                CheckViolation(
                    "K3", "operation \(operation.id)",
                    "it was answered revision \(revision) after operation \(highest.id) had"
                        + " \(highest.revision ?? 0)"))
        }
        return found
    }
}
