internal import API
internal import Primitives
internal import RPC
internal import StateMachine
internal import SwiftProtobuf

extension NodeFacade {
    /// The header of an answer at `revision`, by default the store's.
    func header(revision: Revision? = nil) -> ResponseHeader {
        ResponseHeader(
            clusterID: clusterID.rawValue, memberID: memberID.rawValue,
            revision: (revision ?? store.revision).rawValue, raftTerm: term.rawValue)
    }

    /// The same as a generated message, for what is not on the hot path.
    func headerMessage(revision: Revision? = nil) -> EtcdResponseHeader {
        var message = EtcdResponseHeader()
        message.clusterID = clusterID.rawValue
        message.memberID = memberID.rawValue
        message.revision = (revision ?? store.revision).rawValue
        message.raftTerm = term.rawValue
        return message
    }

    /// Why a call is not taken, if it is not: its client requires a leader and there is none, or
    /// this member is a learner.
    func refusal(of call: ServerCall, onLearners: Bool = false) -> RPCStatus? {
        if isLearner, !onLearners { return .notSupportedForLearner }
        if leader == nil, call.requiresLeader { return .noLeader }
        return nil
    }
}

extension ServerCall {
    /// `hasleader: true` in the request's metadata: answer `no leader` rather than wait for one.
    var requiresLeader: Bool { metadata("hasleader") == "true" }

    func respond(_ message: some SwiftProtobuf.Message) {
        do {
            respond(try message.serializedBytes() as [UInt8])
        } catch {
            finish(RPCStatus(.internalError, "etcdserver: the answer cannot be encoded"))
        }
    }

    func send(_ message: some SwiftProtobuf.Message) {
        do {
            send(try message.serializedBytes() as [UInt8])
        } catch {
            finish(RPCStatus(.internalError, "etcdserver: the answer cannot be encoded"))
        }
    }
}

extension RPCRoutes {
    /// A unary method whose request is decoded with the generated code.
    mutating func unary<Request: SwiftProtobuf.Message>(
        _ path: String, _ type: Request.Type,
        _ handler: @escaping (ServerCall, Request) -> Void
    ) {
        unary(path) { call, bytes in
            guard let request = try? Request(serializedBytes: bytes) else {
                return call.finish(.malformed)
            }
            handler(call, request)
        }
    }
}

extension SwiftProtobuf.Message {
    /// Messages without required fields can always be encoded.
    var bytes: [UInt8] { (try? serializedBytes()) ?? [] }
}
