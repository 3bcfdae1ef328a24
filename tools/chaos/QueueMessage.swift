internal import API
internal import Foundation
internal import Primitives
internal import RPC
internal import Simulation
internal import SwiftProtobuf

/// Calls of the lock and election services as messages, and their answers.
enum QueueMessage {
    static func path(_ kind: RecordedQueueCall.Kind) -> String {
        switch kind {
        case .lock: "/v3lockpb.Lock/Lock"
        case .unlock: "/v3lockpb.Lock/Unlock"
        case .campaign: "/v3electionpb.Election/Campaign"
        case .proclaim: "/v3electionpb.Election/Proclaim"
        case .resign: "/v3electionpb.Election/Resign"
        case .leader: "/v3electionpb.Election/Leader"
        }
    }

    static let observe = "/v3electionpb.Election/Observe"

    static func encode(_ call: RecordedQueueCall) throws -> [UInt8] {
        let name = Data(call.name.storage)
        let leader = EtcdElectionLeaderKey.with {
            $0.name = name
            $0.key = Data(call.key.storage)
            $0.rev = call.created
            $0.lease = call.lease
        }
        let message: any SwiftProtobuf.Message
        switch call.kind {
        case .lock:
            message = EtcdLockLockRequest.with {
                $0.name = name
                $0.lease = call.lease
            }
        case .unlock: message = EtcdLockUnlockRequest.with { $0.key = Data(call.key.storage) }
        case .campaign:
            message = EtcdElectionCampaignRequest.with {
                $0.name = name
                $0.lease = call.lease
                $0.value = Data(call.value.storage)
            }
        case .proclaim:
            message = EtcdElectionProclaimRequest.with {
                $0.leader = leader
                $0.value = Data(call.value.storage)
            }
        case .resign: message = EtcdElectionResignRequest.with { $0.leader = leader }
        case .leader: message = EtcdElectionLeaderRequest.with { $0.name = name }
        }
        return try message.serializedBytes()
    }

    /// Puts what was answered into the call.
    static func decode(_ bytes: [UInt8], into call: inout RecordedQueueCall) throws {
        let header: EtcdResponseHeader
        switch call.kind {
        case .lock:
            let answer = try EtcdLockLockResponse(serializedBytes: bytes)
            header = answer.header
            call.key = Bytes([UInt8](answer.key))
        case .unlock: header = try EtcdLockUnlockResponse(serializedBytes: bytes).header
        case .campaign:
            let answer = try EtcdElectionCampaignResponse(serializedBytes: bytes)
            header = answer.header
            call.key = Bytes([UInt8](answer.leader.key))
            call.created = answer.leader.rev
        case .proclaim: header = try EtcdElectionProclaimResponse(serializedBytes: bytes).header
        case .resign: header = try EtcdElectionResignResponse(serializedBytes: bytes).header
        case .leader:
            let answer = try EtcdElectionLeaderResponse(serializedBytes: bytes)
            header = answer.header
            call.leader = AnswerMessage.pair(answer.kv)
        }
        call.outcome = .ok(revision: header.revision)
    }

    static func outcome(_ status: RPCStatus, of kind: RecordedQueueCall.Kind)
        -> RecordedQueueCall.Outcome
    {
        if status.neverSent { return .failed("never sent: \(status.message)") }
        let definite = LockLostWithItsKey.words + ["election: not leader", "election: no leader"]
        if definite.contains(status.message) { return .failed(status.message) }
        let general = RecordedOutcome.ofFailure(
            grpcCode: status.code.rawValue, message: status.message, isWrite: kind != .leader)
        if case .failed(let text) = general { return .failed(text) }
        return .unknown(status.message)
    }
}
