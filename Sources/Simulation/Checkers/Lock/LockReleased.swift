internal import Primitives

/// Q3: an acknowledged release has freed what it names: at the revision of its answer the key is
/// gone.
package enum LockReleased {
    package static func check(_ truth: QueueTruth) -> [CheckViolation] {
        truth.calls.compactMap { call in
            guard case .ok(let revision) = call.outcome else { return nil }
            let left: QueueTruth.Place?
            switch call.kind {
            case .unlock: left = truth.place(call.name, call.key, at: revision)
            case .resign:
                left = truth.place(call.name, call.key, created: call.created).flatMap {
                    $0.isThere(at: revision) ? $0 : nil
                }
            case .lock, .campaign, .proclaim, .leader: left = nil
            }
            return left.map { place in
                CheckViolation(
                    "Q3", call.summary,
                    "answered at revision \(revision), where \(place.key) of \(place.created) is"
                        + " still there")
            }
        }
    }
}
