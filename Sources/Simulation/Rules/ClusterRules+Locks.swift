import Primitives
import Replication
import StateMachine

// Q1, Q2, Q5, Q6.
extension ClusterRules {
    /// Q1, Q2, Q6: who is told that it holds a lock does so in a state that is not older than its
    /// turn: its key is the first of the queue, and it may still have it.
    func held(
        _ call: PendingCall, _ entry: QueueEntry, hasWaited: Bool, on process: SimulatedProcess
    ) {
        let index = process.replica.store.appliedIndex
        let who = "n\(process.machine.index + 1) at \(index)"
        if index < call.turnFloor {
            violated(
                "Q2 nobody is told of a lock by a state older than its turn",
                "\(who) tells of lease \(entry.lease), \(call.turnFloor) was acknowledged then")
        }
        let first = queue(of: entry, at: index).first
        if first?.key != entry.key || first?.create != entry.createRevision {
            violated(
                "Q1 the holder is the first of its queue",
                "\(who): lease \(entry.lease), created at \(entry.createRevision), is told that it"
                    + " holds; first is \(first.map { "\($0.key), \($0.create)" } ?? "nobody")")
        }
        do throws(StoreError) {
            let rights = try model.auth(at: index).rights(of: call.principal)
            let end = KeyQueue.end(of: entry.prefix)
            if !rights.mayRead(entry.prefix, end) || !rights.mayWrite(entry.key) {
                throw .permissionDenied
            }
        } catch {
            violated(
                "Q6 a waiter is judged when its turn comes",
                "\(who): lease \(entry.lease) is told that it holds: \(error)")
        }
        world.counters.count(CoverageMark.lockAcquired)
        if hasWaited { world.counters.count(CoverageMark.lockPassedOn) }
    }

    /// Q5: who is told that its place is gone has none.
    func placeGone(_ call: PendingCall, on process: SimulatedProcess) {
        world.counters.count(CoverageMark.placeLost)
        guard let entry = call.entry else { return }
        let index = process.replica.store.appliedIndex
        let isThere = queue(of: entry, at: index).contains {
            $0.key == entry.key && $0.create == entry.createRevision
        }
        if isThere {
            violated(
                "Q5 a place is gone only with its key",
                "n\(process.machine.index + 1) at \(index): lease \(entry.lease)")
        }
    }

    /// The keys of a queue as of an index, in their order.
    private func queue(of entry: QueueEntry, at index: LogIndex) -> [ModelVersion] {
        guard let step = model.step(index) else { return [] }
        return model.versions(
            key: entry.prefix, end: KeyQueue.end(of: entry.prefix), at: step.revision
        ).sorted { $0.create < $1.create }
    }
}
