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
    private var prefix: [UInt8]?
    private var current: Record?
    /// What was applied up to this revision is in ``current`` already.
    private var lookedThrough: Int64 = 0

    init(call: ServerCall, service: ElectionService) {
        self.call = call
        self.service = service
    }

    func received(_ message: [UInt8]) {
        guard prefix == nil,
            let request = try? EtcdElectionLeaderRequest(serializedBytes: message)
        else { return end(.malformed) }
        if let refusal = service.node.refusal(of: call) { return end(refusal) }
        prefix = QueueEntry.prefix(Array(request.name))
        service.node.linearizableRead { [weak self] failure in
            guard let self, call.isOpen else { return }
            if let failure { return end(failure.status) }
            service.observe(self)
            authorize()
            look()
        }
    }

    func halfClosed() { if prefix == nil { end(.malformed) } }
    func closed(cancelled: Bool) { service.forget(self) }
    func writable() { look() }

    func end(_ status: RPCStatus) {
        service.forget(self)
        call.finish(status)
    }

    /// Ends the stream where its client may not read the election any more.
    func authorize() {
        guard let prefix else { return }
        if let refusal = service.node.refusal(of: call, reading: prefix) { end(refusal) }
    }

    /// What was applied, in order: each value that the leader had is told.
    func applied(_ events: [Record]) {
        guard let prefix, call.isOpen else { return }
        for event in events where event.modRevision > lookedThrough {
            guard event.key.storage.starts(with: prefix) else { continue }
            if let current, event.key == current.key, !event.isTombstone {
                tell(event, at: event.revision)
            } else if current == nil || event.key == current?.key {
                // The leader went, or came: who leads at this revision?
                look(at: event.modRevision)
            }
        }
    }

    /// Tells who leads, where that is news.
    func look() {
        guard let prefix, call.isOpen else { return }
        lookedThrough = service.node.store.revision.rawValue
        found(try? service.node.store.firstKey(under: prefix), at: .zero)
    }

    private func look(at revision: Int64) {
        guard let prefix else { return }
        do throws(StoreError) {
            let first = try service.node.store.firstKey(under: prefix, at: revision)
            found(first, at: Revision(revision))
        } catch {
            // Compacted by what was applied with it: then what counts is who leads now.
            look()
        }
    }

    private func found(_ first: Record?, at revision: Revision) {
        guard let first else { return current = nil }
        let isKnown = current.map {
            $0.key == first.key && $0.modRevision == first.modRevision
        }
        if isKnown != true { tell(first, at: revision) }
    }

    private func tell(_ record: Record, at revision: Revision) {
        guard call.isWritable else { return }
        current = record
        let shown = revision == .zero ? service.node.store.revision : revision
        call.send(
            ElectionService.response(
                record, header: service.node.headerMessage(revision: shown)))
    }
}
