internal import Primitives

/// An operation, prepared for a search.
struct SearchItem {
    enum Role {
        /// Makes the revision that it was answered.
        case write
        /// Changes nothing and sees the revision that it was answered.
        case pure
        /// Changes leases or the floor, at the revision that it was answered.
        case silent
        /// A revocation: it makes the revision that it was answered if it had keys.
        case revoke
        /// Changes no key, and its answer names no revision to be seen.
        case float
        /// Unanswered: happens at most once, at any time from its start on.
        case optional
    }

    enum Expected {
        case answer(RecordedAnswer)
        case failure(ModelFailure)
        case nothing
    }

    var operation: Int
    var request: RecordedRequest
    var expected: Expected
    var role: Role
    /// The revision of its answer; zero for floats and the unanswered.
    var revision: Int64
    var start: Int64
    /// Latest time of its effect; the end of time for the unanswered.
    var end: Int64

    var isRequired: Bool {
        switch role {
        case .write, .pure, .silent, .revoke, .float: true
        case .optional: false
        }
    }

    /// Nil where the operation says nothing about the store: it was refused for reasons that the
    /// model does not know, or it is a read that nobody answered.
    init?(_ operation: RecordedOperation) {
        self.operation = operation.id
        request = operation.request
        revision = 0
        start = operation.request.isSerializable ? .min : operation.start
        end = operation.end ?? .max
        switch operation.outcome {
        case .ok(let revision, let answer):
            expected = .answer(answer)
            role = SearchItem.role(of: operation.request, answer)
            switch role {
            case .write, .pure, .silent, .revoke: self.revision = revision ?? 0
            case .float, .optional: break
            }
            if case (.leaseGrant, .leaseGrant(let lease, let seconds)) = (request, answer) {
                request = .leaseGrant(lease: lease, seconds: seconds)
            }
        case .failed(let text):
            guard let failure = ModelFailure(text: text) else { return nil }
            // An old member knows of fewer revisions.
            if request.isSerializable, failure == .futureRevision { return nil }
            expected = .failure(failure)
            role = .float
        case .unknown:
            guard operation.request.isWrite else { return nil }
            // Nobody learned its id, so nobody can have used it.
            if case .leaseGrant(0, _) = operation.request { return nil }
            expected = .nothing
            role = .optional
            end = .max
        }
    }

    private static func role(of request: RecordedRequest, _ answer: RecordedAnswer) -> Role {
        switch request {
        case .put: .write
        case .range: .pure
        case .deleteRange, .txn: answer.saysChanged ? .write : .pure
        case .compact, .leaseGrant: .silent
        case .leaseRevoke: .revoke
        case .leaseKeepAlive, .leaseTimeToLive: .float
        }
    }

    /// The leases that it names.
    var leases: [Int64] {
        switch request {
        case .leaseGrant(let id, _), .leaseRevoke(let id), .leaseKeepAlive(let id),
            .leaseTimeToLive(let id, _):
            return [id]
        case .put, .txn:
            var found: [Int64] = []
            request.forEachPut { if $0.lease != 0 { found.append($0.lease) } }
            return found
        case .range, .deleteRange, .compact: return []
        }
    }

    /// The lowest revision that it wants to read, or to compact at, plus one where the floor must
    /// lie above it: what the floor must reach for it to be refused as compacted.
    var floorToRefuse: Int64? {
        func lowest(_ request: RecordedRequest) -> Int64? {
            switch request {
            case .range(let range): range.revision > 0 ? range.revision + 1 : nil
            case .txn(let txn): (txn.success + txn.failure).compactMap(lowest).min()
            case .compact(let revision): revision
            case .put, .deleteRange, .leaseGrant, .leaseRevoke, .leaseKeepAlive,
                .leaseTimeToLive:
                nil
            }
        }
        return lowest(request)
    }

    /// Whether the model's result is what was recorded.
    func accepts(_ result: ModelResult) -> Bool {
        switch (expected, result) {
        case (.answer(let recorded), .answer(let model)):
            AnswerMatch.matches(recorded, model, request)
        case (.failure(let recorded), .failure(let model)):
            recorded.isLike(model) || isTxn
        case (.nothing, .answer): true
        default: false
        }
    }

    /// Which of a transaction's refusals comes first depends on more than the model knows.
    private var isTxn: Bool { if case .txn = request { true } else { false } }
}

extension RecordedOperation {
    /// For a person: what was asked, when and what came of it.
    package var summary: String {
        let ended = end.map { "\($0)" } ?? "never"
        return "operation \(id) of client \(client) (\(start) to \(ended) ns): \(request), "
            + "\(outcome)"
    }
}
