internal import API

/// A lock that is owned, or a leadership that was won.
public struct Tenure: Hashable, Sendable {
    public var header: AnswerHeader
    /// The key that stands for it: it exists as long as the tenure lasts.
    public var key: [UInt8]
    /// The lease that it ends with.
    public var lease: Int64
    /// The key's creation revision, which grows from owner to owner: whoever guards a resource can
    /// refuse those that are older than one that it has seen (a fencing token).
    public var fencingToken: Int64
}

extension Cluster {
    /// Waits until the lock `name` is owned for `lease`; asking again with the same lease finds it
    /// owned.
    ///
    /// The lock is owned as long as the lease lives: renew it, and stop working on what the lock
    /// guards before it can have run out. A call that is cancelled or fails gives its place up.
    public func lock(
        _ name: String, lease: Int64, timeout: Duration? = nil
    ) async throws(ClusterError) -> Tenure {
        var request = EtcdLockLockRequest()
        request.name = .init(wire: Array(name.utf8))
        request.lease = lease
        let answer: EtcdLockLockResponse = try await call(
            "/v3lockpb.Lock/Lock", request, isRead: false, timeout: timeout)
        let found = try await get(.key(Array(answer.key)))
        guard let entry = found.keyValues.first else {
            throw ClusterError(.notFound, "the lock's lease ended as soon as it was owned")
        }
        return Tenure(
            header: AnswerHeader(answer.header), key: Array(answer.key), lease: lease,
            fencingToken: entry.createRevision)
    }

    /// Gives a lock up.
    @discardableResult
    public func unlock(
        _ tenure: Tenure, timeout: Duration? = nil
    ) async throws(ClusterError) -> AnswerHeader {
        var request = EtcdLockUnlockRequest()
        request.key = .init(wire: tenure.key)
        let answer: EtcdLockUnlockResponse = try await call(
            "/v3lockpb.Lock/Unlock", request, isRead: false, timeout: timeout)
        return AnswerHeader(answer.header)
    }

    /// Waits until the election `name` is won with `value`, for as long as `lease` lives.
    public func campaign(
        _ name: String, value: String, lease: Int64, timeout: Duration? = nil
    ) async throws(ClusterError) -> Tenure {
        var request = EtcdElectionCampaignRequest()
        request.name = .init(wire: Array(name.utf8))
        request.value = .init(wire: Array(value.utf8))
        request.lease = lease
        let answer: EtcdElectionCampaignResponse = try await call(
            "/v3electionpb.Election/Campaign", request, isRead: false, timeout: timeout)
        return Tenure(
            header: AnswerHeader(answer.header), key: Array(answer.leader.key), lease: lease,
            fencingToken: answer.leader.rev)
    }
}
