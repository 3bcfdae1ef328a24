import Primitives
import RaftCore
import StateMachine

/// Linearizable reads: the leader confirms an index by a quorum round that began after the question
/// (dissertation §6.4); the read is served once that index is applied here.
extension Replica {
    /// A read of this node's client. `.answerReads` says when the store may serve it.
    package mutating func read(sequence: UInt64, into effects: inout [ReplicaEffect]) {
        guard reads.count < settings.pendingRequestsMax else {
            effects.append(.answerReads(sequences: [sequence], .tooManyRequests))
            return
        }
        reads.add(sequence)
    }

    mutating func flushReads(into effects: inout [ReplicaEffect]) {
        guard !reads.gathered.isEmpty, raft.leader != nil else {
            if !reads.gathered.isEmpty { holdReads() }
            return
        }
        let id = reads.newID()
        reads.asked.append(
            ReadTable.Asked(
                id: id, sequences: reads.gathered,
                deadline: now + UInt64(settings.requestTicksMax),
                askAgainAt: now + UInt64(settings.readRetryTicks)))
        reads.gathered = []
        ask(id, into: &effects)
    }

    /// Nobody to ask yet: they get a place in line so that their deadline counts.
    private mutating func holdReads() {
        reads.asked.append(
            ReadTable.Asked(
                id: reads.newID(), sequences: reads.gathered,
                deadline: now + UInt64(settings.requestTicksMax), askAgainAt: .max))
        reads.gathered = []
    }

    private mutating func ask(_ id: UInt64, into effects: inout [ReplicaEffect]) {
        if isLeader {
            do {
                try raft.requestRead(ReadID(id), into: &raftEffects)
                drainRaft(into: &effects)
            } catch {
                postpone(id)
            }
        } else if let leader = raft.leader {
            effects.append(.send(.readRequest(id: id), to: leader))
        }
    }

    private mutating func postpone(_ id: UInt64) {
        guard let position = reads.asked.firstIndex(where: { $0.id == id }) else { return }
        reads.asked[position].askAgainAt = now + 1
    }

    mutating func askReadsAgain() {
        for position in reads.asked.indices { reads.asked[position].askAgainAt = now }
    }

    mutating func tickReads(into effects: inout [ReplicaEffect]) {
        while let first = reads.asked.first, first.deadline <= now {
            reads.asked.removeFirst()
            reads.finished(first.sequences.count)
            let failure: RequestFailure = raft.leader == nil ? .noLeader : .timedOut
            effects.append(.answerReads(sequences: first.sequences, failure))
        }
        let now = now
        for late in reads.takeWaiting(where: { $0.deadline <= now }) {
            effects.append(.answerReads(sequences: late.sequences, .timedOut))
        }
        guard raft.leader != nil else { return }
        // A new id for each try: an old answer to an old question would still be right, but the
        // core wants its ids unique.
        for id in reads.renameDue(at: now, askAgainAt: now + UInt64(settings.readRetryTicks)) {
            ask(id, into: &effects)
        }
    }

    mutating func takeReadRequest(
        _ id: UInt64, from sender: NodeID, into effects: inout [ReplicaEffect]
    ) {
        guard isLeader else {
            effects.append(.send(.readRefused(id: id), to: sender))
            return
        }
        let own = reads.newID()
        do {
            reads.remote[own] = (sender, id)
            try raft.requestRead(ReadID(own), into: &raftEffects)
            drainRaft(into: &effects)
        } catch {
            reads.remote[own] = nil
            effects.append(.send(.readRefused(id: id), to: sender))
        }
    }

    mutating func readsReady(
        _ ids: [ReadID], at index: LogIndex, into effects: inout [ReplicaEffect]
    ) {
        for id in ids {
            if let remote = reads.remote.removeValue(forKey: id.rawValue) {
                effects.append(.send(.readResponse(id: remote.id, index: index), to: remote.peer))
            } else if leases?.isRound(id.rawValue) == true {
                leaseRoundConfirmed(id.rawValue, at: index, into: &effects)
            } else {
                readResponse(id.rawValue, index, into: &effects)
            }
        }
    }

    mutating func readsAborted(_ ids: [ReadID], into effects: inout [ReplicaEffect]) {
        for id in ids {
            if let remote = reads.remote.removeValue(forKey: id.rawValue) {
                effects.append(.send(.readRefused(id: remote.id), to: remote.peer))
            } else {
                readRefused(id.rawValue)
            }
        }
    }

    mutating func readResponse(
        _ id: UInt64, _ index: LogIndex, into effects: inout [ReplicaEffect]
    ) {
        guard let asked = reads.takeAsked(id) else { return }
        #if KEELSON_MUTANTS
            let isThere = store.appliedIndex >= index || planted(.readsBeforeApplying)
        #else
            let isThere = store.appliedIndex >= index
        #endif
        if isThere {
            reads.finished(asked.sequences.count)
            effects.append(.answerReads(sequences: asked.sequences, nil))
        } else {
            reads.waiting.append(
                ReadTable.Waiting(
                    index: index, sequences: asked.sequences, deadline: asked.deadline))
        }
    }

    mutating func readRefused(_ id: UInt64) {
        guard let position = reads.asked.firstIndex(where: { $0.id == id }) else { return }
        reads.asked[position].askAgainAt = now + 1
    }

    mutating func answerAppliedReads(into effects: inout [ReplicaEffect]) {
        guard !reads.waiting.isEmpty else { return }
        let applied = store.appliedIndex
        for ready in reads.takeWaiting(where: { $0.index <= applied }) {
            effects.append(.answerReads(sequences: ready.sequences, nil))
        }
    }
}
