internal import API
internal import Primitives
internal import RPC
internal import Replication
internal import StateMachine

/// etcdserverpb.Cluster.
///
/// Confined to the node's event loop, hence `@unchecked Sendable`.
final class ClusterService: @unchecked Sendable {
    private unowned let node: any NodeFacade

    init(node: any NodeFacade) { self.node = node }

    func register(in routes: inout RPCRoutes) {
        let service = "/etcdserverpb.Cluster/"
        routes.unary(service + "MemberList", EtcdMemberListRequest.self) { self.list($0, $1) }
        routes.unary(service + "MemberAdd", EtcdMemberAddRequest.self) { self.add($0, $1) }
        routes.unary(service + "MemberRemove", EtcdMemberRemoveRequest.self) {
            self.remove($0, $1)
        }
        routes.unary(service + "MemberUpdate", EtcdMemberUpdateRequest.self) {
            self.update($0, $1)
        }
        routes.unary(service + "MemberPromote", EtcdMemberPromoteRequest.self) {
            self.promote($0, $1)
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

    /// A member that is to vote joins first, and votes by itself once it has caught up: adding it
    /// takes no majority away.
    private func add(_ call: ServerCall, _ request: EtcdMemberAddRequest) {
        guard let urls = peerURLs(request.peerUrls) else { return call.finish(.badMemberURLs) }
        let body = MemberCommand.addition(
            as: request.isLearner ? .learner : .joining, peerURLs: urls)
        change(call, .memberAddition, body) { added in
            var response = EtcdMemberAddResponse()
            response.header = self.node.headerMessage(revision: .zero)
            response.members = self.members()
            response.member = response.members.first { $0.id == added.rawValue } ?? EtcdMember()
            call.respond(response)
        }
    }

    private func remove(_ call: ServerCall, _ request: EtcdMemberRemoveRequest) {
        change(call, .memberRemoval, MemberCommand.removal(NodeID(request.id))) { _ in
            var response = EtcdMemberRemoveResponse()
            response.header = self.node.headerMessage(revision: .zero)
            response.members = self.members()
            call.respond(response)
        }
    }

    private func update(_ call: ServerCall, _ request: EtcdMemberUpdateRequest) {
        guard let urls = peerURLs(request.peerUrls) else { return call.finish(.badMemberURLs) }
        let body = MemberCommand.update(NodeID(request.id), peerURLs: urls)
        change(call, .memberUpdate, body) { _ in
            var response = EtcdMemberUpdateResponse()
            response.header = self.node.headerMessage(revision: .zero)
            response.members = self.members()
            call.respond(response)
        }
    }

    private func promote(_ call: ServerCall, _ request: EtcdMemberPromoteRequest) {
        let body = MemberCommand.promotion(NodeID(request.id), from: .learner)
        change(call, .memberPromotion, body) { _ in
            var response = EtcdMemberPromoteResponse()
            response.header = self.node.headerMessage(revision: .zero)
            response.members = self.members()
            call.respond(response)
        }
    }

    private func change(
        _ call: ServerCall, _ kind: CommandKind, _ body: [UInt8],
        _ done: @escaping (NodeID) -> Void
    ) {
        if let refusal = node.refusal(of: call) { return call.finish(refusal) }
        node.changeMembers(kind, body: body, as: call.principal) { outcome in
            guard let applied = call.applied(outcome) else { return }
            guard case .member(let id) = applied.outcome else {
                return call.finish(.unexpectedOutcome)
            }
            done(id)
        }
    }

    /// The URLs in order, or nil where one of them cannot be used.
    private func peerURLs(_ texts: [String]) -> [String]? {
        guard !texts.isEmpty, texts.count <= JoinQuestion.urlsMax,
            texts.allSatisfy({ $0.utf8.count <= 1024 })
        else { return nil }
        let urls = texts.compactMap { try? ServiceURL($0, flag: "peer URL").description }
        return urls.count == texts.count ? urls.sorted() : nil
    }

    /// Membership has no revision: the header's is zero.
    private func memberList() -> EtcdMemberListResponse {
        var response = EtcdMemberListResponse()
        response.header = node.headerMessage(revision: .zero)
        response.members = members()
        return response
    }

    private func members() -> [EtcdMember] {
        node.members().map { member in
            var message = EtcdMember()
            message.id = member.id.rawValue
            message.name = member.name
            message.peerUrls = member.peerURLs
            message.clientUrls = member.clientURLs
            message.isLearner = member.isLearner
            return message
        }
    }
}
