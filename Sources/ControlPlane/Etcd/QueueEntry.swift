internal import API
internal import Foundation
internal import Primitives
internal import RPC
internal import StateMachine
internal import SwiftProtobuf

/// A client's key in a ``KeyQueue``: put there by one transaction, attached to the client's lease.
struct QueueEntry {
    var prefix: [UInt8]
    var key: [UInt8]
    var createRevision: Int64
    var lease: Int64
    /// The value that is there, which may be of an earlier call with the same lease.
    var value: [UInt8]
    /// The revision of the transaction that put it there or found it.
    var revision: Revision
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
        if let refusal = refusal(of: call, reading: name + [UInt8(ascii: "/")]) {
            return call.finish(refusal)
        }
        if lease != 0 { return enter(call, name: name, heldBy: lease, value: value, done) }
        var grant = EtcdLeaseGrantRequest()
        grant.ttl = QueueEntry.leaseSeconds
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
        let prefix = name + [UInt8(ascii: "/")]
        let key = prefix + Array(String(UInt64(bitPattern: lease), radix: 16).utf8)
        var put = EtcdPutRequest()
        put.key = Data(key)
        put.value = Data(value)
        put.lease = lease
        var range = EtcdRangeRequest()
        range.key = Data(key)
        var txn = EtcdTxnRequest()
        txn.compare = [.created(key, at: 0)]
        txn.success = [.with { $0.requestPut = put }]
        txn.failure = [.with { $0.requestRange = range }]
        propose(.txn, proposedID: 0, body: txn.bytes, as: call.principal) { outcome in
            guard let applied = call.queued(outcome) else { return }
            guard case .txn(let result) = applied.outcome else {
                return call.finish(.unexpectedOutcome)
            }
            var entry = QueueEntry(
                prefix: prefix, key: key, createRevision: applied.revision.rawValue,
                lease: lease, value: value, revision: applied.revision)
            if !result.succeeded {
                guard case .range(_, let found?) = result.responses.first,
                    let record = found.records.first
                else { return call.finish(.unexpectedOutcome) }
                entry.createRevision = record.createRevision
                entry.value = record.value
            }
            done(entry)
        }
    }

    /// Deletes a key if it is still the one that was created then. Nobody waits for it.
    func leave(_ entry: QueueEntry, as principal: Principal) {
        var delete = EtcdDeleteRangeRequest()
        delete.key = Data(entry.key)
        var txn = EtcdTxnRequest()
        txn.compare = [.created(entry.key, at: entry.createRevision)]
        txn.success = [.with { $0.requestDeleteRange = delete }]
        propose(.txn, proposedID: 0, body: txn.bytes, as: principal) { _ in }
    }
}

extension NodeFacade {
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

extension QueueEntry {
    static let leaseSeconds: Int64 = 60
}

extension EtcdCompare {
    static func created(_ key: [UInt8], at revision: Int64) -> EtcdCompare {
        var compare = EtcdCompare()
        compare.target = .create
        compare.result = .equal
        compare.key = Data(key)
        compare.createRevision = revision
        return compare
    }
}

extension SwiftProtobuf.Message {
    /// Messages without required fields can always be encoded.
    var bytes: [UInt8] { (try? serializedBytes()) ?? [] }
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
