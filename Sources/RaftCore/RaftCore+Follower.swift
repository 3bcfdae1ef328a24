internal import Primitives

/// What a follower does with its leader's messages (Raft §5.3; Figure 2, AppendEntries RPC,
/// receiver).
extension RaftCore {
    mutating func receive(
        _ append: AppendEntries, from sender: NodeID, into effects: inout [Effect]
    ) {
        if !isWellFormed(append) { return }
        follow(sender, into: &effects)
        var previous = append.prevLogIndex
        var skipped = 0
        if previous < log.snapshotIndex {
            // What the snapshot covers is committed, so it equals the leader's log.
            skipped = min(log.snapshotIndex.distance(from: previous), append.entries.count)
            previous = previous + skipped
        } else if log.term(at: previous) != append.prevLogTerm {
            reject(append, from: sender, into: &effects)
            return
        }
        let end = append.prevLogIndex + append.entries.count
        if previous >= log.snapshotIndex {
            store(append.entries, skipping: skipped, into: &effects)
        }
        let matched = max(end, log.snapshotIndex)
        learnCommit(append.leaderCommit, matched: matched)
        acknowledge(matched, to: sender, into: &effects)
    }

    mutating func receive(
        _ heartbeat: Heartbeat, from sender: NodeID, into effects: inout [Effect]
    ) {
        follow(sender, into: &effects)
        // One equal entry means that all before it are equal too (Log Matching, §5.3).
        let isMatching = log.term(at: heartbeat.leaderCommit) == heartbeat.leaderCommitTerm
        learnCommit(
            heartbeat.leaderCommit, matched: isMatching ? heartbeat.leaderCommit : .zero)
        if heartbeat.context != 0, isVotingAllowed {
            send(
                .heartbeatResponse(HeartbeatResponse(context: heartbeat.context)), to: sender,
                into: &effects)
        }
    }

    /// Whether the entries are consecutive and their terms possible. The decoder promises as much;
    /// what does not keep it is dropped.
    private func isWellFormed(_ append: AppendEntries) -> Bool {
        var index = append.prevLogIndex
        var entryTerm = append.prevLogTerm
        for entry in append.entries {
            index = index.next
            if entry.index != index || entry.term < entryTerm { return false }
            entryTerm = entry.term
        }
        return entryTerm <= term
    }

    /// Figure 2, receiver, step 2, with the hint of the dissertation's §3.5 that skips whole terms.
    private mutating func reject(
        _ append: AppendEntries, from sender: NodeID, into effects: inout [Effect]
    ) {
        invariant(
            append.prevLogIndex > commitIndex,
            "the leader's entry \(append.prevLogIndex) has term \(append.prevLogTerm), this "
                + "member committed \(commitIndex) and holds term "
                + "\(log.term(at: append.prevLogIndex)?.description ?? "none") there")
        // It promises nothing, so a member that may not vote says it too: it needs a snapshot.
        let hint = log.lastPosition(at: append.prevLogIndex, termAtMost: append.prevLogTerm)
        let body = Message.Body.appendEntriesResponse(
            .rejected(prevLogIndex: append.prevLogIndex, hint: hint))
        if isStorageFull {
            sendWithoutPromise(body, to: sender, into: &effects)
        } else {
            send(body, to: sender, into: &effects)
        }
    }

    /// What a member says whose disk is full holds whatever becomes of that disk, so it does not
    /// wait for it: not even the term may be durable.
    private mutating func sendWithoutPromise(
        _ body: Message.Body, to peer: NodeID, into effects: inout [Effect]
    ) {
        effects.append(.send(Envelope(to: peer, message: Message(term: term, body: body))))
    }

    /// Figure 2, receiver, steps 3 and 4: what conflicts is truncated, what is new appended, and
    /// what is there already stays, for a delayed message must not undo a later one.
    private mutating func store(
        _ entries: [LogEntry], skipping skipped: Int, into effects: inout [Effect]
    ) {
        var start = skipped
        while start < entries.count {
            let entry = entries[start]
            guard let held = log.term(at: entry.index) else { break }
            if held != entry.term {
                #if KEELSON_MUTANTS
                    if planted(.keepsConflictingEntries) {
                        start += 1
                        continue
                    }
                #endif
                truncate(from: entry.index, into: &effects)
                break
            }
            start += 1
        }
        if start == entries.count { return }
        let fresh = start == 0 ? entries : Array(entries[start...])
        log.append(fresh)
        draft.entries = fresh
        for entry in fresh where entry.kind == .configuration {
            adopt(entry, into: &effects)
        }
    }

    private mutating func truncate(from first: LogIndex, into effects: inout [Effect]) {
        invariant(
            first > commitIndex,
            "the leader's log differs at \(first), this member committed \(commitIndex)")
        log.truncate(from: first)
        writes.truncate(from: first)
        draft.truncateFrom = first
        if configurations.truncate(from: first) { tellConfiguration(into: &effects) }
    }

    /// Figure 2, receiver, step 5. The leader's word is kept even where its entries have not
    /// arrived.
    private mutating func learnCommit(_ leaderCommit: LogIndex, matched: LogIndex) {
        guard case .follower(var follower) = state else { return }
        follower.leaderCommit = max(follower.leaderCommit, leaderCommit)
        follower.matchedIndex = max(follower.matchedIndex, matched)
        state = .follower(follower)
        commitIndex = max(commitIndex, min(follower.leaderCommit, follower.matchedIndex))
        #if KEELSON_MUTANTS
            if planted(.commitsUnmatched) {
                commitIndex = max(commitIndex, min(follower.leaderCommit, log.lastIndex))
            }
        #endif
    }

    /// The acknowledgement says that the log is durable through `index`, so it waits for the write
    /// that makes it so: the one of this step, or an earlier one that is still on its way.
    mutating func acknowledge(
        _ index: LogIndex, to sender: NodeID, into effects: inout [Effect]
    ) {
        if !isVotingAllowed {
            // It promises nothing, but the leader goes on: what lets this member vote again, such
            // as who the others are by now, may be further on in the log. What its disk does not
            // take stays in memory: the leader's window stays shut once that is much.
            if !isStorageFull || log.recentBytes <= settings.unstoredBytesMax {
                sendWithoutPromise(
                    .appendEntriesResponse(.received(index)), to: sender, into: &effects)
            }
            return
        }
        let body = Message.Body.appendEntriesResponse(.matched(index))
        #if KEELSON_MUTANTS
            if planted(.acknowledgesBeforeSync) {
                return sendWithoutPromise(body, to: sender, into: &effects)
            }
        #endif
        if index <= writes.durableIndex, draft.startAfter == nil {
            send(body, to: sender, into: &effects)
        } else {
            draft.thenSend.append(
                Envelope(to: sender, message: Message(term: term, body: body)))
        }
    }
}
