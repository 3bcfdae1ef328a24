internal import API

extension Cluster {
    /// The members of the cluster; with `linearizable` false, as one member knows them.
    public func members(
        linearizable: Bool = true, timeout: Duration? = nil
    ) async throws(ClusterError) -> MemberList {
        var request = EtcdMemberListRequest()
        request.linearizable = linearizable
        let answer: EtcdMemberListResponse = try await call(
            "/etcdserverpb.Cluster/MemberList", request, isRead: true, timeout: timeout)
        return MemberList(header: AnswerHeader(answer.header), members: Self.list(answer.members))
    }

    /// Adds a member that is to be started at these peer URLs. It votes by itself once it has
    /// caught up; a learner only after ``promoteMember(_:timeout:)``.
    /// - Returns: the new member with its id, and all members.
    public func addMember(
        peerURLs: [String], isLearner: Bool = false, timeout: Duration? = nil
    ) async throws(ClusterError) -> (added: Member, list: MemberList) {
        var request = EtcdMemberAddRequest()
        request.peerUrls = peerURLs
        request.isLearner = isLearner
        let answer: EtcdMemberAddResponse = try await call(
            "/etcdserverpb.Cluster/MemberAdd", request, isRead: false, timeout: timeout)
        let list = MemberList(
            header: AnswerHeader(answer.header), members: Self.list(answer.members))
        return (Self.list([answer.member])[0], list)
    }

    /// Removes a member; its process stops by itself.
    /// - Returns: the members that are left.
    @discardableResult
    public func removeMember(
        _ member: UInt64, timeout: Duration? = nil
    ) async throws(ClusterError) -> MemberList {
        var request = EtcdMemberRemoveRequest()
        request.id = member
        let answer: EtcdMemberRemoveResponse = try await call(
            "/etcdserverpb.Cluster/MemberRemove", request, isRead: false, timeout: timeout)
        return MemberList(header: AnswerHeader(answer.header), members: Self.list(answer.members))
    }

    /// Says where a member's peers find it from now on.
    @discardableResult
    public func updateMember(
        _ member: UInt64, peerURLs: [String], timeout: Duration? = nil
    ) async throws(ClusterError) -> MemberList {
        var request = EtcdMemberUpdateRequest()
        request.id = member
        request.peerUrls = peerURLs
        let answer: EtcdMemberUpdateResponse = try await call(
            "/etcdserverpb.Cluster/MemberUpdate", request, isRead: false, timeout: timeout)
        return MemberList(header: AnswerHeader(answer.header), members: Self.list(answer.members))
    }

    /// Lets a learner vote, which must have caught up.
    @discardableResult
    public func promoteMember(
        _ member: UInt64, timeout: Duration? = nil
    ) async throws(ClusterError) -> MemberList {
        var request = EtcdMemberPromoteRequest()
        request.id = member
        let answer: EtcdMemberPromoteResponse = try await call(
            "/etcdserverpb.Cluster/MemberPromote", request, isRead: false, timeout: timeout)
        return MemberList(header: AnswerHeader(answer.header), members: Self.list(answer.members))
    }

    private static func list(_ members: [EtcdMember]) -> [Member] {
        members.map {
            Member(
                id: $0.id, name: $0.name, peerURLs: $0.peerUrls, clientURLs: $0.clientUrls,
                isLearner: $0.isLearner)
        }
    }
}
