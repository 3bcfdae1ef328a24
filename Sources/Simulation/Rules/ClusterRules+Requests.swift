import Primitives
import RaftCore
import Replication
import StateMachine

// K1, K2, K5, K6, K7, R9.
extension ClusterRules {
    /// K6: a call takes effect at most once, and not at all where it was refused.
    func noteRequest(_ entry: LogEntry, _ index: LogIndex) {
        guard entry.kind == .command, let request = Command.requestID(of: entry.payload),
            request.sequence != 0
        else { return }
        if let earlier = indexOfRequest[request] {
            violated(
                "K6 a call takes effect at most once",
                "request \(request.sequence) of \(request.origin) start \(request.boot) is at"
                    + " \(earlier) and at \(index)")
        }
        indexOfRequest[request] = index
        if refusedRequests.contains(request) {
            violated(
                "K6 a refused call has no effect",
                "request \(request.sequence) of \(request.origin) start \(request.boot) was"
                    + " refused and is at \(index)")
        }
    }

    /// An older disk draws boot numbers once more, so that names of its requests may be taken: none
    /// of them is ever handed on.
    func refused(_ request: RequestID, on machine: SimulatedMachine) {
        guard !machine.isSacrificed else { return }
        refusedRequests.insert(request)
        if let index = indexOfRequest[request] {
            violated(
                "K6 a refused call has no effect",
                "request \(request.sequence) of \(request.origin) start \(request.boot) is at"
                    + " \(index) and is refused")
        }
    }

    /// K1, K2: an acknowledged write is committed, had the effect that it is said to have had, and
    /// comes behind everything that was acknowledged before it began.
    func acknowledged(
        _ request: RequestID, _ applied: Applied, floor: LogIndex, on machine: SimulatedMachine
    ) -> ClientOutcome? {
        guard let index = indexOfRequest[request], let step = model.step(index) else {
            violated(
                "K1 what is acknowledged is committed",
                "n\(machine.index + 1) acknowledges request \(request.sequence), which is not in"
                    + " the log")
            return nil
        }
        if index <= floor {
            violated(
                "K2 strict serializability",
                "a write took effect at \(index), \(floor) was acknowledged before it began")
        }
        if applied.revision.rawValue != step.revision {
            violated(
                "K3 a change takes one revision",
                "the write at \(index) answers revision \(applied.revision), not"
                    + " \(step.revision)")
        }
        if let difference = model.difference(applied.outcome, step.result) {
            violated("K2 strict serializability", "the write at \(index) answers \(difference)")
        }
        count(step.result)
        if case .failed(let error) = applied.outcome {
            return .refusedByStore(index: index, error)
        }
        return .written(index: index, revision: step.revision, step.result)
    }

    private func count(_ result: StepResult) {
        switch result {
        case .txn(let txn):
            world.counters.count(
                txn.succeeded
                    ? CoverageMark.transactionSucceeded : CoverageMark.transactionFailed)
        case .compact: world.counters.count(CoverageMark.historyCompacted)
        case .leaseGrant: world.counters.count(CoverageMark.leaseGranted)
        case .leaseRevoke: world.counters.count(CoverageMark.leaseRevoked)
        case .failed(.permissionDenied): world.counters.count(CoverageMark.permissionRefused)
        case .none, .put, .delete, .alarms, .auth, .members, .failed: break
        }
    }

    /// R9: a linearizable read is served at or behind everything acknowledged before it began.
    private func checkFloor(_ floor: LogIndex, on process: SimulatedProcess) {
        let index = process.replica.store.appliedIndex
        if index < floor {
            violated(
                "R9 a read sees what was acknowledged before it",
                "n\(process.machine.index + 1) serves a read at \(index), \(floor) was"
                    + " acknowledged before it began")
        }
    }

    /// K5, K7: a range is the exact state at its index, or at its revision in the history, and is
    /// answered to whoever may read it.
    func read(
        _ request: RangeRequest, _ result: Result<RangeResult, StoreError>, floor: LogIndex,
        by principal: Principal, on process: SimulatedProcess
    ) {
        if !request.isSerializable { checkFloor(floor, on: process) }
        let index = process.replica.store.appliedIndex
        let expected = Result { () throws(StoreError) in
            try model.authorize(request, by: principal, at: index)
            return try model.range(request, at: index)
        }
        switch (result, expected) {
        case (.success(let range), .success(let model)):
            guard let difference = self.model.difference(range, model) else { return }
            violated(
                "K5 a read is the exact state",
                "n\(process.machine.index + 1) at \(index), revision \(request.revision):"
                    + " \(difference)")
        case (.failure(let error), .failure(let modelError)) where error == modelError: return
        case (_, _):
            violated(
                "K7 the window of history",
                "n\(process.machine.index + 1) at \(index): \(result), not \(expected)")
        }
    }

    func read(
        _ request: TxnRequest, _ result: Result<TxnResult, StoreError>, floor: LogIndex,
        by principal: Principal, on process: SimulatedProcess
    ) {
        checkFloor(floor, on: process)
        let index = process.replica.store.appliedIndex
        let expected = Result { () throws(StoreError) in
            try model.authorize(request, by: principal, at: index)
            return try model.readOnly(request, at: index)
        }
        switch (result, expected) {
        case (.success(let txn), .success(let model)):
            guard let difference = self.model.difference(txn, model) else { return }
            violated(
                "K5 a read is the exact state",
                "n\(process.machine.index + 1) at \(index): \(difference)")
        case (.failure(let error), .failure(let modelError)) where error == modelError: return
        case (_, _):
            violated(
                "K7 the window of history",
                "n\(process.machine.index + 1) at \(index): \(result), not \(expected)")
        }
    }

    func leaseRead(_ floor: LogIndex, on process: SimulatedProcess) {
        checkFloor(floor, on: process)
    }
}
