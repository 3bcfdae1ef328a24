internal import Primitives

extension AgentCore {
    mutating func connected(_ term: Term) {
        if term < mark.term {
            work.effects.append(.refuse(.staleTerm(term, highest: mark.term)))
            return
        }
        raise(term: term, sequence: mark.sequence)
        isConnected = true
        // The master may be another than the one that was told before: all first updates go again.
        for place in entries.indices {
            entries[place].resendMillis = AgentLimits.resendMillisMin
            sendFirst(at: place)
        }
    }

    /// Whether an order counts. If so the mark covers it, and is durable before what follows.
    private mutating func admit(_ stamp: OrderStamp) -> Bool {
        if stamp.term < mark.term {
            work.effects.append(.refuse(.staleTerm(stamp.term, highest: mark.term)))
            return false
        }
        if stamp.life != mark.life {
            work.effects.append(
                .refuse(.otherLife(stamp.life, current: mark.life)))
            return false
        }
        raise(term: stamp.term, sequence: stamp.sequence)
        return true
    }

    private mutating func raise(term: Term, sequence: UInt64) {
        guard term > mark.term || sequence > mark.sequence else { return }
        mark.term = max(mark.term, term)
        mark.sequence = max(mark.sequence, sequence)
        work.isMarkChanged = true
    }

    mutating func launch(_ order: LaunchOrder) {
        guard (1...AgentLimits.groupTasksMax).contains(order.tasks.count) else {
            work.effects.append(.refuse(.groupSize(order.tasks.count)))
            return
        }
        let isNew = isNew(order)
        guard admit(order.stamp) else { return }
        guard isNew else {
            for (place, spec) in order.tasks.enumerated() {
                let container = ContainerID(
                    sequence: order.stamp.sequence, index: UInt32(place))
                answerRepeated(container, spec.key)
            }
            sayEndedUnlessAlive(order)
            return
        }
        let newCount = order.tasks.count + (order.executor == nil ? 0 : 1)
        guard entries.count + newCount <= AgentLimits.tasksMax else {
            // A record of each refusal would be what there is no room for.
            for (place, spec) in order.tasks.enumerated() {
                answerUnknown(
                    spec.key, ContainerID(sequence: order.stamp.sequence, index: UInt32(place)),
                    .dropped, .agentFull)
            }
            sayEndedUnlessAlive(order)
            return
        }
        if let executor = order.executor { return launch(order, by: executor) }
        let refusal = self.refusal(of: order)
        for (place, spec) in order.tasks.enumerated() {
            let container = ContainerID(sequence: order.stamp.sequence, index: UInt32(place))
            var entry = Entry(
                record: TaskRecord(container: container, term: order.stamp.term, spec: spec))
            entry.isFetched = spec.uris.isEmpty
            insert(entry)
            if let refusal {
                end(container, as: refusal.state, refusal.reason, refusal.message)
            } else if !entry.isFetched {
                work.effects.append(.fetch(entry.record))
            }
        }
        if refusal == nil { startIfFetched(sequence: order.stamp.sequence) }
    }

    private func isNew(_ order: LaunchOrder) -> Bool {
        #if KEELSON_MUTANTS
            if planted(.startsRepeatedLaunches) {
                return order.tasks.allSatisfy { !isAlive($0.key) }
            }
        #endif
        return order.stamp.sequence > mark.sequence
    }

    struct Refusal {
        var state: TaskState
        var reason: StatusReason
        var message: String
    }

    /// Why none of the order's tasks is started, or nil.
    func refusal(of order: LaunchOrder) -> Refusal? {
        var keys: Set<TaskKey> = []
        for spec in order.tasks {
            if let fault = spec.fault {
                return Refusal(state: .error, reason: .taskInvalid, message: "\(fault)")
            }
            if isAlive(spec.key) || !keys.insert(spec.key).inserted {
                return Refusal(
                    state: .error, reason: .taskDuplicate,
                    message: "\(spec.key) is the id of a live task")
            }
        }
        return nil
    }

    private mutating func answerRepeated(_ container: ContainerID, _ key: TaskKey) {
        guard let place = index(of: container) else {
            return answerUnknown(key, container, .lost, .sequencePassed)
        }
        // One that has yet to begin has nothing to say: no framework waits to hear that.
        if entries[place].record.latest != nil { answerLatest(at: place) }
    }

    /// The whole group starts once every member has its files.
    mutating func startIfFetched(sequence: UInt64) {
        let members = places(ofGroup: sequence)
        let isReady = members.allSatisfy {
            entries[$0].isFetched && entries[$0].record.state == .staging
        }
        guard isReady else { return }
        for place in members {
            report(at: place, .starting)
            work.effects.append(.startSupervisor(entries[place].record))
        }
    }

    func places(ofGroup sequence: UInt64) -> Range<Int> {
        let first = insertionIndex(of: ContainerID(sequence: sequence, index: 0))
        var end = first
        while end < entries.count, entries[end].record.container.sequence == sequence,
            !entries[end].record.isExecutor
        {
            end += 1
        }
        return first..<end
    }

    mutating func kill(_ order: KillOrder) {
        guard admit(order.stamp) else { return }
        guard let container = containerOfKey[order.key], let place = index(of: container) else {
            answerUnknown(
                order.key, ContainerID(sequence: order.stamp.sequence, index: 0), .lost,
                .taskUnknown)
            return
        }
        if entries[place].record.state.isTerminal {
            answerLatest(at: place)
        } else {
            beginKill(at: place, .killedByOrder, "", graceMillis: order.graceMillis)
        }
    }

    /// Asks a live run to end. Asking again may only shorten the grace: the supervisor sees to it.
    mutating func beginKill(
        at place: Int, _ reason: StatusReason, _ message: String, graceMillis: UInt64? = nil
    ) {
        let record = entries[place].record
        let container = record.container
        if let remote = record.remote {
            return killRemote(at: place, remote, reason, message, graceMillis: graceMillis)
        }
        let grace = min(graceMillis ?? record.spec.killGraceMillis, AgentLimits.durationMillisMax)
        switch record.state {
        case .staging:
            work.effects.append(.cancelFetch(container))
            entries[place].record.killReason = reason
            end(container, as: .killed, reason, message)
        case .starting, .running, .killing:
            if record.killReason == .none {
                entries[place].record.killReason = reason
                markChanged(container)
                if record.state == .running { reportKilling(at: place, message) }
            }
            stopChecks(at: place)
            work.effects.append(.kill(container, graceMillis: grace))
        case .finished, .failed, .killed, .error, .lost, .dropped: break
        }
    }

    private mutating func reportKilling(at place: Int, _ message: String) {
        if entries[place].record.spec.reportsKilling {
            report(at: place, .killing, entries[place].record.killReason, message)
        } else {
            entries[place].record.state = .killing
        }
    }

    mutating func reconcile(_ order: ReconcileOrder) {
        guard admit(order.stamp) else { return }
        guard order.keys.isEmpty else {
            for key in order.keys {
                if let container = containerOfKey[key], let place = index(of: container) {
                    answerLatest(at: place)
                } else {
                    answerUnknown(
                        key, ContainerID(sequence: order.stamp.sequence, index: 0), .lost,
                        .taskUnknown)
                }
            }
            return
        }
        for place in entries.indices
        where !entries[place].record.isSettled && !entries[place].record.isExecutor {
            answerLatest(at: place)
        }
    }

    private mutating func answerLatest(at place: Int) {
        let record = entries[place].record
        var update =
            record.latest
            ?? StatusUpdate(
                id: drawID(), key: record.key, container: record.container, state: record.state,
                atMillis: nowMillis)
        update.isHealthy = record.isHealthy
        update.check = record.check
        work.effects.append(.answer(update))
    }

    private mutating func answerUnknown(
        _ key: TaskKey, _ container: ContainerID, _ state: TaskState, _ reason: StatusReason
    ) {
        work.effects.append(
            .answer(
                StatusUpdate(
                    id: drawID(), key: key, container: container, state: state, reason: reason,
                    atMillis: nowMillis)))
    }
}
