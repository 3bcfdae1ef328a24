import Primitives
import RaftCore
import StateMachine

/// What one step may still apply. What it costs is known before it is applied, and the first entry
/// of a step is applied whatever it costs.
private struct ApplyBudget {
    var records: Int
    var bytes: Int
    var isUntouched = true

    mutating func takes(_ entry: LogEntry, changing cost: Int) -> Bool {
        let fits = cost <= records && entry.payload.count <= bytes
        guard fits || isUntouched else { return false }
        isUntouched = false
        records -= cost
        bytes -= entry.payload.count
        return true
    }
}

/// Applying committed entries, a bounded amount in a step.
extension Replica {
    /// Applies what one step may. During a backlog only `.continueApplying` gets it on, so that the
    /// many commits that are reported meanwhile do not each apply as much.
    mutating func applyCommitted(into effects: inout [ReplicaEffect]) {
        if isContinuing { return }
        var budget = ApplyBudget(records: settings.applyEntriesMax, bytes: settings.applyBytesMax)
        var batch: [Applied] = []
        var answers: [ReplicaEffect] = []
        var hasRoom = true
        while hasRoom, store.appliedIndex < raft.commitIndex, !halted {
            guard let entries = nextToApply() else {
                loadForApply(first: store.appliedIndex.next, into: &effects)
                break
            }
            for entry in entries {
                let cost = entry.kind == .command ? store.costHint(entry.payload) : 1
                hasRoom = budget.takes(entry, changing: cost)
                if !hasRoom { break }
                apply(entry, batch: &batch, answers: &answers, into: &effects)
                if halted { break }
            }
        }
        finishApplying(batch, answers, into: &effects)
        if store.appliedIndex < raft.commitIndex, loadingForApply == nil, !halted {
            isContinuing = true
            effects.append(.continueApplying)
        }
    }

    /// Entries from the first that is committed and not applied, from memory or from what was
    /// loaded; nil where they must be loaded.
    private mutating func nextToApply() -> ArraySlice<LogEntry>? {
        let first = store.appliedIndex.next
        if let loaded = loadedForApply.first {
            let skipped = first.distance(from: loaded.index)
            loadedForApply = skipped < 0 ? [] : loadedForApply.dropFirst(skipped)
            if !loadedForApply.isEmpty { return loadedForApply }
        }
        guard
            let entries = raft.entries(
                from: first, through: raft.commitIndex, bytesMax: settings.applyBytesMax)
        else { return nil }
        invariant(!entries.isEmpty, "entry \(first) is committed and missing")
        return entries[...]
    }

    private mutating func loadForApply(first: LogIndex, into effects: inout [ReplicaEffect]) {
        guard loadingForApply != first else { return }
        loadingForApply = first
        effects.append(
            .load(
                first: first, last: raft.commitIndex, bytesMax: Replica.loadBytesMax, .applying))
    }

    mutating func applyLoaded(
        first: LogIndex, _ entries: [LogEntry], into effects: inout [ReplicaEffect]
    ) {
        guard loadingForApply == first else { return }
        loadingForApply = nil
        loadedForApply = entries.prefix { $0.index <= raft.commitIndex }
        applyCommitted(into: &effects)
    }

    private mutating func finishApplying(
        _ batch: [Applied], _ answers: [ReplicaEffect], into effects: inout [ReplicaEffect]
    ) {
        guard !batch.isEmpty else { return }
        effects.append(.applied(batch))
        effects.append(contentsOf: answers)
        raft.step(.applied(store.appliedIndex), into: &raftEffects)
        startTenureBehindFence()
        startLeasesBehindFence()
        answerAppliedReads(into: &effects)
        if leases != nil { answerConfirmedLeases(into: &effects) }
        if !raftEffects.isEmpty { drainRaft(into: &effects) }
    }

    private func unknownEntry(_ index: LogIndex, _ outcome: Outcome) -> ReplicaHalt {
        guard case .failed(let error) = outcome else {
            invariant(false, "entry \(index) is unknown for no reason")
            return .removed
        }
        return .unknownCommand(index: index, error, known: store.known)
    }

    private mutating func apply(
        _ entry: LogEntry, batch: inout [Applied], answers: inout [ReplicaEffect],
        into effects: inout [ReplicaEffect]
    ) {
        settleDropped(before: entry.term, into: &answers)
        let request = entry.kind == .command ? Command.requestID(of: entry.payload) : nil
        let mine = request?.origin == id && request?.boot == settings.boot
        var applied = store.apply(entry, evaluate: mine)
        applied.index = entry.index
        if applied.mustStop {
            halted = true
            effects.append(.halt(unknownEntry(entry.index, applied.outcome)))
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
