internal import API
internal import Primitives
internal import RPC
internal import StateMachine

/// etcdserverpb.Cluster, as far as it only looks, and the state of etcdserverpb.Auth.
///
/// Confined to the node's event loop, hence `@unchecked Sendable`.
final class ClusterService: @unchecked Sendable {
    private unowned let node: any NodeFacade

    init(node: any NodeFacade) { self.node = node }

    func register(in routes: inout RPCRoutes) {
        routes.unary("/etcdserverpb.Cluster/MemberList", EtcdMemberListRequest.self) {
            self.list($0, $1)
        }
        routes.unary("/etcdserverpb.Auth/AuthStatus", EtcdAuthStatusRequest.self) { call, _ in
            self.authStatus(call)
        }
        routes.unary("/etcdserverpb.Auth/Authenticate", EtcdAuthenticateRequest.self) { call, _ in
            call.finish(
                RPCStatus(.failedPrecondition, "etcdserver: authentication is not enabled"))
        }
    }

    private func list(_ call: ServerCall, _ request: EtcdMemberListRequest) {
        if let refusal = node.refusal(of: call) { return call.finish(refusal) }
        guard request.linearizable else { return call.respond(memberList()) }
        node.linearizableRead { failure in
            if let failure { return call.finish(failure.status) }
            call.respond(self.memberList())
        }
    }

    /// Membership has no revision: the header's is zero.
    private func memberList() -> EtcdMemberListResponse {
        var response = EtcdMemberListResponse()
        response.header = node.headerMessage(revision: .zero)
        response.members = node.members().map { member in
            var message = EtcdMember()
            message.id = member.id.rawValue
            message.name = member.name
            message.peerUrls = member.peerURLs
            message.clientUrls = member.clientURLs
            message.isLearner = member.isLearner
            return message
        }
        return response
    }

    /// Authentication is off, at the revision that etcd's fresh store of users has.
    private func authStatus(_ call: ServerCall) {
        if let refusal = node.refusal(of: call) { return call.finish(refusal) }
        var response = EtcdAuthStatusResponse()
        response.header = node.headerMessage()
        response.enabled = false
        response.authRevision = 1
        call.respond(response)
    }
}
