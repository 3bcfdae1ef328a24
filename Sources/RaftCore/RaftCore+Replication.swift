internal import Primitives

/// How a leader feeds its followers (Raft §5.3; pipelining: dissertation §10.2).
extension RaftCore {
    // MARK: Sending

    /// Sends the member all that its window has room for. `fresh` are entries that were appended
    /// just now: a member that waits for exactly them shares the array.
    mutating func sendAppends(
        to slot: Int, fresh: [LogEntry] = [], freshBytes: Int = 0, into effects: inout [Effect]
    ) {
        if leading.members[slot].id == settings.id { return }
        while true {
            guard let next = leading.members[slot].nextToSend(settings, lastIndex: log.lastIndex)
            else { return }
            guard let previousTerm = log.term(at: next.previous) else {
                startSnapshot(for: slot, into: &effects)
                return
            }
            var entries: [LogEntry] = []
            var bytes = 0
            if let first = fresh.first, first.index == next {
                entries = fresh
                bytes = freshBytes
            } else if next <= log.lastIndex {
                let room = settings.messageBytesMax
                guard
                    let batch = log.batch(from: next, through: log.lastIndex, bytesMax: room)
                else {
                    load(for: slot, into: &effects)
                    return
                }
                entries = batch
                bytes = batch.reduce(0) { $0 + $1.weightBytes }
            }
            sendAppend(
                entries, bytes: bytes, after: LogPosition(index: next.previous, term: previousTerm),
                to: slot, into: &effects)
        }
    }

    private mutating func sendAppend(
        _ entries: [LogEntry], bytes: Int, after previous: LogPosition, to slot: Int,
        into effects: inout [Effect]
    ) {
        leading.members[slot].sent(
            through: previous.index + entries.count, bytes: bytes, tick: now)
        leading.members[slot].toldCommit = commitIndex
        send(
            .appendEntries(
                AppendEntries(
                    prevLogIndex: previous.index, prevLogTerm: previous.term,
                    leaderCommit: commitIndex, entries: entries)),
            to: leading.members[slot].id, into: &effects)
    }

    /// Once a heartbeat: makes up for messages that were lost. What was sent last is asked about by
    /// an append without entries, so that a slow disk is not sent everything again: a member that
    /// has it all acknowledges it, any other says what it lacks.
    mutating func refresh(_ slot: Int, into effects: inout [Effect]) {
        let member = leading.members[slot]
        if member.id == settings.id || member.state == .snapshot { return }
        if !member.awaitsAcknowledgement {
            sendAppends(to: slot, into: &effects)
            return
        }
        let patience = member.isReplicating ? 2 * settings.heartbeatTicks : settings.heartbeatTicks
        if now - member.activityTick < UInt64(patience) { return }
        leading.members[slot].activityTick = now
        let previous = member.nextIndex.previous
        guard let previousTerm = log.term(at: previous) else {
            startSnapshot(for: slot, into: &effects)
            return
        }
        leading.members[slot].toldCommit = commitIndex
        send(
            .appendEntries(
                AppendEntries(
                    prevLogIndex: previous, prevLogTerm: previousTerm,
                    leaderCommit: commitIndex, entries: [])),
            to: member.id, into: &effects)
    }

    // MARK: Answers

    mutating func receive(
        _ response: AppendEntriesResponse, from sender: NodeID, into effects: inout [Effect]
    ) {
        guard let slot = leadingSlot(of: sender) else { return }
        switch response {
        case .received(let index):
            // Not heard from, as far as a quorum is asked for.
            if index > log.lastIndex { return }
            leading.members[slot].received(index)
            #if KEELSON_MUTANTS
                if planted(.countsReceivedAsDurable) {
                    return receive(.matched(index), from: sender, into: &effects)
                }
            #endif
            sendAppends(to: slot, into: &effects)
        case .matched(let index):
            leading.members[slot].contactTick = now
            if index > log.lastIndex { return }
            let didRise = leading.members[slot].matched(
                index, snapshotIndex: log.snapshotIndex, tick: now)
            if didRise { advanceCommit(into: &effects) }
            memberAdvanced(sender, into: &effects)
        case .rejected(let previous, let hint):
            leading.members[slot].contactTick = now
            rejected(slot, previous: previous, hint: hint, into: &effects)
        }
    }

    /// The commit that came before may have ended this leadership, or the membership of the sender.
    private mutating func memberAdvanced(_ id: NodeID, into effects: inout [Effect]) {
        guard let slot = leadingSlot(of: id) else { return }
        sendAppends(to: slot, into: &effects)
        // It was behind when the commit was told to the others.
        if commitIndex == announcedCommit,
            leading.members[slot].lacksNews(of: commitIndex, leader: settings.id)
        {
            sendHeartbeat(to: slot, context: 0, into: &effects)
        }
        pushTransfer(into: &effects)
    }

    /// Figure 2, "Leaders": after an inconsistency nextIndex goes back and the append is tried
    /// again.
    private mutating func rejected(
        _ slot: Int, previous: LogIndex, hint: LogPosition, into effects: inout [Effect]
    ) {
        let member = leading.members[slot]
        switch member.state {
        case .probe: if previous != member.nextIndex.previous { return }
        case .replicate: if previous >= member.nextIndex { return }
        case .snapshot: return
        }
        // A member never loses what it acknowledged, so this answer is older than the
        // acknowledgement.
        if previous <= member.matchIndex { return }
        let agreed = log.lastPosition(at: hint.index, termAtMost: hint.term).index
        let next = max(member.matchIndex.next, min(previous, agreed.next))
        leading.members[slot].probe(from: next)
        sendAppends(to: slot, into: &effects)
    }

    /// What was in flight is lost; the next heartbeat asks where the member stands.
    mutating func peerUnreachable(_ peer: NodeID) {
        guard let slot = leadingSlot(of: peer) else { return }
        let member = leading.members[slot]
        switch member.state {
        case .probe: leading.members[slot].probe(from: member.nextIndex, isWaiting: true)
        case .replicate: leading.members[slot].probe(from: member.matchIndex.next, isWaiting: true)
        case .snapshot: break
        }
    }

    // MARK: Loading

    /// Entries that are no longer in memory come from disk, one load at a time for each member.
    /// Members that wait for the same first entry share it.
    private mutating func load(for slot: Int, into effects: inout [Effect]) {
        let first = leading.members[slot].nextIndex
        let isShared = leading.members.contains { $0.loadingFirst == first }
        leading.members[slot].loadingFirst = first
        if isShared { return }
        effects.append(
            .load(
                first: first, last: log.firstRecentIndex.previous,
                bytesMax: settings.messageBytesMax))
    }

    mutating func loaded(
        first: LogIndex, _ entries: [LogEntry], into effects: inout [Effect]
    ) {
        guard role == .leader else { return }
        // An answer to a question of an earlier leadership may hold what was truncated since.
        var count = 0
        while count < entries.count, entries[count].index == first + count,
            log.term(at: entries[count].index) == entries[count].term
        { count += 1 }
        let batch = count == entries.count ? entries : Array(entries[..<count])
        let bytes = batch.reduce(0) { $0 + $1.weightBytes }
        for slot in leading.members.indices
        where leading.members[slot].loadingFirst == first {
            leading.members[slot].loadingFirst = nil
            // None: they are gone, or this disk cannot read them. A snapshot holds what they did.
            if entries.isEmpty { startSnapshot(for: slot, atLeast: first, into: &effects) }
            // None that fits: the next heartbeat asks for what the log holds now.
            if batch.isEmpty { continue }
            sendAppends(to: slot, fresh: batch, freshBytes: bytes, into: &effects)
        }
    }

    // MARK: Snapshots

    private mutating func startSnapshot(
        for slot: Int, atLeast index: LogIndex = .zero, into effects: inout [Effect]
    ) {
        leading.members[slot].state = .snapshot
        leading.members[slot].loadingFirst = nil
        effects.append(
            .sendSnapshot(
                to: leading.members[slot].id, leastIndex: max(index, log.snapshotIndex)))
    }

    mutating func snapshotSent(
        to peer: NodeID, _ index: LogIndex, succeeded: Bool, into effects: inout [Effect]
    ) {
        guard let slot = leadingSlot(of: peer), leading.members[slot].state == .snapshot
        else { return }
        let matched = leading.members[slot].matchIndex
        if succeeded {
            invariant(
                index <= log.lastIndex,
                "a snapshot at \(index) of a log that ends at \(log.lastIndex)")
            leading.members[slot].probe(from: max(matched, index).next)
            sendAppends(to: slot, into: &effects)
        } else {
            // Not at once again: what stopped it is likely to stop it again.
            leading.members[slot].probe(from: matched.next, isWaiting: true)
            leading.members[slot].activityTick = now
            leading.members[slot].hasSnapshotFailed = true
        }
    }
}
