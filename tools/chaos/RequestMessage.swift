internal import API
internal import Foundation
internal import Primitives
internal import Simulation
internal import SwiftProtobuf

/// A recorded request as a gRPC call: its path and its message.
struct RequestMessage {
    var path: String
    var bytes: [UInt8]

    init(_ request: RecordedRequest) throws {
        let message: any SwiftProtobuf.Message
        switch request {
        case .put(let put):
            path = "/etcdserverpb.KV/Put"
            message = Self.message(put)
        case .range(let range):
            path = "/etcdserverpb.KV/Range"
            message = Self.message(range)
        case .deleteRange(let delete):
            path = "/etcdserverpb.KV/DeleteRange"
            message = Self.message(delete)
        case .txn(let txn):
            path = "/etcdserverpb.KV/Txn"
            message = Self.message(txn)
        case .compact(let revision):
            path = "/etcdserverpb.KV/Compact"
            message = EtcdCompactionRequest.with { $0.revision = revision }
        case .leaseGrant(let lease, let seconds):
            path = "/etcdserverpb.Lease/LeaseGrant"
            message = EtcdLeaseGrantRequest.with {
                $0.id = lease
                $0.ttl = seconds
            }
        case .leaseRevoke(let lease):
            path = "/etcdserverpb.Lease/LeaseRevoke"
            message = EtcdLeaseRevokeRequest.with { $0.id = lease }
        case .leaseKeepAlive(let lease):
            // One request and one answer on a stream are on the wire what a unary call is.
            path = "/etcdserverpb.Lease/LeaseKeepAlive"
            message = EtcdLeaseKeepAliveRequest.with { $0.id = lease }
        case .leaseTimeToLive(let lease, let wantsKeys):
            path = "/etcdserverpb.Lease/LeaseTimeToLive"
            message = EtcdLeaseTimeToLiveRequest.with {
                $0.id = lease
                $0.keys = wantsKeys
            }
        }
        bytes = try message.serializedBytes()
    }

    private static func message(_ put: RecordedPut) -> EtcdPutRequest {
        EtcdPutRequest.with {
            $0.key = Data(put.key.storage)
            $0.value = Data(put.value.storage)
            $0.lease = put.lease
            $0.prevKv = put.wantsPrevious
            $0.ignoreValue = put.ignoresValue
            $0.ignoreLease = put.ignoresLease
        }
    }

    private static func message(_ range: RecordedRange) -> EtcdRangeRequest {
        EtcdRangeRequest.with {
            $0.key = Data(range.interval.key.storage)
            $0.rangeEnd = Data(range.interval.end.storage)
            $0.limit = range.limit
            $0.revision = range.revision
            $0.serializable = range.isSerializable
            $0.countOnly = range.countOnly
            $0.keysOnly = range.keysOnly
        }
    }

    private static func message(_ delete: RecordedDeleteRange) -> EtcdDeleteRangeRequest {
        EtcdDeleteRangeRequest.with {
            $0.key = Data(delete.interval.key.storage)
            $0.rangeEnd = Data(delete.interval.end.storage)
            $0.prevKv = delete.wantsPrevious
        }
    }

    private static func message(_ txn: RecordedTxn) -> EtcdTxnRequest {
        EtcdTxnRequest.with {
            $0.compare = txn.compares.map(message)
            $0.success = txn.success.map(operation)
            $0.failure = txn.failure.map(operation)
        }
    }

    private static func operation(_ request: RecordedRequest) -> EtcdRequestOp {
        EtcdRequestOp.with {
            switch request {
            case .put(let put): $0.request = .requestPut(message(put))
            case .range(let range): $0.request = .requestRange(message(range))
            case .deleteRange(let delete): $0.request = .requestDeleteRange(message(delete))
            case .txn(let txn): $0.request = .requestTxn(message(txn))
            case .compact, .leaseGrant, .leaseRevoke, .leaseKeepAlive, .leaseTimeToLive: break
            }
        }
    }

    private static func message(_ compare: RecordedCompare) -> EtcdCompare {
        EtcdCompare.with {
            $0.key = Data(compare.interval.key.storage)
            $0.rangeEnd = Data(compare.interval.end.storage)
            switch compare.relation {
            case .equal: $0.result = .equal
            case .greater: $0.result = .greater
            case .less: $0.result = .less
            case .notEqual: $0.result = .notEqual
            }
            switch compare.target {
            case .version(let version):
                $0.target = .version
                $0.targetUnion = .version(version)
            case .create(let revision):
                $0.target = .create
                $0.targetUnion = .createRevision(revision)
            case .mod(let revision):
                $0.target = .mod
                $0.targetUnion = .modRevision(revision)
            case .lease(let lease):
                $0.target = .lease
                $0.targetUnion = .lease(lease)
            case .value(let value):
                $0.target = .value
                $0.targetUnion = .value(Data(value.storage))
            }
        }
    }
}
