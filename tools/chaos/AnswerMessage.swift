internal import API
internal import Foundation
internal import Primitives
internal import Simulation
internal import SwiftProtobuf

/// A gRPC answer as it is recorded.
enum AnswerMessage {
    /// Throws where the bytes are not the answer to that request.
    static func decode(
        _ bytes: [UInt8], to request: RecordedRequest
    ) throws -> (revision: Int64, answer: RecordedAnswer) {
        switch request {
        case .put:
            let message = try EtcdPutResponse(serializedBytes: bytes)
            return (message.header.revision, answer(message))
        case .range:
            let message = try EtcdRangeResponse(serializedBytes: bytes)
            return (message.header.revision, answer(message))
        case .deleteRange:
            let message = try EtcdDeleteRangeResponse(serializedBytes: bytes)
            return (message.header.revision, answer(message))
        case .txn:
            let message = try EtcdTxnResponse(serializedBytes: bytes)
            return (message.header.revision, answer(message))
        case .compact:
            let message = try EtcdCompactionResponse(serializedBytes: bytes)
            return (message.header.revision, .compact)
        case .leaseGrant:
            let message = try EtcdLeaseGrantResponse(serializedBytes: bytes)
            return (
                message.header.revision, .leaseGrant(lease: message.id, seconds: message.ttl)
            )
        case .leaseRevoke:
            let message = try EtcdLeaseRevokeResponse(serializedBytes: bytes)
            return (message.header.revision, .leaseRevoke)
        case .leaseKeepAlive:
            let message = try EtcdLeaseKeepAliveResponse(serializedBytes: bytes)
            return (message.header.revision, .leaseKeepAlive(seconds: message.ttl))
        case .leaseTimeToLive(_, let wantsKeys):
            let message = try EtcdLeaseTimeToLiveResponse(serializedBytes: bytes)
            let keys = wantsKeys ? message.keys.map { Bytes([UInt8]($0)) } : nil
            return (
                message.header.revision,
                .leaseTimeToLive(remaining: message.ttl, granted: message.grantedTtl, keys: keys)
            )
        }
    }

    private static func answer(_ message: EtcdPutResponse) -> RecordedAnswer {
        .put(previous: message.hasPrevKv ? pair(message.prevKv) : nil)
    }

    private static func answer(_ message: EtcdRangeResponse) -> RecordedAnswer {
        .range(pairs: message.kvs.map(pair), count: message.count, more: message.more)
    }

    private static func answer(_ message: EtcdDeleteRangeResponse) -> RecordedAnswer {
        .deleteRange(deleted: message.deleted, previous: message.prevKvs.map(pair))
    }

    private static func answer(_ message: EtcdTxnResponse) -> RecordedAnswer {
        let answers = message.responses.compactMap { part -> RecordedAnswer? in
            switch part.response {
            case .responseRange(let range): answer(range)
            case .responsePut(let put): answer(put)
            case .responseDeleteRange(let delete): answer(delete)
            case .responseTxn(let txn): answer(txn)
            case nil: nil
            }
        }
        return .txn(succeeded: message.succeeded, answers: answers)
    }

    static func pair(_ message: EtcdKeyValue) -> RecordedPair {
        RecordedPair(
            key: Bytes([UInt8](message.key)), value: Bytes([UInt8](message.value)),
            createRevision: message.createRevision, modRevision: message.modRevision,
            version: message.version, lease: message.lease)
    }

    static func event(_ message: EtcdEvent) -> RecordedEvent {
        RecordedEvent(
            message.type == .delete ? .delete : .put, pair(message.kv),
            previous: message.hasPrevKv ? pair(message.prevKv) : nil)
    }
}
