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
    private let queue: QueueDriver

    init(node: any NodeFacade, queue: QueueDriver) {
        self.node = node
        self.queue = queue
    }

    func register(in routes: inout RPCRoutes) {
        routes.unary("/v3lockpb.Lock/Lock", EtcdLockLockRequest.self) { self.lock($0, $1) }
        routes.unary("/v3lockpb.Lock/Unlock", EtcdLockUnlockRequest.self) { self.unlock($0, $1) }
    }

    private func lock(_ call: ServerCall, _ request: EtcdLockLockRequest) {
        node.enter(call, name: Array(request.name), lease: request.lease, value: []) { entry in
            self.queue.wait(for: entry, call, orElse: .sessionExpired) { hasWaited in
                var response = EtcdLockLockResponse()
                let revision = self.revision(of: entry, hasWaited)
                response.header = self.node.headerMessage(revision: revision)
                response.key = Data(entry.key)
                call.respond(response)
            }
        }
    }

    /// One at which the lock is held. The node may have applied more in one turn than the
    /// transaction, and the key have become the first only with that.
    private func revision(of entry: QueueEntry, _ hasWaited: Bool) -> Revision {
        if hasWaited { return node.store.revision }
        let first = try? node.store.firstKey(under: entry.prefix, at: entry.revision.rawValue)
        return first?.key.storage == entry.key ? entry.revision : node.store.revision
    }

    private func unlock(_ call: ServerCall, _ request: EtcdLockUnlockRequest) {
        if let refusal = node.refusal(of: call) { return call.finish(refusal) }
        if request.key.isEmpty { return call.finish(StoreError.emptyKey.queueStatus) }
        var delete = ProtobufWriter()
        delete.field(1, Array(request.key))
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

extension RPCStatus {
    static let sessionExpired = RPCStatus(.unknown, "mutex: session is expired")
}
