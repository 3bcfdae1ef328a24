internal import API
internal import Primitives
internal import RPC
internal import StateMachine
internal import SwiftProtobuf

/// One `Observe` call: the leader as it is, and then whatever it proclaims and whoever follows it.
///
/// A client that reads slowly misses what was proclaimed meanwhile and gets what holds then.
///
/// Confined to the event loop, hence `@unchecked Sendable`.
final class ElectionObserver: ServerStream, @unchecked Sendable {
    private let call: ServerCall
    private let service: ElectionService
    /// Nil until the client has said which election it means.
    private var feed: LeaderFeed?

    init(call: ServerCall, service: ElectionService) {
        self.call = call
        self.service = service
    }

    func received(_ message: [UInt8]) {
        guard feed == nil,
            let request = try? EtcdElectionLeaderRequest(serializedBytes: message)
        else { return end(.malformed) }
        if let refusal = service.node.refusal(of: call) { return end(refusal) }
        feed = LeaderFeed(prefix: QueueEntry.prefix(Array(request.name)))
        service.node.linearizableRead { [weak self] failure in
            guard let self, call.isOpen else { return }
            if let failure { return end(failure.status) }
            service.observe(self)
            authorize()
            look()
        }
    }

    func halfClosed() { if feed == nil { end(.malformed) } }
    func closed(cancelled: Bool) { service.forget(self) }
    func writable() { look() }

    func end(_ status: RPCStatus) {
        service.forget(self)
        call.finish(status)
    }

    /// Ends the stream where its client may not read the election any more.
    func authorize() {
        guard let feed else { return }
        if let refusal = service.node.refusal(of: call, reading: feed.prefix) { end(refusal) }
    }

    /// What was applied, in order. Without room for more, ``writable()`` tells what holds then.
    func applied(_ events: [Record]) {
        guard call.isOpen, call.isWritable else { return }
        for telling in feed?.applied(events, in: service.node.store) ?? [] {
            guard call.isWritable else {
                feed?.forget()
                break
            }
            tell(telling)
        }
    }

    /// Tells who leads, where that is news.
    func look() {
        guard call.isOpen, call.isWritable else { return }
        if let telling = feed?.look(in: service.node.store) { tell(telling) }
    }

    private func tell(_ telling: LeaderFeed.Telling) {
        let header = service.node.headerMessage(revision: telling.revision)
        call.send(ElectionService.response(telling.record, header: header))
    }
}
