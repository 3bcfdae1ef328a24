internal import Primitives
internal import RPC
internal import StateMachine

/// Drives the queue that locks and elections share: has entries put there, tells calls when their
/// turn comes, and has the entries of those who leave deleted.
///
/// Confined to the node's event loop, hence `@unchecked Sendable`.
final class QueueDriver: @unchecked Sendable {
    private unowned let node: any NodeFacade
    private var queue = KeyQueue()
    private var waiting: [QueueWaiterID: (QueueTurn) -> Void] = [:]

    init(node: any NodeFacade) { self.node = node }

    var waiterCount: Int { queue.count }

    func applied(_ batch: [Applied]) { tell(queue.applied(batch, in: node.store)) }
    func storeReplaced() { tell(queue.storeReplaced(by: node.store)) }

    private func tell(_ turns: [(waiter: QueueWaiterID, turn: QueueTurn)]) {
        for (waiter, turn) in turns { waiting.removeValue(forKey: waiter)?(turn) }
    }

    /// Waits with a call for the turn of its entry: a client that goes gives its place up, and so
    /// does one that may not have it any more.
    /// - Parameters:
    ///   - expired: what is answered where the entry goes first.
    ///   - done: called once the entry is the first, in a state that is not older than its turn.
    func wait(
        for entry: QueueEntry, _ call: ServerCall, orElse expired: RPCStatus,
        _ done: @escaping (_ hasWaited: Bool) -> Void
    ) {
        guard call.isOpen else { return leave(entry, call) }
        switch queue.wait(for: entry, in: node.store) {
        case .over(let turn): over(turn, entry, call, expired) { done(false) }
        case .waits(let waiter):
            waiting[waiter] = { [unowned self] turn in
                call.onCancel = nil
                over(turn, entry, call, expired) { done(true) }
            }
            call.onCancel = { [unowned self] in
                queue.cancel(waiter)
                waiting[waiter] = nil
                leave(entry, call)
            }
        }
    }

    private func over(
        _ turn: QueueTurn, _ entry: QueueEntry, _ call: ServerCall, _ expired: RPCStatus,
        _ done: @escaping () -> Void
    ) {
        switch turn {
        case .gone: call.finish(expired)
        case .first(isConfirmed: true): confirm(entry, call, expired, done)
        case .first(isConfirmed: false):
            node.linearizableRead { [self] failure in
                guard let failure else { return confirm(entry, call, expired, done) }
                leave(entry, call)
                call.finish(failure.status)
            }
        }
    }

    private func confirm(
        _ entry: QueueEntry, _ call: ServerCall, _ expired: RPCStatus, _ done: () -> Void
    ) {
        guard call.isOpen else { return leave(entry, call) }
        do throws(StoreError) {
            if try node.store.confirms(entry, of: call.principal) { return done() }
            call.finish(expired)
        } catch {
            leave(entry, call)
            call.finish(error.status)
        }
    }

    /// Deletes an entry if it is still the one that was created then. Nobody waits for it. The node
    /// itself takes back what it put there for a client who may have lost the right to.
    private func leave(_ entry: QueueEntry, _ call: ServerCall) {
        let principal = entry.isOwn ? .node : call.principal
        node.propose(
            .txn, proposedID: 0,
            body: QueueEntry.departure(entry.key, created: entry.createRevision), as: principal
        ) { _ in }
    }
}

extension NodeFacade {
    /// Puts a key under `name` for a lease, or finds the one that an earlier call put there. For no
    /// lease one of 60 s is made, which nobody renews, as etcd does.
    func enter(
        _ call: ServerCall, name: [UInt8], lease: Int64, value: [UInt8],
        _ done: @escaping (QueueEntry) -> Void
    ) {
        if let refusal = refusal(of: call) { return call.finish(refusal) }
        // Who may not see the queue must not learn when it moves.
        if let refusal = refusal(of: call, reading: QueueEntry.prefix(name)) {
            return call.finish(refusal)
        }
        if lease != 0 { return enter(call, name: name, heldBy: lease, value: value, done) }
        var grant = ProtobufWriter()
        grant.field(1, QueueEntry.leaseSeconds)
        propose(
            .leaseGrant, proposedID: freeLeaseID(), body: grant.bytes, as: call.principal
        ) { [weak self] outcome in
            guard let applied = call.queued(outcome) else { return }
            guard case .leaseGrant(let id, _) = applied.outcome else {
                return call.finish(.unexpectedOutcome)
            }
            self?.enter(call, name: name, heldBy: id, value: value, done)
        }
    }

    private func enter(
        _ call: ServerCall, name: [UInt8], heldBy lease: Int64, value: [UInt8],
        _ done: @escaping (QueueEntry) -> Void
    ) {
        propose(
            .txn, proposedID: 0, body: QueueEntry.entrance(name, lease: lease, value: value),
            as: call.principal
        ) { outcome in
            guard let applied = call.queued(outcome) else { return }
            guard let entry = QueueEntry(name, lease: lease, value: value, applied) else {
                return call.finish(.unexpectedOutcome)
            }
            done(entry)
        }
    }

    /// Why a call may not read the keys with a prefix, if it may not.
    func refusal(of call: ServerCall, reading prefix: [UInt8]) -> RPCStatus? {
        do throws(StoreError) {
            let range = KeyRange(key: prefix, rangeEnd: KeyQueue.end(of: prefix))
            try store.grants(of: call.principal).checkRead(range)
            return nil
        } catch {
            return error.status
        }
    }
}

extension StoreError {
    /// What etcd's lock and election services answer: they are clients of its store, and hand the
    /// text of an error on without its code.
    var queueStatus: RPCStatus { RPCStatus(.unknown, message) }
}

extension ServerCall {
    /// As ``applied(_:)``, for the services that etcd builds as clients of its store.
    func queued(_ outcome: ProposalOutcome) -> Applied? {
        if case .applied(let applied) = outcome, case .failed(let error) = applied.outcome {
            finish(error.queueStatus)
            return nil
        }
        return applied(outcome)
    }
}
