internal import Primitives

/// What a restarted agent finds of a run.
package enum RunFinding: Equatable, Sendable {
    /// Its supervisor lives.
    case supervised
    case exited(ExitReport)
    /// No supervisor ever took it up, and none will: the run is barred.
    case neverStarted
    /// There was a supervisor, and there is neither one now nor a word from it. What was left of
    /// the task has been swept away.
    case vanished
}

package struct RecoveredTask: Equatable, Sendable {
    package var record: TaskRecord
    /// Nil for a run that had ended.
    package var finding: RunFinding?
    package init(record: TaskRecord, finding: RunFinding?) {
        self.record = record
        self.finding = finding
    }
}

extension AgentCore {
    /// A new life on old records. A record's sequence counts as marked: a crash may have come
    /// between the record and the mark.
    mutating func recover(_ recovered: [RecoveredTask]) {
        mark.life += 1
        work.isMarkChanged = true
        for task in recovered.sorted(by: { $0.record.container < $1.record.container }) {
            guard index(of: task.record.container) == nil else { continue }
            #if KEELSON_MUTANTS
                if planted(.forgetsLaunches) { continue }
            #endif
            mark.sequence = max(mark.sequence, task.record.container.sequence)
            mark.term = max(mark.term, task.record.term)
            var entry = Entry(record: task.record)
            entry.isFetched = true
            // What it was told in an earlier life nobody knows but itself.
            entry.wasTold = true
            insert(entry)
        }
        work.changed = []
        for task in recovered where task.record.remote == nil { settle(task) }
        settleRemote()
    }

    private mutating func settle(_ task: RecoveredTask) {
        let container = task.record.container
        guard let place = index(of: container), !task.record.state.isTerminal else { return }
        let killReason = task.record.killReason
        switch task.finding {
        case .supervised:
            work.effects.append(.attach(entries[place].record))
        case .exited(let report): exited(container, report)
        case .neverStarted, nil:
            if killReason != .none {
                end(container, as: .killed, killReason, "")
            } else {
                end(
                    container, as: .lost, .agentRestarted,
                    "the agent was restarted before the task was started")
            }
        case .vanished: supervisor(container, .gone("the supervisor ended without a word"))
        }
    }
}
