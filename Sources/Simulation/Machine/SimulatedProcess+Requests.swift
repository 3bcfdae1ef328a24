import Primitives
import RaftCore
import Replication
import StateMachine

/// Clients' requests, as the etcd services handle them.
extension SimulatedProcess {
    func handle(_ call: PendingCall) {
        switch call.request {
        case .command(let kind, let body, let proposedID):
            let sequence = replica.nextSequence()
            calls[sequence] = call
            replica.propose(
                kind, proposedID: proposedID, body: body, as: call.principal, sequence: sequence,
                into: &effects)
        case .range(let range):
            if range.isSerializable { return serve(call) }
            linearizableRead(call)
        case .readOnly: linearizableRead(call)
        case .renew(let leaseID):
            let sequence = replica.nextSequence()
            calls[sequence] = call
            replica.renewLease(leaseID, sequence: sequence, into: &effects)
        case .timeToLive(let leaseID):
            let sequence = replica.nextSequence()
            calls[sequence] = call
            replica.leaseRemaining(leaseID, sequence: sequence, into: &effects)
        case .lock(let name, let lease): enter(call, name, lease)
        }
        if !effects.isEmpty { perform() }
        flushSoon()
    }

    func linearizableRead(_ call: PendingCall) {
        let sequence = replica.nextSequence()
        calls[sequence] = call
        replica.read(sequence: sequence, into: &effects)
    }

    func answer(_ sequence: UInt64, _ outcome: ReplicaOutcome) {
        let request = RequestID(origin: identity.memberID, boot: identity.boot, sequence: sequence)
        guard let call = calls.removeValue(forKey: sequence) else {
            return answerOwn(sequence, outcome)
        }
        switch outcome {
        case .applied(let applied):
            let checked = world.rules.acknowledged(request, applied, floor: call.floor, on: machine)
            if case .lock(let name, let lease) = call.request, case .written? = checked {
                return entered(call, name, lease, applied)
            }
            if let checked { respond(call, checked) }
        case .refused:
            world.rules.refused(request, on: machine)
            respond(call, .refused)
        case .unknown: respond(call, .unknown)
        }
    }

    func answerRead(_ sequence: UInt64, _ failure: RequestFailure?) {
        if let done = ownReads.removeValue(forKey: sequence) { return done(failure) }
        guard let call = calls.removeValue(forKey: sequence) else { return }
        if failure != nil {
            world.counters.count(CoverageMark.readFailed)
            if let id = call.queueID { return turnRead(id, failed: true) }
            return respond(call, .refused)
        }
        if let id = call.queueID { return turnRead(id, failed: false) }
        if let remaining = call.remaining {
            world.rules.leaseRead(call.floor, on: self)
            return respond(call, .remaining(seconds: remaining))
        }
        serve(call)
    }

    private func serve(_ call: PendingCall) {
        switch call.request {
        case .range(let range):
            let result = Result { () throws(StoreError) in
                try replica.store.grants(of: call.principal).check(range)
                return try replica.store.range(range)
            }
            world.counters.count(
                range.isSerializable
                    ? CoverageMark.serializableRead
                    : range.revision > 0 ? CoverageMark.historicRead : CoverageMark.readServed)
            world.rules.read(
                range, result, floor: call.floor, by: call.principal, on: self)
        case .readOnly(let txn):
            let result = Result { () throws(StoreError) in
                try replica.store.grants(of: call.principal).check(txn, in: replica.store)
                return try replica.store.readOnlyTxn(txn)
            }
            world.rules.read(txn, result, floor: call.floor, by: call.principal, on: self)
        case .command, .renew, .timeToLive, .lock: return
        }
        respond(
            call,
            .read(index: replica.store.appliedIndex, revision: replica.store.revision.rawValue))
    }

    func answerLease(_ sequence: UInt64, _ answer: LeaseAnswer) {
        guard var call = calls.removeValue(forKey: sequence) else { return }
        switch (call.request, answer) {
        case (.renew(let id), .alive(let granted, _)):
            world.counters.count(CoverageMark.leaseRenewed)
            world.rules.renewed(id, floor: call.floor, on: self)
            respond(call, .renewed(seconds: granted))
        case (.renew, .notFound): respond(call, .leaseGone)
        case (.timeToLive, .alive(_, let remaining)):
            call.remaining = remaining
            linearizableRead(call)
            flushSoon()
        case (.timeToLive, .notFound): respond(call, .leaseGone)
        case (_, _): respond(call, .unknown)
        }
    }

    func respond(_ call: PendingCall, _ outcome: ClientOutcome) {
        let client = call.client
        let number = call.number
        let delay = world.random.draw(20...300)
        world.schedule(after: delay, .client, machine: -1, life: 0) {
            client.answered(number, outcome)
        }
    }

    // MARK: Housekeeping

    /// Quota acts only through the replicated alarm, so that every node decides alike.
    func seeToSpaceAlarm() {
        guard replica.view.role == .leader else {
            space = SpaceAlarmDuty()
            return
        }
        guard !world.isCalm, !alarmInFlight,
            let request = space.request(
                inUse: Int64(clamping: replica.store.bytesInUse),
                quota: world.settings.quotaBytes, raised: replica.store.alarms.raised,
                by: identity.memberID)
        else { return }
        alarmInFlight = true
        let isRaised = request.action == AlarmRequest.Action.activate.rawValue
        world.counters.count(isRaised ? CoverageMark.spaceAlarm : CoverageMark.spaceAgain)
        proposeOwn(.alarm, request.encode())
    }

    /// - Parameter principal: the node itself, or whoever administers the cluster.
    func proposeOwn(
        _ kind: CommandKind, _ body: [UInt8], as principal: Principal = .node,
        then: ((ReplicaOutcome) -> Void)? = nil
    ) {
        let sequence = replica.nextSequence()
        if let then { ownAnswers[sequence] = then }
        replica.propose(
            kind, proposedID: 0, body: body, as: principal, sequence: sequence, into: &effects)
        if !effects.isEmpty { perform() }
        flushSoon()
    }

    /// An answer to what nobody but the node itself asked for.
    private func answerOwn(_ sequence: UInt64, _ outcome: ReplicaOutcome) {
        alarmInFlight = false
        ownAnswers.removeValue(forKey: sequence)?(outcome)
    }

    // MARK: Watches

    func publish(_ batch: [Applied]) {
        tell(hub.applied(batch, log: replica.store))
        turned(queued.applied(batch, in: replica.store))
        tellObservers(batch)
        if hub.needsCatchUp { catchUpSoon() }
    }

    func catchUpSoon() {
        guard !isCatchingUp, isAlive else { return }
        isCatchingUp = true
        after(world.random.draw(1...200), .watcher) { [unowned self] in
            isCatchingUp = false
            tell(hub.catchUp(log: replica.store, recordsMax: 16))
            if hub.needsCatchUp { catchUpSoon() }
        }
    }

    func watch(_ watcher: SimulatedWatcher, from start: Int64) {
        let id = hub.add(watcher.spec, start: start)
        watches[id] = watcher
        watcher.id = id
        if hub.needsCatchUp { catchUpSoon() }
    }

    private func tell(_ outputs: [WatchOutput]) {
        for output in outputs {
            switch output {
            case .events(let delivery, let takers):
                for id in takers {
                    guard let watcher = watches[id] else { continue }
                    if watcher.isSlow {
                        world.counters.count(CoverageMark.watchHeld)
                        hub.hold(id, from: delivery.from)
                    } else {
                        watcher.sent(delivery, by: self)
                    }
                }
            case .overtaken(let id, let compacted):
                watches.removeValue(forKey: id)?.overtaken(compacted, by: self)
            }
        }
    }
}
