package import Primitives

extension RaftCore {
    package var role: Role {
        switch state {
        case .follower: .follower
        case .preCandidate: .preCandidate
        case .candidate: .candidate
        case .leader: .leader
        }
    }

    package var term: Term { hardState.term }

    /// Who leads the current term, as far as is known.
    package var leader: NodeID? {
        switch state {
        case .follower(let follower): follower.leader
        case .preCandidate, .candidate: nil
        case .leader: settings.id
        }
    }

    package var lastIndex: LogIndex { log.lastIndex }
    package var lastTerm: Term { log.lastTerm }
    /// The entry before the log's first.
    package var snapshotIndex: LogIndex { log.snapshotIndex }
    /// This member's own log is durable up to here.
    package var durableIndex: LogIndex { writes.durableIndex }
    /// Whether writes are on their way to disk.
    package var isWriting: Bool { !writes.isIdle }
    /// The configuration in force: the newest in the log, committed or not.
    package var configuration: ClusterConfiguration { configurations.current.configuration }
    package var configurationIndex: LogIndex { configurations.currentIndex }

    /// Whether a configuration without the member is committed: nothing can bring it back. As long
    /// as that is not so its vote may still be needed.
    package func isOut(_ id: NodeID) -> Bool {
        configurationIndex <= commitIndex && !configuration.contains(id)
    }

    /// The newest configuration at or below `index`, which must not be compacted: what belongs into
    /// a checkpoint at `index`.
    package func configuration(at index: LogIndex) -> PlacedConfiguration {
        configurations.later.last { $0.index <= index } ?? configurations.base
    }

    /// The entry's term, or nil where the log has none. Cost: O(log of the number of terms).
    package func term(at index: LogIndex) -> Term? { log.term(at: index) }

    /// Entries `first ... last`, at least one and as many as weigh no more than `bytesMax`; nil
    /// when they must be read from disk. Empty when `first` is behind `last` or the log's end.
    /// Cost: O(entries returned).
    package func entries(
        from first: LogIndex, through last: LogIndex, bytesMax: Int
    ) -> [LogEntry]? {
        let last = min(last, log.lastIndex)
        if first > last { return [] }
        return log.batch(from: first, through: last, bytesMax: bytesMax)
    }

    /// Whether this member leads and is handing leadership over.
    package var isTransferring: Bool {
        switch state {
        case .follower, .preCandidate, .candidate: false
        case .leader: leading.transfer != nil
        }
    }

    /// Whether this member leads and an entry of its own term is committed: only then does it know
    /// all that is committed (§8).
    package var hasCommittedInTerm: Bool {
        switch state {
        case .follower, .preCandidate, .candidate: false
        case .leader: commitIndex >= leading.termStart
        }
    }

    /// The leader's view of all members, sorted by id; empty on other members.
    package var progress: [MemberProgress] {
        guard case .leader = state else { return [] }
        return leading.members.map { member in
            let mode: MemberProgress.Mode =
                switch member.state {
                case .probe: .probe
                case .replicate: .replicate
                case .snapshot: .snapshot
                }
            return MemberProgress(
                id: member.id, role: configuration.role(of: member.id) ?? .voter,
                mode: member.id == settings.id ? .replicate : mode,
                matchIndex: member.matchIndex, nextIndex: member.nextIndex,
                inflightMessages: member.inflightMessages,
                isRecentlyActive: isActive(member),
                hasAnswered: member.id == settings.id || member.answeredRound > 0
                    || member.matchIndex > .zero,
                beatAge: member.id == settings.id ? 0 : now - member.beatTick)
        }
    }

    /// Heard from within an election timeout, and a heartbeat answered within two. Heartbeats have
    /// a connection of their own: where that is dead and the other lives, acknowledgements come and
    /// no read is ever confirmed. Two, because an answer may take up to one on its way, and the
    /// next one less or more.
    func isActive(_ member: Progress) -> Bool {
        let patience = UInt64(settings.electionTicks)
        return member.id == settings.id
            || (now - member.contactTick < patience && now - member.beatTick < 2 * patience)
    }
}

extension RaftCore {
    /// Where the leader keeps the member's progress; nil for a stranger, and on all but leaders.
    func leadingSlot(of id: NodeID) -> Int? {
        guard case .leader = state else { return nil }
        return leading.slot(of: id)
    }

    /// The leader's own state, changed in place. Stops the process on any other member.
    var leading: LeaderState {
        _read {
            guard leaderState != nil else { hasNoLeadersState() }
            yield leaderState!
        }
        _modify {
            guard leaderState != nil else { hasNoLeadersState() }
            yield &leaderState!
        }
    }

    private func hasNoLeadersState() -> Never {
        impossible("\(role) of term \(term) has no leader's state")
    }
}
