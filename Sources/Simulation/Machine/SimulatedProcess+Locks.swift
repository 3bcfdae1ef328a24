import Primitives
import RaftCore
import Replication
import StateMachine

/// Locks, as ControlPlane's queue driver has them: the queue is the same.
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
        var call = call
        call.entry = entry
        call.turnFloor = call.floor
        guard call.ticket?.isOpen == true else { return leave(entry, call) }
        switch queue.wait(for: entry, in: replica.store) {
        case .over(let turn): over(turn, call)
        case .waits(let waiter): waiting[waiter] = call
        }
    }

    func tell(_ turns: [(waiter: QueueWaiterID, turn: QueueTurn)]) {
        for (waiter, turn) in turns {
            guard var call = waiting.removeValue(forKey: waiter) else { continue }
            call.turnFloor = world.rules.acknowledgedFloor
            call.hasWaited = true
            over(turn, call)
        }
    }

    private func over(_ turn: QueueTurn, _ call: PendingCall) {
        switch turn {
        case .gone: placeGone(call)
        case .first(isConfirmed: true): confirm(call)
        case .first(isConfirmed: false):
            linearizableRead(call)
            flushSoon()
        }
    }

    private func placeGone(_ call: PendingCall) {
        world.rules.placeGone(call, on: self)
        respond(call, .placeGone)
    }

    func confirm(_ call: PendingCall) {
        guard let entry = call.entry else { return }
        guard call.ticket?.isOpen == true else { return leave(entry, call) }
        do throws(StoreError) {
            guard try replica.store.confirms(entry, of: call.principal) else {
                return placeGone(call)
            }
            world.rules.held(call, entry, on: self)
            respond(call, .held(index: replica.appliedIndex, entry))
        } catch {
            world.counters.count(CoverageMark.lockRefused)
            leave(entry, call)
            respond(call, .refusedByStore(index: .zero, error))
        }
    }

    /// The client gives up.
    func abandoned(_ ticket: LockTicket) {
        ticket.isOpen = false
        for waiter in waiting.keys.sorted() where waiting[waiter]?.ticket === ticket {
            guard let call = waiting.removeValue(forKey: waiter) else { continue }
            queue.cancel(waiter)
            world.counters.count(CoverageMark.lockGivenUp)
            if let entry = call.entry { leave(entry, call) }
        }
    }

    func leave(_ entry: QueueEntry, _ call: PendingCall) {
        proposeOwn(
            .txn, QueueEntry.departure(entry.key, created: entry.createRevision),
            as: entry.isOwn ? .node : call.principal)
    }
}
