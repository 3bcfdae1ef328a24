package import Primitives

/// What a client was answered.
package indirect enum RecordedAnswer: Hashable, Sendable {
    case put(previous: RecordedPair?)
    case range(pairs: [RecordedPair], count: Int64, more: Bool)
    case deleteRange(deleted: Int64, previous: [RecordedPair])
    /// The answers of the branch that was taken, in order.
    case txn(succeeded: Bool, answers: [RecordedAnswer])
    case compact
    case leaseGrant(lease: Int64, seconds: Int64)
    case leaseRevoke
    /// Zero seconds: there is no such lease.
    case leaseKeepAlive(seconds: Int64)
    /// -1 remaining: there is no such lease. Keys are nil where none were asked for.
    case leaseTimeToLive(remaining: Int64, granted: Int64, keys: [Bytes]?)

    /// Whether it says that at least one key was changed. A revocation does not say.
    package var saysChanged: Bool {
        switch self {
        case .put: true
        case .deleteRange(let deleted, _): deleted > 0
        case .txn(_, let answers): answers.contains { $0.saysChanged }
        case .range, .compact, .leaseGrant, .leaseRevoke, .leaseKeepAlive, .leaseTimeToLive:
            false
        }
    }

    /// Visits every pair in it, previous ones included.
    package func forEachPair(_ visit: (RecordedPair) -> Void) {
        switch self {
        case .put(let previous): if let previous { visit(previous) }
        case .range(let pairs, _, _): for pair in pairs { visit(pair) }
        case .deleteRange(_, let previous): for pair in previous { visit(pair) }
        case .txn(_, let answers): for answer in answers { answer.forEachPair(visit) }
        case .compact, .leaseGrant, .leaseRevoke, .leaseKeepAlive, .leaseTimeToLive: break
        }
    }
}

package enum RecordedOutcome: Hashable, Sendable {
    /// The header's revision is nil where none was recorded.
    case ok(revision: Int64?, RecordedAnswer)
    /// It has no effect, now and later (decision 0002).
    case failed(String)
    /// It may take effect, at most once, at any time from its start on, or never.
    case unknown(String?)
}

/// One call of one client. Times are nanoseconds of one clock that all clients share.
package struct RecordedOperation: Hashable, Sendable {
    /// Unique in its history.
    package var id: Int
    package var client: Int
    /// The member that was asked, where it is known.
    package var member: Int?
    package var start: Int64
    /// Nil: never answered.
    package var end: Int64?
    package var request: RecordedRequest
    package var outcome: RecordedOutcome

    package init(
        id: Int, client: Int, member: Int? = nil, start: Int64, end: Int64?,
        request: RecordedRequest, outcome: RecordedOutcome
    ) {
        self.id = id
        self.client = client
        self.member = member
        self.start = start
        self.end = end
        self.request = request
        self.outcome = outcome
    }

    package var answer: RecordedAnswer? {
        if case .ok(_, let answer) = outcome { answer } else { nil }
    }

    /// The header's revision, of an answered call.
    package var revision: Int64? {
        if case .ok(let revision, _) = outcome { revision } else { nil }
    }

    /// The revision that an answered call made, as far as the answer says that it made one.
    package var writtenRevision: Int64? {
        guard case .ok(let revision, let answer) = outcome, answer.saysChanged else { return nil }
        return revision
    }
}

extension RecordedOutcome {
    /// What decision 0002 says of a gRPC status: whether the call may still take effect.
    /// A read has no effect, so its errors are all definite.
    package static func ofFailure(
        grpcCode: Int, message: String, isWrite: Bool
    ) -> RecordedOutcome {
        guard isWrite else { return .failed(message) }
        switch grpcCode {
        case 1, 4: return .unknown(message)
        case 14:
            let definite = [
                "etcdserver: no leader", "etcdserver: leader changed",
                "etcdserver: unhealthy cluster",
            ]
            return definite.contains(message) ? .failed(message) : .unknown(message)
        case 2:
            return message == "etcdserver: too many requests"
                ? .failed(message) : .unknown(message)
        case 3, 5, 7, 8, 9, 11, 12, 13, 15, 16: return .failed(message)
        default: return .unknown(message)
        }
    }
}
