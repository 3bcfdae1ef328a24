import Primitives
import RaftCore
import StateMachine

/// Applying committed entries, a bounded number in a step.
extension Replica {
    mutating func applyCommitted(into effects: inout [ReplicaEffect]) {
        var budget = settings.applyEntriesMax
        var batch: [Applied] = []
        var answers: [ReplicaEffect] = []
        while store.appliedIndex < raft.commitIndex, budget > 0, !halted {
            let first = store.appliedIndex.next
            guard
                let entries = raft.entries(
                    from: first, through: raft.commitIndex, bytesMax: 4 << 20)
            else {
                loadForApply(first: first, into: &effects)
                break
            }
            invariant(!entries.isEmpty, "entry \(first) is committed and missing")
            for entry in entries.prefix(budget) {
                apply(entry, batch: &batch, answers: &answers, into: &effects)
                if halted { break }
            }
            budget -= entries.count
        }
        finishApplying(batch, answers, into: &effects)
        if store.appliedIndex < raft.commitIndex, loadingForApply == nil, !halted {
            effects.append(.continueApplying)
        }
    }

    private mutating func loadForApply(first: LogIndex, into effects: inout [ReplicaEffect]) {
        guard loadingForApply != first else { return }
        loadingForApply = first
        effects.append(
            .load(first: first, last: raft.commitIndex, bytesMax: 4 << 20, .applying))
    }

    mutating func applyLoaded(
        first: LogIndex, _ entries: [LogEntry], into effects: inout [ReplicaEffect]
    ) {
        guard loadingForApply == first else { return }
        loadingForApply = nil
        var batch: [Applied] = []
        var answers: [ReplicaEffect] = []
        for entry in entries where entry.index <= raft.commitIndex {
            if halted { break }
            guard entry.index == store.appliedIndex.next else { break }
            apply(entry, batch: &batch, answers: &answers, into: &effects)
        }
        finishApplying(batch, answers, into: &effects)
        applyCommitted(into: &effects)
    }

    private mutating func finishApplying(
        _ batch: [Applied], _ answers: [ReplicaEffect], into effects: inout [ReplicaEffect]
    ) {
        guard !batch.isEmpty else { return }
        effects.append(.applied(batch))
        effects.append(contentsOf: answers)
        raft.step(.applied(store.appliedIndex), into: &raftEffects)
        startLeasesBehindFence()
        answerAppliedReads(into: &effects)
        if leases != nil { answerConfirmedLeases(into: &effects) }
        if !raftEffects.isEmpty { drainRaft(into: &effects) }
    }

    private mutating func apply(
        _ entry: LogEntry, batch: inout [Applied], answers: inout [ReplicaEffect],
        into effects: inout [ReplicaEffect]
    ) {
        settleDropped(before: entry.term, into: &answers)
        let request = entry.kind == .command ? Command.requestID(of: entry.payload) : nil
        let mine = request?.origin == id && request?.boot == settings.boot
        let applied = store.apply(entry, evaluate: mine)
        if applied.mustStop {
            halted = true
            effects.append(.halt(.unknownCommand(index: entry.index)))
            return
        }
        if entry.kind == .configuration,
            let configuration = try? ClusterConfiguration.decode(entry.payload)
        {
            appliedConfiguration = configuration
            appliedConfigurationIndex = entry.index
        }
        let ownLeaseEntry = leases?.settle(entry.index)
        if !applied.leaseChanges.isEmpty { leasesChanged(applied.leaseChanges, into: &effects) }
        if let ownLeaseEntry {
            leaseEntryApplied(ownLeaseEntry, applied.outcome, into: &effects)
        }
        batch.append(applied)
        if mine, let request, proposals.settle(request.sequence) {
            answers.append(.answer(sequence: request.sequence, .applied(applied)))
        }
        if entry.index.rawValue % settings.digestIntervalEntries == 0 {
            noteDigest(at: entry.index, into: &effects)
        }
    }
}
