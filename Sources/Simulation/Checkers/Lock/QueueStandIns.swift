internal import Primitives

extension RecordedQueueCall {
    /// What a call does to the store, as operations that the other checkers know: what a server
    /// proposes for it. Each may have happened at any time from its begin on, unless its answer
    /// says when. Ids are negative, so that they meet no other.
    package var standIns: [RecordedOperation] {
        if case .failed(let error) = outcome, !kind.waits || error.hasPrefix("never sent") {
            return []
        }
        switch kind {
        case .lock, .campaign:
            let key = Self.key(name, lease: lease)
            let entrance = RecordedRequest.txn(
                RecordedTxn(
                    compares: [RecordedCompare(KeyInterval(key), .equal, .create(0))],
                    success: [.put(RecordedPut(key, value, lease: lease))],
                    failure: [.range(RecordedRange(KeyInterval(key)))]))
            if case .ok = outcome { return [open(1, entrance)] }
            // Who fails, or goes, leaves the queue.
            return [open(1, entrance), open(2, deletion(of: key))]
        case .unlock, .resign: return [open(1, deletion(of: key))]
        case .proclaim:
            let request = RecordedRequest.txn(
                RecordedTxn(
                    compares: [RecordedCompare(KeyInterval(key), .equal, .create(created))],
                    success: [.put(RecordedPut(key, value, lease: lease))]))
            guard case .ok(let revision) = outcome else { return [open(1, request)] }
            var operation = open(1, request)
            operation.end = end
            operation.outcome = .ok(
                revision: revision, .txn(succeeded: true, answers: [.put(previous: nil)]))
            return [operation]
        case .leader: return []
        }
    }

    private func deletion(of key: Bytes) -> RecordedRequest {
        .deleteRange(RecordedDeleteRange(KeyInterval(key)))
    }

    private func open(_ part: Int, _ request: RecordedRequest) -> RecordedOperation {
        let number = -2 &* id &- part
        return RecordedOperation(
            id: number, client: number, start: start, end: nil, request: request,
            outcome: .unknown(nil))
    }
}

extension RecordedHistory {
    /// With everything that changes keys as an operation.
    package var withStandIns: RecordedHistory {
        var history = self
        history.operations += queueCalls.flatMap { $0.standIns }
        return history
    }
}
