import Primitives
import Replication
import StateMachine

// Q7 and Q9; Q8 is the observer's own.
extension ClusterRules {
    /// Who leads an election as of a revision: whose key was created first.
    func leader(of prefix: [UInt8], at revision: Int64) -> ModelVersion? {
        model.versions(key: prefix, end: KeyQueue.end(of: prefix), at: revision)
            .min { $0.create < $1.create }
    }

    /// Q7: who is told to lead does, at the revision that is named.
    func told(_ telling: LeaderFeed.Telling, of prefix: [UInt8], at process: SimulatedProcess) {
        world.counters.count(CoverageMark.leaderObserved)
        let leader = leader(of: prefix, at: telling.revision.rawValue)
        if telling.record.key.storage == leader?.key, telling.record.modRevision == leader?.mod {
            return
        }
        violated(
            "Q7 who is told to lead does",
            "n\(process.machine.index + 1) tells of \(telling.record.key), changed at "
                + "\(telling.record.modRevision), at revision \(telling.revision); it is "
                + (leader.map { "\(Bytes($0.key)), changed at \($0.mod)" } ?? "nobody"))
    }

    /// Q9: who begins to observe sees a state that is not older than its call.
    func beginsToObserve(_ floor: LogIndex, at process: SimulatedProcess) {
        let index = process.replica.store.appliedIndex
        if index >= floor { return }
        violated(
            "Q9 an observer begins with what is current",
            "n\(process.machine.index + 1) begins at \(index), \(floor) was acknowledged before")
    }
}
