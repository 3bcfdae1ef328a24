internal import Primitives

/// Q1: whoever is told that it holds a lock, or leads, is the first of its queue: at the revision
/// of the answer, and not before its turn. So there is one holder at each revision, and holders
/// come in the order in which their keys were created. Whoever is said to lead does.
package enum LockHeldByFirst {
    package static func check(_ truth: QueueTruth) -> [CheckViolation] {
        truth.calls.compactMap { call in
            guard case .ok(let revision) = call.outcome else { return nil }
            let what: String?
            switch call.kind {
            case .lock: what = lock(call, revision, truth)
            case .campaign: what = campaign(call, truth)
            case .leader: what = leader(call, revision, truth)
            case .unlock, .proclaim, .resign: what = nil
            }
            return what.map { CheckViolation("Q1", call.summary, $0) }
        }
    }

    private static func lock(
        _ call: RecordedQueueCall, _ revision: Int64, _ truth: QueueTruth
    ) -> String? {
        let key = RecordedQueueCall.key(call.name, lease: call.lease)
        guard let place = truth.place(call.name, key, at: revision) else {
            return "it is told that it holds at revision \(revision), where its key is not there"
        }
        guard let turn = place.turn, turn <= revision else {
            return "it is told that it holds at revision \(revision), where others are before it"
        }
        return tooEarly(call, turn, truth)
    }

    /// Its header's revision is that of its first transaction, as in etcd.
    private static func campaign(_ call: RecordedQueueCall, _ truth: QueueTruth) -> String? {
        let key = RecordedQueueCall.key(call.name, lease: call.lease)
        guard let place = truth.place(call.name, key, created: call.created) else {
            return "it is told that it leads with a key that was not created at \(call.created)"
        }
        guard let turn = place.turn else {
            return "it is told that it leads, and its key was never the first"
        }
        return tooEarly(call, turn, truth)
    }

    private static func tooEarly(
        _ call: RecordedQueueCall, _ turn: Int64, _ truth: QueueTruth
    ) -> String? {
        guard let end = call.end, end < truth.earliest(turn) else { return nil }
        return "it is told at \(end) ns that it holds; revision \(turn), its turn, came later"
    }

    private static func leader(
        _ call: RecordedQueueCall, _ revision: Int64, _ truth: QueueTruth
    ) -> String? {
        let leader = truth.reign(call.name, at: revision)?.leader
        if leader == call.leader { return nil }
        let told = call.leader.map { "\($0)" } ?? "nobody"
        return "\(told) is said to lead at \(revision); \(leader.map { "\($0)" } ?? "nobody") does"
    }
}
