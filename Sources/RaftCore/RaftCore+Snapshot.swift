internal import Primitives

/// Compaction and received snapshots (Raft §7, dissertation chapter 5).
extension RaftCore {
    mutating func compacted(through index: LogIndex) {
        let bounded = min(index, min(appliedIndex, writes.durableIndex))
        log.compact(through: bounded)
        configurations.compact(through: log.snapshotIndex)
    }

    /// The log is as it was before it was damaged. Nobody was told of these entries meanwhile, and
    /// nothing else took their place.
    mutating func recovered(_ entries: [LogEntry], into effects: inout [Effect]) {
        guard case .follower = state, let first = entries.first, let last = entries.last,
            first.index == log.lastIndex.next, first.term >= lastTerm
        else { return }
        log.append(entries)
        for entry in entries where entry.kind == .configuration { adopt(entry, into: &effects) }
        writes.cover(through: last.index)
    }

    /// The state machine was replaced by a snapshot. A log that holds the snapshot's last entry
    /// stays as it is, what follows included; any other makes room (Figure 13, receiver, steps 6
    /// and 7).
    mutating func installed(
        _ position: LogPosition, configuration: ClusterConfiguration, into effects: inout [Effect]
    ) {
        if position.index <= appliedIndex { return }
        #if KEELSON_MUTANTS
            if planted(.keepsLogBesideSnapshot), position.index <= log.lastIndex {
                commitIndex = max(commitIndex, position.index)
                announcedCommit = max(announcedCommit, position.index)
                appliedIndex = position.index
                return
            }
        #endif
        if position.term > term {
            // The snapshot came faster than any message of its sender's term.
            becomeFollower(term: position.term, leader: nil, into: &effects)
        }
        if log.term(at: position.index) == position.term {
            writes.cover(through: position.index)
        } else {
            invariant(
                position.index > commitIndex,
                "a snapshot at \(position.index) of term \(position.term) differs from the log, "
                    + "which is committed through \(commitIndex)")
            log.reset(to: position)
            writes.reset(to: position.index)
            draft.startAfter = position
            let before = configurations.current
            configurations.reset(
                to: PlacedConfiguration(index: position.index, configuration: configuration))
            if configurations.current != before { tellConfiguration(into: &effects) }
        }
        commitIndex = max(commitIndex, position.index)
        // The driver knows: it applied the snapshot itself.
        announcedCommit = max(announcedCommit, position.index)
        appliedIndex = position.index
        switch state {
        case .follower(var follower):
            follower.matchedIndex = max(follower.matchedIndex, position.index)
            state = .follower(follower)
            if let leader = follower.leader {
                acknowledge(position.index, to: leader, into: &effects)
            }
        case .preCandidate, .candidate: break
        case .leader: leaderPersisted(into: &effects)
        }
    }
}
