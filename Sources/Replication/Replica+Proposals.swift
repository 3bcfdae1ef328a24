import DequeModule
import Primitives
import RaftCore
package import StateMachine

/// The way of a proposal: gathered until ``flush(into:)``, then into the own log or to the leader,
/// then answered from the own apply. It is handed on once and never again, so it takes effect at
/// most once.
extension Replica {
    /// Takes a command of this node's client. The outcome comes as `.answer` with `sequence`.
    package mutating func propose(
        _ kind: CommandKind, proposedID: Int64, body: [UInt8], as principal: Principal = .anonymous,
        sequence: UInt64, into effects: inout [ReplicaEffect]
    ) {
        guard proposals.count < settings.pendingRequestsMax else {
            effects.append(.answer(sequence: sequence, .refused(.tooManyRequests)))
            return
        }
        var header = CommandHeader(
            kind: kind, request: RequestID(origin: id, boot: settings.boot, sequence: sequence))
        header.proposedID = proposedID
        if principal != .anonymous { header.principal = principal }
        header.leaseSecondsMin = settings.leaseSecondsMin
        leaveRoomForClusterTime(in: &header)
        let command = Command.encode(header, body: body)
        guard command.count <= settings.entryBytesMax else {
            effects.append(.answer(sequence: sequence, .refused(.requestTooLarge)))
            return
        }
        proposals.gathered.append((.command, command))
        proposals.gatheredSequences.append(sequence)
    }

    /// Where the cluster's level allows it, as applied here: then the entry that raised the level
    /// is in the log of every leader to come, before this one.
    private func leaveRoomForClusterTime(in header: inout CommandHeader) {
        if store.members.clusterLevel >= .clusterTime { header.clusterTime = 0 }
    }

    /// As the leader that puts it into the log.
    private func stamp(_ command: inout [UInt8]) {
        Command.stamp(&command, clock: clock, clusterTime: leadersTime ?? 0)
    }

    /// Sends on what was gathered in this turn of the driver: one batch, one write, one message a
    /// peer.
    package mutating func flush(into effects: inout [ReplicaEffect]) {
        flushProposals(into: &effects)
        flushReads(into: &effects)
        flushLeaseQuestions(into: &effects)
    }

    mutating func flushProposals(into effects: inout [ReplicaEffect]) {
        let mayPropose = raft.leader != nil && raft.isVotingAllowed
        if mayPropose { unpark() }
        guard !proposals.gathered.isEmpty else { return }
        var batch: [(EntryKind, [UInt8])] = []
        var sequences: [UInt64] = []
        swap(&batch, &proposals.gathered)
        swap(&sequences, &proposals.gatheredSequences)
        if !isLeader { refuseDecisions(&batch, &sequences, into: &effects) }
        let deadline = now + UInt64(settings.requestTicksMax)
        // A member that is not known to be current may be on an older disk: the names of its
        // requests may have been used already.
        if isLeader {
            proposeAsLeader(&batch, sequences, deadline: deadline, into: &effects)
        } else if mayPropose, let leader = raft.leader {
            let term = raft.term
            for sequence in sequences {
                let deadline = proposals.deadline(of: sequence, orElse: deadline)
                proposals.add(sequence, meantFor: term, deadline: deadline)
            }
            forward(batch, term, to: leader, into: &effects)
        } else {
            for (sequence, proposal) in zip(sequences, batch) {
                park(sequence, proposal.1, deadline: deadline, into: &effects)
            }
        }
        batch.removeAll(keepingCapacity: true)
        sequences.removeAll(keepingCapacity: true)
        if proposals.gathered.isEmpty {
            swap(&batch, &proposals.gathered)
            swap(&sequences, &proposals.gatheredSequences)
        }
    }

    /// In messages that the leader takes, which are not so large that others wait for them.
    private func forward(
        _ batch: [(EntryKind, [UInt8])], _ term: Term, to leader: NodeID,
        into effects: inout [ReplicaEffect]
    ) {
        var start = 0
        while start < batch.count {
            var end = start
            var bytes = 0
            while end < batch.count, end - start < PeerMessage.elementsMax {
                bytes += batch[end].1.count
                if end > start, bytes > PeerMessage.forwardBytesMax { break }
                end += 1
            }
            effects.append(.send(.forward(term, batch[start..<end].map(\.1)), to: leader))
            start = end
        }
    }

    private mutating func proposeAsLeader(
        _ batch: inout [(EntryKind, [UInt8])], _ sequences: [UInt64], deadline: UInt64,
        into effects: inout [ReplicaEffect]
    ) {
        var sequences = sequences
        refuseMembershipChanges(&batch, &sequences, into: &effects)
        if batch.isEmpty { return }
        for position in batch.indices { stamp(&batch[position].1) }
        do {
            _ = try raft.propose(batch, into: &raftEffects)
            let term = raft.term
            for sequence in sequences {
                let deadline = proposals.deadline(of: sequence, orElse: deadline)
                proposals.add(sequence, meantFor: term, deadline: deadline)
            }
            drainRaft(into: &effects)
        } catch {
            switch error {
            case .tooManyUncommittedBytes:
                for sequence in sequences {
                    effects.append(.answer(sequence: sequence, .refused(.tooManyRequests)))
                }
            case .notLeader, .transferring, .notYetCommittedInTerm, .configurationChangeInProgress,
                .invalidConfiguration:
                for (sequence, proposal) in zip(sequences, batch) {
                    park(sequence, proposal.1, deadline: deadline, into: &effects)
                }
            }
        }
    }

    /// Appends an entry of the leader itself, which holds in its term only. Its index.
    mutating func proposeOwn(
        _ kind: CommandKind, _ body: [UInt8]
    ) throws(ProposalRefusal) -> LogIndex {
        var payload = ownCommand(kind, body, sequence: 0)
        stamp(&payload)
        return try raft.propose([(.command, payload)], into: &raftEffects)
    }

    /// A command of this node's own, fenced to the term in which it leads.
    func ownCommand(_ kind: CommandKind, _ body: [UInt8], sequence: UInt64) -> [UInt8] {
        var header = CommandHeader(
            kind: kind, request: RequestID(origin: id, boot: settings.boot, sequence: sequence))
        header.fenceTerm = raft.term
        header.principal = .node
        leaveRoomForClusterTime(in: &header)
        return Command.encode(header, body: body)
    }

    private mutating func park(
        _ sequence: UInt64, _ payload: [UInt8], deadline: UInt64,
        into effects: inout [ReplicaEffect]
    ) {
        guard proposals.parkedBytes + payload.count <= settings.parkedBytesMax else {
            effects.append(.answer(sequence: sequence, .refused(.noLeader)))
            return
        }
        let deadline = proposals.deadline(of: sequence, orElse: deadline)
        proposals.parkedBytes += payload.count
        proposals.parked.append(
            ProposalTable.Parked(sequence: sequence, payload: payload, deadline: deadline))
    }

    /// A leader is known: what waited for one goes out, reads are asked again.
    mutating func leaderAppeared(into effects: inout [ReplicaEffect]) {
        askReadsAgain()
        leaseQuestions.gatherAgain()
        if raft.isVotingAllowed { unpark() }
    }

    mutating func unpark() {
        guard !proposals.parked.isEmpty else { return }
        // They go before what was gathered since: a leader takes an origin's sequences in order
        // only.
        var payloads: [(EntryKind, [UInt8])] = []
        var sequences: [UInt64] = []
        while let first = proposals.parked.popFirst() {
            payloads.append((.command, first.payload))
            sequences.append(first.sequence)
            proposals.keepDeadline(of: first)
        }
        proposals.parkedBytes = 0
        proposals.gathered.insert(contentsOf: payloads, at: 0)
        proposals.gatheredSequences.insert(contentsOf: sequences, at: 0)
    }

    /// As a leader: commands that another node's clients sent it.
    mutating func takeForward(
        _ term: Term, _ commands: [[UInt8]], from sender: NodeID,
        into effects: inout [ReplicaEffect]
    ) {
        // A forward for another term is dropped without a word: its origin learns from the log,
        // when an entry of a later term is applied, that it is gone.
        #if KEELSON_MUTANTS
            let isForMe = raft.term == term || planted(.takesForwardsOfOtherTerms)
        #else
            let isForMe = raft.term == term
        #endif
        guard isLeader, isForMe else { return }
        var batch: [(EntryKind, [UInt8])] = []
        var sequences: [UInt64] = []
        var refused: [UInt64] = []
        for command in commands {
            guard let request = Command.requestID(of: command), request.origin == sender else {
                continue
            }
            if let taken = proposals.takenForwards[sender] {
                if request.boot < taken.boot { continue }
                #if KEELSON_MUTANTS
                    let isKnown = !planted(.takesForwardsTwice)
                #else
                    let isKnown = true
                #endif
                if request.boot == taken.boot, request.sequence <= taken.sequence, isKnown {
                    continue
                }
            }
            proposals.takenForwards[sender] = (request.boot, request.sequence)
            // An entry of a kind that this version does not know would stop every node, and so
            // would one that no log can store.
            guard let kind = Command.kind(of: command, known: store.known), !kind.isLeadersOwn,
                command.count <= settings.entryBytesMax
            else {
                refused.append(request.sequence)
                continue
            }
            if let reason = membershipRefusal(of: command, kind) {
                effects.append(
                    .send(.forwardRefused(sequences: [request.sequence], reason), to: sender))
                continue
            }
            noteMembershipChange(kind, behind: raft.lastIndex + batch.count + 1)
            var stamped = command
            stamp(&stamped)
            batch.append((.command, stamped))
            sequences.append(request.sequence)
        }
        if !refused.isEmpty {
            effects.append(
                .send(.forwardRefused(sequences: refused, .leaderChanged), to: sender))
        }
        guard !batch.isEmpty else { return }
        do {
            _ = try raft.propose(batch, into: &raftEffects)
            drainRaft(into: &effects)
        } catch {
            var reason = ForwardRefusal.leaderChanged
            if case .tooManyUncommittedBytes = error { reason = .tooManyRequests }
            effects.append(.send(.forwardRefused(sequences: sequences, reason), to: sender))
        }
    }

    mutating func forwardRefused(
        _ sequences: [UInt64], _ reason: ForwardRefusal, into effects: inout [ReplicaEffect]
    ) {
        for sequence in sequences where proposals.settle(sequence) {
            effects.append(.answer(sequence: sequence, .refused(reason.failure)))
        }
    }

    /// An entry of `term` was applied: what was meant for an earlier term, and is not in the log
    /// before it, never will be.
    mutating func settleDropped(before term: Term, into effects: inout [ReplicaEffect]) {
        guard let first = proposals.pending.first, first.meantFor < term else { return }
        for sequence in proposals.settleFront(while: { $0.meantFor < term }) {
            effects.append(.answer(sequence: sequence, .refused(.leaderChanged)))
        }
    }

    /// A snapshot took the place of entries: nobody can tell which of the pending were among them.
    mutating func answerSkippedProposals(into effects: inout [ReplicaEffect]) {
        #if KEELSON_MUTANTS
            if planted(.callsSkippedRefused) {
                for sequence in proposals.settleFront(while: { _ in true }) {
                    effects.append(.answer(sequence: sequence, .refused(.leaderChanged)))
                }
            }
        #endif
        for sequence in proposals.settleFront(while: { _ in true }) {
            effects.append(.answer(sequence: sequence, .unknown(.timedOutLeaderFailure)))
        }
    }

    mutating func tickRequests(into effects: inout [ReplicaEffect]) {
        let now = now
        for sequence in proposals.settleFront(while: { $0.deadline <= now }) {
            #if KEELSON_MUTANTS
                if planted(.callsUnknownRefused) {
                    effects.append(.answer(sequence: sequence, .refused(.leaderChanged)))
                    continue
                }
            #endif
            effects.append(.answer(sequence: sequence, .unknown(.timedOut)))
        }
        while let first = proposals.parked.first, first.deadline <= now {
            proposals.parked.removeFirst()
            proposals.parkedBytes -= first.payload.count
            let failure: RequestFailure = raft.isVotingAllowed ? .noLeader : .outOfService
            effects.append(.answer(sequence: first.sequence, .refused(failure)))
        }
        tickReads(into: &effects)
        tickLeaseQuestions(into: &effects)
    }
}
