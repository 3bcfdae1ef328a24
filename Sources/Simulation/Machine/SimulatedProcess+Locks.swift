import Primitives
import RaftCore
import Replication
import StateMachine

/// Locks: what ``QueuedCalls`` wants done, as ControlPlane's queue driver does it.
extension SimulatedProcess {
    /// A client wants the lock of a name.
    func enter(_ call: PendingCall, _ name: [UInt8], _ lease: Int64) {
        do throws(StoreError) {
            let prefix = QueueEntry.prefix(name)
            let range = KeyRange(key: prefix, rangeEnd: KeyQueue.end(of: prefix))
            try replica.store.grants(of: call.principal).checkRead(range)
        } catch { return respond(call, .refused) }
        let sequence = replica.nextSequence()
        calls[sequence] = call
        replica.propose(
            .txn, proposedID: 0, body: QueueEntry.entrance(name, lease: lease, value: []),
            as: call.principal, sequence: sequence, into: &effects)
    }

    /// Its key is there.
    func entered(_ call: PendingCall, _ name: [UInt8], _ lease: Int64, _ applied: Applied) {
        guard let entry = QueueEntry(name, lease: lease, value: [], applied) else {
            return respond(call, .unknown)
        }
        let id = queued.nextID()
        var call = call
        call.queueID = id
        call.entry = entry
        call.turnFloor = call.floor
        let isOpen = call.ticket?.isOpen == true
        if isOpen { waiting[id] = call }
        perform(
            queued.entered(id, entry, of: call.principal, isOpen: isOpen, in: replica.store))
    }

    /// What came of an apply for those who wait.
    func turned(_ effects: [QueueEffect]) {
        for effect in effects {
            if case .read(let id) = effect { hasTurn(id) }
            if case .holds(let id, _) = effect { hasTurn(id) }
        }
        perform(effects)
    }

    private func hasTurn(_ id: QueueCallID) {
        waiting[id]?.turnFloor = world.rules.acknowledgedFloor
    }

    func perform(_ effects: [QueueEffect]) {
        for effect in effects {
            switch effect {
            case .holds(let id, let hasWaited): holds(id, hasWaited)
            case .gone(let id):
                guard let call = waiting.removeValue(forKey: id) else { continue }
                world.rules.placeGone(call, on: self)
                respond(call, .placeGone)
            case .refused(let id, let error):
                guard let call = waiting.removeValue(forKey: id) else { continue }
                world.counters.count(CoverageMark.lockRefused)
                respond(call, .refusedByStore(index: .zero, error))
            case .read(let id):
                guard let call = waiting[id] else { continue }
                linearizableRead(call)
                flushSoon()
            case .leave(let entry, let principal):
                proposeOwn(
                    .txn, QueueEntry.departure(entry.key, created: entry.createRevision),
                    as: principal)
            }
        }
    }

    private func holds(_ id: QueueCallID, _ hasWaited: Bool) {
        guard let call = waiting.removeValue(forKey: id), let entry = call.entry else { return }
        world.rules.held(call, entry, hasWaited: hasWaited, on: self)
        respond(call, .held(index: replica.store.appliedIndex, entry))
    }

    /// A read for one that waits was served, or was not.
    func turnRead(_ id: QueueCallID, failed: Bool) {
        if !failed { return perform(queued.read(id, in: replica.store)) }
        perform(queued.readFailed(id))
        if let call = waiting.removeValue(forKey: id) { respond(call, .refused) }
    }

    /// The client gives up.
    func abandoned(_ ticket: LockTicket) {
        ticket.isOpen = false
        for id in waiting.keys.sorted() where waiting[id]?.ticket === ticket {
            waiting[id] = nil
            world.counters.count(CoverageMark.lockGivenUp)
            perform(queued.cancelled(id))
        }
    }
}
