package import Primitives

/// A leader's proposals, its clock, and commitment (Raft §5.3, §5.4.2).
extension RaftCore {
    // MARK: Proposals

    /// Appends all payloads, in order, as entries of this term: one ``Write``, and one round of
    /// appends that leaves before it. Returns the index of the first, or the log's end for no
    /// payloads. Cost: O(payloads + members).
    /// - Throws: ``ProposalRefusal``; nothing was appended then.
    package mutating func propose(
        _ payloads: [(EntryKind, [UInt8])], into effects: inout [Effect]
    ) throws(ProposalRefusal) -> LogIndex {
        try mayPropose()
        if payloads.isEmpty { return log.lastIndex }
        var bytes = 0
        for (kind, payload) in payloads {
            invariant(kind != .configuration, "configurations go through proposeConfiguration")
            bytes += payload.count
        }
        let pending = leading.uncommittedBytes
        let limit = settings.uncommittedBytesMax
        if pending > 0, pending + bytes > limit {
            throw .tooManyUncommittedBytes(pending: pending, limit: limit)
        }
        let undurable = undurableBytes
        if undurable > 0, undurable + bytes > limit {
            throw .tooManyUncommittedBytes(pending: undurable, limit: limit)
        }
        let first = log.lastIndex.next
        appendAsLeader(payloads, into: &effects)
        finish(into: &effects)
        return first
    }

    func mayPropose() throws(ProposalRefusal) {
        guard case .leader = state else { throw .notLeader(leader: leader) }
        if leading.transfer != nil { throw .transferring }
    }

    /// Entries in memory that this member's own disk does not hold yet: all of them while it hangs.
    private var undurableBytes: Int {
        log.recentBytes <= settings.uncommittedBytesMax / 2 || writes.isIdle
            ? 0 : log.bytes(after: writes.durableIndex)
    }

    /// Appends entries of the current term and sends them to those who wait for them. They become
    /// durable here at the end of the step, beside their way to the others (dissertation §10.2.1).
    mutating func appendAsLeader(
        _ payloads: [(EntryKind, [UInt8])], into effects: inout [Effect]
    ) {
        if commitIndex == log.lastIndex { leading.reachedTick = now }
        var start = 0
        while start < payloads.count {
            var chunk: [LogEntry] = []
            chunk.reserveCapacity(payloads.count - start)
            var bytes = 0
            var index = log.lastIndex
            while start < payloads.count {
                let (kind, payload) = payloads[start]
                let weight = payload.count + 32
                if !chunk.isEmpty, bytes + weight > settings.messageBytesMax { break }
                index = index.next
                chunk.append(LogEntry(index: index, term: term, kind: kind, payload: payload))
                bytes += weight
                start += 1
            }
            appendAsLeader(chunk, bytes: bytes, into: &effects)
        }
        if let slot = leading.slot(of: settings.id) {
            leading.members[slot].nextIndex = log.lastIndex.next
        }
    }

    private mutating func appendAsLeader(
        _ chunk: [LogEntry], bytes: Int, into effects: inout [Effect]
    ) {
        log.append(chunk)
        if draft.entries.isEmpty { draft.entries = chunk } else { draft.entries += chunk }
        leading.uncommitted.append(LeaderState.Uncommitted(last: log.lastIndex, bytes: bytes))
        leading.uncommittedBytes += bytes
        sendToAll(fresh: chunk, bytes: bytes, into: &effects)
        var isChanged = false
        for entry in chunk where entry.kind == .configuration {
            // Those who leave were sent the entry above, so that they know.
            adopt(entry, into: &effects)
            isChanged = true
        }
        if isChanged { sendToAll(fresh: chunk, bytes: bytes, into: &effects) }
    }

    private mutating func sendToAll(
        fresh: [LogEntry], bytes: Int, into effects: inout [Effect]
    ) {
        for slot in leading.members.indices {
            sendAppends(to: slot, fresh: fresh, freshBytes: bytes, into: &effects)
        }
    }

    // MARK: Commitment

    mutating func leaderPersisted(into effects: inout [Effect]) {
        guard let slot = leading.slot(of: settings.id) else { return }
        leading.members[slot].matchIndex = writes.durableIndex
        #if KEELSON_MUTANTS
            if planted(.countsUnsyncedLeader) { leading.members[slot].matchIndex = log.lastIndex }
        #endif
        advanceCommit(into: &effects)
    }

    /// Figure 2, "Leaders", last rule: an index that a majority holds is committed if its entry is
    /// of the current term; everything before it is then too (§5.4.2).
    mutating func advanceCommit(into effects: inout [Effect]) {
        let reached = LogIndex(leading.reached { $0.matchIndex.rawValue })
        #if KEELSON_MUTANTS
            if planted(.commitsWithoutMajority) {
                let highest = leading.members.map(\.matchIndex).max() ?? .zero
                if highest > commitIndex, log.term(at: highest) == term { commitIndex = highest }
            }
        #endif
        if reached > leading.reachedIndex {
            leading.reachedIndex = reached
            leading.reachedTick = now
        }
        #if KEELSON_MUTANTS
            if planted(.commitsOldTerms), reached > commitIndex { commitIndex = reached }
        #endif
        if reached <= commitIndex || log.term(at: reached) != term { return }
        commitIndex = reached
        while let batch = leading.uncommitted.first, batch.last <= reached {
            leading.uncommittedBytes -= batch.bytes
            leading.uncommitted.removeFirst()
        }
        beginWaitingReads(into: &effects)
        configurationMayBeCommitted(into: &effects)
    }

    /// A commit index travels with the next append. Where none is about to leave, because the
    /// member was sent everything and all of it is committed now, a notice that asks for no answer
    /// tells it, so that followers answer their clients a network hop behind the leader and not a
    /// heartbeat.
    mutating func tellCommit(into effects: inout [Effect]) {
        guard role == .leader else { return }
        for slot in leading.members.indices
        where leading.members[slot].lacksNews(of: commitIndex, leader: settings.id) {
            sendHeartbeat(to: slot, context: 0, into: &effects)
        }
    }

    mutating func sendHeartbeat(
        to slot: Int, context: UInt64, into effects: inout [Effect]
    ) {
        guard let commitTerm = log.term(at: commitIndex) else {
            invariant(false, "commit index \(commitIndex) below the log at \(log.snapshotIndex)")
            return
        }
        leading.members[slot].toldCommit = commitIndex
        send(
            .heartbeat(
                Heartbeat(
                    context: context, leaderCommit: commitIndex, leaderCommitTerm: commitTerm)),
            to: leading.members[slot].id, into: &effects)
    }

    // MARK: Clock

    mutating func tickLeader(into effects: inout [Effect]) {
        if !hasActiveQuorum || isUseless(into: &effects) {
            leaveOffice(into: &effects)
            return
        }
        leading.heartbeatElapsed += 1
        if leading.heartbeatElapsed < settings.heartbeatTicks { return }
        leading.heartbeatElapsed = 0
        beginRound(isToAll: true, into: &effects)
        for slot in leading.members.indices { refresh(slot, into: &effects) }
    }

    /// CheckQuorum (dissertation §6.2): a leader that no majority answers is none.
    private var hasActiveQuorum: Bool {
        #if KEELSON_MUTANTS
            if planted(.leadsWithoutQuorum) { return true }
        #endif
        guard case .leader = state else { return false }
        return leading.reached { isActive($0) ? 1 : 0 } >= 1
    }

    /// A leader that is alive but comes no nearer to committing what waits, or whose disk completes
    /// nothing, for two election timeouts hands over; if that does not come about in one more, and
    /// it is still of no use, the answer is true: it goes.
    private mutating func isUseless(into effects: inout [Effect]) -> Bool {
        if isQuorumAwaitingSnapshots { leading.reachedTick = now }
        if let transfer = leading.transfer {
            if now < transfer.deadlineTick { return false }
            leading.transfer = nil
            return transfer.isForced && isStuck
        }
        guard isStuck, let target = bestSuccessor else { return false }
        startTransfer(to: target, isForced: true, into: &effects)
        return false
    }

    private var isStuck: Bool {
        #if KEELSON_MUTANTS
            if planted(.clingsToOffice) { return false }
        #endif
        let patience = UInt64(2 * settings.electionTicks)
        return (log.lastIndex > commitIndex && now - leading.reachedTick >= patience)
            || (writes.oldestTick.map { now - $0 >= patience } ?? false)
    }

    /// Whether nothing can be committed before a snapshot has arrived at a voter that answers: any
    /// other leader would have to send it too. One that failed before is waited for no longer.
    private var isQuorumAwaitingSnapshots: Bool {
        leading.reached { isActive($0) && !$0.isAwaitingSnapshot ? 1 : 0 } < 1
    }

    /// Steps down within the term, and lets the others go first in the election to come.
    mutating func leaveOffice(into effects: inout [Effect]) {
        becomeFollower(term: term, leader: nil, into: &effects)
        electionDeadline += UInt64(2 * settings.electionTicks)
    }
}
