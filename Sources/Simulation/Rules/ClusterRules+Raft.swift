import Primitives
import RaftCore
import Replication
import StateMachine

// R1, R3, R4, R5, R7, R10, K8.
extension ClusterRules {
    /// R1: one leader a term (Raft §5.2). R4: it has everything that is committed (§5.4).
    func roleChanged(_ role: Role, _ term: Term, leader: NodeID?, on process: SimulatedProcess) {
        let machine = process.machine
        world.trace.note(
            world.now, machine.index, Self.name(role), term.rawValue, leader?.rawValue ?? 0)
        guard role == .leader else { return }
        if let other = leaders[term], other != machine.index {
            violated(
                "R1 one leader per term",
                "n\(other + 1) and n\(machine.index + 1) lead term \(term)")
        }
        if leaders[term] == nil { world.counters.count(CoverageMark.electionWon) }
        leaders[term] = machine.index
        // Whose vote came late may be elected after a later leader has committed: it need not have
        // what is of a later term than its own, or was committed in one.
        var last = model.lastIndex
        while let step = model.step(last), max(step.term, commitTerms[last] ?? .zero) > term {
            last = last.previous
        }
        guard let committed = model.step(last), last > process.replica.raft.log.snapshotIndex else {
            return
        }
        let own = process.replica.raft.log.term(at: last)
        if own != committed.term {
            violated(
                "R4 a leader has everything that is committed",
                "n\(machine.index + 1) leads term \(term) with \(own.map(\.description) ?? "no")"
                    + " term at \(last), committed is term \(committed.term); its log ends at"
                    + " \(process.replica.raft.lastIndex)")
        }
        if machine.isSacrificed {
            violated(
                "R12 who lost its disk does not vote", "n\(machine.index + 1) leads term \(term)")
        }
    }

    private static func name(_ role: Role) -> StaticString {
        switch role {
        case .follower: "follows in term, leader"
        case .preCandidate: "asks before term"
        case .candidate: "candidate of term"
        case .leader: "leads term"
        }
    }

    /// R3: an entry is determined by its index and term (§5.3).
    func persisting(_ write: Write, on machine: SimulatedMachine) {
        for entry in write.entries {
            let place = Int(entry.index.rawValue)
            while written.count <= place { written.append([]) }
            guard let known = written[place].first(where: { $0.term == entry.term }) else {
                written[place].append(entry)
                continue
            }
            if known.kind != entry.kind || known.payload != entry.payload {
                violated(
                    "R3 logs match",
                    "n\(machine.index + 1) writes another entry \(entry.index) of term"
                        + " \(entry.term) than was written before")
            }
        }
    }

    /// R7: term and vote never go back (§5.1).
    func persisted(_ write: Write, on machine: SimulatedMachine) {
        guard let state = write.hardState else { return }
        checkOrder(state, on: machine, "wrote")
        promised[machine.index] = state
        if machine.isSacrificed, state.votedFor != nil {
            violated(
                "R12 who lost its disk does not vote",
                "n\(machine.index + 1) votes for \(state.votedFor ?? .none) in \(state.term)")
        }
    }

    func restarted(_ state: HardState, on machine: SimulatedMachine) {
        if !machine.isSacrificed { checkOrder(state, on: machine, "restarts with") }
        // What became durable without anybody being told is a promise from now on.
        promised[machine.index] = state
    }

    private func checkOrder(_ state: HardState, on machine: SimulatedMachine, _ how: String) {
        let known = promised[machine.index]
        let keepsVote = known.votedFor == nil || known.votedFor == state.votedFor
        if state.term < known.term || state.term == known.term && !keepsVote {
            violated(
                "R7 term and vote never go back",
                "n\(machine.index + 1) \(how) term \(state.term) vote"
                    + " \(state.votedFor ?? .none) after term \(known.term) vote"
                    + " \(known.votedFor ?? .none)")
        }
    }

    /// R10: a vote leaves after it is durable.
    func sending(_ message: PeerMessage, from machine: SimulatedMachine, to peer: NodeID) {
        if case .forwardRefused = message { world.counters.count(CoverageMark.forwardRefused) }
        guard case .raft(let raft) = message else { return }
        if case .requestVote(let request) = raft.body, request.isFast, !request.isPreVote {
            world.counters.count(CoverageMark.fastElection)
        }
        guard case .requestVoteResponse(let vote) = raft.body,
            vote.voteGranted, !vote.isPreVote
        else { return }
        let known = promised[machine.index]
        if known.term != raft.term || known.votedFor != peer {
            violated(
                "R10 a vote leaves after it is durable",
                "n\(machine.index + 1) grants \(peer) term \(raft.term), durable is term"
                    + " \(known.term) vote \(known.votedFor ?? .none)")
        }
    }

    /// R5: whoever applies an index applies the same entry. K8: and has the same state after it.
    func applied(_ batch: [Applied], from first: LogIndex, on process: SimulatedProcess) {
        for (offset, applied) in batch.enumerated() {
            let index = first + offset
            if index == model.lastIndex.next {
                guard commit(index, applied, on: process) else { return }
            }
            check(applied, at: index, on: process)
        }
        let index = process.replica.store.appliedIndex
        if index == process.toldIndex { noteDigest(process.replica.store, on: process.machine) }
    }

    private func commit(
        _ index: LogIndex, _ applied: Applied, on process: SimulatedProcess
    ) -> Bool {
        let term = process.replica.raft.log.term(at: index)
        let place = Int(index.rawValue)
        guard place < written.count,
            let entry = written[place].first(where: { $0.term == term })
        else {
            violated(
                "R4 what is applied was written",
                "n\(process.machine.index + 1) applies \(index), which nobody wrote")
            return false
        }
        if place <= inheritance.count, inheritance[place - 1] != entry {
            violated(
                "K1 what was committed before the run stays",
                "n\(process.machine.index + 1) applies \(index) of term \(entry.term), committed"
                    + " was term \(inheritance[place - 1].term)")
        }
        let leaseCount = model.leases.count
        model.apply(entry)
        commitTerms[index] = process.replica.raft.term
        if entry.kind == .command, Command.kind(of: entry.payload) == .datacenter {
            model.recordsChanged(applied.events.count)
            world.datacenter.committed(entry, applied)
        }
        world.trace.note(
            world.now, process.machine.index, "commits, revision", index.rawValue,
            UInt64(bitPattern: model.revision))
        if case .auth = model.step(index)?.result {
            world.counters.count(CoverageMark.usersChanged)
        }
        noteRequest(entry, index)
        noteLeases(entry, index, leaseCount)
        return true
    }

    private func check(_ applied: Applied, at index: LogIndex, on process: SimulatedProcess) {
        guard let step = model.step(index) else {
            return violated(
                "R5 the same index is the same command",
                "n\(process.machine.index + 1) applies \(index), committed are"
                    + " \(model.lastIndex)")
        }
        if let term = process.replica.raft.log.term(at: index), term != step.term {
            violated(
                "R5 the same index is the same command",
                "n\(process.machine.index + 1) applies \(index) of term \(term), committed is"
                    + " term \(step.term)")
        }
        if applied.revision.rawValue != step.revision || applied.events.count != step.changes {
            violated(
                "K3 a change takes one revision",
                "n\(process.machine.index + 1) at \(index): revision \(applied.revision) with"
                    + " \(applied.events.count) changes, not \(step.revision) with"
                    + " \(step.changes)")
        }
        if let difference = model.difference(applied.outcome, step.result) {
            violated(
                "K2 strict serializability",
                "n\(process.machine.index + 1) applies \(index) of term"
                    + " \(process.replica.raft.log.term(at: index) ?? .zero), known in terms"
                    + " \(written[Int(index.rawValue)].map(\.term)), to \(difference)")
        }
    }

    private func noteDigest(_ store: Store, on machine: SimulatedMachine) {
        let place = Int(store.appliedIndex.rawValue)
        while digests.count <= place { digests.append(nil) }
        let digest = store.digest.value
        guard let known = digests[place] else {
            digests[place] = digest
            return
        }
        if known != digest {
            violated(
                "K8 replicas are identical",
                "n\(machine.index + 1) has another digest at \(store.appliedIndex)")
        }
    }

    /// A store that came from a checkpoint or a snapshot, K8 and K1 at once.
    func loaded(_ store: Store, on machine: SimulatedMachine) {
        guard store.appliedIndex <= model.lastIndex else {
            return violated(
                "R11 a snapshot is of committed entries",
                "n\(machine.index + 1) starts at \(store.appliedIndex), committed are"
                    + " \(model.lastIndex)")
        }
        noteDigest(store, on: machine)
        if let difference = model.difference(store) {
            violated(
                "K8 replicas are identical",
                "n\(machine.index + 1) at \(store.appliedIndex): \(difference)")
        }
    }
}
