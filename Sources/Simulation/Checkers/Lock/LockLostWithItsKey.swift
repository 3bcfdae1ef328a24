internal import Primitives

/// Q5: who waits is told that its session is over only when its key is gone.
package enum LockLostWithItsKey {
    package static let words = ["mutex: session is expired", "election: session expired"]

    package static func check(_ truth: QueueTruth) -> [CheckViolation] {
        truth.calls.compactMap { call in
            guard call.kind.waits, case .failed(let error) = call.outcome, words.contains(error),
                let end = call.end
            else { return nil }
            let key = RecordedQueueCall.key(call.name, lease: call.lease)
            let places = truth.places(call.name).filter { $0.key == key }
            let mayBeGone = places.contains { place in
                place.deleted.map { truth.earliest($0) <= end } ?? false
            }
            if mayBeGone { return nil }
            return CheckViolation(
                "Q5", call.summary, "told at \(end) ns that \(key) is gone, which it is not")
        }
    }
}
