internal import Primitives
internal import RPC
internal import StateMachine

/// Performs what the queues that locks and elections share want done: tells calls when their turn
/// comes, and has the entries of those who leave deleted.
///
/// Confined to the node's event loop, hence `@unchecked Sendable`.
final class QueueDriver: @unchecked Sendable {
    private struct Waiting {
        let call: ServerCall
        /// What is answered where the entry goes first.
        let expired: RPCStatus
        let done: (_ hasWaited: Bool) -> Void
    }

    private unowned let node: any NodeFacade
    private var calls = QueuedCalls()
    private var waiting: [QueueCallID: Waiting] = [:]

    init(node: any NodeFacade) { self.node = node }

    var waiterCount: Int { calls.waiterCount }

    func applied(_ batch: [Applied]) { perform(calls.applied(batch, in: node.store)) }
    func storeReplaced() { perform(calls.storeReplaced(by: node.store)) }

    /// Waits with a call for the turn of its entry: a client that goes gives its place up, and so
    /// does one that may not have it any more.
    /// - Parameters:
    ///   - expired: what is answered where the entry goes first.
    ///   - done: called once the entry is the first, in a state that is not older than its turn.
    func wait(
        for entry: QueueEntry, _ call: ServerCall, orElse expired: RPCStatus,
        _ done: @escaping (_ hasWaited: Bool) -> Void
    ) {
        let id = calls.nextID()
        if call.isOpen {
            waiting[id] = Waiting(call: call, expired: expired, done: done)
            call.onCancel = { [unowned self] in
                waiting[id] = nil
                perform(calls.cancelled(id))
            }
        }
        perform(
            calls.entered(id, entry, of: call.principal, isOpen: call.isOpen, in: node.store))
    }

    private func perform(_ effects: [QueueEffect]) {
        for effect in effects {
            switch effect {
            case .holds(let id, let hasWaited): ended(id)?.done(hasWaited)
            case .gone(let id):
                if let waiter = ended(id) { waiter.call.finish(waiter.expired) }
            case .refused(let id, let error): ended(id)?.call.finish(error.status)
            case .read(let id): read(for: id)
            case .leave(let entry, let principal): leave(entry, as: principal)
            }
        }
    }

    private func read(for id: QueueCallID) {
        node.linearizableRead { [self] failure in
            guard let failure else { return perform(calls.read(id, in: node.store)) }
            perform(calls.readFailed(id))
            ended(id)?.call.finish(failure.status)
        }
    }

    private func ended(_ id: QueueCallID) -> Waiting? {
        let waiter = waiting.removeValue(forKey: id)
        waiter?.call.onCancel = nil
        return waiter
    }

    private func leave(_ entry: QueueEntry, as principal: Principal) {
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
