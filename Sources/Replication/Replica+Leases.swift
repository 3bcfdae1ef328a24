import Primitives
import RaftCore
import StateMachine

/// Leases (DESIGN §6): time is the leader's; what ends a lease is an entry, fenced by the term in
/// which it was decided (L6); a renewal is acknowledged after a quorum round that began after it
/// came in.
extension Replica {
    /// Renews a lease for this node's client; answered by `.answerLease`.
    package mutating func renewLease(
        _ leaseID: Int64, sequence: UInt64, into effects: inout [ReplicaEffect]
    ) {
        askLease(leaseID, renewing: true, sequence: sequence, into: &effects)
    }

    /// Asks what remains of a lease; answered by `.answerLease`.
    package mutating func leaseRemaining(
        _ leaseID: Int64, sequence: UInt64, into effects: inout [ReplicaEffect]
    ) {
        askLease(leaseID, renewing: false, sequence: sequence, into: &effects)
    }

    private mutating func askLease(
        _ leaseID: Int64, renewing: Bool, sequence: UInt64, into effects: inout [ReplicaEffect]
    ) {
        guard leaseQuestions.count < settings.pendingRequestsMax else {
            effects.append(.answerLease(sequence: sequence, .failed(.tooManyRequests)))
            return
        }
        leaseQuestions.add(
            LeaseQuestionTable.Pending(
                question: LeaseQuestion(sequence: sequence, leaseID: leaseID),
                renewing: renewing, deadline: now + UInt64(settings.requestTicksMax)))
    }

    mutating func flushLeaseQuestions(into effects: inout [ReplicaEffect]) {
        if !leaseQuestions.gathered.isEmpty { sendLeaseQuestions(into: &effects) }
        startLeaseRound(into: &effects)
        clearRemainders(into: &effects)
    }

    private mutating func sendLeaseQuestions(into effects: inout [ReplicaEffect]) {
        // Nobody to ask yet: they wait for the first who leads, and has begun to.
        guard isLeader ? leases != nil : raft.leader != nil else { return }
        let gathered = leaseQuestions.gathered
        leaseQuestions.gathered = []
        if isLeader {
            let own = id
            let asked = gathered.map {
                LeaseDuty.Asked(origin: own, question: $0.question, renewing: $0.renewing)
            }
            leases?.gathered.append(contentsOf: asked)
        } else if let leader = raft.leader {
            let renewals = gathered.filter(\.renewing).map(\.question)
            let others = gathered.filter { !$0.renewing }.map(\.question)
            for part in Self.parts(renewals) {
                effects.append(.send(.leaseRenew(part), to: leader))
            }
            for part in Self.parts(others) {
                effects.append(.send(.leaseRemaining(part), to: leader))
            }
        }
    }

    /// As many as one message takes.
    private static func parts(_ questions: [LeaseQuestion]) -> [[LeaseQuestion]] {
        let size = PeerMessage.elementsMax
        return stride(from: 0, to: questions.count, by: size).map {
            Array(questions[$0..<min($0 + size, questions.count)])
        }
    }

    mutating func tickLeaseQuestions(into effects: inout [ReplicaEffect]) {
        for sequence in leaseQuestions.settleLate(at: now) {
            let failure: RequestFailure = raft.leader == nil ? .noLeader : .timedOut
            effects.append(.answerLease(sequence: sequence, .failed(failure)))
        }
        if leaseQuestions.count > 0, now % UInt64(settings.readRetryTicks) == 0 {
            leaseQuestions.gatherAgain()
        }
    }

    /// As a leader: questions of another node's clients. Without the duty they are dropped, and
    /// asked again by their node.
    mutating func takeLeaseQuestions(
        _ questions: [LeaseQuestion], renewing: Bool, from sender: NodeID,
        into effects: inout [ReplicaEffect]
    ) {
        guard let duty = leases, duty.gathered.count < settings.pendingRequestsMax else { return }
        leases?.gathered.append(
            contentsOf: questions.map {
                LeaseDuty.Asked(origin: sender, question: $0, renewing: renewing)
            })
    }

    mutating func leaseAnswered(_ reply: LeaseReply, into effects: inout [ReplicaEffect]) {
        guard leaseQuestions.settle(reply.sequence) else { return }
        effects.append(.answerLease(sequence: reply.sequence, reply.answer))
    }

    private mutating func startLeaseRound(into effects: inout [ReplicaEffect]) {
        guard let duty = leases, !duty.gathered.isEmpty else { return }
        #if KEELSON_MUTANTS
            if planted(.renewsWithoutRound) {
                leases?.gathered = []
                for asked in duty.gathered { answerLease(asked, into: &effects) }
                return
            }
        #endif
        let round = reads.newID()
        leases?.rounds[round] = duty.gathered
        leases?.gathered = []
        do {
            try raft.requestRead(ReadID(round), into: &raftEffects)
            drainRaft(into: &effects)
        } catch {
            // The leader may not confirm yet; the next turn asks again.
            leases?.rounds[round] = nil
            leases?.gathered = duty.gathered
        }
    }

    mutating func leaseRoundConfirmed(
        _ round: UInt64, at index: LogIndex, into effects: inout [ReplicaEffect]
    ) {
        guard let asked = leases?.rounds.removeValue(forKey: round) else { return }
        leases?.confirmed.append((index, asked))
        answerConfirmedLeases(into: &effects)
    }

    mutating func answerConfirmedLeases(into effects: inout [ReplicaEffect]) {
        while let first = leases?.confirmed.first, first.index <= store.appliedIndex {
            leases?.confirmed.removeFirst()
            for asked in first.asked { answerLease(asked, into: &effects) }
        }
    }

    private mutating func answerLease(
        _ asked: LeaseDuty.Asked, into effects: inout [ReplicaEffect]
    ) {
        let leaseID = asked.question.leaseID
        guard let lease = store.leases.lease(leaseID),
            let end = leases?.keeper.endTick(of: leaseID)
        else { return reply(.notFound, to: asked, into: &effects) }
        let perSecond = UInt64(settings.ticksPerSecond)
        guard asked.renewing else {
            let left = end > now ? (end - now) / perSecond : 0
            return reply(
                .alive(
                    grantedSeconds: lease.grantedSeconds,
                    remainingSeconds: min(Int64(clamping: left), lease.grantedSeconds)),
                to: asked, into: &effects)
        }
        #if KEELSON_MUTANTS
            let mayWait = !planted(.renewsWhateverIsInFlight)
        #else
            let mayWait = true
        #endif
        if mayWait, leases?.holdBack(asked, about: lease) == true { return }
        startTime(of: leaseID, seconds: lease.grantedSeconds)
        reply(
            .alive(grantedSeconds: lease.grantedSeconds, remainingSeconds: lease.grantedSeconds),
            to: asked, into: &effects)
    }

    private mutating func reply(
        _ answer: LeaseAnswer, to asked: LeaseDuty.Asked, into effects: inout [ReplicaEffect]
    ) {
        let reply = LeaseReply(sequence: asked.question.sequence, answer: answer)
        if asked.origin == id {
            leaseAnswered(reply, into: &effects)
        } else {
            effects.append(.send(.leaseAnswers([reply]), to: asked.origin))
        }
    }

    /// Time may have passed that no tick has told yet, of this one and of those that the node owes
    /// itself. So the lease's time starts by the ticks so far and once more, exactly, at the next
    /// one: else it would end early by as much (L1).
    private mutating func startTime(of leaseID: Int64, seconds: Int64) {
        startKeeper(leaseID, endsAt: now + ticks(seconds), seconds)
        let time = ticks(seconds)
        leases?.started.append(
            LeaseDuty.Started(leaseID: leaseID, ticks: time, grantedSeconds: seconds))
    }

    /// What was started since the last tick was started before the end of the tick that runs.
    private mutating func settleStarts(owed: Int) {
        for start in leases?.started ?? []
        where leases?.keeper.endTick(of: start.leaseID) != nil {
            #if KEELSON_MUTANTS
                if planted(.forgetsTicksOwed) { continue }
            #endif
            startKeeper(
                start.leaseID, endsAt: now + UInt64(owed) + 1 + start.ticks, start.grantedSeconds)
        }
        leases?.started.removeAll(keepingCapacity: true)
    }

    private mutating func startKeeper(_ leaseID: Int64, endsAt end: UInt64, _ seconds: Int64) {
        let (now, interval) = (now, checkpointInterval(seconds))
        leases?.keeper.start(leaseID, endsAt: end, now: now, checkpointEvery: interval)
    }

    private func ticks(_ seconds: Int64) -> UInt64 {
        let (product, overflow) = UInt64(clamping: seconds)
            .multipliedReportingOverflow(by: UInt64(settings.ticksPerSecond))
        return overflow ? UInt64.max / 2 : min(product, UInt64.max / 2)
    }

    /// The entries that this step applied changed leases: the clock follows.
    mutating func leasesChanged(
        _ changes: [LeaseChange], into effects: inout [ReplicaEffect]
    ) {
        guard leases != nil else { return }
        for change in changes {
            switch change {
            case .granted(let leaseID, let seconds):
                startTime(of: leaseID, seconds: seconds)
            case .revoked(let leaseID):
                leases?.keeper.remove(leaseID)
                for asked in leases?.waitingForEntry.removeValue(forKey: leaseID) ?? [] {
                    reply(.notFound, to: asked, into: &effects)
                }
            case .checkpointed: break
            }
        }
    }

    /// A proposal of this leader's duty is applied. Who waited for it is looked at again, whatever
    /// came of it, except that an expiry has answered them if it took effect. One that was refused
    /// (under an alarm) is tried again a second later; meanwhile the leases live.
    mutating func leaseEntryApplied(
        _ entry: LeaseDuty.Proposed, _ outcome: Outcome, into effects: inout [ReplicaEffect]
    ) {
        if entry.kind == .leaseExpire {
            guard case .failed = outcome else { return }
            let later = now + UInt64(settings.ticksPerSecond)
            leases?.keeper.giveBack(entry.leaseIDs, at: later)
        }
        for leaseID in entry.leaseIDs { answerWaiting(for: leaseID, into: &effects) }
    }

    private mutating func answerWaiting(
        for leaseID: Int64, into effects: inout [ReplicaEffect]
    ) {
        for asked in leases?.waitingForEntry.removeValue(forKey: leaseID) ?? [] {
            answerLease(asked, into: &effects)
        }
    }

    /// Begins the duty once the first entry of this leader's own term is applied. Each lease gets
    /// what the log says remains, and an election timeout for the time without a leader (L5).
    mutating func startLeasesBehindFence() {
        guard leases == nil, isLeader, let fence = fenceIndex, store.appliedIndex >= fence else {
            return
        }
        var duty = LeaseDuty()
        for lease in store.leases.all {
            let seconds =
                lease.remainingSeconds == 0 ? lease.grantedSeconds : lease.remainingSeconds
            let time = ticks(seconds) + UInt64(settings.raft.electionTicks)
            duty.keeper.start(
                lease.id, endsAt: now + time, now: now,
                checkpointEvery: checkpointInterval(lease.grantedSeconds))
            #if KEELSON_MUTANTS
                if planted(.forgetsTicksOwedToOldLeases) { continue }
            #endif
            // A node that was held up may lead while it still owes itself ticks.
            duty.started.append(
                LeaseDuty.Started(
                    leaseID: lease.id, ticks: time, grantedSeconds: lease.grantedSeconds))
        }
        leases = duty
    }

    mutating func tickLeases(owed: Int, into effects: inout [ReplicaEffect]) {
        guard leases != nil else { return }
        settleStarts(owed: owed)
        // What was decided last is to be done before more is.
        guard leases?.isExpiryInFlight == false,
            let due = leases?.keeper.takeDue(at: now, limit: settings.leasesPerTickMax),
            due.count > 0
        else { return }
        expireLeases(due.ended, into: &effects)
        checkpointLeases(due.toCheckpoint, into: &effects)
    }

    private mutating func expireLeases(_ ended: [Int64], into effects: inout [ReplicaEffect]) {
        guard !ended.isEmpty else { return }
        let items = ended.compactMap { store.leases.lease($0).map { LeaseBatch.Item($0) } }
        invariant(
            items.count == ended.count,
            "\(ended.count) leases ended, the store holds \(items.count) of them")
        if !proposeFenced(.leaseExpire, items, into: &effects) {
            let now = now
            leases?.keeper.giveBack(ended, at: now)
            for leaseID in ended { answerWaiting(for: leaseID, into: &effects) }
        }
    }

    /// Two fifths of a lease's time: who renews it every third, as etcd's clients do, costs no
    /// entry, and leaders that live for half of its time each let it end all the same.
    private func checkpointInterval(_ seconds: Int64) -> UInt64 {
        min(UInt64(settings.leaseCheckpointTicks), ticks(seconds) / 5 * 2)
    }

    /// Writes to the log what remains of leases that were not renewed for a while, so that a new
    /// leader does not give them their whole time again. A lease that is being renewed is left
    /// alone.
    private mutating func checkpointLeases(
        _ leaseIDs: [Int64], into effects: inout [ReplicaEffect]
    ) {
        var batch: [LeaseBatch.Item] = []
        for leaseID in leaseIDs where leases?.mayCheckpoint(leaseID) == true {
            guard let lease = store.leases.lease(leaseID),
                let end = leases?.keeper.endTick(of: leaseID), end > now
            else { continue }
            let second = UInt64(settings.ticksPerSecond)
            let left = Int64(clamping: (end - now - 1) / second) + 1
            let known = lease.remainingSeconds == 0 ? lease.grantedSeconds : lease.remainingSeconds
            if left < known { batch.append(LeaseBatch.Item(lease, remainingSeconds: left)) }
        }
        #if KEELSON_MUTANTS
            if planted(.neverWritesRemainders) { return }
        #endif
        if !batch.isEmpty { _ = proposeFenced(.leaseCheckpoint, batch, into: &effects) }
    }

    private mutating func clearRemainders(into effects: inout [ReplicaEffect]) {
        guard let ids = leases?.toClear, !ids.isEmpty else { return }
        leases?.toClear = []
        // One that was revoked meanwhile has answered its renewals.
        let items = ids.compactMap { store.leases.lease($0).map { LeaseBatch.Item($0) } }
        for start in stride(from: 0, to: items.count, by: settings.leaseBatchMax) {
            let slice = Array(items[start..<min(start + settings.leaseBatchMax, items.count)])
            if !proposeFenced(.leaseCheckpoint, slice, into: &effects) {
                // Their nodes ask again.
                for item in slice { leases?.waitingForEntry[item.id] = nil }
            }
        }
    }

    /// A proposal of the leader itself: it holds in this term only. False when it was not taken.
    private mutating func proposeFenced(
        _ kind: CommandKind, _ items: [LeaseBatch.Item], into effects: inout [ReplicaEffect]
    ) -> Bool {
        do {
            let index = try proposeOwn(kind, LeaseBatch(items).encode())
            leases?.add(LeaseDuty.Proposed(index: index, kind: kind, leaseIDs: items.map(\.id)))
            drainRaft(into: &effects)
            return true
        } catch {
            return false
        }
    }
}
