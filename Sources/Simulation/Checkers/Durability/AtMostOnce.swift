internal import Primitives

/// K6: an acknowledged write happened exactly once, an unanswered one at most once, a refused one
/// never. Told by values that only one operation of the history writes.
package enum AtMostOnce {
    private struct Written: Hashable {
        var key: Bytes
        var value: Bytes
    }

    package static func check(
        _ operations: [RecordedOperation], _ writes: WriteHistory
    ) -> [CheckViolation] {
        var owner: [Written: Int] = [:]
        var shared: Set<Written> = []
        var rewritten: Set<Bytes> = []
        for (place, operation) in operations.enumerated() {
            operation.request.forEachPut { put in
                if put.ignoresValue {
                    rewritten.insert(put.key)
                    return
                }
                let written = Written(key: put.key, value: put.value)
                if let other = owner.updateValue(place, forKey: written), other != place {
                    shared.insert(written)
                }
            }
        }
        var revisions: [Int: [Int64]] = [:]
        for change in writes.revisions {
            for event in change.events where event.kind == .put {
                let written = Written(key: event.key, value: event.pair.value)
                guard !shared.contains(written), !rewritten.contains(event.key),
                    let place = owner[written], revisions[place]?.last != change.revision
                else { continue }
                revisions[place, default: []].append(change.revision)
            }
        }
        return revisions.keys.sorted().compactMap { place in
            check(operations[place], revisions[place] ?? [])
        }
    }

    private static func check(
        _ operation: RecordedOperation, _ revisions: [Int64]
    ) -> CheckViolation? {
        let what: String
        switch operation.outcome {
        case .failed: what = "it was refused, and made revisions \(revisions)"
        case .ok, .unknown:
            guard revisions.count > 1 else { return nil }
            what = "it was done \(revisions.count) times, at revisions \(revisions)"
        }
        return CheckViolation("K6", "operation \(operation.id)", what)
    }
}
