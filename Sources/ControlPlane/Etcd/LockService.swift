internal import API
internal import Foundation
internal import Primitives
internal import RPC
internal import StateMachine

/// v3lockpb.Lock: a lock is held as long as its key exists, which is as long as its lease lives or
/// until it is unlocked. Waiting takes no stream and no polling, and ends with the call.
///
/// Confined to the node's event loop, hence `@unchecked Sendable`.
final class LockService: @unchecked Sendable {
    private unowned let node: any NodeFacade
    private let queue: KeyQueue

    init(node: any NodeFacade, queue: KeyQueue) {
        self.node = node
        self.queue = queue
    }

    func register(in routes: inout RPCRoutes) {
        routes.unary("/v3lockpb.Lock/Lock", EtcdLockLockRequest.self) { self.lock($0, $1) }
        routes.unary("/v3lockpb.Lock/Unlock", EtcdLockUnlockRequest.self) { self.unlock($0, $1) }
    }

    private func lock(_ call: ServerCall, _ request: EtcdLockLockRequest) {
        node.enter(call, name: Array(request.name), lease: request.lease, value: []) { entry in
            self.queue.wait(for: entry, call, node: self.node) { isFirst, hasWaited in
                if !isFirst { return call.finish(.sessionExpired) }
                if !hasWaited { return self.own(call, entry, at: entry.revision) }
                self.confirm(call, entry)
            }
        }
    }

    /// Whoever waited may have lost its lease where this node has not seen it yet.
    private func confirm(_ call: ServerCall, _ entry: QueueEntry) {
        node.linearizableRead { [node, queue] failure in
            if let failure { return call.finish(failure.status) }
            guard queue.record(entry.key)?.createRevision == entry.createRevision else {
                return call.finish(.sessionExpired)
            }
            self.own(call, entry, at: node.store.revision)
        }
    }

    private func own(_ call: ServerCall, _ entry: QueueEntry, at revision: Revision) {
        var response = EtcdLockLockResponse()
        response.header = node.headerMessage(revision: revision)
        response.key = Data(entry.key)
        call.respond(response)
    }

    private func unlock(_ call: ServerCall, _ request: EtcdLockUnlockRequest) {
        if let refusal = node.refusal(of: call) { return call.finish(refusal) }
        if request.key.isEmpty { return call.finish(StoreError.emptyKey.queueStatus) }
        var delete = EtcdDeleteRangeRequest()
        delete.key = request.key
        node.propose(
            .deleteRange, proposedID: 0, body: delete.bytes, as: call.principal
        ) { [node] outcome in
            guard let applied = call.queued(outcome) else { return }
            var response = EtcdLockUnlockResponse()
            response.header = node.headerMessage(revision: applied.revision)
            call.respond(response)
        }
    }
}

extension KeyQueue {
    /// Waits with a call: a client that goes gives its place up.
    /// - Parameter done: whether the key is the first, and whether that took waiting.
    func wait(
        for entry: QueueEntry, _ call: ServerCall, node: any NodeFacade,
        _ done: @escaping (_ isFirst: Bool, _ hasWaited: Bool) -> Void
    ) {
        guard call.isOpen else { return node.leave(entry, as: call.principal) }
        var hasWaited = false
        var isDone = false
        let waiter = wait(
            prefix: entry.prefix, key: entry.key, createRevision: entry.createRevision
        ) { isFirst in
            isDone = true
            call.onCancel = nil
            done(isFirst, hasWaited)
        }
        hasWaited = true
        guard !isDone else { return }
        call.onCancel = { [unowned self, unowned node] in
            cancel(waiter)
            node.leave(entry, as: call.principal)
        }
    }
}

extension RPCStatus {
    static let sessionExpired = RPCStatus(.unknown, "mutex: session is expired")
}
