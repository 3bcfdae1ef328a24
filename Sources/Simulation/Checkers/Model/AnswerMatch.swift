internal import Primitives

/// Whether what a client was answered is what the model answers. Fields that were not recorded
/// (zero) are not compared.
enum AnswerMatch {
    static func matches(
        _ recorded: RecordedAnswer, _ model: RecordedAnswer, _ request: RecordedRequest
    ) -> Bool {
        switch (recorded, model) {
        case (.put(let a), .put(let b)): return matches(a, b)
        case (.range(let pairs, let count, let more), .range(let others, let total, let rest)):
            guard count == total, more == rest, pairs.count == others.count else { return false }
            var keysOnly = false
            if case .range(let range) = request { keysOnly = range.keysOnly }
            return zip(pairs, others).allSatisfy { matches($0, $1, keysOnly: keysOnly) }
        case (.deleteRange(let deleted, let pairs), .deleteRange(let removed, let others)):
            return deleted == removed && pairs.count == others.count
                && zip(pairs, others).allSatisfy { matches($0, $1) }
        case (.txn(let succeeded, let answers), .txn(let holds, let others)):
            guard case .txn(let txn) = request, succeeded == holds, answers.count == others.count
            else { return false }
            let ops = holds ? txn.success : txn.failure
            guard ops.count == answers.count else { return false }
            return ops.indices.allSatisfy { matches(answers[$0], others[$0], ops[$0]) }
        case (.compact, .compact), (.leaseRevoke, .leaseRevoke): return true
        case (.leaseGrant(let id, _), .leaseGrant(let other, _)): return id == other
        // How long it lives is the leases' checkers' business; whether it lives is this one's.
        case (.leaseKeepAlive(let seconds), .leaseKeepAlive(let others)):
            return (seconds > 0) == (others > 0)
        case (.leaseTimeToLive(let left, _, let keys), .leaseTimeToLive(let other, _, let all)):
            guard (left < 0) == (other < 0) else { return false }
            guard let keys, let all else { return true }
            return keys.sorted() == all
        default: return false
        }
    }

    static func matches(_ recorded: RecordedPair?, _ model: RecordedPair?) -> Bool {
        switch (recorded, model) {
        case (nil, nil): true
        case (let recorded?, let model?): matches(recorded, model, keysOnly: false)
        default: false
        }
    }

    static func matches(
        _ recorded: RecordedPair, _ model: RecordedPair, keysOnly: Bool
    ) -> Bool {
        guard recorded.key == model.key,
            recorded.version == 0 || recorded.version == model.version
        else { return false }
        if !keysOnly, recorded.value != model.value { return false }
        guard recorded.modRevision != 0 else { return true }
        return recorded.modRevision == model.modRevision
            && (recorded.createRevision == 0 || recorded.createRevision == model.createRevision)
            && (keysOnly || recorded.lease == model.lease)
    }
}
